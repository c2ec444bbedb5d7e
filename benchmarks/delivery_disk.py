"""The folder drop of the delivery benchmark: our own sink on a disk that fails around it.

The one destination that is ours, and has no server: the faults are those of a disk on the network.
"""

import errno
import json
import random
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aerial.records import Case, Receipt, SinkConfig
from aerial.sinks.folder import FolderSink, case_name
from aerial.sinks.sink import Ambiguous
from benchmarks.peers.base import Peer
from benchmarks.peers.faults import Chooser, Event, Fault, Log, Rates, Times


class Folder(Peer):
    """A folder, looked into past the sink."""

    name = "folder"
    idempotent = True

    @classmethod
    def available(cls) -> str | None:
        """Nothing: there is always a disk."""
        return None

    def _start(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="drop-", dir=self.folder))
        self.url = str(self.root)

    def counts(self) -> dict[str, int]:
        """Whole cases by the key that they hold, wherever they lie and whatever they are called."""
        found: Counter[str] = Counter()
        for path in self.root.rglob("case.geojson"):
            if not any(part.endswith(".part") for part in path.relative_to(self.root).parts):
                found[self._feature(path)["properties"]["external_key"]] += 1
        return dict(found)

    def position(self, external_key: str) -> tuple[float, float]:
        """Longitude and latitude in the file."""
        path = self.root / "cases" / case_name(external_key) / "case.geojson"
        properties = self._feature(path)["properties"]
        return properties["lon_deg"], properties["lat_deg"]

    def files(self, external_key: str) -> int:
        """Files beside it."""
        return len(list((self.root / "cases" / case_name(external_key) / "files").iterdir()))

    def set_stage(self, external_key: str, stage: str) -> None:
        """Nothing: a folder has no officer."""
        raise NotImplementedError

    def reset(self) -> None:
        """Empties the folder."""
        shutil.rmtree(self.root / "cases", ignore_errors=True)

    @staticmethod
    def _feature(path: Path) -> Any:
        return json.loads(path.read_text(encoding="utf-8"))


class Disk:
    """What stands where a proxy stands before a server: it draws the faults and keeps their log."""

    port = 0  # there is none

    def __init__(self, *, seed: int, key_pattern: str, writes: Rates, reads: Rates, times: Times) -> None:
        self.chooser = Chooser(seed, writes, reads, key_pattern)
        self.times, self.log = times, Log()
        self.lock = threading.Lock()
        self.late: list[threading.Thread] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.drain()

    def drain(self, timeout_s: float = 120.0) -> None:
        """Returns when every write that was held back has been done."""
        for thread in self.late:
            thread.join(timeout_s)

    def draw(self, method: str, key: str, *, writes: bool) -> tuple[Event, random.Random]:
        """Decides what happens to an access, and notes it."""
        with self.lock:
            fault, rng = self.chooser.choose((key,), writes=writes)
            event = Event(time.monotonic() - self.log.began, method, "", writes, (key,), fault)
            event.delay_s = self.times.delay_s(fault, rng)
            self.log.add(event)
        return event, rng

    def later(self, thread: threading.Thread) -> None:
        """Starts a write that the sink believes broken."""
        with self.lock:
            self.late.append(thread)
        thread.start()


class FaultySink(FolderSink):
    """The folder sink, its disk failing around it."""

    def __init__(self, config: SinkConfig, disk: Disk) -> None:
        super().__init__(config, None)
        self._disk = disk

    def copies(self, external_key: str) -> tuple[Receipt, ...]:
        """Look, unless the disk is away."""
        event, _ = self._disk.draw("READ", external_key, writes=False)
        if event.fault == "slow":
            time.sleep(event.delay_s)
        elif event.fault is not None:
            self._fails(errno.EIO)
        return super().copies(external_key)

    def send(self, case: Case, files: Sequence[Path]) -> None:
        """Write, with what was drawn before, during or after it."""
        event, rng = self._disk.draw("WRITE", case.external_key, writes=True)
        fault: Fault | None = event.fault
        if fault in ("reset_before", "busy"):
            self._fails(errno.ENOTCONN)
        if fault == "error_instead":
            self._half(case, rng)
            self._fails(errno.ENOSPC)
        if fault in ("late_below", "late_above"):
            self._disk.later(threading.Thread(target=self._late, args=(event, case, files), daemon=True))
            raise Ambiguous("The disk went away.", hint="It is looked up.")
        if fault == "slow":
            time.sleep(event.delay_s)
        if fault == "duplicate":
            twin = threading.Thread(target=self._write, args=(event, case, files), daemon=True)
            self._disk.later(twin)
        self._write(event, case, files)
        if fault in ("timeout_after", "reset_after", "error_after"):
            raise Ambiguous("The disk went away.", hint="It is looked up.")

    def _write(self, event: Event, case: Case, files: Sequence[Path]) -> None:
        status = 0
        try:
            super().send(case, files)
            status = 200
        finally:
            event.answer(status, time.monotonic() - self._disk.log.began)

    def _late(self, event: Event, case: Case, files: Sequence[Path]) -> None:
        time.sleep(event.delay_s)
        self._write(event, case, files)

    def _fails(self, number: int) -> None:
        with self._reaching():
            raise OSError(number, errno.errorcode[number])

    def _half(self, case: Case, rng: random.Random) -> None:
        """Leave what a kill in the middle leaves."""
        name = case_name(case.external_key)
        part = self._root / "cases" / f".{name}.{rng.randrange(16**8):08x}.part"
        part.mkdir(parents=True, exist_ok=True)
        (part / "case.geojson").write_text('{"type": "Fea', encoding="utf-8")
