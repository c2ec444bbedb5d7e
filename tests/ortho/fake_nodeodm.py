"""A loopback server that answers as NodeODM 2.2.4 (commit d53feb5) was seen to answer, faults included.

Seen: a wrong token is HTTP 200 with an error in JSON; unknown options are dropped without a word; an
upload that breaks leaves what arrived under the photograph's name, and the next one is stored beside it as
``NAME_.JPG``; seed.zip is unpacked over the task; every .txt is moved out of the photographs, and counts for
the limit before; a failed task has an empty error message and tells the cause in its output only; too many
images are found after the whole upload; a task name is accepted once; a restarted node has forgotten its
tasks but keeps what was uploaded and not committed; one commit ends the whole process on a number.
"""

import io
import json
import re
import ssl
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

_BOOL = ("dsm", "fast-orthophoto", "skip-3dmodel", "skip-report", "auto-boundary", "skip-orthophoto", "dtm")
_QUALITY = ["ultra", "high", "medium", "low", "lowest"]
# Domains as NodeODM writes them.
OPTIONS: list[dict[str, object]] = [
    *({"name": name, "type": "bool", "value": "false", "domain": "bool", "help": ""} for name in _BOOL),
    {"name": "feature-quality", "type": "enum", "value": "high", "domain": _QUALITY, "help": ""},
    {"name": "pc-quality", "type": "enum", "value": "medium", "domain": _QUALITY, "help": ""},
    {
        "name": "end-with",
        "type": "enum",
        "value": "odm_postprocess",
        "domain": ["opensfm", "odm_postprocess"],
        "help": "",
    },
    {"name": "orthophoto-resolution", "type": "float", "value": "5", "domain": "float > 0.0", "help": ""},
    {"name": "dem-resolution", "type": "float", "value": "5", "domain": "float", "help": ""},
    {"name": "crop", "type": "float", "value": "3", "domain": "positive float", "help": ""},
    {
        "name": "mesh-octree-depth",
        "type": "int",
        "value": "11",
        "domain": "integer: 1 <= x <= 14",
        "help": "",
    },
    {"name": "boundary", "type": "string", "value": "", "domain": "json", "help": ""},
    {"name": "primary-band", "type": "string", "value": "auto", "domain": "string", "help": ""},
]


@dataclass
class FakeNode:
    """How the node behaves, and what it saw; ``archive`` is what its all.zip holds.

    ``seconds`` of work a task takes, or ``polls_needed`` questions. ``log``: what a task writes.
    """

    token: str = ""
    max_images: int | None = None
    fails: bool = False
    drop_uploads: int = 0
    drop_half: bool = False
    polls_needed: int = 2
    seconds: float = 0.0
    archive: bytes = b""
    queue: int = 0
    version: str = "2.2.4"
    dies_on_numbers: bool = False
    doubles_once: bool = False
    log: list[str] = field(default_factory=lambda: ["running"])
    url: str = ""
    seen: list[tuple[str, str]] = field(default_factory=list)
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    opened: dict[str, dict[str, Any]] = field(default_factory=dict)
    created: int = 0
    away: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)
    _uploads: int = 0

    def restart(self) -> None:
        """Forget all tasks, as a node does whose process was killed; open uploads lie elsewhere and stay."""
        self.tasks.clear()

    def drops(self) -> bool:
        """Tell whether this upload is dropped."""
        with self.lock:
            self._uploads += 1
            if self.drop_uploads > 0:
                self.drop_uploads -= 1
                return True
            return self.drop_half and self._uploads % 2 == 1


def packed(members: dict[str, bytes]) -> bytes:
    """Return an all.zip of ``members``."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@contextmanager
def serving(node: FakeNode, tls: ssl.SSLContext | None = None) -> Iterator[FakeNode]:
    """Run the node on a free loopback port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Requests,), {"node": node}))
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a refused handshake is no news
    node.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield node
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Requests(BaseHTTPRequestHandler):
    node: FakeNode
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Stay silent."""

    def handle_one_request(self) -> None:
        """Drop the connection of a node that is away."""
        if self.node.away:
            self.close_connection = True
            return
        with suppress(ConnectionError):
            super().handle_one_request()

    def _json(self, value: object, status: int = 200) -> None:
        self._send(json.dumps(value).encode(), "application/json; charset=utf-8", status)

    def _send(self, data: bytes, kind: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _body(self) -> bytes:
        """Return what arrives of the body: less than was announced, when the connection breaks."""
        left, parts = int(self.headers.get("Content-Length", 0)), []
        with suppress(ConnectionError):
            while left:
                part = self.rfile.read1(min(left, 2**16))  # type: ignore[attr-defined]
                if not part:
                    break
                parts.append(part)
                left -= len(part)
        self.close_connection = self.close_connection or left > 0
        return b"".join(parts)

    def _refused(self, query: dict[str, list[str]]) -> bool:
        if not self.node.token or query.get("token") == [self.node.token]:
            return False
        self._json({"error": "Invalid authentication token: token does not match."})
        return True

    def do_GET(self) -> None:
        """Answer info, options, task info, output and download."""
        parts = urlsplit(self.path)
        self.node.seen.append((parts.path, parts.query))
        query = parse_qs(parts.query)
        if self._refused(query):
            return
        if parts.path == "/info":
            self._json(
                {
                    "version": self.node.version,
                    "taskQueueCount": self.node.queue
                    + sum(self._code(task) == 20 for task in self.node.tasks.values()),
                    "maxImages": self.node.max_images,
                    "maxParallelTasks": 1,
                    "engine": "odm",
                }
            )
            return
        if parts.path == "/options":
            self._json(OPTIONS)
            return
        found = re.fullmatch(r"/task/([^/]+)/(info|output|download/[^/]+)", parts.path)
        task = self.node.tasks.get(found[1]) if found else None
        if found is None or task is None:
            self._json({"error": f"{found[1] if found else parts.path} not found"})
        elif found[2] == "output":
            lines = ["running", "[ERROR] Not enough overlap", "exit 1"] if self.node.fails else self.node.log
            self._json(lines[int(query.get("line", ["0"])[0]) :])
        elif found[2] == "info":
            self._json(self._info(task))
        elif found[2] != "download/all.zip":
            self._json({"error": "Invalid asset"})
        elif self._code(task) != 40:
            self._json({"error": "Asset not ready"})
        else:
            self._send(self.node.archive, "application/zip")

    def _code(self, task: dict[str, Any]) -> int:
        if task.get("canceled"):
            return 50
        if task["too_many"]:
            return 30
        busy = task["polls"] <= self.node.polls_needed or time.monotonic() - task["began"] < self.node.seconds
        return 20 if busy else 30 if self.node.fails else 40

    def _info(self, task: dict[str, Any]) -> dict[str, Any]:
        task["polls"] += 1
        code = self._code(task)
        status: dict[str, Any] = {"code": code}
        count = len(task["images"])
        if task["too_many"]:
            status["errorMessage"] = (
                f"{count} images uploaded, but this node can only process up to {self.node.max_images}."
            )
        elif code == 30:
            status["errorMessage"] = ""
        if task["polls"] == 1:
            # It has not looked at the folder yet: everything counts.
            return self._state(task, {"code": 20}, task["estimate"], 0)
        return self._state(task, status, count, 100 if code in (30, 40) else 40)

    def _state(self, task: dict[str, Any], status: object, count: int, progress: int) -> dict[str, Any]:
        return {
            "uuid": task["uuid"],
            "name": task["name"],
            "dateCreated": int(time.time() * 1000),
            "processingTime": 100,
            "status": status,
            "options": task["options"],
            "imagesCount": count,
            "progress": progress,
        }

    def do_POST(self) -> None:
        """Answer the three steps of a new task, and what may be done with one."""
        parts = urlsplit(self.path)
        body = self._body()
        self.node.seen.append((parts.path, parts.query))
        if self._refused(parse_qs(parts.query)):
            return
        if parts.path in ("/task/cancel", "/task/remove"):
            self._end(parse_qs(body.decode())["uuid"][0], parts.path.rsplit("/", 1)[1])
            return
        step = parts.path.removeprefix("/task/new/").split("/")
        if step[0] == "init":
            self._init(body)
        elif step[1] not in self.node.opened:
            self._json({"error": "Invalid uuid (not found)"})
        elif step[0] == "upload":
            self._upload(step[1], body)
        elif step[0] == "commit":
            self._commit(step[1])

    def _end(self, name: str, verb: str) -> None:
        task = self.node.tasks.get(name)
        if task is None:
            self._json({"success": False, "error": f"{name} not found"})
            return
        task["canceled"] = True
        if verb == "remove":
            del self.node.tasks[name]
        self._json({"success": True})

    def _init(self, body: bytes) -> None:
        name = self.headers.get("set-uuid", "00000000-0000-4000-8000-000000000001")
        if name in self.node.tasks:
            self._json({"error": f"Invalid set-uuid: {name}"})
            return
        fields = dict(re.findall(rb'name="(\w+)"\r\n\r\n(.*?)\r\n--', body, re.S))
        known = {option["name"] for option in OPTIONS}
        asked = json.loads(fields.get(b"options", b"[]"))
        files = self.node.opened.get(name, {"files": {}})["files"]
        self.node.opened[name] = {
            "name": fields.get(b"name", b"").decode(),
            "options": [option for option in asked if option["name"] in known],
            "outputs": json.loads(fields.get(b"outputs", b"[]")),
            "files": files,
        }
        self._json({"uuid": name})

    def _upload(self, name: str, body: bytes) -> None:
        if self.node.drops():
            self._send(b"Internal Server Error", "text/plain", 500)
            return
        found = re.match(rb'--(\S+)\r\n.*?filename="([^"]*)".*?\r\n\r\n', body, re.S)
        if not found:
            return
        data = body[found.end() :]
        tail = b"\r\n--" + found[1] + b"--\r\n"
        stored = found[2].decode()
        with self.node.lock:
            files = self.node.opened[name]["files"]
            while stored in files:
                stem, dot, ending = stored.rpartition(".")
                stored = f"{stem}_{dot}{ending}"
            files[stored] = data.removesuffix(tail)
        if data.endswith(tail):
            self._json({"success": True})

    def _commit(self, name: str) -> None:
        task = self.node.opened.pop(name)
        files: dict[str, bytes] = task.pop("files")
        estimate = len(files)
        if "seed.zip" in files:
            with zipfile.ZipFile(io.BytesIO(files.pop("seed.zip"))) as seed:
                for member in seed.namelist():
                    files[member.removeprefix("images/")] = seed.read(member)
        if self.node.doubles_once:
            self.node.doubles_once = False
            files["twice.JPG"] = next(iter(files.values()))
        most = self.node.max_images
        too_many = most is not None and len(files) > most
        others = {n for n in files if n.endswith(".txt") or re.fullmatch(r"align\.(las|laz|tif)", n)}
        self.node.tasks[name] = {
            **task,
            "uuid": name,
            "polls": 0,
            "began": time.monotonic(),
            "too_many": too_many,
            "estimate": estimate,
            "images": {n: data for n, data in files.items() if n not in others and not n.endswith(".zip")},
            "others": {n: files[n] for n in others},
        }
        self.node.created += 1
        self._json({"uuid": name})
        numbers = [o for o in task["options"] if not isinstance(o["value"], bool | str)]
        if self.node.dies_on_numbers and numbers:
            self.node.restart()
