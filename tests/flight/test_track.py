"""Where in its sortie a vehicle is, held against the sortie's own geometry."""

from itertools import pairwise

import numpy as np
import pytest
from tests.plan.samples import sample_plan

from aerial import geo
from aerial.autopilots.ardupilot import ArduPilot
from aerial.autopilots.base import Autopilot
from aerial.autopilots.legs import legs_of_items
from aerial.autopilots.px4 import Px4
from aerial.autopilots.triggers import of_sortie
from aerial.flight.track import Progress, Track
from aerial.geo import LonLat
from aerial.records import Leg, Sortie

AUTOPILOTS = [ArduPilot(), Px4()]


class Walk:
    """Positions on and beside the legs of a sortie, in metres."""

    def __init__(self, sortie: Sortie, autopilot: Autopilot | None = None) -> None:
        autopilot = autopilot or ArduPilot()
        self.sortie, self.track = sortie, Track(sortie, autopilot)
        self.frame = geo.local_frame(sortie.takeoff)
        self.legs = legs_of_items(sortie, autopilot.encode(sortie))

    def xy(self, place: LonLat) -> np.ndarray:
        """Return a place in metres."""
        return np.array(geo.from_lonlat(self.frame, place))

    def place(self, leg: Leg, along_m: float, right_m: float = 0.0) -> LonLat:
        """Return the place so far along a straight leg, and to its right."""
        start, end = self.xy(leg.path[0].at), self.xy(leg.path[-1].at)
        unit = (end - start) / np.hypot(*(end - start))
        x, y = start + along_m * unit + right_m * np.array([unit[1], -unit[0]])
        return geo.to_lonlat(self.frame, float(x), float(y))

    def length(self, leg: Leg) -> float:
        """Return the length of a straight leg."""
        return float(np.hypot(*(self.xy(leg.path[-1].at) - self.xy(leg.path[0].at))))

    def at(
        self, number: int, along_m: float, right_m: float = 0.0, up_m: float = 0.0, shot: LonLat | None = None
    ) -> Progress:
        """Return the progress on a leg."""
        leg = self.sortie.legs[number]
        height = leg.path[0].height_above_takeoff_m + up_m
        return self.track.at(self.legs.index(number), self.place(leg, along_m, right_m), height, shot)

    def line(self, which: int) -> int:
        """Return the leg of a survey line."""
        return [number for number, leg in enumerate(self.sortie.legs) if leg.line is not None][which]


@pytest.mark.parametrize("autopilot", AUTOPILOTS, ids=lambda one: one.name)
def test_along_the_way(sortie: Sortie, autopilot: Autopilot) -> None:
    """Along the whole path what is left falls by what is flown, on the line, at its height."""
    walk = Walk(sortie, autopilot)
    total = sum(walk.length(leg) for leg in sortie.legs)
    flown = 0.0
    for number, leg in enumerate(sortie.legs):
        for along in np.linspace(0, walk.length(leg), 7):
            found = walk.at(number, float(along))
            assert (found.leg, found.line) == (number, leg.line)
            assert found.left_m == pytest.approx(total - flown - along, abs=0.01)
            assert found.left_s == pytest.approx(found.left_m / total * sortie.duration_s)
            assert found.left_battery == pytest.approx(found.left_m / total * sortie.battery_share)
            assert (found.aside_m, found.above_m) == pytest.approx((0.0, 0.0), abs=0.01)
            assert found.every_m == (leg.trigger_distance_m or 0.0)
        flown += walk.length(leg)


def test_beside_and_above(sortie: Sortie) -> None:
    """Distance from the line and height over it are told in metres, on either side."""
    walk = Walk(sortie)
    for right, up in ((7.5, 3.0), (-7.5, -3.0)):
        found = walk.at(walk.line(2), 120.0, right, up)
        assert found.aside_m == pytest.approx(7.5, abs=0.01)
        assert found.above_m == pytest.approx(up, abs=0.01)


def test_height_between_corners() -> None:
    """On a line that follows the ground the height counts from the sloped path."""
    sortie = sample_plan(lines=2, sorties=1, relief_m=20.0).sorties[0]
    walk = Walk(sortie)
    number = walk.line(0)
    a, b = sortie.legs[number].path[:2]
    middle = (walk.xy(a.at) + walk.xy(b.at)) / 2
    height = (a.height_above_takeoff_m + b.height_above_takeoff_m) / 2
    found = walk.track.at(walk.legs.index(number), geo.to_lonlat(walk.frame, *map(float, middle)), height + 4)
    assert found.above_m == pytest.approx(4.0, abs=0.01)


def test_due(sortie: Sortie) -> None:
    """Photographs are due at a line's start and every trigger distance on, those of lines before too."""
    walk = Walk(sortie)
    assert walk.at(0, 1.0).due == 0
    for which in (0, 3):
        before = 21 * which
        for along, due in ((1.0, 1), (14.0, 1), (16.0, 2), (31.0, 3), (299.0, 20), (300.1, 21)):
            assert walk.at(walk.line(which), along).due == before + due
    assert walk.at(0, 1.0).photos == len(of_sortie(sortie)) == 126


def test_blind(sortie: Sortie) -> None:
    """Metres without a photograph count from the last on this line, or from its start."""
    walk = Walk(sortie)
    number = walk.line(1)
    leg = sortie.legs[number]
    assert walk.at(number, 80.0).blind_m == pytest.approx(80.0, abs=0.01)
    assert walk.at(number, 80.0, shot=walk.place(leg, 60.0, 2.0)).blind_m == pytest.approx(20.0, abs=0.01)
    elsewhere = walk.place(sortie.legs[walk.line(0)], 60.0)
    assert walk.at(number, 80.0, shot=elsewhere).blind_m == pytest.approx(80.0, abs=0.01)
    assert walk.at(number, 80.0, shot=walk.place(leg, 95.0)).blind_m == 0.0


@pytest.mark.parametrize("autopilot", AUTOPILOTS, ids=lambda one: one.name)
def test_before_and_after(sortie: Sortie, autopilot: Autopilot) -> None:
    """On the ground all is left and nothing due; after the last item all is due and nothing left."""
    walk = Walk(sortie, autopilot)
    first = walk.track.at(0, sortie.takeoff, 0.0)
    assert (first.leg, first.line, first.due) == (None, None, 0)
    assert first.left_battery == sortie.battery_share
    for item in (walk.track.items - 1, walk.track.items, 65_535):
        last = walk.track.at(item, sortie.takeoff, 0.0)
        assert (last.due, last.left_m, last.left_s) == (126, 0.0, 0.0)


def test_items_in_order(sortie: Sortie) -> None:
    """From one item to the next what is due never falls and what is left never grows."""
    for autopilot in AUTOPILOTS:
        walk = Walk(sortie, autopilot)
        found = []
        for item, number in enumerate(walk.legs):
            leg = None if number is None else sortie.legs[number]
            place = sortie.takeoff if leg is None else leg.path[0].at
            found.append(walk.track.at(item, place, 100.0))
        assert all(b.left_m <= a.left_m + 0.01 and b.due >= a.due for a, b in pairwise(found))


@pytest.mark.parametrize(
    ("lon", "lat"), [(0.0, 0.0), (23.8, 0.0), (-156.2, 0.1), (-66.2, -22.8), (113.8, 90.0)]
)
def test_anywhere_on_earth(sortie: Sortie, lon: float, lat: float) -> None:
    """A place at the other end of the world, or where no map of here reaches, is far aside or unknown."""
    walk = Walk(sortie)
    number = walk.line(1)
    item, place = walk.legs.index(number), LonLat(lon_deg=lon, lat_deg=lat)
    found = walk.track.at(item, place, 100.0, place)
    assert found.line == sortie.legs[number].line
    assert found.aside_m is None or found.aside_m > 1e6
    assert 0 <= found.left_m <= walk.track.at(0, sortie.takeoff, 0.0).left_m
    on_line = walk.place(sortie.legs[number], 50.0)
    assert walk.track.at(item, on_line, 100.0, place).blind_m == pytest.approx(50.0, abs=0.01)
