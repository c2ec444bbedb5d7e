"""Fences, battery, ground station and the way home of the simulated vehicle."""

from dataclasses import replace

import numpy as np
import pytest
from tests.simulate.vehicle.bench import (
    AUTO,
    LAND,
    LOITER,
    RETURN,
    RTL,
    TAKEOFF,
    WP,
    Bench,
    at,
    do,
    path,
    place,
    polygon,
)

from aerial.records import MissionItem
from aerial.simulate.vehicle.setup import Setup

FAR = (at(TAKEOFF, 0, 0, 30), at(WP, 0, 400, 30), do(RETURN))
AROUND = ((-50, -50), (50, -50), (50, 200), (-50, 200))


def fenced(*parts: list[MissionItem], rows: tuple = FAR, **parameters: float) -> Bench:
    """Return a vehicle behind a fence, off unless switched on by ``parameters``."""
    bench = Bench(*rows, **parameters)
    bench.store.fence[:] = [item for part in parts for item in part]
    bench.flying.fence_changed()
    bench.run(3)
    return bench


def circle(command: int, east: float, north: float, radius: float) -> list[MissionItem]:
    """Return a round fence."""
    return [MissionItem(seq=0, frame=0, command=command, params=(radius, 0, 0, 0, *place(east, north), 0.0))]


def test_breach_of_the_polygon_brings_it_home() -> None:
    """Breach: type 3, "Polygon fence breached", RTL (FENCE_ACTION 1), cleared inside, landed at home."""
    bench = fenced(polygon(5001, *AROUND), FENCE_ENABLE=1, FENCE_TYPE=4)
    bench.start()
    assert bench.run(200, lambda: bench.state.breach_type == 3)
    assert bench.said("Polygon fence breached")
    assert bench.state.mode == RTL
    assert bench.state.breach_count == 1
    assert bench.state.breach_s == pytest.approx(bench.state.time_s, abs=0.2)
    assert 200 < bench.state.north_m < 202
    assert bench.run(300, lambda: not bench.state.armed)
    assert bench.state.breach_type == 0
    assert np.hypot(bench.state.east_m, bench.state.north_m) < 0.3


@pytest.mark.parametrize(("action", "mode"), [(0, AUTO), (1, RTL), (2, LAND), (4, 17)])
def test_fence_actions(action: float, mode: int) -> None:
    """FENCE_ACTION 0 only tells, 1 returns, 2 lands, 4 brakes."""
    bench = fenced(polygon(5001, *AROUND), FENCE_ENABLE=1, FENCE_TYPE=4, FENCE_ACTION=action)
    bench.start()
    assert bench.run(200, lambda: bench.state.breach_type == 3)
    assert bench.state.mode == mode


@pytest.mark.parametrize(
    ("kinds", "text"), [(1, "Max Alt fence"), (2, "Circle fence"), (4, None), (7, "Circle fence"), (0, None)]
)
def test_every_kind_of_fence_is_its_bit(kinds: float, text: str | None) -> None:
    """FENCE_TYPE's bits switch the ceiling of 100 m, the circle of 150 m and the polygon on, each apart."""
    rows = (at(TAKEOFF, 0, 0, 95 if kinds == 7 else 105), at(WP, 0, 180, 95), do(RETURN))
    bench = fenced(polygon(5001, *AROUND), rows=rows, FENCE_ENABLE=1, FENCE_TYPE=kinds, WP_SPD_UP=5)
    bench.start()
    bench.run(70, lambda: bench.state.breach_type != 0)
    assert [said for _, said in bench.texts if "breached" in said] == ([f"{text} breached"] if text else [])


def test_holes_and_circles() -> None:
    """Exclusions and circles are kept: flying into 5002 or 5004, or out of 5003, is a breach."""
    hole = polygon(5002, (-20, 100), (20, 100), (20, 150), (-20, 150))
    for fence, north in ((hole, 100), (circle(5004, 0, 250, 50), 200), (circle(5003, 0, 0, 120), 120)):
        bench = fenced(fence, FENCE_ENABLE=1, FENCE_TYPE=4)
        bench.start()
        assert bench.run(200, lambda b=bench: b.state.breach_type == 3)
        assert bench.state.north_m == pytest.approx(north, abs=2)


def test_a_fence_that_is_off_stops_nothing() -> None:
    """An upload alone does not switch the fence on."""
    bench = fenced(polygon(5001, *AROUND))
    bench.fly()
    assert path(bench)[:, 2].max() > 398


def test_home_outside_is_not_armed_but_for_an_instant() -> None:
    """Outside: "Vehicle breaching Polygon fence" a second after switching on; in the same instant it arms."""
    outside = polygon(5001, (100, 100), (200, 100), (200, 200), (100, 200))
    bench = fenced(outside, FENCE_TYPE=4)
    bench.parameters["FENCE_ENABLE"] = 1.0
    bench.run(1.5)
    bench.do(176, 1, AUTO)
    assert bench.do(400, 1) == 4
    assert bench.said("Arm: Vehicle breaching Polygon fence")
    assert bench.said("PreArm: Vehicle breaching Polygon fence")
    bench = fenced(outside, FENCE_TYPE=4)
    bench.do(176, 1, AUTO)
    bench.parameters["FENCE_ENABLE"] = 1.0
    assert bench.do(400, 1) == 0


def test_no_way_out_of_a_breach() -> None:
    """While a fence brings it back, AUTO is refused; inside it is taken again."""
    bench = fenced(polygon(5001, *AROUND), FENCE_ENABLE=1, FENCE_TYPE=4)
    bench.start()
    bench.run(200, lambda: bench.state.mode == RTL)
    assert bench.do(176, 1, AUTO) == 4
    bench.run(30, lambda: bench.state.breach_type == 0)
    assert bench.do(176, 1, AUTO) == 0


def test_return_rises_crosses_and_lands() -> None:
    """RTL climbs to RTL_ALT_M where it is, flies straight home at that height, waits, lands."""
    bench = Bench(*FAR, RTL_ALT_M=50)
    bench.start()
    bench.to_item(2)
    bench.run(60, lambda: bench.state.north_m > 200)
    assert bench.do(20) == 0
    began = len(bench.trace)
    bench.run(400, lambda: not bench.state.armed)
    back = path(bench)[began:]
    far = back[back[:, 2] > 190]
    assert far[:, 3].max() == pytest.approx(50, abs=0.2)
    assert back[(back[:, 2] > 20) & (back[:, 2] < 180)][:, 3] == pytest.approx(50, abs=0.3)
    assert np.abs(back[:, 1]).max() < 0.3
    over_home = back[(np.abs(back[:, 2]) < 0.5) & (back[:, 3] > 49.5)]
    assert len(over_home) * 0.02 > 5


def test_return_never_sinks_first() -> None:
    """From above RTL_ALT_M it returns at its own height; near home it climbs only as the cone says."""
    bench = Bench(at(TAKEOFF, 0, 0, 60), at(WP, 0, 100, 60), do(RETURN))
    bench.fly()
    found = path(bench)
    assert found[(found[:, 2] > 10) & (found[:, 2] < 90)][:, 3].min() > 59
    bench = Bench(at(TAKEOFF, 0, 0, 10), at(WP, 0, 5, 10, 1), do(RETURN), RTL_ALT_M=50)
    bench.fly()
    assert path(bench)[:, 3].max() == pytest.approx(15, abs=0.3)


@pytest.mark.parametrize(("north", "goes"), [(230.0, True), (-50.0, False)])
def test_rally_points_are_used_when_nearer(north: float, goes: bool) -> None:
    """RTL goes to a rally point that is nearer than home, and home otherwise."""
    bench = Bench(*FAR)
    bench.store.rally.append(
        MissionItem(seq=0, frame=3, command=5100, params=(0, 0, 0, 0, *place(40, north), 45.0))
    )
    bench.start()
    bench.to_item(2)
    bench.run(60, lambda: bench.state.north_m > 200)
    bench.do(20)
    bench.run(400, lambda: not bench.state.armed)
    end = (40, north) if goes else (0, 0)
    assert (bench.state.east_m, bench.state.north_m) == pytest.approx(end, abs=0.3)
    assert path(bench)[:, 3].max() == pytest.approx(45 if goes else 30, abs=0.3)


LONG = (at(TAKEOFF, 0, 0, 20), at(WP, 0, 100, 20, 900), do(RETURN))


@pytest.mark.parametrize(("action", "mode"), [(0, AUTO), (1, LAND), (2, RTL), (3, RTL)])
def test_battery_failsafe(action: float, mode: int) -> None:
    """Below BATT_LOW_MAH the vehicle does what BATT_FS_LOW_ACT says, once."""
    bench = Bench(*LONG, setup=Setup(battery_s=400.0), BATT_LOW_MAH=2000, BATT_FS_LOW_ACT=action)
    bench.start()
    assert bench.run(300, lambda: bench.said("Battery 1 is low"))
    assert bench.state.battery_share == pytest.approx(2000 / 3300, abs=0.01)
    assert bench.state.mode == mode
    bench.run(20)
    assert sum("is low" in text for _, text in bench.texts) == 1


def test_low_voltage_has_to_last() -> None:
    """BATT_LOW_VOLT counts after BATT_LOW_TIMER seconds below it; BATT_FS_CRT_ACT lands what returns."""
    bench = Bench(
        *LONG, setup=Setup(battery_s=400.0), BATT_LOW_VOLT=15.2, BATT_FS_LOW_ACT=2, BATT_CRT_MAH=1000,
        BATT_FS_CRT_ACT=1, RTL_LOIT_TIME=300000,
    )  # fmt: skip
    bench.start()
    assert bench.run(300, lambda: bench.state.battery_v < 15.2)
    under = bench.state.time_s
    assert bench.run(60, lambda: bench.state.mode == RTL)
    assert bench.state.time_s - under == pytest.approx(10, abs=2)
    assert bench.run(300, lambda: bench.state.mode == LAND)
    assert bench.said("Battery 1 is critical")


def test_an_empty_battery_drops_it() -> None:
    """At the end of the battery it falls, and it is not armed again."""
    bench = Bench(*LONG, setup=Setup(battery_s=120.0))
    bench.start()
    assert bench.run(300, lambda: bench.state.landed and not bench.state.armed)
    assert bench.state.crashed
    assert bench.do(400, 1) == 4


def test_a_lost_station_is_waited_for_as_long_as_the_parameter_says() -> None:
    """FS_GCS_ENABLE 1: RTL after FS_GCS_TIMEOUT of silence; heard again, it is told and goes on home."""
    bench = Bench(*FAR, FS_GCS_ENABLE=1, FS_GCS_TIMEOUT=8)
    bench.start()
    bench.run(20)
    bench.beats = False
    bench.run(7.5)
    assert bench.state.mode == AUTO
    bench.run(1)
    assert bench.state.mode == RTL
    assert bench.said("GCS Failsafe")
    bench.beats = True
    bench.run(1)
    assert bench.said("GCS Failsafe Cleared")
    assert bench.state.mode == RTL


@pytest.mark.parametrize(
    ("enabled", "options", "mode"), [(0, 0, AUTO), (1, 16, RTL), (1, 2, AUTO), (5, 0, LAND)]
)
def test_lost_station_by_parameters(enabled: float, options: float, mode: int) -> None:
    """Off by default; on, it returns or lands, or goes on in AUTO where FS_OPTIONS has bit 1."""
    bench = Bench(*FAR, FS_GCS_ENABLE=enabled, FS_OPTIONS=options)
    bench.start()
    bench.run(20)
    bench.beats = False
    bench.run(10)
    assert bench.state.mode == mode


def test_the_pilot_has_the_last_word() -> None:
    """A mode of the pilot's stops a failsafe's way home, and the mission stays where it was."""
    bench = fenced(polygon(5001, *AROUND), FENCE_ENABLE=1, FENCE_TYPE=4)
    bench.start()
    bench.run(200, lambda: bench.state.mode == RTL)
    assert bench.flying.pilot_takes(LOITER)
    bench.run(20)
    assert bench.state.mode == LOITER
    assert path(bench)[-1, 4] < 0.3


def test_home_is_where_it_was_armed() -> None:
    """After a landing elsewhere, the next flight returns there."""
    bench = Bench(at(TAKEOFF, 0, 0, 15), at(WP, 0, 80, 15, 1), do(21))
    bench.fly()
    assert bench.state.north_m == pytest.approx(80, abs=0.5)
    bench.store.mission[:] = [replace(item) for item in bench.store.mission[:2]]
    bench.flying.mission_changed()
    bench.start()
    bench.run(20)
    bench.do(20)
    bench.run(200, lambda: not bench.state.armed)
    assert bench.state.north_m == pytest.approx(80, abs=0.5)
