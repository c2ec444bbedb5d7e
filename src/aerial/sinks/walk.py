"""Reading what changed at a peer that lists by the time of change, page by page, without missing one."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

T = TypeVar("T")

# A change gets its time before it can be seen: what is committed late lies behind the newest one read.
OVERLAP = timedelta(minutes=10)


def changed_since(
    page: Callable[[datetime, int], Sequence[T]], when: Callable[[T], datetime], since: datetime, size: int
) -> Iterator[T]:
    """Yield what changed at or after ``since``, in the order of change, some of it more than once.

    ``page(at, offset)`` returns at most ``size`` items changed at or after ``at``, ordered by change.
    Each page begins at the time of the last item instead of by number: an item that changes meanwhile
    moves to the end, and counting would skip another one.
    """
    at, offset = since, 0
    while rows := page(at, offset):
        yield from rows
        if len(rows) < size:
            return
        last = when(rows[-1])
        # A page of one second only: on by number, there is no other way.
        at, offset = (last, 0) if last > at else (at, offset + len(rows))
