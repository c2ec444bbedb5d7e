"""Conversations with a vehicle, free of I/O and of clocks.

An ``Exchange`` is told what was heard and what time it is, and answers with messages to send. So the
same code runs over a serial port, in a test in simulated time, and five hundred times at once.
"""

from collections.abc import Generator, Sequence
from typing import Generic, Protocol, TypeVar, cast

from aerial.flight.mavlink import Message
from aerial.records.record import record

T = TypeVar("T")
Outgoing = Sequence[Message]
NOTHING: Outgoing = ()


@record
class Peer:
    """Whom we speak to: MAVLink system and component."""

    system: int
    component: int


class Listener(Protocol):
    """Hears every message from any sender; may answer."""

    def hear(self, message: Message, now_s: float) -> Outgoing:
        """Take one message in; return what is to be sent."""

    def tick(self, now_s: float) -> Outgoing:
        """Return what is due by the clock; called often, at least every 50 ms."""


class Exchange(Listener, Protocol):
    """A conversation that ends; a failure ends it too and is kept as a result, never raised."""

    @property
    def done(self) -> bool:
        """Tell whether it has ended."""

    def start(self, now_s: float) -> Outgoing:
        """Return the first messages."""


class Pause:
    """An exchange that says nothing for ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._until_s = seconds, float("inf")
        self.done = False

    def start(self, now_s: float) -> Outgoing:
        """Begin to wait."""
        self._until_s = now_s + self._seconds
        return NOTHING

    def hear(self, message: Message, now_s: float) -> Outgoing:
        """Ignore everything."""
        return NOTHING

    def tick(self, now_s: float) -> Outgoing:
        """End when the time is over."""
        self.done = now_s >= self._until_s
        return NOTHING


class Script(Generic[T]):
    """An exchange made of others: a generator yields them one after the other and returns ``result``."""

    def __init__(self, steps: Generator[Exchange, None, T]) -> None:
        self._steps = steps
        self._step: Exchange | None = None
        self.done = False
        self._result: T | None = None

    @property
    def result(self) -> T:
        """Return what the generator returned, once it is done."""
        if not self.done:
            raise ValueError("the script has not ended")
        return cast(T, self._result)

    def start(self, now_s: float) -> Outgoing:
        """Begin the first step."""
        return self._next(now_s)

    def hear(self, message: Message, now_s: float) -> Outgoing:
        """Let the present step hear; begin the next where it ends."""
        if self._step is None:
            return NOTHING
        said = self._step.hear(message, now_s)
        return [*said, *self._next(now_s)] if self._step.done else said

    def tick(self, now_s: float) -> Outgoing:
        """Let the present step look at the clock; begin the next where it ends."""
        if self._step is None:
            return NOTHING
        said = self._step.tick(now_s)
        return [*said, *self._next(now_s)] if self._step.done else said

    def _next(self, now_s: float) -> Outgoing:
        said: list[Message] = []
        while True:
            try:
                self._step = next(self._steps)
            except StopIteration as end:
                self._step, self._result, self.done = None, end.value, True
                return said
            said += self._step.start(now_s)
            if not self._step.done:
                return said
