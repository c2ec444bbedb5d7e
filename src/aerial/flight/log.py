"""The flight log: one JSON object a line, each whole on its own, written as it happens.

A line is handed to the system at once, so that it survives this process however it ends, and to the
disk once a second, so that it survives the laptop. A cut last line is ignored by readers.
"""

import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from aerial.codec import from_plain, to_plain
from aerial.errors import InputError
from aerial.records import ShotRecord

_SYNC_S = 1.0

Event = dict[str, Any]
Tell = Callable[[Event], None]


class FlightLog:
    """Appends events to ``path``; ``broken``: the last one could not be written."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: a line that was written is with the system.
        self._file = path.open("ab", buffering=0)
        self._synced_s = time.monotonic()
        self.path = path
        self.broken = False
        if self._file.tell() and not _ends_whole(path):
            self._file.write(b"\n")

    def __call__(self, event: Event) -> None:
        """Write one event with the time; a disk that is full keeps no flight from being followed."""
        line = {"time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"), **event}
        data = json.dumps(line, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        try:
            # After a line that was cut the next begins anew.
            self._file.write(b"\n" + data if self.broken else data)
            if time.monotonic() - self._synced_s >= _SYNC_S:
                os.fsync(self._file.fileno())
                self._synced_s = time.monotonic()
        except OSError:
            self.broken = True
        else:
            self.broken = False

    def close(self) -> None:
        """Close the file, on disk."""
        with contextlib.suppress(OSError):
            os.fsync(self._file.fileno())
        self._file.close()

    def __enter__(self) -> "FlightLog":
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


def read_log(path: Path) -> Iterator[Event]:
    """Yield the events of a log in order; lines that are not whole are left out."""
    with path.open("rb") as file:
        for line in file:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and isinstance(event.get("event"), str):
                yield event


def event_of(shot: ShotRecord) -> Event:
    """Return the event that tells of a photograph."""
    told = to_plain(shot)
    return {"event": "shot", **told.pop("at"), **told}


def shot_of(event: Event) -> ShotRecord:
    """Return the photograph that an event tells of; keys that are none of it are passed over.

    Raises:
        InputError: something of it is absent, of another kind, or no number.
    """
    values = {name: event.get(name) for name in ShotRecord.__dataclass_fields__ if name != "at"}
    place = {name: event.get(name) for name in ("lon_deg", "lat_deg")}
    shot = from_plain(ShotRecord, {**values, "at": place}, source="a line")
    if not math.isfinite(shot.time_s):
        raise InputError("A line has a time that is no number.", hint="Give the log as it was written.")
    return shot


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
