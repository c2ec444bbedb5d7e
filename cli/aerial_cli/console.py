"""The one place that prints: data on stdout, talk and progress bars on stderr."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from aerial.progress import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


def say(message: str) -> None:
    """Say one sentence to the user, on stderr."""
    print(message, file=sys.stderr, flush=True)


def fail(message: str, hint: str) -> None:
    """Say what went wrong and what to do next, on stderr."""
    say(f"Error: {message}")
    say(f"Hint: {hint}")


def data(value: object) -> None:
    """Print plain data as JSON on stdout."""
    print(_printable(json.dumps(value, indent=2, ensure_ascii=False)))


def table(rows: Sequence[Mapping[str, Any]], *, as_json: bool = False) -> None:
    """Print rows on stdout: an aligned table for people, or JSON."""
    if as_json:
        data([dict(row) for row in rows])
        return
    if not rows:
        return
    heads = list(rows[0])
    cells = [[_text(row.get(head)) for head in heads] for row in rows]
    widths = [max(_width(head), *(_width(line[i]) for line in cells)) for i, head in enumerate(heads)]
    for line in [heads, ["-" * width for width in widths], *cells]:
        padded = (text + " " * (width - _width(text)) for text, width in zip(line, widths, strict=True))
        print(_printable("  ".join(padded).rstrip()))


def _printable(text: str) -> str:
    """Return text whose names of files may hold bytes that are no text, with those escaped (as JSON does)."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def line(name: str, value: object) -> None:
    """Print one named fact on stdout."""
    print(f"{name + ':':16} {_text(value)}")


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _width(text: str) -> int:
    # Chinese characters take two columns in a terminal.
    return sum(2 if "\u2e80" <= char <= "\uffef" else 1 for char in text)


@contextmanager
def progress() -> Iterator[Progress]:
    """Yield a ``Progress`` that draws bars with the time left on a terminal, plain lines elsewhere."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:32}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        yield _Drawn(bars)


class _Drawn:
    def __init__(self, bars: "Bars") -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def phase(self, name: str, total: int) -> None:
        if self._task is not None:
            self._bars.update(self._task, completed=self._bars.tasks[self._task].total)
        self._task = self._bars.add_task(name, total=total)

    def advance(self, units: int = 1) -> None:
        if self._task is not None:
            self._bars.advance(self._task, units)

    def say(self, message: str) -> None:
        self._bars.console.print(message, highlight=False, markup=False)


class _Lines:
    """Without a terminal: a line when a phase begins and at each quarter of it."""

    def __init__(self) -> None:
        self._name, self._total, self._done, self._told = "", 0, 0, 0

    def phase(self, name: str, total: int) -> None:
        self._name, self._total, self._done, self._told = name, total, 0, 0
        say(f"{name} ({total})")

    def advance(self, units: int = 1) -> None:
        self._done += units
        quarter = 4 * self._done // max(self._total, 1)
        if self._told < quarter < 4:
            self._told = quarter
            say(f"{self._name}: {self._done} of {self._total}")

    def say(self, message: str) -> None:
        say(message)
