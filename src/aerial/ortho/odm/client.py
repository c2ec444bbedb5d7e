"""One NodeODM node, spoken to over HTTP; records and states are pyodm's, the transport is our own.

pyodm 1.5 keeps query parameters in mutable defaults, so that the token of one node is sent to every
other node of the process; it falls back from https to http on any port but 443, reads whole files into
memory, and repeats what no repetition cures. Here a node is a value of its own, a request goes to the
address of its URL and to no other (no redirect, no proxy, no credentials of the machine), files go by
blocks, and an error says whether trying again can help.
"""

import http.client
import json
import os
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from pyodm.types import NodeInfo, NodeOption, TaskInfo

from aerial.errors import NodeError
from aerial.ortho.odm.parcels import Parcel, Stop

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_MOST_BYTES = 64 * 2**20  # of an answer that is not a download: the log of a long task
_BLOCK_BYTES = 2**18
_SHOWN_CHARS = 300  # of what a node says, in a message
_TIMEOUT_S = 60.0
# Statuses of servers and proxies that pass: those that say that nothing was done, and the others.
_NOT_NOW, _UNCLEAR = (429, 500, 503), (408, 502, 504)


class NotNow(NodeError):  # noqa: N818  # a state of the node
    """The node did not take the request; it may later."""


class Unclear(NotNow):
    """The request broke on its way: the node has acted on it, or in part, or not."""


class Lost(NodeError):  # noqa: N818  # a state of the task
    """The node does not know the task."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node at a URL such as ``https://host:3000/?token=SECRET``.

    ``name`` is the URL without the token: for people and for files.
    """

    scheme: str
    host: str
    port: int
    path: str
    token: str = field(default="", repr=False)
    timeout_s: float = _TIMEOUT_S

    @classmethod
    def at(cls, url: str) -> "Node":
        """Return the node of a URL.

        Raises:
            NodeError: it is not the URL of a node.
        """
        try:
            parts = urlsplit(url.strip())
            port = parts.port or (443 if parts.scheme == "https" else 80)
            query = parse_qsl(parts.query, keep_blank_values=True)
        except ValueError:
            parts, port, query = urlsplit(""), 0, []
        odd = parts.username is not None or parts.fragment or [key for key, _ in query if key != "token"]
        if parts.scheme not in ("http", "https") or not parts.hostname or not port or odd or len(query) > 1:
            raise NodeError(
                f"{parts.scheme}://{parts.hostname or ''} is not the URL of a stitching node.",
                hint="Give it as http://HOST:3000 or https://HOST:3000/?token=TOKEN, and nothing more.",
            )
        return cls(parts.scheme, parts.hostname, port, parts.path.rstrip("/"), dict(query).get("token", ""))

    @property
    def name(self) -> str:
        """The URL without the token."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return urlunsplit((self.scheme, f"{host}:{self.port}", self.path, "", ""))

    def is_open_to_listeners(self) -> bool:
        """Tell whether a token would travel in clear text over a network."""
        return bool(self.token) and self.scheme == "http" and self.host not in LOOPBACK

    def info(self) -> NodeInfo:
        """Return the node's version, queue and limits."""
        with self._understood():
            answer = self._ask("GET", "/info")
            info = NodeInfo(answer)
            if "version" not in answer or not isinstance(info.task_queue_count or 0, int):
                raise TypeError("no node")
            return info

    def options(self) -> tuple[NodeOption, ...]:
        """Return the options that tasks may have."""
        with self._understood():
            return tuple(NodeOption(**option) for option in self._ask("GET", "/options"))

    def task(self, task: str) -> TaskInfo:
        """Return the state of a task; raises ``Lost`` where the node does not know it."""
        with self._understood():
            return TaskInfo(self._ask("GET", f"/task/{quote(task)}/info"))

    def output(self, task: str, first_line: int) -> list[str]:
        """Return the lines that a task has written from ``first_line`` on; negative counts from the end."""
        with self._understood():
            return [
                str(line) for line in self._ask("GET", f"/task/{quote(task)}/output", {"line": first_line})
            ]

    def open(self, task: str, fields: Mapping[str, str]) -> None:
        """Open a task of the given name for uploads; again with the same name does no harm."""
        with self._understood():
            answer = self._ask("POST", "/task/new/init", form=fields, headers={"set-uuid": task})
            if answer["uuid"] != task:
                raise KeyError("uuid")

    def upload(self, task: str, parcel: Parcel, stop: Stop) -> None:
        """Send one file, by blocks from the disk."""
        with self._understood():
            self._ask("POST", f"/task/new/upload/{quote(task)}", parcel=parcel, stop=stop)["success"]

    def commit(self, task: str) -> None:
        """Close the uploads of a task: from here on the node works on it."""
        with self._understood():
            self._ask("POST", f"/task/new/commit/{quote(task)}")["uuid"]

    def end(self, task: str, verb: str) -> None:
        """Do ``cancel`` or ``remove`` with a task."""
        with self._understood():
            self._ask("POST", f"/task/{verb}", form={"uuid": task}, urlencoded=True)["success"]

    @contextmanager
    def download(self, task: str, asset: str) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Open a file of a finished task: its size in bytes, and its blocks."""
        with self._answer("GET", f"/task/{quote(task)}/download/{asset}") as answer:
            if "json" in answer.getheader("Content-Type", ""):
                self._checked(self._text(answer))
                raise self._no_node()
            size = answer.length
            if size is None:
                raise NotNow(
                    f"The stitching node {self.name} does not say how large {asset} is.",
                    hint="Let no proxy on the way change the downloads; then run the same command.",
                )
            yield size, self._blocks(answer, size)

    def _blocks(self, answer: http.client.HTTPResponse, size: int) -> Iterator[bytes]:
        left = size
        while left:
            try:
                block = answer.read(min(_BLOCK_BYTES, left))
            except (OSError, http.client.HTTPException) as error:
                raise self._broke(error) from None
            if not block:
                raise self._broke(EOFError(f"{left} bytes are missing"))
            left -= len(block)
            yield block

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, object] | None = None,
        *,
        form: Mapping[str, str] | None = None,
        urlencoded: bool = False,
        parcel: Parcel | None = None,
        stop: Stop | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        body: bytes | Iterator[bytes] | None = None
        sent = dict(headers or {})
        if parcel is not None:
            kind, length, body = parcel.as_form(stop)
            sent |= {"Content-Type": kind, "Content-Length": str(length)}
        elif form is not None and urlencoded:
            body = urlencode(form).encode()
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        elif form is not None:
            kind, body = Parcel.fields(form)
            sent["Content-Type"] = kind
        elif method == "POST":
            body = b""
        with self._answer(method, path, query, body, sent) as answer:
            return self._checked(self._text(answer))

    @contextmanager
    def _answer(
        self,
        method: str,
        path: str,
        query: Mapping[str, object] | None = None,
        body: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        """Do one request on a connection of its own and yield the answer's head; its status is good."""
        connection = self._connection()
        try:
            self._connect(connection)
            own = {**(query or {}), **({"token": self.token} if self.token else {})}
            target = self.path + path + (f"?{urlencode(own)}" if own else "")
            try:
                try:
                    connection.request(method, target, body, {"Connection": "close", **(headers or {})})
                except (BrokenPipeError, ConnectionResetError):
                    # It may have answered without reading all of it.
                    if connection.sock is None:
                        raise
                answer = connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                raise self._broke(error) from None
            self._judge(answer)
            yield answer
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self.scheme == "http":
            return http.client.HTTPConnection(self.host, self.port, timeout=self.timeout_s)
        return http.client.HTTPSConnection(
            self.host, self.port, timeout=self.timeout_s, context=_tls_context()
        )

    def _connect(self, connection: http.client.HTTPConnection) -> None:
        try:
            connection.connect()
        except ssl.SSLCertVerificationError as error:
            raise NodeError(
                f"The certificate of the stitching node {self.name} is not trusted: {error.verify_message}.",
                hint="Name the file of your own authority in SSL_CERT_FILE, and check the node's name and "
                "the clock. Nothing was sent.",
            ) from None
        except ssl.SSLError as error:
            raise NodeError(
                f"The stitching node {self.name} does not speak https: {error.reason}.",
                hint="Check the address and the port; without https write http. Nothing was sent.",
            ) from None
        except OSError as error:
            raise NotNow(
                f"The stitching node {self.name} cannot be reached: {error.strerror or 'no answer'}.",
                hint="Check that it runs and that the address and port are right, then try again.",
            ) from None

    def _judge(self, answer: http.client.HTTPResponse) -> None:
        status = answer.status
        if status < 300:
            return
        if status < 400:
            raise NodeError(
                f"The stitching node {self.name} sends on to another address, which is not followed.",
                hint="Give the address at which the node itself answers.",
            )
        if status in (401, 403):
            raise self._refused_token(f"HTTP {status}")
        if status == 413:
            raise NodeError(
                f"The proxy before the stitching node {self.name} refuses files of this size.",
                hint="Let it pass large bodies (nginx: client_max_body_size 0).",
            )
        kind = NotNow if status in _NOT_NOW else Unclear if status in _UNCLEAR else NodeError
        raise kind(
            f"The stitching node {self.name} answered HTTP {status}.",
            hint="Look at the node's own log; restart it, then run the same command.",
        )

    def _text(self, answer: http.client.HTTPResponse) -> bytes:
        try:
            text = answer.read(_MOST_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            raise self._broke(error) from None
        if len(text) > _MOST_BYTES:
            raise self._no_node()
        return text

    def _checked(self, text: bytes) -> Any:
        """Return the JSON of an answer; NodeODM tells its errors in it, with HTTP 200."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            raise self._no_node() from None
        error = value.get("error") if isinstance(value, dict) else None
        if error:
            raise self._told(self.clean(str(error)))
        return value

    def _told(self, text: str) -> NodeError:
        low = text.casefold()
        if "token" in low or "unauthorized" in low:
            return self._refused_token(text)
        if any(words in low for words in ("not found", "invalid uuid", "invalid route")):
            return Lost(
                f"The stitching node {self.name} has lost the task: {text}",
                hint="It was restarted or the task was removed; run the same command to send it again.",
            )
        if "split-merge cluster" in low:
            # ClusterODM without split-merge takes no seed.zip, by which doubtful files are replaced.
            return Lost(
                f"The stitching node {self.name} does not let broken uploads be replaced: {text}",
                hint="Check the network; the same command sends the photographs again.",
            )
        if "enospc" in low or "no space" in low:
            return NodeError(
                f"The disk of the stitching node {self.name} is full: {text}",
                hint="Make room there, then run the same command: what has arrived is not sent again.",
            )
        return NodeError(
            f"The stitching node {self.name} refused: {text}", hint="Correct what it names, then try again."
        )

    def _refused_token(self, text: str) -> NodeError:
        return NodeError(
            f"The stitching node {self.name} refused the token: {text}",
            hint="Give the node's token: --node 'URL?token=TOKEN'.",
        )

    def _broke(self, error: BaseException) -> Unclear:
        return Unclear(
            f"The connection to the stitching node {self.name} broke: "
            f"{self.clean(str(error)) or type(error).__name__}",
            hint="Check the network and that the node runs; then run the same command: it goes on.",
        )

    def _no_node(self) -> NodeError:
        return NodeError(
            f"What answers at {self.name} is not NodeODM.",
            hint="Check the address and the port; a browser shows NodeODM's page there.",
        )

    @contextmanager
    def _understood(self) -> Iterator[None]:
        """Turn an answer of another form than NodeODM's into an error in words."""
        try:
            yield
        except (AttributeError, KeyError, TypeError, ValueError):
            raise self._no_node() from None

    def clean(self, text: str) -> str:
        """Return what a node said for people: on one line, short, without the token."""
        for secret in {self.token, quote(self.token, safe=""), urlencode({"": self.token})[1:]} - {""}:
            text = text.replace(secret, "***")
        text = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text).strip()
        return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"


def _tls_context() -> ssl.SSLContext:
    """Return the checks of certificates: the system's authorities, or those of the file that is named.

    ``SSL_CERT_FILE`` is Python's own variable; ``REQUESTS_CA_BUNDLE`` is the one that pyodm's users know.
    """
    named = os.environ.get("SSL_CERT_FILE") or os.environ.get("REQUESTS_CA_BUNDLE")
    if named and not Path(named).is_file():
        raise NodeError(
            f"{named}, the file of certificate authorities, is not there.",
            hint="Correct SSL_CERT_FILE (or REQUESTS_CA_BUNDLE).",
        )
    try:
        return ssl.create_default_context(cafile=named or None)
    except ssl.SSLError:
        raise NodeError(
            f"{named} holds no certificates.", hint="SSL_CERT_FILE names a file of PEM certificates."
        ) from None
