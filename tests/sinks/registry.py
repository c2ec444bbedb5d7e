"""The register of sinks under the contract: a bench is one sink with its peer, ready to be tried.

A module ``tests/sinks/bench_<name>.py`` adds its benches with ``@bench("kind", "variant")`` over a
context manager that takes a scratch folder and yields a ``Bench``; nothing else is to be told.
"""

import importlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aerial.records import SiteResult
from aerial.sinks.sink import CaseSink

# What a peer can be told to do with the next writes. "after": it stores and then fails.
FAULTS = (
    "500 before", "500 after", "time-out before", "time-out after", "reset before", "reset after",
    "429", "400", "stores nothing",
)  # fmt: skip


@dataclass
class Bench:
    """A sink beside its peer.

    ``held``: how many records the peer holds under a key. ``text``: all text that it holds under a key.
    ``double``: makes the peer hold another copy. ``fail``: sets the fault (None: none) of ``faults``, the
    ones that it can play. ``report``: lets these acts happen at the peer; None where it has no results.
    ``pictures``: how many files the peer holds under a key; None where it takes none.
    """

    sink: CaseSink
    held: Callable[[str], int]
    text: Callable[[str], str]
    double: Callable[[str], None] | None
    secret: str | None = None
    fail: Callable[[str | None], None] = lambda _: None
    faults: frozenset[str] = frozenset()
    report: Callable[[list[SiteResult]], None] | None = None
    pictures: Callable[[str], int] | None = None
    kind: str = ""
    seen: list[str] = field(default_factory=list)  # whatever the peer kept of requests, as text


Maker = Callable[[Path], AbstractContextManager[Bench]]
BENCHES: dict[str, Maker] = {}


def bench(kind: str, variant: str = "") -> Callable[[Callable[[Path], Iterator[Bench]]], Maker]:
    """Register a bench of the sink ``kind`` (its entry point)."""

    def add(make: Callable[[Path], Iterator[Bench]]) -> Maker:
        made = contextmanager(make)

        @contextmanager
        def named(folder: Path) -> Iterator[Bench]:
            with made(folder) as one:
                one.kind = kind
                yield one

        name = f"{kind}-{variant}" if variant else kind
        assert name not in BENCHES, f"two benches are called {name}"
        BENCHES[name] = named
        return named

    return add


def benches() -> dict[str, Maker]:
    """Every bench, of all modules ``bench_*.py`` beside this one."""
    for path in sorted(Path(__file__).parent.glob("bench_*.py")):
        importlib.import_module(f"tests.sinks.{path.stem}")
    return BENCHES
