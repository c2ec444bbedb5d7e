r"""A proxy that cuts connections to PostgreSQL around a COMMIT, at moments decided from a seed.

It follows the protocol far enough to know the moment: a statement that commits, or one that writes outside a
transaction. Two connections to the same server are independent. The faults that it knows:

* `reset_before`: the COMMIT does not reach the server, both connections end.
* `reset_after`: the server commits; the client is cut off before the first byte of the answer, or within it.
* `timeout_after`: the server commits; the client hears nothing and waits.
* `slow`: the answer comes late.
* `late_below`, `late_above`: the client is cut off, and the COMMIT reaches the server later.
"""

import asyncio
import contextlib
import random
import re
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from benchmarks.peers.base import LOOPBACK
from benchmarks.peers.faults import Background, Chooser, Event, Fault, Log, Rates, Times
from benchmarks.peers.proxy import SEARCHED_BYTES, reset

KNOWN: frozenset[Fault] = frozenset(
    {"reset_before", "reset_after", "timeout_after", "slow", "late_below", "late_above"}
)
# Asks for encryption by TLS or GSSAPI, answered by one byte; a request to cancel, answered by nothing.
ASKS_ENCRYPTION, CANCELS = (80877103, 80877104), 80877102
COMMITS = re.compile(rb"\b(COMMIT|END)\b\s*(?:;|\0|$)", re.IGNORECASE)
WRITES = re.compile(rb"^\s*(INSERT|UPDATE|DELETE|MERGE|WITH|COPY)\b", re.IGNORECASE)
STATEMENTS, EXECUTES = (b"Q", b"P", b"B"), (b"Q", b"S")


@dataclass
class Session:
    """What is known of one connection."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    # Set by the answer stream: idle outside a transaction.
    idle: bool = True
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    event: Event | None = None
    rng: random.Random | None = None
    # Statements of the transaction so far, in which keys are looked for.
    text: bytes = b""
    committing: bool = False


async def read_message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """One message with a type: its type, and all of its bytes."""
    head = await reader.readexactly(5)
    return head[:1], head + await reader.readexactly(int.from_bytes(head[1:], "big") - 4)


class PgProxy:
    """Stands before PostgreSQL on a port of loopback."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        seed: int,
        key_pattern: str,
        writes: Rates,
        times: Times | None = None,
    ) -> None:
        if foul := set(writes) - KNOWN:
            raise ValueError(f"no such fault before PostgreSQL: {sorted(foul)}")
        self._host, self._upstream_port = host, port
        self._chooser = Chooser(seed, writes, {}, key_pattern)
        self._times = times or Times()
        self._late: set[asyncio.Task[None]] = set()
        self._background = Background()
        self.log = Log()
        self.host, self.port = LOOPBACK, 0

    def __enter__(self) -> Self:
        self._background.__enter__()
        self._server = self._background.run(asyncio.start_server(self._serve, LOOPBACK, 0))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._background.loop.call_soon_threadsafe(self._server.close)
        self._background.__exit__(kind, error, trace)

    def drain(self, timeout_s: float = 120.0) -> None:
        """Returns when every COMMIT that was held back has reached the server."""

        async def wait() -> None:
            while self._late:
                await asyncio.wait(set(self._late))

        self._background.run(wait(), timeout_s)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        try:
            answers, server = await asyncio.open_connection(self._host, self._upstream_port)
        except OSError:
            return reset(writer)
        session = Session(writer, server)
        try:
            if await self._begin(reader, answers, session):
                back = asyncio.create_task(self._pass_answers(answers, session))
                try:
                    await self._pass_statements(reader, session, back)
                finally:
                    back.cancel()
        except (OSError, asyncio.IncompleteReadError):
            reset(writer)
        finally:
            if task is not None:
                self._late.discard(task)
            for end in (server, writer):
                with contextlib.suppress(OSError):
                    end.close()
        return None

    async def _begin(
        self, reader: asyncio.StreamReader, answers: asyncio.StreamReader, session: Session
    ) -> bool:
        """Passes what comes before the first message with a type; says whether a session follows."""
        while True:
            head = await reader.readexactly(8)
            length, code = int.from_bytes(head[:4], "big"), int.from_bytes(head[4:], "big")
            session.server.write(head + await reader.readexactly(length - 8))
            await session.server.drain()
            if code == CANCELS:
                return False
            if code not in ASKS_ENCRYPTION:
                return True
            said = await answers.readexactly(1)
            session.client.write(said)
            if said != b"N":
                # What follows is encrypted: nothing could be seen of it.
                raise OSError("the server encrypts; start it without TLS")

    async def _pass_answers(self, answers: asyncio.StreamReader, session: Session) -> None:
        """Passes the server's messages, except what a fault swallows."""
        held = b""
        try:
            while True:
                kind, message = await read_message(answers)
                if kind == b"Z":
                    session.idle = message[5:6] == b"I"
                    if session.idle and not session.committing:
                        session.text = b""
                if not session.committing:
                    session.client.write(message)
                    await session.client.drain()
                    continue
                held += message
                if kind == b"E" and session.event is not None:
                    session.event.answer(500, self._now_s())
                if kind != b"Z":
                    continue
                session.committing, session.text = False, b""
                await self._end_commit(held, session)
                held = b""
        except (OSError, asyncio.IncompleteReadError):
            session.ready.set()
            reset(session.client)

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time() - self.log.began

    async def _end_commit(self, held: bytes, session: Session) -> None:
        """The server has answered a COMMIT: passes the answer on, late, in part or not at all."""
        event, rng = session.event, session.rng
        session.ready.set()
        if event is None or rng is None:
            return
        if not event.statuses:
            event.answer(200, self._now_s())
        if event.fault == "slow":
            await asyncio.sleep(event.delay_s)
        if event.fault == "reset_after":
            # Half of the cuts fall within the answer.
            part = rng.choice((0, rng.randrange(1, len(held))))
            session.client.write(held[:part])
            with contextlib.suppress(OSError):
                await session.client.drain()
        elif event.fault in (None, "slow"):
            session.client.write(held)
            await session.client.drain()

    async def _pass_statements(
        self, reader: asyncio.StreamReader, session: Session, back: asyncio.Task[None]
    ) -> None:
        """Passes the client's messages; halts at those that commit."""
        pending = b""
        commits = False
        while not back.done():
            kind, message = await read_message(reader)
            if kind in STATEMENTS:
                session.text = (session.text + message)[-SEARCHED_BYTES:]
            if kind in (b"Q", b"P"):
                commits = commits or self._commits(kind, message, idle=session.idle)
            pending += message
            if kind not in EXECUTES:
                # Held until the batch ends, so that a fault meets the whole of it.
                if kind in (b"X", b"p", b"H", b"d", b"c", b"f"):
                    session.server.write(pending)
                    await session.server.drain()
                    pending = b""
                continue
            batch, pending = pending, b""
            if not commits:
                session.server.write(batch)
                await session.server.drain()
                continue
            commits = False
            if not await self._commit(batch, reader, session):
                return

    @staticmethod
    def _commits(kind: bytes, message: bytes, *, idle: bool) -> bool:
        text = message[5:]
        if kind == b"P":
            # The name of the prepared statement comes first.
            text = text.partition(b"\0")[2]
        return bool(COMMITS.search(text) or (idle and WRITES.match(text)))

    async def _commit(self, batch: bytes, reader: asyncio.StreamReader, session: Session) -> bool:
        """Does what was drawn with a batch that commits; says whether the connection goes on."""
        keys = self._chooser.keys(session.text.decode("utf-8", errors="replace"))
        fault, rng = self._chooser.choose(keys, writes=True)
        event = Event(self._now_s(), "COMMIT", "", True, keys, fault)
        event.delay_s = self._times.delay_s(fault, rng)
        self.log.add(event)
        session.event, session.rng = event, rng
        if fault == "reset_before":
            reset(session.client)
            return False
        if fault in ("late_below", "late_above"):
            reset(session.client)
            task = asyncio.current_task()
            if task is not None:
                self._late.add(task)
            await asyncio.sleep(event.delay_s)
        session.ready.clear()
        session.committing = True
        session.server.write(batch)
        await session.server.drain()
        await session.ready.wait()
        if fault == "timeout_after":
            with contextlib.suppress(TimeoutError, OSError):
                await asyncio.wait_for(reader.read(1), self._times.hold_s)
        if fault in ("reset_after", "timeout_after"):
            reset(session.client)
        return fault in (None, "slow")
