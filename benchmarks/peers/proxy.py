r"""A proxy that injects faults before any HTTP peer: one request a connection, decided from a seed.

with Proxy(peer.url, seed=1, writes={"timeout_after": 0.1}, reads={"reset_before": 0.02}) as proxy:
    ...  # clients speak to proxy.url
    proxy.drain()  # every late commit has reached the peer
    proxy.log.counts()
"""

import asyncio
import contextlib
import random
import re
import socket
import struct
from types import TracebackType
from typing import Self
from urllib.parse import unquote_plus, urlsplit, urlunsplit

from benchmarks.peers.base import LOOPBACK
from benchmarks.peers.faults import Background, Chooser, Event, Fault, Log, Rates, Times

READING = frozenset({"GET", "HEAD", "OPTIONS"})
# A look-up of a WFS is posted, as what changes something is.
ASKS = re.compile(rb"<(?:\w+:)?(?:GetFeature|GetCapabilities|DescribeFeatureType)[\s>]")
HEAD_LIMIT_BYTES = 256 * 1024
UPSTREAM_S = 120.0
ERRORS = (500, 502, 503, 504)
# Searched for external keys; a photograph after it is not.
SEARCHED_BYTES = 256 * 1024


class BrokenRequestError(Exception):
    """The client sent no whole request."""


def reset(writer: asyncio.StreamWriter) -> None:
    """Ends a connection with RST, as a crashed host or a firewall does."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Request:
    """A request as read from a client."""

    def __init__(self, head: bytes, body: bytes) -> None:
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = (*lines[0].split(" ", 2), "", "")[:3]
        self.body = body
        kept = [line for line in lines[1:] if line and not _hop(line)]
        self.head = "\r\n".join([lines[0], *kept, "Connection: close", "", ""]).encode("latin-1")
        text = body[:SEARCHED_BYTES].decode("utf-8", errors="replace")
        self.text = f"{unquote_plus(self.target)}\n{text}"
        if "application/x-www-form-urlencoded" in head.decode("latin-1").lower():
            self.text += "\n" + unquote_plus(text)

    @property
    def writes(self) -> bool:
        """Whether the request asks the peer to change something."""
        return self.method not in READING and not ASKS.search(self.body[:1000])


def _hop(line: str) -> bool:
    return line.split(":", 1)[0].strip().lower() in {"connection", "keep-alive", "proxy-connection", "expect"}


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request:
    """Reads a request with its whole body, by length or in chunks; the chunks stay as they are."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        low = head.lower()
        if b"\r\nexpect: 100-continue" in low:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if length := re.search(rb"\r\ncontent-length:\s*(\d+)", low):
            return Request(head, await reader.readexactly(int(length[1])))
        if re.search(rb"\r\ntransfer-encoding:[^\r]*chunked", low):
            return Request(head, await _read_chunks(reader))
        return Request(head, b"")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError, ValueError) as error:
        raise BrokenRequestError(str(error)) from error


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.split(b";")[0], 16)
        # The last chunk is followed by trailers up to an empty line; other chunks by one line end.
        if size == 0:
            trailer = await reader.readuntil(b"\r\n")
            while trailer != b"\r\n":
                trailer = await reader.readuntil(b"\r\n")
            return body + b"0\r\n\r\n"
        body += line + await reader.readexactly(size + 2)


def closing_answer(answer: bytes) -> bytes:
    """An answer that tells the client that this connection carries no further request."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not _hop(line.decode("latin-1"))]
    return b"\r\n".join([*lines, b"Connection: close", b"", body])


def made_answer(status: int, reason: str, *lines: str) -> bytes:
    """An answer of the proxy's own, as a gateway gives it."""
    body = f"{status} {reason}\n".encode()
    head = [f"HTTP/1.1 {status} {reason}", "Content-Type: text/plain", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join([*head, "Connection: close", "", ""]).encode() + body


def status_of(answer: bytes) -> int:
    """The status of an answer, 0 when there is none."""
    found = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
    return int(found[1]) if found else 0


class Proxy:
    """Stands before an HTTP peer on a port of loopback."""

    def __init__(
        self,
        upstream: str,
        *,
        seed: int,
        key_pattern: str,
        writes: Rates | None = None,
        reads: Rates | None = None,
        times: Times | None = None,
        port: int = 0,
    ) -> None:
        parts = urlsplit(upstream)
        if parts.scheme != "http" or not parts.hostname or not parts.port:
            raise ValueError(f"not the address of a peer on loopback: {upstream}")
        self._parts, self._host, self._port = parts, parts.hostname, parts.port
        self._chooser = Chooser(seed, writes or {}, reads or {}, key_pattern)
        self._times = times or Times()
        self._asked_port = port
        self._late: set[asyncio.Task[None]] = set()
        self._background = Background()
        self.log = Log()
        self.port = 0

    @property
    def url(self) -> str:
        """The peer's address, by way of this proxy."""
        return urlunsplit(self._parts._replace(netloc=f"{LOOPBACK}:{self.port}"))

    def __enter__(self) -> Self:
        self._background.__enter__()
        self._server = self._background.run(
            asyncio.start_server(self._serve, LOOPBACK, self._asked_port, limit=HEAD_LIMIT_BYTES)
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._background.loop.call_soon_threadsafe(self._server.close)
        self._background.__exit__(kind, error, trace)

    def drain(self, timeout_s: float = 120.0) -> None:
        """Returns when every request that was held back has reached the peer."""

        async def wait() -> None:
            while self._late:
                await asyncio.wait(set(self._late))

        self._background.run(wait(), timeout_s)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await read_request(reader, writer)
            keys = self._chooser.keys(request.text)
            fault, rng = self._chooser.choose(keys, writes=request.writes)
            event = Event(
                at_s=asyncio.get_running_loop().time() - self.log.began,
                method=request.method,
                path=request.target.split("?")[0],
                writes=request.writes,
                keys=keys,
                fault=fault,
                delay_s=self._times.delay_s(fault, rng),
            )
            self.log.add(event)
            await self._treat(request, event, reader, writer, rng)
        except (BrokenRequestError, OSError):
            reset(writer)
        finally:
            with contextlib.suppress(OSError):
                writer.close()

    async def _treat(
        self,
        request: Request,
        event: Event,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        rng: random.Random,
    ) -> None:
        fault: Fault | None = event.fault
        if fault == "reset_before":
            return reset(writer)
        if fault in ("late_below", "late_above"):
            reset(writer)
            self._hold_back(request, event)
            return None
        if fault == "busy":
            wait = f"Retry-After: {self._times.retry_after_s}"
            return await self._answer(writer, made_answer(429, "Too Many Requests", wait))
        if fault == "error_instead":
            return await self._answer(writer, made_answer(rng.choice(ERRORS), "Injected"))
        # Shielded: a client that leaves, or the end of the run, does not take back what the peer got.
        answer = await asyncio.shield(self._forward(request, event))
        if fault == "timeout_after":
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(reader.read(1), self._times.hold_s)
            return None
        if fault == "reset_after" or not answer:
            return reset(writer)
        if fault == "error_after":
            return await self._answer(writer, made_answer(rng.choice(ERRORS), "Injected"))
        if fault == "duplicate":
            await asyncio.shield(self._forward(request, event))
        if fault == "slow":
            await asyncio.sleep(event.delay_s)
        return await self._answer(writer, closing_answer(answer))

    def _hold_back(self, request: Request, event: Event) -> None:
        async def later() -> None:
            await asyncio.sleep(event.delay_s)
            await self._forward(request, event)

        task = asyncio.get_running_loop().create_task(later())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _forward(self, request: Request, event: Event) -> bytes:
        """Sends the request to the peer and reads its answer to the end of the connection."""
        answer = b""
        try:
            async with asyncio.timeout(UPSTREAM_S):
                reader, writer = await asyncio.open_connection(self._host, self._port)
                try:
                    writer.write(request.head + request.body)
                    await writer.drain()
                    answer = await read_answer(reader, head_only=request.method == "HEAD")
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            pass
        event.answer(status_of(answer), asyncio.get_running_loop().time() - self.log.began)
        return answer

    @staticmethod
    async def _answer(writer: asyncio.StreamWriter, answer: bytes) -> None:
        writer.write(answer)
        await writer.drain()


async def read_answer(reader: asyncio.StreamReader, *, head_only: bool = False) -> bytes:
    """A whole answer: by its length where it states one, else up to the end of the connection."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        got = await reader.read(65536)
        if not got:
            return answer
        answer += got
        # A peer may say first that it goes on.
        if answer.startswith(b"HTTP/1.1 100") and b"\r\n\r\n" in answer:
            answer = answer.partition(b"\r\n\r\n")[2]
    head = answer.partition(b"\r\n\r\n")[0]
    length = re.search(rb"\r\ncontent-length:\s*(\d+)", head.lower())
    if head_only or status_of(answer) in (204, 304):
        return answer
    whole = len(head) + 4 + int(length[1]) if length else None
    while whole is None or len(answer) < whole:
        got = await reader.read(65536)
        if not got:
            break
        answer += got
    return answer
