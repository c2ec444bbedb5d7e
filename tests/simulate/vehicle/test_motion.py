"""How the simulated vehicle moves: corners, holds, speeds, wind."""

import math
import time
from typing import Any

import numpy as np
import pytest
from tests.simulate.vehicle.bench import FRAME, RETURN, SPEED, TAKEOFF, WP, Bench, at, do, path, survey

from aerial.geo import LonLat, from_lonlat
from aerial.simulate.vehicle.place import Place
from aerial.simulate.vehicle.setup import Setup


def cornered(angle_deg: float, speed: float, hold: float = 0.0, **parameters: float) -> tuple[Bench, Any]:
    """Fly a corner 150 m east of home; return the vehicle and where it was, from the corner."""
    a = math.radians(angle_deg)
    bench = Bench(
        at(TAKEOFF, 0, 0, 30),
        at(WP, 0, 10, 30, 1),
        do(SPEED, 1, speed),
        at(WP, 150, 10, 30, hold),
        at(WP, 150 + 150 * math.cos(a), 10 + 150 * math.sin(a), 30, 1),
        do(RETURN),
        **parameters,
    )
    bench.start()
    bench.to_item(5)
    reached = np.array([bench.state.east_m - 150, bench.state.north_m - 10])
    bench.to_item(6)
    found = path(bench)
    return bench, (reached, np.hypot(found[:, 1] - 150, found[:, 2] - 10), found[:, 4])


@pytest.mark.parametrize("angle", [45, 90, 135, 180])
@pytest.mark.parametrize("radius", [1.0, 2.0])
def test_corners_are_cut_by_the_waypoint_radius(angle: float, radius: float) -> None:
    """At 8 m/s a corner is passed WP_RADIUS_M beside the waypoint, and there it counts as reached."""
    _, (reached, away, _) = cornered(angle, 8.0, WP_RADIUS_M=radius)
    assert away.min() == pytest.approx(radius, abs=0.15)
    assert np.hypot(*reached) == pytest.approx(radius, abs=0.15)


def test_slow_corners_are_cut_less() -> None:
    """At 4 m/s the vehicle needs less than the radius to turn by 90 degrees, and takes less."""
    _, (_, away, _) = cornered(90, 4.0)
    assert 0.5 < away.min() < 1.3


@pytest.mark.parametrize("speed", [4.0, 8.0, 12.0])
def test_straight_on_is_passed_at_speed(speed: float) -> None:
    """A waypoint on a straight line is passed over itself, at speed, and reached within 0.06 s of it."""
    _, (reached, away, speeds) = cornered(0, speed)
    assert away.min() < 0.15
    assert abs(reached[1]) < 0.05
    assert abs(reached[0]) < speed * 0.06
    assert speeds[away < 10].min() > speed - 0.2


def test_a_hold_is_a_rest_on_the_waypoint() -> None:
    """With param1 = 3 the vehicle comes to rest on the waypoint, stays 3 s, and then goes on."""
    _, (reached, away, speeds) = cornered(90, 8.0, hold=3.0)
    assert np.hypot(*reached) < 0.1
    at_rest = (away < 0.1) & (speeds < 0.1)
    assert 2.5 < at_rest.sum() * 0.02 < 4.5


def test_acceleration_and_climb_keep_to_the_parameters() -> None:
    """Legs are flown with WP_ACC, WP_SPD_UP and WP_SPD_DN at most, gusts and following apart."""
    bench = Bench(
        at(TAKEOFF, 0, 0, 20), at(WP, 300, 0, 20, 1), at(WP, 300, 40, 60, 1), at(WP, 300, 0, 20, 1),
        do(RETURN), WP_ACC=1.5, WP_SPD=9.0, WP_SPD_UP=2.0, WP_SPD_DN=1.0,
    )  # fmt: skip
    bench.fly()
    found = path(bench)
    level = found[(found[:, 3] > 19.5) & (found[:, 3] < 20.5)]
    assert level[:, 4].max() == pytest.approx(9.0, abs=0.3)
    gained = np.abs(found[25:, 4] - found[:-25, 4]) / 0.5
    assert 1.3 < gained.max() < 1.5 * 1.2
    climb = np.diff(found[:, 3]) / 0.02
    assert climb.max() < 2.3
    assert climb.min() > -1.3


def test_a_lower_speed_comes_into_force_on_the_leg() -> None:
    """DO_CHANGE_SPEED by command slows the vehicle down at once, within the acceleration."""
    bench = Bench(at(TAKEOFF, 0, 0, 20), at(WP, 500, 0, 20, 1), do(RETURN))
    bench.start()
    bench.to_item(2)
    bench.run(10)
    assert path(bench)[-1, 4] == pytest.approx(10, abs=0.3)
    assert bench.do(178, 1, 4, -1) == 0
    bench.run(4)
    assert path(bench)[-1, 4] == pytest.approx(4, abs=0.3)


def line_in_wind(speed: float, from_deg: float) -> tuple[Bench, Any]:
    """Fly 400 m east and back at 8 m/s; return the rows on the line."""
    bench = Bench(
        at(TAKEOFF, 0, 0, 40), do(SPEED, 1, 8, -1), at(WP, 400, 0, 40, 1), at(WP, 0, 0, 40, 1), do(RETURN),
        setup=Setup(wind_speed_m_s=speed, wind_from_deg=from_deg),
    )  # fmt: skip
    bench.fly()
    found = path(bench)
    return bench, found[(found[:, 1] > 20) & (found[:, 1] < 380) & (found[:, 3] > 39)]


def test_lines_are_held_in_wind() -> None:
    """The error across a line is below 0.05 m in calm air, 0.3 m in 5 m/s of wind, and grows with it."""
    errors = [np.abs(line_in_wind(speed, 10.0)[1][:, 2]).max() for speed in (0.0, 5.0, 10.0)]
    assert errors[0] < 0.05
    assert errors[0] < errors[1] < 0.3
    assert errors[1] < errors[2] < 1.0


def test_head_wind_beyond_its_airspeed_slows_it_down_on_the_line() -> None:
    """In 10 m/s of head wind it makes 5 m/s over ground, its 15 m/s of airspeed, and stays on the line."""
    _, found = line_in_wind(10.0, 90.0)
    out = found[: len(found) // 2]
    assert np.median(out[:, 4]) == pytest.approx(5.0, abs=0.5)
    assert np.abs(found[:, 2]).max() < 1.0


def test_a_storm_blows_it_away() -> None:
    """Wind faster than it can fly drifts it, whatever it tries."""
    bench = Bench(at(TAKEOFF, 0, 0, 40), do(RETURN), setup=Setup(wind_speed_m_s=18.0, wind_from_deg=270.0))
    bench.start()
    bench.run(60)
    assert bench.state.east_m > 60


def test_it_leans_with_speed_and_into_the_wind() -> None:
    """The nose is 23 degrees down at 8 m/s in calm air; hovering, it leans into the wind."""
    bench = Bench(at(TAKEOFF, 0, 0, 20), do(SPEED, 1, 8, -1), at(WP, 300, 0, 20, 1), do(RETURN))
    bench.start()
    bench.to_item(3)
    bench.run(15)
    assert bench.state.pitch_deg == pytest.approx(-23, abs=2)
    assert bench.state.yaw_deg == pytest.approx(90, abs=0.5)
    bench = Bench(at(TAKEOFF, 0, 0, 20), setup=Setup(wind_speed_m_s=6.0, wind_from_deg=0.0))
    bench.start()
    bench.run(40)
    assert bench.state.pitch_deg < -10


def test_faster_and_windier_costs_more() -> None:
    """Power grows with airspeed: the same time in the air takes more of the battery in wind."""
    used = []
    for wind in (0.0, 8.0):
        bench = Bench(at(TAKEOFF, 0, 0, 20), setup=Setup(wind_speed_m_s=wind))
        bench.start()
        bench.run(120)
        used.append(1 - bench.state.battery_share)
        assert bench.state.airspeed_m_s == pytest.approx(wind, abs=4)
    assert used[1] > used[0] * 1.05
    assert used[0] == pytest.approx(120 / 1200, rel=0.1)


def test_same_seed_same_flight() -> None:
    """Two vehicles of one seed take the same shots; another seed takes others."""
    found = []
    for seed in (1, 1, 2):
        bench = Bench(*survey(), setup=Setup(wind_speed_m_s=5.0, seed=seed))
        bench.fly()
        found.append(bench.state.shots)
    assert found[0] == found[1] != found[2]


def test_steps_of_any_length_are_one_flight() -> None:
    """A flight that is stepped by a second is the flight that is stepped by 20 ms."""
    ends = []
    for step in (0.02, 1.0):
        bench = Bench(at(TAKEOFF, 0, 0, 20), at(WP, 100, 0, 20), do(RETURN))
        bench.start()
        bench.run(30, step=step)
        ends.append((bench.state.east_m, bench.state.up_m))
    assert ends[0] == ends[1]


def test_standing_is_nearly_free() -> None:
    """An hour on the ground of a vehicle stepped ten times a second takes under a second of CPU."""
    bench = Bench(*survey())
    began = time.process_time()
    bench.run(3600, step=0.1)
    assert time.process_time() - began < 1.0


def test_the_frame_is_that_of_the_rest() -> None:
    """Metres and degrees agree with ``geo.local_frame`` to a millimetre within 5 km, both ways."""
    rng = np.random.default_rng(3)
    place = Place(Setup().home, 10.0)
    for east, north in rng.uniform(-5000, 5000, (50, 2)):
        lat, lon = place.lat_lon(east, north)
        there = from_lonlat(FRAME, LonLat(lon_deg=lon, lat_deg=lat))
        assert there == pytest.approx((east, north), abs=1e-3)
        assert place.metres(lat, lon) == pytest.approx((east, north), abs=1e-3)
