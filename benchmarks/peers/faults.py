"""What a fault proxy may do to a request, decided from a seed, and the record of what it did."""

import asyncio
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self, get_args

Fault = Literal[
    "timeout_after",  # forwarded; the answer is swallowed and the client left to wait
    "reset_before",  # not forwarded; the connection is reset
    "reset_after",  # forwarded; the connection is reset in place of the answer
    "error_instead",  # not forwarded; an error 5xx
    "error_after",  # forwarded; an error 5xx in place of the answer
    "slow",  # forwarded; the answer comes late
    "late_below",  # the client is cut off; the request is forwarded later, within the quiet time
    "late_above",  # the same, after the quiet time
    "duplicate",  # forwarded twice; the first answer is passed on
    "busy",  # not forwarded; 429 with Retry-After
]
WRITING_ONLY = frozenset({"late_below", "late_above", "duplicate"})
Rates = Mapping[Fault, float]


@dataclass(frozen=True)
class Times:
    """The durations of faults; a late commit lies below or above the quiet time by a share of it."""

    hold_s: float = 60.0
    slow_s: tuple[float, float] = (0.5, 2.0)
    quiet_s: float = 5.0
    below: tuple[float, float] = (0.1, 0.8)
    above: tuple[float, float] = (1.2, 2.0)
    retry_after_s: int = 1

    def delay_s(self, fault: Fault | None, rng: random.Random) -> float:
        """How long this fault holds a request or an answer back."""
        if fault == "slow":
            return rng.uniform(*self.slow_s)
        if fault == "late_below":
            return self.quiet_s * rng.uniform(*self.below)
        if fault == "late_above":
            return self.quiet_s * rng.uniform(*self.above)
        return 0.0


@dataclass
class Event:
    """One request that passed, and what was done to it; `fault` is nothing when it was left alone."""

    at_s: float
    method: str
    path: str
    writes: bool
    keys: tuple[str, ...]
    fault: Fault | None
    delay_s: float = 0.0
    # What the peer answered to each time that the request was forwarded; 0 where it gave no answer.
    statuses: list[int] = field(default_factory=list)
    # When it answered, by the clock of `at_s`.
    answered_s: list[float] = field(default_factory=list)

    def answer(self, status: int, at_s: float) -> None:
        """Notes what the peer answered, and when."""
        self.statuses.append(status)
        self.answered_s.append(at_s)


class Log:
    """What a proxy did, kept by its own thread and read by the benchmark's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: list[Event] = []
        self.began = time.monotonic()

    def add(self, event: Event) -> None:
        """Adds an event; its statuses may be filled in later."""
        with self._lock:
            self._events.append(event)

    @property
    def events(self) -> tuple[Event, ...]:
        """All events so far."""
        with self._lock:
            return tuple(self._events)

    def counts(self) -> dict[str, int]:
        """How often each fault was injected; `passed` counts the requests left alone."""
        return dict(Counter(e.fault or "passed" for e in self.events))

    def hit(self, *faults: Fault) -> dict[str, int]:
        """Which external keys were hit by the faults, and how often; a request with no key counts as ''."""
        return dict(Counter(k for e in self.events if e.fault in faults for k in e.keys or ("",)))

    def copies_of_its_own(self) -> dict[str, int]:
        """Copies for which the proxy alone answers: one request that the peer accepted twice."""
        found: Counter[str] = Counter()
        for event in self.events:
            accepted = sum(200 <= status < 300 for status in event.statuses)
            if event.writes and event.fault == "duplicate" and accepted > 1:
                found.update(dict.fromkeys(event.keys, accepted - 1))
        return dict(found)


class Chooser:
    """Decides what happens to a request.

    The decision hangs on the seed, the case, and how many requests of its kind the case has made: it stays
    the same however the workers' requests interleave.
    """

    def __init__(self, seed: int, writes: Rates, reads: Rates, key_pattern: str) -> None:
        for kind, rates in (("writing", writes), ("reading", reads)):
            if unknown := set(rates) - set(get_args(Fault)):
                raise ValueError(f"no such fault for {kind} requests: {sorted(unknown)}")
            if sum(rates.values()) > 1.0 or min(rates.values(), default=0.0) < 0.0:
                raise ValueError(f"the rates for {kind} requests must be shares that sum to at most 1")
        if foul := set(reads) & WRITING_ONLY:
            raise ValueError(f"only a writing request can be committed late or twice: {sorted(foul)}")
        self.seed, self.writes, self.reads = seed, writes, reads
        self._pattern = re.compile(key_pattern)
        self._seen: Counter[tuple[str, bool]] = Counter()

    def keys(self, text: str) -> tuple[str, ...]:
        """The external keys in a request, each once, in order."""
        return tuple(dict.fromkeys(self._pattern.findall(text)))

    def choose(self, keys: tuple[str, ...], *, writes: bool) -> tuple[Fault | None, random.Random]:
        """The fault for a request, and the generator for what is left to draw."""
        case = ",".join(keys)
        number = self._seen[case, writes]
        self._seen[case, writes] += 1
        rng = random.Random(f"{self.seed}|{case}|{writes}|{number}")
        drawn = rng.random()
        for fault, rate in (self.writes if writes else self.reads).items():
            if drawn < rate:
                return fault, rng
            drawn -= rate
        return None, rng


class Background:
    """An event loop in a thread of its own, so that a benchmark can be written without one."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="fault-proxy", daemon=True)

    def run(self, work: Coroutine[Any, Any, Any], timeout_s: float | None = None) -> Any:
        """Runs a coroutine in the loop and waits for it."""
        future: Future[Any] = asyncio.run_coroutine_threadsafe(work, self.loop)
        return future.result(timeout_s)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run(self._cancel())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _cancel(self) -> None:
        others = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
