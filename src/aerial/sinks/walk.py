"""Reading what changed at a peer that lists by the time of change: page by page, nothing missed, all once."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from aerial.errors import InputError
from aerial.records import SiteResult

T = TypeVar("T")

# A change gets its time before it can be seen: what is committed late lies behind the newest one read.
OVERLAP = timedelta(minutes=10)
BEGIN = datetime(2000, 1, 1, tzinfo=UTC)


class Since:
    """A cursor: the newest time of change that was read, and the acts near it that were told already.

    Raises:
        InputError: the text is no cursor of this kind.
    """

    def __init__(self, cursor: str | None) -> None:
        self.newest, self._told = BEGIN, dict[str, str]()
        if cursor:
            try:
                held = json.loads(cursor)
                self.newest = datetime.fromisoformat(held["newest"])
                self._told = {str(act): str(at) for act, at in held["told"].items()}
            except (ValueError, KeyError, TypeError, AttributeError) as exc:
                raise InputError(
                    f"{cursor[:80]!r} is not a cursor of this destination.",
                    hint="Pull again from the beginning; what was told already is known by its id.",
                ) from exc
        self.begin = self.newest - OVERLAP

    def saw(self, changed_at: datetime) -> None:
        """Remember that an item with this time of change was read."""
        self.newest = max(self.newest, changed_at)

    def only_new(self, acts: Sequence[SiteResult], changed_at: datetime) -> Iterator[SiteResult]:
        """Yield the acts that were not told yet; ``changed_at`` is the time of change of their item."""
        for act in acts:
            if act.id not in self._told:
                yield act
            self._told[act.id] = changed_at.isoformat()

    def text(self) -> str:
        """Return the next cursor; acts of items that will not be listed again are forgotten."""
        begin = self.newest - OVERLAP
        kept = {act: at for act, at in self._told.items() if datetime.fromisoformat(at) >= begin}
        return json.dumps({"newest": self.newest.isoformat(), "told": kept})


def changed_since(
    page: Callable[[datetime, int], Sequence[T]], when: Callable[[T], datetime], begin: datetime, size: int
) -> Iterator[T]:
    """Yield what changed at or after ``begin``, in the order of change, some of it more than once.

    ``page(at, offset)`` returns at most ``size`` (at least 2) items changed at or after ``at``, a whole
    second, ordered by change. Each page begins at the second of the last item instead of by number: an
    item that changes meanwhile moves to the end, and counting would skip another one.
    """
    if size < 2:
        raise ValueError("a page holds at least two items")
    at, offset, last = begin.replace(microsecond=0), 0, None
    while True:
        rows = page(at, offset)
        yield from rows
        if last is not None and (not rows or rows[0] != last):
            # The numbers have shifted since the page before: this second again.
            offset, last = 0, None
        elif len(rows) < size:
            return
        elif when(rows[-1]) > at:
            at, offset, last = when(rows[-1]).replace(microsecond=0), 0, None
        else:
            # A page of one second only: on by number, with one item again to see that nothing shifted.
            offset, last = offset + size - 1, rows[-1]
