"""What a path over an area is worth: uncovered share, metres in zones and outside the fence, lengths."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import shapely
from shapely.geometry import LineString, MultiLineString
from shapely.geometry.base import BaseGeometry

Kind = Literal["survey", "turn", "transit"]
Point = tuple[float, float]

# A round end of a strip is drawn as a half polygon of 2 x 128 corners that lie on the circle, inside
# of it: what is covered is never told too large, and 2.5e-5 of each half disc too small.
_CORNERS_A_QUARTER = 128
_LOST_OF_A_CAP = 1 - math.sin(math.pi / (2 * _CORNERS_A_QUARTER)) / (math.pi / (2 * _CORNERS_A_QUARTER))
# A path may touch the border of a zone or of the fence: no closer look than a millimetre is meant.
TOUCH_M = 1e-3
# Ends of legs that lie closer than this join.
_JOINT_M = 1e-6
MAY_MISS = 1e-4


@dataclass(frozen=True, slots=True)
class Leg:
    """A stretch of the path; ``xy``: its corners in metres, two or more."""

    kind: Kind
    xy: tuple[Point, ...]

    @property
    def length_m(self) -> float:
        """Length along the corners."""
        return sum(math.dist(a, b) for a, b in pairwise(self.xy))


@dataclass(frozen=True, slots=True)
class Audit:
    """What the path does; ``uncovered`` is a share of the area, ``tolerance`` what it may be too high by.

    ``photos``: shots at a distance on the survey lines, one at each start. ``gaps_m``: how far ends and
    starts of consecutive legs lie apart in all.
    """

    area_m2: float
    uncovered: float
    tolerance: float
    zone_m: float
    outside_m: float
    survey_m: float
    turn_m: float
    transit_m: float
    turns: int
    photos: int
    gaps_m: float

    @property
    def length_m(self) -> float:
        """What is compared with the bounds: survey and turns."""
        return self.survey_m + self.turn_m

    @property
    def covers(self) -> bool:
        """Whether at least 99.99 % of the area is covered."""
        return self.uncovered <= MAY_MISS


def to_cover(area: BaseGeometry, no_fly: BaseGeometry | None) -> BaseGeometry:
    """Return the area without its no-fly zones."""
    return area if no_fly is None else area.difference(no_fly)


def default_fence(area: BaseGeometry, spacing_m: float) -> BaseGeometry:
    """Return the area grown by one spacing; holes shrink by as much, wide ones stay outside."""
    return area.buffer(spacing_m, quad_segs=32)


def audit(
    legs: Sequence[Leg],
    area: BaseGeometry,
    *,
    spacing_m: float,
    trigger_m: float,
    fence: BaseGeometry | None = None,
    no_fly: BaseGeometry | None = None,
) -> Audit:
    """Measure a path; ``fence`` None: the area grown by one spacing.

    Covered is what lies within half a spacing of a survey leg, beyond its ends too. Metres in zones and
    outside the fence count every leg, transit as well.
    """
    ground = to_cover(area, no_fly)
    lines = [leg for leg in legs if leg.kind == "survey"]
    seen = _lines(lines).buffer(spacing_m / 2, quad_segs=_CORNERS_A_QUARTER)
    caps_m2 = 2 * len(lines) * _LOST_OF_A_CAP * math.pi * (spacing_m / 2) ** 2 / 2
    inside = default_fence(area, spacing_m) if fence is None else fence
    sums = {
        kind: sum(leg.length_m for leg in legs if leg.kind == kind) for kind in ("survey", "turn", "transit")
    }
    return Audit(
        area_m2=ground.area,
        uncovered=ground.difference(seen).area / ground.area,
        tolerance=caps_m2 / ground.area,
        zone_m=0.0 if no_fly is None else _metres(legs, no_fly.buffer(-TOUCH_M), within=True),
        outside_m=_metres(legs, inside.buffer(TOUCH_M), within=False),
        survey_m=sums["survey"],
        turn_m=sums["turn"],
        transit_m=sums["transit"],
        turns=_turns(legs),
        photos=sum(int(leg.length_m / trigger_m) + 1 for leg in lines),
        gaps_m=gaps_m(legs),
    )


def gaps_m(legs: Sequence[Leg]) -> float:
    """Return how far ends and starts of consecutive legs lie apart in all."""
    apart = (math.dist(a.xy[-1], b.xy[0]) for a, b in pairwise(legs))
    return sum(gap for gap in apart if gap > _JOINT_M)


def _lines(legs: Iterable[Leg]) -> BaseGeometry:
    return MultiLineString([leg.xy for leg in legs])


def _metres(legs: Sequence[Leg], region: BaseGeometry, *, within: bool) -> float:
    # Leg by leg: a stretch that is flown twice counts twice, where a union would count it once.
    lines = [LineString(leg.xy) for leg in legs if leg.length_m > 0]
    if not lines:
        return 0.0
    shapely.prepare(region)
    parts = shapely.intersection(lines, region) if within else shapely.difference(lines, region)
    return float(shapely.length(parts).sum())


def _turns(legs: Sequence[Leg]) -> int:
    """Return how many times the path goes from one survey line to another."""
    lines = sum(1 for leg in legs if leg.kind == "survey")
    return max(lines - 1, 0)
