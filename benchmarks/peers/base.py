"""What every peer offers to a benchmark, and the handling of its processes."""

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

LOOPBACK = "127.0.0.1"
STOP_S = 10.0
INSTALL = "python -m benchmarks.peers.install"


class PeerError(Exception):
    """A peer did not start or did not answer as it must."""


def cache() -> Path:
    """The folder that holds the virtual environments and the roots which the installer made."""
    return Path(os.environ.get("AERIAL_PEERS") or Path.home() / ".cache" / "aerial-peers")


def whole(name: str) -> Path:
    """The file that the installer writes last into a virtual environment."""
    return cache() / name / "whole"


def free_port() -> int:
    """A port of loopback that nobody holds at this moment."""
    with socket.socket() as s:
        s.bind((LOOPBACK, 0))
        return int(s.getsockname()[1])


def answers(url: str, timeout_s: float = 5.0) -> bool:
    """Whether a GET of the URL gets any answer below 500."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or LOOPBACK, parts.port, timeout=timeout_s)
    try:
        connection.request("GET", f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def plain_environment() -> dict[str, str]:
    """The environment without what steers Python, pip or PostgreSQL of the caller."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")
    return {name: os.environ[name] for name in kept if name in os.environ}


class Server:
    """A process of a peer in a group of its own, with its output in a file."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> None:
        self.argv, self.log = [str(a) for a in argv], log
        identity: dict[str, Any] = {"user": user, "group": user, "extra_groups": []} if user else {}
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**plain_environment(), **(env or {})},
                start_new_session=True,
                cwd=log.parent,
                **identity,
            )

    def wait(self, ready: Callable[[], bool], limit_s: float) -> None:
        """Returns when the peer is ready; raises with the end of its log when it dies or takes too long."""
        until = time.monotonic() + limit_s
        while not ready():
            code = self.process.poll()
            if code is not None or time.monotonic() > until:
                why = f"ended with code {code}" if code is not None else f"not ready after {limit_s:.0f} s"
                self.stop()
                tail = self.log.read_text(errors="replace")[-2000:]
                raise PeerError(f"{Path(self.argv[0]).name} {why}:\n{tail}")
            time.sleep(0.1)

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> None:
        """Ends the group that this process leads, first politely."""
        for number in (sig, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_S)
                break
        # Workers may outlive their leader.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


class Peer(ABC):
    """A real case server on loopback, and a direct look into what it stores.

    `options` is what a client must know (collection, project, field ids, credentials). `idempotent` says
    whether the peer's own protocol lets a client send the same case twice without a second copy.
    `front_port` is the port under which clients meet the peer when a proxy stands before it: some peers write
    their own address into what they answer, or refuse requests that name another.
    """

    name: str
    idempotent: bool

    def __init__(self, *, front_port: int | None = None) -> None:
        self.front_port = front_port
        self.url = ""
        self.options: dict[str, Any] = {}
        self.startup_s = 0.0
        self.folder = Path()
        self._undo = contextlib.ExitStack()

    @classmethod
    @abstractmethod
    def available(cls) -> str | None:
        """Nothing when the peer can start here, else a sentence that says what to install."""

    @abstractmethod
    def _start(self) -> None:
        """Starts the servers; what must end is given to `_undo`."""

    @abstractmethod
    def counts(self) -> dict[str, int]:
        """How many copies of each external key lie in the peer's storage, read past its interface."""

    @abstractmethod
    def position(self, external_key: str) -> tuple[float, float]:
        """Longitude and latitude of a case as stored."""

    @abstractmethod
    def files(self, external_key: str) -> int:
        """How many files the storage holds for a case; 0 where the peer has no place for files."""

    @abstractmethod
    def set_stage(self, external_key: str, stage: str) -> None:
        """What an officer of the bureau would do: moves the case to a stage, past the interface."""

    @abstractmethod
    def reset(self) -> None:
        """Removes every case."""

    def start(self) -> Self:
        """Starts the peer and returns when it answers."""
        reason = self.available()
        if reason is not None:
            raise PeerError(reason)
        began = time.monotonic()
        self.folder = Path(tempfile.mkdtemp(prefix=f"peer-{self.name}-"))
        self._undo.callback(shutil.rmtree, self.folder, ignore_errors=True)
        # Servers that run as another user must reach their own files below it.
        self.folder.chmod(0o755)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        self.startup_s = time.monotonic() - began
        return self

    def stop(self) -> None:
        """Ends what was started, in the opposite order, and removes its files."""
        self._undo.close()

    def serve(
        self,
        argv: Sequence[str | Path],
        *,
        ready: Callable[[], bool],
        limit_s: float = 60.0,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> Server:
        """Starts a process that ends with the peer, and waits until it is ready."""
        server = Server(argv, self.folder / f"{Path(str(argv[0])).name}.log", env=env, user=user)
        self._undo.callback(server.stop)
        server.wait(ready, limit_s)
        return server

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
