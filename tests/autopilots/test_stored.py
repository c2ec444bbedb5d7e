"""What the autopilots give back of the items that they were given."""

import math

import pytest

from aerial.autopilots.ardupilot import ArduPilot
from aerial.autopilots.px4 import Px4
from aerial.records import MissionItem

LAT, LON = 22.81535931, 113.80000006


def item(command: int, *params: float, frame: int = 3, seq: int = 1) -> MissionItem:
    """Return an item; parameters that are not given are 0."""
    p1, p2, p3, p4, p5, p6, p7 = (*params, *(0.0,) * (7 - len(params)))
    return MissionItem(seq=seq, frame=frame, command=command, params=(p1, p2, p3, p4, p5, p6, p7))


def ardupilot(command: int, *params: float, frame: int = 3, seq: int = 1) -> MissionItem:
    """Return one item as ArduCopter gives it back."""
    return ArduPilot().as_stored([item(command, *params, frame=frame, seq=seq)])[0]


def px4(command: int, *params: float, frame: int = 3, seq: int = 1) -> MissionItem:
    """Return one item as PX4 gives it back."""
    return Px4().as_stored([item(command, *params, frame=frame, seq=seq)])[0]


@pytest.mark.parametrize(("sent", "kept"), [(0, 0), (3, 3), (5, 0), (6, 3), (10, 10), (11, 10), (2, 0)])
def test_ardupilot_gives_waypoints_back_in_the_plain_frames(sent: int, kept: int) -> None:
    """Integer frames become plain ones, and a waypoint in the mission frame one over sea level."""
    assert ardupilot(16, 0, 0, 0, 0, LAT, LON, 30, frame=sent).frame == kept


@pytest.mark.parametrize("command", [20, 93, 115, 178, 205, 206, 1000, 2000, 2001, 2500])
def test_ardupilot_gives_commands_without_a_place_back_in_frame_0(command: int) -> None:
    """Whatever frame it was sent in."""
    assert {ardupilot(command, 1, frame=frame).frame for frame in (0, 2, 3, 6)} == {0}


def test_ardupilot_keeps_only_the_whole_hold_of_a_waypoint() -> None:
    """Parameter 1 is cut to its integer; acceptance, passing and yaw are lost; NaN yaw is 0."""
    assert ardupilot(16, 2.9, 5, 7, 90, LAT, LON, 30).params[:4] == (2.0, 0.0, 0.0, 0.0)
    assert ardupilot(16, 0, 0, 0, math.nan, LAT, LON, 30).params[3] == 0.0


def test_ardupilot_keeps_the_first_parameter_of_a_take_off() -> None:
    """The yaw is dropped."""
    assert ardupilot(22, 15, 0, 0, 90, LAT, LON, 30).params[:4] == (15.0, 0.0, 0.0, 0.0)
    assert ardupilot(22, 0, 0, 0, math.nan, LAT, LON, 30).params[3] == 0.0


def test_ardupilot_drops_the_shutter_and_keeps_fractions_of_distance_and_speed() -> None:
    """206 keeps metres and "fire now", 178 keeps speed, as float32."""
    assert ardupilot(206, 12.34, 1, 1, frame=2).params[:3] == (pytest.approx(12.34, abs=1e-6), 0.0, 1.0)
    assert ardupilot(206, 12.34, 1, 1, frame=2).params[0] != 12.34
    assert ardupilot(178, 1, 7.5, -1, frame=2).params[:3] == (1.0, 7.5, -1.0)


@pytest.mark.parametrize("command", [2000, 115])
def test_ardupilot_keeps_these_exactly(command: int) -> None:
    """IMAGE_START_CAPTURE and CONDITION_YAW come back as they were."""
    assert ardupilot(command, 1.5, 2.5, 3, 4, frame=2).params[:4] == (1.5, 2.5, 3.0, 4.0)


def test_ardupilot_keeps_whole_degrees_of_the_camera() -> None:
    """The gimbal's angles are stored in bytes."""
    assert ardupilot(1000, -62.7, 0.5, frame=2).params[:2] == (-62.0, 0.0)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [(30.129, 30.119998931884766), (30.0, 30.0), (90.5, 90.5), (-12.345, -12.34), (119.999, 119.99)],
)
def test_ardupilot_cuts_heights_to_the_centimetre(sent: float, kept: float) -> None:
    """30.129 m comes back as the float 30.119999, below zero as above."""
    assert ardupilot(16, 0, 0, 0, 0, LAT, LON, sent).params[6] == pytest.approx(kept, abs=5e-6)


def test_heights_that_were_cut_are_not_cut_again() -> None:
    """All centimetres up to 120 m come back as they were given back before."""
    once = [ardupilot(16, 0, 0, 0, 0, LAT, LON, cm / 100).params[6] for cm in range(-3000, 12_001)]
    assert once == [ardupilot(16, 0, 0, 0, 0, LAT, LON, height).params[6] for height in once]
    assert all(abs(height - cm / 100) < 0.0101 for height, cm in zip(once, range(-3000, 12_001), strict=True))


@pytest.mark.parametrize("back", [ardupilot, px4])
def test_positions_come_back_as_whole_1e_7_degrees(back: object) -> None:
    """What an integer of 1e-7 degrees holds is kept, and no more."""
    assert back(16, 0, 0, 0, 0, LAT, LON, 30).params[4:6] == (22.8153593, 113.8000001)  # type: ignore[operator]


def test_home_is_returned_as_it_is() -> None:
    """No one can tell what item 0 of a mission will be; item 0 of a fence is a vertex."""
    home = item(16, 0, 0, 0, 0, LAT, LON, 30.129, frame=5, seq=0)
    assert ArduPilot().as_stored([home]) == (home,)
    assert ardupilot(5001, 4, 0, 0, 0, LAT, LON, 0, frame=6, seq=0).frame == 0
    assert px4(22, 0, 0, 0, math.nan, LAT, LON, 30, frame=6, seq=0).frame == 3


@pytest.mark.parametrize("command", [5001, 5002])
@pytest.mark.parametrize("frame", [0, 3, 5, 6, 10, 11])
def test_ardupilot_gives_fence_vertices_back_in_frame_0_without_height(command: int, frame: int) -> None:
    """The number of vertices stays, height and parameter 2 do not."""
    kept = ardupilot(command, 4, 7, 0, 0, LAT, LON, 55, frame=frame, seq=3)
    assert (kept.frame, kept.params) == (0, (4.0, 0.0, 0.0, 0.0, 22.8153593, 113.8000001, 0.0))


@pytest.mark.parametrize("command", [5003, 5004])
def test_ardupilot_keeps_fractions_of_a_circle(command: int) -> None:
    """15.5 m stay 15.5 m."""
    assert ardupilot(command, 15.5, 0, 0, 0, LAT, LON, 0, seq=0).params[0] == 15.5


def test_ardupilot_gives_rally_points_back_unchanged() -> None:
    """Over home and at whole metres, as they are sent."""
    point = item(5100, 0, 0, 0, 0, 22.8153593, 113.8000001, 90.0, seq=0)
    assert ArduPilot().as_stored([point]) == (point,)


def test_px4_keeps_acceptance_and_fractions_but_no_passing_radius() -> None:
    """A waypoint's hold, acceptance and heading are stored, heights as floats; NaN heading stays none."""
    kept = px4(16, 1.5, 2.0, 9.0, math.nan, LAT, LON, 30.129)
    assert kept.params[:3] == (1.5, 2.0, 0.0)
    assert math.isnan(kept.params[3])
    assert kept.params[6] == pytest.approx(30.129, abs=2e-6)
    assert px4(16, 0, 0, 0, -90, LAT, LON, 30).params[3] == 270.0


def test_px4_keeps_commands_without_a_place_whole_and_in_their_frame() -> None:
    """Frame 2 stays 2, parameters stay, NaN among them; integer frames become plain ones."""
    kept = px4(530, 0, 0, math.nan, 4.5, frame=2)
    assert (kept.frame, kept.params[3]) == (2, 4.5)
    assert math.isnan(kept.params[2])
    assert [px4(16, frame=frame).frame for frame in (5, 6, 11, 0, 3)] == [0, 3, 10, 0, 3]


def test_px4_keeps_the_vertices_of_a_fence_and_rally_points() -> None:
    """Number of vertices, place and height; for a rally point place and height."""
    assert px4(5001, 4, 3, 2, 1, LAT, LON, 0, frame=0).params[:4] == (4.0, 0.0, 0.0, 0.0)
    assert px4(5100, 4, 3, 2, 1, LAT, LON, 90).params == (0, 0, 0, 0, 22.8153593, 113.8000001, 90)
