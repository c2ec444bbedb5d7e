"""A link's way in one direction: frames are lost, late, doubled, and overtake each other."""

import heapq
import random

from aerial.simulate.vehicle.setup import Impairment

# An overtaken frame is late by up to so much more.
_OVERTAKEN_S = 0.3


class Channel:
    """Frames in, frames out later or never; all randomness is of ``seed``."""

    def __init__(self, impairment: Impairment, seed: int) -> None:
        self._way, self._rng = impairment, random.Random(seed)
        self._air: list[tuple[float, int, bytes]] = []
        self._number = 0
        self._last_s = 0.0

    def put(self, frame: bytes, now_s: float) -> None:
        """Send a frame."""
        way, rng = self._way, self._rng
        for _ in range(2 if rng.random() < way.duplicate else 1):
            if rng.random() < way.loss:
                continue
            at = now_s + way.delay_s + way.jitter_s * rng.random()
            if rng.random() < way.reorder:
                at += _OVERTAKEN_S * rng.random()
            else:
                # Jitter alone does not change the order.
                at = self._last_s = max(at, self._last_s)
            self._number += 1
            heapq.heappush(self._air, (at, self._number, frame))

    def due(self, now_s: float) -> list[bytes]:
        """Return the frames that have arrived by now, in the order of arrival."""
        found = []
        while self._air and self._air[0][0] <= now_s:
            found.append(heapq.heappop(self._air)[2])
        return found

    @property
    def next_s(self) -> float | None:
        """Return when the next frame arrives; None: nothing is in the air."""
        return self._air[0][0] if self._air else None
