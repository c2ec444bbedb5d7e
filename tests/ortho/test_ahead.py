"""Work on two cores in order."""

import threading
import time
from itertools import count

import pytest

from aerial.ortho.ahead import in_order


def test_results_come_in_order_from_two_threads() -> None:
    """Though later items are quicker, each result comes in its turn, and two threads worked."""
    threads = set()

    def work(number: int) -> int:
        threads.add(threading.get_ident())
        time.sleep(0.01 * (3 - number % 3))
        return number * number

    assert list(in_order(work, range(12))) == [n * n for n in range(12)]
    assert len(threads) == 2


def test_no_more_than_three_wait() -> None:
    """Of endless items only three are begun beyond the one in use."""
    begun = []

    def work(number: int) -> int:
        begun.append(number)
        return number

    results = in_order(work, count())
    assert next(results) == 0
    time.sleep(0.1)
    assert begun == [0, 1, 2, 3]
    results.close()  # type: ignore[attr-defined]


def test_what_fails_stops_the_rest() -> None:
    """The error of an item is raised in its turn, and no item is begun after it."""
    begun = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 2:
            raise ValueError("two")
        return number

    seen: list[int] = []
    with pytest.raises(ValueError, match="two"):
        seen.extend(in_order(work, range(100)))
    assert seen == [0, 1] and max(begun) <= 5
