"""A loopback peer over HTTP that fails as it is told."""

import json
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

TIMEOUT_S = 0.5  # of the sinks on the benches


@dataclass(frozen=True)
class Asked:
    """One request as it came in; ``parts`` are the uploaded files of a multipart body."""

    method: str
    path: str  # unquoted, without the query
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def form(self) -> dict[str, str]:
        """The fields of a form, multipart or not."""
        if not self.headers.get("content-type", "").startswith("multipart/"):
            return dict(parse_qsl(self.body.decode(), keep_blank_values=True))
        return {name: data.decode() for name, file, data in self._multipart() if file is None}

    def files(self) -> list[tuple[str, str, bytes]]:
        """Field, file name and content of uploaded files."""
        if not self.headers.get("content-type", "").startswith("multipart/"):
            return []
        return [(name, file, data) for name, file, data in self._multipart() if file is not None]

    def _multipart(self) -> list[tuple[str, str | None, bytes]]:
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        message = BytesParser(policy=HTTP).parsebytes(head + self.body)
        found = []
        for part in message.iter_parts():
            disposition = part["content-disposition"]
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            found.append((disposition.params["name"], disposition.params.get("filename"), payload))
        return found


Said = tuple[int, object]  # a status, and JSON or bytes; None: no body


class FakePeer:
    """Subclasses answer; this one listens, keeps what it saw, and plays faults on writes."""

    def __init__(self) -> None:
        self.fault: str | None = None
        self.stores = True
        self.asked: list[Asked] = []
        self.seen: list[str] = []
        self.lock = threading.Lock()

    def answer(self, asked: Asked) -> Said:
        """Do what was asked for."""
        raise NotImplementedError

    def writes(self, asked: Asked) -> bool:
        """Tell whether faults are for this request."""
        return asked.method != "GET"

    def refusal(self, said: str) -> Said:
        """Refuse in this peer's manner."""
        return 400, {"error": said}

    def fail(self, fault: str | None) -> None:
        """Set the fault of the writes that come."""
        self.fault = fault
        self.stores = fault != "stores nothing"

    @contextmanager
    def serving(self) -> Iterator[Self]:
        """Listen on a free loopback port."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Requests,), {"peer": self}))
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class _Requests(BaseHTTPRequestHandler):
    peer: FakePeer

    def log_message(self, *_: object) -> None:
        """Stay silent."""

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, unquote(parts.path), dict(parse_qsl(parts.query)), headers, body)
        peer = self.peer
        with peer.lock:
            peer.asked.append(asked)
            fault = peer.fault if peer.writes(asked) else None
            if fault in ("429", "400") or (fault or "").endswith("before"):
                said: Said = 500, b"<h1>Internal Server Error</h1>"
            else:
                said = peer.answer(asked)
        if fault == "400":
            # Peers show what they were sent, secrets and all.
            shown = re.sub(r"\s+", " ", f"{self.path} {headers.get('authorization')} {headers.get('x-key')} ")
            said = peer.refusal(f"<b>bad</b>\x1b[2J {shown} {body[:20_000].decode('utf-8', 'replace')}")
        if fault == "429":
            self._say(429, b"slow down", {"Retry-After": "7"})
        elif fault in ("time-out before", "time-out after"):
            time.sleep(TIMEOUT_S * 1.6)
        elif fault in ("reset before", "reset after"):
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
        elif fault == "500 after":
            self._say(500, b"<h1>Internal Server Error</h1>", {})
        else:
            self._say(*said, {"X-Echo": str(headers.get("authorization")).encode("ascii", "ignore").decode()})

    def _say(self, status: int, data: object, headers: Mapping[str, str]) -> None:
        body = b"" if data is None else data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve
