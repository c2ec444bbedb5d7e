"""Polygons with fewer corners that hold all of what they were: they only grow.

Two steps take one corner away each. A corner that points inward is left out. The edge between two corners
that point outward is given up, and its neighbours are drawn out until they meet. What grows least is done
first, over all polygons together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon
from shapely.geometry.polygon import orient

Floats = NDArray[np.float64]
# Where along a chord its distance from the first outline is looked at.
_ALONG_S1 = np.array([[0.25], [0.5], [0.75]])


@dataclass(slots=True)
class Growing:
    """One polygon on its way to fewer corners, metres.

    It keeps ``keep_K`` away from ``lines_K``, and reaches no further than ``most_m`` out of ``origin``.
    """

    origin: Polygon
    xy_N2: Floats
    most_m: float
    lines_K: NDArray[np.object_]
    keep_K: Floats
    _refused: set[bytes] = field(default_factory=set)
    _steps: tuple[Floats, Floats, NDArray[np.bool_]] | None = None

    def best(self) -> tuple[float, int]:
        """Return the smallest growth of a step that is left, and its place; infinity where none is."""
        if len(self.xy_N2) <= 3:
            return np.inf, -1
        if self._steps is None:
            self._steps = _steps(self.xy_N2)
        growth_N = self._steps[0]
        place = int(growth_N.argmin())
        return float(growth_N[place]), place

    def take(self, place: int) -> None:
        """Do the step, or refuse it for good where polygon or lines forbid it."""
        if self._steps is None:
            raise ValueError("best() comes first")
        growth_N, tips_N2, drawn_N = self._steps
        count = len(self.xy_N2)
        drawn = bool(drawn_N[place])
        around = self.xy_N2[np.arange(place - 1, place + (3 if drawn else 2)) % count]
        key = around.tobytes()
        fewer = np.delete(self.xy_N2, [(place + 1) % count] if drawn else [place], axis=0)
        if drawn:
            fewer[place if place + 1 < count else place - 1] = tips_N2[place]
        if drawn:
            added_32, reached = np.array([around[1], tips_N2[place], around[2]]), tips_N2[place : place + 1]
        else:
            added_32, reached = around, around[0] + _ALONG_S1 * (around[2] - around[0])
        if key in self._refused or not self._free(fewer, added_32, reached):
            self._refused.add(key)
            growth_N[place] = np.inf
            return
        self.xy_N2 = fewer
        self._steps = None

    def _free(self, fewer: Floats, added_32: Floats, reached_S2: Floats) -> bool:
        if (shapely.distance(shapely.points(reached_S2), self.origin) > self.most_m).any():
            return False
        if len(self.lines_K) and (shapely.distance(self.lines_K, Polygon(added_32)) < self.keep_K).any():
            return False
        return bool(Polygon(fewer).is_valid)


def grow(polygons: Sequence[Growing], fits: Callable[[Sequence[int]], bool]) -> bool:
    """Take corners away until ``fits`` says of their numbers that it does; False: no step is left."""
    while not fits([len(one.xy_N2) for one in polygons]):
        steps = [one.best() for one in polygons]
        which = min(range(len(steps)), key=lambda n: steps[n][0], default=None)
        if which is None or not np.isfinite(steps[which][0]):
            return False
        polygons[which].take(steps[which][1])
    return True


def corners(polygon: Polygon) -> Floats:
    """Return the corners of the outline, counter-clockwise, the first not repeated."""
    return np.array(orient(polygon, 1.0).exterior.coords)[:-1, :2]


def _steps(xy_N2: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return for each corner the growth of its step, the tip that it draws, and whether it draws one."""
    before, after, second = (np.roll(xy_N2, shift, axis=0) for shift in (1, -1, -2))
    into, out, beyond = xy_N2 - before, after - xy_N2, second - after
    inward_N = _cross(into, out) <= 0
    # A corner that points inward lies this far behind the chord that replaces it; in a narrow notch
    # the sides are nearer to what is added.
    chord_N = np.hypot(*(after - before).T)
    left_N = np.minimum(np.abs(_cross(out, before - xy_N2)) / np.maximum(chord_N, 1e-12), chord_N / 2)
    # The lines of the edges before and behind meet ahead of the edge that is given up.
    turn_N = _cross(into, beyond)
    with np.errstate(divide="ignore", invalid="ignore"):
        share_N = _cross(out, beyond) / turn_N
    tips_N2 = xy_N2 + np.nan_to_num(share_N, nan=0.0, posinf=0.0, neginf=0.0)[:, None] * into
    tip_N = np.abs(_cross(out, tips_N2 - xy_N2)) / np.maximum(np.hypot(*out.T), 1e-12)
    drawn_N = ~inward_N & (_cross(out, beyond) > 0) & (turn_N > 0) & (share_N > 0)
    growth_N = np.where(inward_N, left_N, np.where(drawn_N, tip_N, np.inf))
    return growth_N, tips_N2, drawn_N


def _cross(a_N2: Floats, b_N2: Floats) -> Floats:
    return np.asarray(a_N2[:, 0] * b_N2[:, 1] - a_N2[:, 1] * b_N2[:, 0])
