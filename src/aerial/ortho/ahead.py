"""Work on two cores whose results come in order, a few ahead of where they are used."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

THREADS = 2
# One result more than threads: while it is used, both go on.
_AHEAD = THREADS + 1


def in_order(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield ``work(item)`` for each item, in their order; three at most are begun beyond the one in use.

    What ``work`` raises is raised here, and no further item is begun.
    """
    left = iter(items)
    pool = ThreadPoolExecutor(THREADS)
    try:
        waiting: deque[Future[Result]] = deque(pool.submit(work, item) for item in islice(left, _AHEAD))
        while waiting:
            result = waiting.popleft().result()
            # The next begins before this one is used.
            waiting.extend(pool.submit(work, item) for item in islice(left, 1))
            yield result
    finally:
        pool.shutdown(cancel_futures=True)
