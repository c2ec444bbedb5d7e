"""How often something may be done."""

import threading
from collections import deque
from collections.abc import Callable


class Pace:
    """At most ``most`` acts in any ``seconds``, by a clock that only rises (seconds).

    A bucket of tokens that holds ``most`` and refills at the same rate would let twice as many through in
    the first minute, and DingTalk then blocks a robot for ten: so the times of the last acts are kept.
    """

    def __init__(self, most: int, seconds: float, clock: Callable[[], float]) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._times: deque[float] = deque()
        self._lock = threading.Lock()

    def take(self, count: int = 1) -> float:
        """Take room for ``count`` acts now and return 0, or return the seconds to wait and take none."""
        if not 0 < count <= self._most:
            raise ValueError(f"{count} acts can never be done within the limit of {self._most}")
        with self._lock:
            now = self._clock()
            while self._times and self._times[0] <= now - self._seconds:
                self._times.popleft()
            missing = len(self._times) + count - self._most
            if missing > 0:
                return self._times[missing - 1] + self._seconds - now
            self._times.extend([now] * count)
            return 0.0

    def block(self, seconds: float) -> None:
        """Let nothing through for ``seconds``: the other side said so."""
        with self._lock:
            start = self._clock() + seconds - self._seconds
            self._times = deque([start] * self._most)
