"""How the simulated vehicle runs a mission and its camera, seen from inside."""

import numpy as np
import pytest
from tests.simulate.vehicle.bench import (
    AUTO,
    GUIDED,
    JUMP,
    LAND,
    LOITER,
    RETURN,
    RTL,
    SPEED,
    TAKEOFF,
    TRIGGER,
    WP,
    Bench,
    at,
    do,
    items,
    path,
    places,
    survey,
)

from aerial.flight.mavlink import dialect
from aerial.simulate.vehicle.craft import Craft
from aerial.simulate.vehicle.flying import Flying
from aerial.simulate.vehicle.place import Place
from aerial.simulate.vehicle.setup import Setup

ACCEPTED, DENIED, UNSUPPORTED, FAILED = 0, 2, 3, 4


def reached(bench: Bench) -> list[int]:
    """Return the items that were told as reached."""
    return [message.seq for message in bench.kinds("MISSION_ITEM_REACHED")]


@pytest.mark.parametrize("speed", [4.0, 8.0, 12.0])
def test_spacing_is_the_distance_and_at_most_one_round_more(speed: float) -> None:
    """Shots of a line are d to d + speed * 20 ms apart, gusts of speed apart, ten on 100 m at 10 m."""
    bench = Bench(*survey(hold=1, speed=speed))
    bench.fly()
    found = places(bench)
    assert len(found) == 20
    gaps = np.hypot(*np.diff(found, axis=0).T)
    gaps = gaps[gaps < 15]
    assert gaps.min() >= 10.0 - 1e-6
    assert gaps.max() <= 10.0 + (speed + 0.3) * 0.02
    assert np.hypot(*(found[0] - (20, 50))) < 0.2


def test_without_holds_the_first_shot_lies_off_the_corner() -> None:
    """With param1 = 0 a line's first shot is taken where the corner is cut, over a metre off its start."""
    bench = Bench(*survey(hold=0))
    bench.fly()
    assert 1.0 < np.hypot(*(places(bench)[0] - (20, 50))) < 2.2


def test_feedback_is_the_truth_rounded() -> None:
    """CAMERA_FEEDBACK gives each true shot: 1e-7 degrees, microseconds of the same epoch, same angles."""
    bench = Bench(*survey())
    bench.fly()
    told = bench.kinds("CAMERA_FEEDBACK")
    assert len(told) == len(bench.state.shots) == 20
    for message, shot in zip(told, bench.state.shots, strict=True):
        assert message.img_idx == shot.index
        assert message.lat == round(shot.at.lat_deg * 1e7)
        assert message.lng == round(shot.at.lon_deg * 1e7)
        assert message.time_usec / 1e6 == pytest.approx(shot.time_s, abs=1e-5)
        assert (message.alt_msl, message.alt_rel) == (shot.altitude_amsl_m, shot.height_above_home_m)
        assert (message.roll, message.pitch, message.yaw) == (shot.roll_deg, shot.pitch_deg, shot.yaw_deg)


@pytest.mark.parametrize("kind", [0.0, 4.0, 6.0])
def test_silent_cameras_take_nothing(kind: float) -> None:
    """CAM1_TYPE 0, 4 and 6: all commands are accepted, no shot is taken and none is told."""
    bench = Bench(*survey(), CAM1_TYPE=kind)
    assert bench.do(206, 10, 0, 1) == bench.do(203, 0, 0, 0, 0, 1) == bench.do(2000, 0, 0, 1) == ACCEPTED
    bench.fly()
    assert not bench.state.shots
    assert not bench.kinds("CAMERA_FEEDBACK")


def test_a_feedback_pin_without_signal_hides_shots() -> None:
    """With CAM1_FEEDBAK_PIN set, shots are taken and none is told."""
    bench = Bench(*survey(), CAM1_FEEDBAK_PIN=50)
    bench.fly()
    assert len(bench.state.shots) == 20
    assert not bench.kinds("CAMERA_FEEDBACK")


def test_distance_counts_from_the_last_shot() -> None:
    """A single shot by command between two distance shots puts the next one off."""
    bench = Bench(at(TAKEOFF, 0, 0, 20), at(WP, 0, 10, 20, 1), do(TRIGGER, 20, 0, 1), at(WP, 200, 10, 20, 1))
    bench.start()
    bench.to_item(4)
    assert bench.run(60, lambda: bench.state.east_m > 10)
    assert bench.do(203, 0, 0, 0, 0, 1) == ACCEPTED
    bench.run(60, lambda: bench.state.east_m > 60)
    east = places(bench)[:, 0]
    assert east[:4] == pytest.approx([0, 10, 30, 50], abs=0.7)


def test_the_camera_needs_its_interval() -> None:
    """CAM1_INTRVAL_MIN holds shots back that come too soon."""
    bench = Bench(*survey(hold=1), CAM1_INTRVAL_MIN=2.0)
    bench.fly()
    times = np.diff([shot.time_s for shot in bench.state.shots])
    assert times.min() >= 2.0 - 1e-6


def test_reached_is_told_as_measured() -> None:
    """The take-off's 1 is overwritten by the speed's 2; items 206 and the gimbal's are never told."""
    bench = Bench(
        at(TAKEOFF, 0, 0, 10), do(SPEED, 1, 8), do(1000, -90), at(WP, 50, 0, 10), do(TRIGGER, 10, 0, 1),
        at(WP, 90, 0, 10, 1), do(TRIGGER, 0), do(RETURN),
    )  # fmt: skip
    bench.fly()
    assert reached(bench) == [2, 4, 6, 8]


def test_the_end_is_complete_at_item_0() -> None:
    """After landing: current 0, mission_state 5, disarmed, within decimetres of home."""
    bench = Bench(*survey())
    bench.fly()
    s = bench.state
    assert (s.current, s.mission_state, s.armed, s.landed) == (0, 5, False, True)
    assert np.hypot(s.east_m, s.north_m) < 0.3


def test_resume_flies_to_the_current_waypoint_at_the_stock_speed() -> None:
    """AUTO again after LOITER goes on with the same item (MIS_RESTART 0), straight, the asked speed lost."""
    bench = Bench(
        at(TAKEOFF, 0, 0, 20), do(SPEED, 1, 4), at(WP, 0, 200, 20, 1), at(WP, 300, 200, 20), do(RETURN)
    )
    bench.start()
    bench.to_item(4)
    bench.run(10)
    assert path(bench)[-1, 4] == pytest.approx(4, abs=0.3)
    assert bench.flying.pilot_takes(LOITER)
    bench.run(10)
    assert (bench.state.mode, bench.state.mission_state, bench.state.current) == (LOITER, 4, 4)
    assert path(bench)[-1, 4] < 0.2
    assert bench.do(176, 1, AUTO) == ACCEPTED
    bench.run(10)
    assert (bench.state.mission_state, bench.state.current) == (3, 4)
    assert path(bench)[-1, 4] == pytest.approx(10, abs=0.4)


def test_mis_restart_begins_anew() -> None:
    """With MIS_RESTART 1 AUTO begins with item 1."""
    bench = Bench(*survey(), MIS_RESTART=1)
    bench.start()
    bench.to_item(5)
    bench.flying.pilot_takes(LOITER)
    bench.run(3)
    bench.do(176, 1, AUTO)
    bench.run(0.1)
    assert bench.state.current < 5


def test_pause_and_continue_keep_leg_and_speed() -> None:
    """DO_PAUSE_CONTINUE brakes on the leg, holds, and goes on at the same speed; DENIED in other modes."""
    bench = Bench(at(TAKEOFF, 0, 0, 20), do(SPEED, 1, 6), at(WP, 0, 300, 20, 1), do(RETURN))
    assert bench.do(193, 0) == DENIED
    bench.start()
    bench.to_item(3)
    bench.run(10)
    assert bench.do(193, 0) == ACCEPTED
    bench.run(8)
    held = bench.state.north_m
    bench.run(5)
    assert bench.state.north_m == pytest.approx(held, abs=0.2)
    assert (bench.state.mode, bench.state.mission_state) == (AUTO, 3)
    assert bench.do(193, 1) == ACCEPTED
    bench.run(8)
    assert path(bench)[-1, 4] == pytest.approx(6, abs=0.3)
    assert np.abs(path(bench)[-900:, 1]).max() < 0.2


def test_jumps_are_counted() -> None:
    """DO_JUMP goes back as often as it says."""
    bench = Bench(at(TAKEOFF, 0, 0, 10), at(WP, 0, 30, 10), at(WP, 30, 30, 10), do(JUMP, 2, 2), do(RETURN))
    bench.fly()
    assert [seq for seq in reached(bench) if seq in (2, 3)] == [2, 3] * 3


@pytest.mark.parametrize("changes_at", [93, 96, 98])
def test_a_new_mission_waits_for_the_current_waypoint(changes_at: float) -> None:
    """A mission that changes before or in a corner is taken over behind the waypoint, without a detour."""
    bench = Bench(at(TAKEOFF, 0, 0, 10), at(WP, 0, 100, 10), at(WP, 100, 100, 10), do(RETURN))
    bench.start()
    bench.to_item(2)
    bench.run(60, lambda: bench.state.north_m > changes_at)
    bench.store.mission[:] = items(at(TAKEOFF, 0, 0, 10), at(WP, 0, 5, 10), at(WP, -60, 100, 10), do(RETURN))
    bench.flying.mission_changed()
    bench.run(600, lambda: not bench.state.armed)
    found = path(bench)
    assert found[:, 1].max() < 20
    assert found[:, 1].min() == pytest.approx(-60, abs=1)
    assert found[:, 2].max() > 97


def test_the_current_item_can_be_chosen() -> None:
    """DO_SET_MISSION_CURRENT flies to that item at once; one that is not there FAILS."""
    bench = Bench(at(TAKEOFF, 0, 0, 10), at(WP, 0, 200, 10), at(WP, 60, 0, 10, 1), do(RETURN))
    assert bench.do(224, 9) == FAILED
    bench.start()
    bench.to_item(2)
    bench.run(5)
    assert bench.do(224, 3) == ACCEPTED
    assert bench.state.current == 3
    bench.to_item(4)
    assert path(bench)[:, 2].max() < 60


def test_arming_is_accepted_a_little_after_prearm_is_healthy() -> None:
    """The pre-arm bit is healthy 1.5 s before a position mode may be armed, which is at ``ready_s``."""
    bench = Bench(*survey())
    setup = Setup(ready_s=10.0)
    place = Place(setup.home, setup.home_amsl_m)
    flying = Flying(Craft(setup, {}, bench.store, lambda *_: None, bench.messages.append, place))
    flying.command(176, (1.0, AUTO, 0.0, 0.0, 0.0, 0.0, 0.0), 0)
    arm = (1.0, *(0.0,) * 6)
    for now, healthy, result in ((8.4, False, FAILED), (9.0, True, FAILED), (10.0, True, ACCEPTED)):
        flying.step(now)
        assert (flying.state.prearm_healthy, flying.command(400, arm, 0)) == (healthy, result)


def test_refusals_of_commands() -> None:
    """Unknown commands are UNSUPPORTED; take-off outside GUIDED, disarming in flight and bad modes FAIL."""
    bench = Bench(*survey())
    assert bench.do(99) == UNSUPPORTED
    assert bench.do(176, 1, 99) == FAILED
    assert bench.do(22, 0, 0, 0, 0, 0, 0, 10) == FAILED
    assert bench.do(300, 1, 3) == DENIED
    bench.start()
    bench.to_item(3)
    assert bench.do(400, 0) == FAILED
    assert bench.do(401) == 1
    assert bench.do(400, 0, 21196) == ACCEPTED
    bench.run(20)
    assert bench.state.crashed
    assert bench.state.landed


def test_numbers_that_are_none_do_not_break_it() -> None:
    """NaN and infinity in a command are taken as 0."""
    bench = Bench(*survey())
    for command in (20, 22, 176, 178, 193, 203, 206, 224, 300, 400, 401, 2000):
        for value in (float("nan"), float("inf"), -1e30):
            assert bench.do(command, *(value,) * 7) in range(6)


def test_guided_take_off_and_way_home() -> None:
    """GUIDED, arm, take off to 15 m; then RTL lands and disarms."""
    bench = Bench()
    assert [bench.do(176, 1, GUIDED), bench.do(400, 1), bench.do(22, 0, 0, 0, 0, 0, 0, 15)] == [0, 0, 0]
    bench.run(20)
    assert bench.state.up_m == pytest.approx(15, abs=0.2)
    assert bench.do(20) == ACCEPTED
    assert bench.state.mode == RTL
    assert bench.run(120, lambda: not bench.state.armed)
    assert bench.state.up_m == 0


def test_land_is_slow_near_the_ground() -> None:
    """LAND sinks with WP_SPD_DN, below LAND_ALT_LOW_M with LAND_SPD_MS."""
    bench = Bench(at(TAKEOFF, 0, 0, 30))
    bench.start()
    bench.run(40)
    assert bench.do(21) == ACCEPTED
    assert bench.state.mode == LAND
    bench.run(120, lambda: not bench.state.armed)
    found = path(bench)[-2200:]
    sink = -np.diff(found[:, 3]) / 0.02
    high, low = (found[1:, 3] > 12) & (found[1:, 3] < 26), (found[1:, 3] > 1) & (found[1:, 3] < 8)
    assert np.median(sink[high]) == pytest.approx(1.5, abs=0.1)
    assert np.median(sink[low]) == pytest.approx(0.5, abs=0.1)


def served(bench: Bench, height: "dict[str, float]") -> None:
    """Answer every TERRAIN_REQUEST: level ground up to a latitude, higher beyond it."""
    asked, bench.messages[:] = list(bench.messages), []
    for message in asked:
        if message.get_type() != "TERRAIN_REQUEST":
            continue
        for bit in (bit for bit in range(56) if message.mask >> bit & 1):
            data = []
            for post in range(16):
                north = (bit // 8 * 4 + post // 4) * message.grid_spacing
                lat = message.lat / 1e7 + north / 111_319
                data.append(round(10 + (height["rise"] if lat > height["beyond"] else 0)))
            bench.flying.hear(
                dialect.MAVLink_terrain_data_message(
                    message.lat, message.lon, message.grid_spacing, bit, data
                )
            )


def test_terrain_is_followed_once_served() -> None:
    """Frame 10 is refused until TERRAIN_DATA came, and then flown at that height over the ground."""
    bench = Bench(
        at(TAKEOFF, 0, 0, 30), at(WP, 0, 20, 30, 1, frame=10), at(WP, 0, 1000, 30, 1, frame=10), do(RETURN),
        RTL_ALT_M=60,
    )  # fmt: skip
    bench.do(176, 1, AUTO)
    assert bench.do(400, 1) == FAILED
    assert bench.said("waiting for terrain data")
    for _ in range(20):
        bench.run(1.0)
        served(bench, {"beyond": 22.8195, "rise": 20.0})
    bench.start()
    bench.to_item(4)
    found = path(bench)
    assert found[(found[:, 2] > 200) & (found[:, 2] < 350)][:, 3] == pytest.approx(30, abs=0.3)
    assert found[(found[:, 2] > 750) & (found[:, 2] < 950)][:, 3] == pytest.approx(50, abs=0.3)
    assert np.abs(np.diff(found[:, 3])).max() < 0.06


def test_terrain_that_is_switched_off_is_height_over_home() -> None:
    """With TERRAIN_ENABLE 0 frame 10 silently means height over home."""
    bench = Bench(at(TAKEOFF, 0, 0, 20), at(WP, 0, 100, 20, frame=10), do(RETURN), TERRAIN_ENABLE=0)
    bench.fly()
    assert path(bench)[:, 3].max() == pytest.approx(20, abs=0.3)
