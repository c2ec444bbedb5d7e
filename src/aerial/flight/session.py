"""Lets ``aerial fly abort`` of any terminal reach the process that holds the link.

That process listens on a port of the loopback; a file that only its user can read names port and token.
Nothing but an abort is understood.
"""

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import socket
import threading
from pathlib import Path

from aerial.codec import replacing
from aerial.records.record import record

_LINE = 256
_WAIT_S = 20.0
_CLIENTS = 8
_WAITING = "The vehicle has not answered yet; the abort is sent again until it does."


@record
class Answer:
    """What the process that holds a link said of an abort."""

    link: str
    done: bool
    text: str


class Session:
    """Listens for aborts while a link is held; ``requested`` is set by the first.

    ``answer`` is called when it is known how the abort went; those that asked are told.
    """

    def __init__(self, link: str, folder: Path | None = None) -> None:
        self.requested = threading.Event()
        self._answered = threading.Event()
        self._said = (False, "The flight ended before the vehicle answered.")
        self._token = secrets.token_hex(16)
        self._server = socket.create_server(("127.0.0.1", 0), backlog=_CLIENTS)
        self._closed = False
        place = folder or session_folder()
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = place / f"{hashlib.sha256(f'{link} {os.getpid()}'.encode()).hexdigest()[:16]}.json"
        port = self._server.getsockname()[1]
        with replacing(self._file) as part:
            part.touch(mode=0o600)
            part.chmod(0o600)
            part.write_text(
                json.dumps({"link": link, "port": port, "token": self._token, "pid": os.getpid()})
            )
        threading.Thread(target=self._serve, daemon=True).start()

    def answer(self, *, done: bool, text: str) -> None:
        """Say how the abort went."""
        self._said = (done, text)
        self._answered.set()

    def close(self) -> None:
        """Stop listening; who waits is told."""
        self._closed = True
        self._answered.set()
        with contextlib.suppress(OSError):
            # Closing alone does not wake the thread that waits in accept, and the port would stay open.
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._file.unlink(missing_ok=True)

    def _serve(self) -> None:
        while not self._closed:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._hear, args=(client,), daemon=True).start()

    def _hear(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError, ValueError):
            client.settimeout(5.0)
            said = client.makefile("rb").readline(_LINE).strip()
            if not hmac.compare_digest(said, f"abort {self._token}".encode()):
                return
            self.requested.set()
            done, text = self._said if self._answered.wait(_WAIT_S) else (False, _WAITING)
            client.sendall(json.dumps({"done": done, "text": text}).encode() + b"\n")


def session_folder() -> Path:
    """Return the folder of this user's sessions."""
    return Path.home() / ".aerial" / "flights"


def abort_sessions(link: str | None = None, folder: Path | None = None) -> tuple[Answer, ...]:
    """Ask every process that holds a link (``link`` alone, where it is given) to abort; wait for answers.

    Files of processes that are gone are removed.
    """
    place = folder or session_folder()
    asked, unheard = [], []
    for file in sorted(place.glob("*.json")):
        try:
            entry = json.loads(file.read_text(encoding="utf-8"))
            name, port, token = str(entry["link"]), int(entry["port"]), str(entry["token"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if link is not None and name != link:
            continue
        try:
            client = socket.create_connection(("127.0.0.1", port), timeout=2.0)
        except ConnectionRefusedError:
            file.unlink(missing_ok=True)
            continue
        except OSError:
            # It lives, and does not listen.
            unheard.append(Answer(link=name, done=False, text="The flight's process does not answer."))
            continue
        with contextlib.suppress(OSError):
            client.sendall(f"abort {token}\n".encode())
        asked.append((name, client))
    # All are asked before the first is waited for.
    return (*(_answer_of(name, client) for name, client in asked), *unheard)


def _answer_of(name: str, client: socket.socket) -> Answer:
    with client:
        client.settimeout(_WAIT_S + 5)
        try:
            said = json.loads(client.makefile("rb").readline(4096))
            return Answer(link=name, done=bool(said["done"]), text=str(said["text"]))
        except (OSError, ValueError, KeyError, TypeError):
            return Answer(link=name, done=False, text="The flight's process ended without an answer.")
