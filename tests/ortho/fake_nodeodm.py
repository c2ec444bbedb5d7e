"""A loopback server that answers as NodeODM 2.2.4 was seen to answer.

Seen: a wrong token is HTTP 200 with an error in JSON; a failed task has an empty error message and
tells the cause in its output only; too many images are found after the whole upload; a task name is
accepted once; a restarted node has forgotten its tasks.
"""

import io
import json
import re
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class FakeNode:
    """How the node behaves, and what it saw; ``results`` is what its archives hold."""

    token: str = ""
    max_images: int | None = None
    fails: bool = False
    drop_uploads: int = 0
    polls_needed: int = 2
    archive: bytes = b""
    url: str = ""
    seen: list[tuple[str, str]] = field(default_factory=list)
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    opened: dict[str, list[str]] = field(default_factory=dict)
    created: int = 0

    def restart(self) -> None:
        """Forget all tasks, as a node does whose process ended."""
        self.tasks.clear()
        self.opened.clear()


def packed(members: dict[str, bytes]) -> bytes:
    """Return an all.zip of ``members``."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@contextmanager
def serving(node: FakeNode) -> Iterator[FakeNode]:
    """Run the node on a free loopback port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Requests,), {"node": node}))
    node.url = f"http://127.0.0.1:{server.server_address[1]}"
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

    def _json(self, value: object, status: int = 200) -> None:
        self._send(json.dumps(value).encode(), "application/json; charset=utf-8", status)

    def _send(self, data: bytes, kind: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _refused(self, query: dict[str, list[str]]) -> bool:
        if not self.node.token or query.get("token") == [self.node.token]:
            return False
        self._json({"error": "Invalid authentication token: token does not match."})
        return True

    def do_GET(self) -> None:
        """Answer info, options, task info, output and download."""
        parts = urlsplit(self.path)
        self.node.seen.append((parts.path, parts.query))
        if self._refused(parse_qs(parts.query)):
            return
        if parts.path == "/info":
            self._json(
                {"version": "2.2.4", "taskQueueCount": 0, "maxImages": self.node.max_images, "engine": "odm"}
            )
            return
        found = re.fullmatch(r"/task/([^/]+)/(info|output|download/all\.zip)", parts.path)
        task = self.node.tasks.get(found[1]) if found else None
        if found is None or task is None:
            self._json({"error": f"{found[1] if found else parts.path} not found"})
        elif found[2] == "output":
            self._json(
                ["running", "[ERROR] Not enough overlap", "exit 1"] if self.node.fails else ["running"]
            )
        elif found[2] == "info":
            self._json(self._info(task))
        else:
            self._send(self.node.archive, "application/zip")

    def _info(self, task: dict[str, Any]) -> dict[str, Any]:
        task["polls"] += 1
        done = task["polls"] > self.node.polls_needed
        too_many = self.node.max_images is not None and len(task["images"]) > self.node.max_images
        code = 20 if not done else 30 if self.node.fails or too_many else 40
        if task.get("canceled"):
            code = 50
        status: dict[str, Any] = {"code": code}
        if code == 30:
            status["errorMessage"] = (
                f"{len(task['images'])} images uploaded, but this node takes {self.node.max_images}."
                if too_many
                else ""
            )
        return {
            "uuid": task["uuid"],
            "name": task["name"],
            "dateCreated": int(time.time() * 1000),
            "processingTime": 100,
            "status": status,
            "options": task["options"],
            "imagesCount": len(task["images"]),
            "progress": 100 if done else 40,
        }

    def do_POST(self) -> None:
        """Answer the three steps of a new task."""
        parts = urlsplit(self.path)
        body = self._body()
        self.node.seen.append((parts.path, parts.query))
        if self._refused(parse_qs(parts.query)):
            return
        step = parts.path.removeprefix("/task/new/").split("/")
        if step[0] == "init":
            self._init(body)
        elif step[0] == "upload" and step[1] in self.node.opened:
            if self.node.drop_uploads > 0:
                self.node.drop_uploads -= 1
                self._send(b"dropped", "text/plain", 500)
                return
            name = re.search(rb'filename="([^"]+)"', body) or re.search(rb"filename\*=utf-8''(\S+)", body)
            self.node.opened[step[1]].append(name[1].decode() if name else "?")
            self._json({"success": True})
        elif step[0] == "commit" and step[1] in self.node.opened:
            task = self.node.tasks[step[1]] = self.node.tasks.pop(f"opened {step[1]}")
            task["images"] = self.node.opened.pop(step[1])
            self._json({"uuid": step[1]})
        else:
            self._json({"error": f"{step[-1]} not found"})

    def _init(self, body: bytes) -> None:
        name = self.headers.get("set-uuid", "00000000-0000-4000-8000-000000000001")
        if name in self.node.tasks or name in self.node.opened:
            self._json({"error": "Invalid set-uuid"})
            return
        self.node.created += 1
        fields = dict(re.findall(rb'name="(\w+)"\r\n\r\n(.*?)\r\n--', body, re.S))
        self.node.opened[name] = []
        self.node.tasks[f"opened {name}"] = {
            "uuid": name,
            "name": fields.get(b"name", b"").decode(),
            "options": json.loads(fields.get(b"options", b"[]")),
            "outputs": json.loads(fields.get(b"outputs", b"[]")),
            "polls": 0,
            "images": [],
        }
        self._json({"uuid": name})
