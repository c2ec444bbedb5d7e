"""The camera of the simulated vehicle: one test for each line that was measured."""

import numpy as np
import pytest
from tests.simulate.vehicle.speaker import (
    acks,
    booted,
    east,
    flies,
    home,
    item,
    north,
    takeoff,
    until_item,
    until_landed,
)

from aerial.flight.mavlink import Message, dialect


def lines(first: float = 1.0, closing: float = 0.0) -> list[Message]:
    """Return two lines of 100 m, photographs every 10 m; holds at the ends."""
    hold = (1, 0, 0, 0)
    rows = [
        item(0, 16, p=hold, x=north(20)),
        item(0, 206, 2, p=(10, 0, first, 0), x=0, y=0, z=0),
        item(0, 16, p=hold, x=north(120)),
        item(0, 206, 2, p=(0, 0, closing, 0), x=0, y=0, z=0),
        item(0, 16, p=hold, x=north(120), y=east(30)),
        item(0, 206, 2, p=(10, 0, first, 0), x=0, y=0, z=0),
        item(0, 16, p=hold, x=north(20), y=east(30)),
        item(0, 206, 2, p=(0, 0, closing, 0), x=0, y=0, z=0),
        item(0, 20),
    ]
    found = [home(), takeoff(), item(2, 178, 2, p=(1, 8, -1, 0), x=0, y=0, z=0), *rows]
    for seq, row in enumerate(found):
        row.seq = seq
    return found


def fly(**setup: object) -> tuple[list[Message], list[tuple[float, float]]]:
    """Fly the lines; return CAMERA_FEEDBACK and the true places (east, north)."""
    speaker = booted(**setup)
    found = flies(speaker, lines()) + until_landed(speaker)
    truth = [
        speaker.machine.flying._place.metres(s.at.lat_deg, s.at.lon_deg) for s in speaker.machine.state.shots
    ]
    return acks(found, "CAMERA_FEEDBACK"), truth


def test_feedback_of_two_lines() -> None:
    """Two lines of 100 m at 10 m: ten or eleven each, 10.0 to 10.2 m apart, the first at the start."""
    told, places = fly()
    north_N = np.array([place[1] for place in places])
    for line in (north_N[: len(north_N) // 2], north_N[len(north_N) // 2 :]):
        assert 10 <= len(line) <= 11
        gaps = np.abs(np.diff(line))
        assert gaps.min() >= 9.99
        assert gaps.max() <= 10.25
    assert north_N[0] == pytest.approx(20, abs=0.5)
    assert len(told) == len(places)


def test_fields_of_feedback() -> None:
    """img_idx counts from 1; cam_idx, flags, foc_len, completed_captures are 0; yaw 0-360; nose down."""
    told, _ = fly()
    assert [message.img_idx for message in told] == list(range(1, len(told) + 1))
    assert {(m.cam_idx, m.flags, m.foc_len, m.completed_captures) for m in told} == {(0, 0, 0.0, 0)}
    assert all(0 <= m.yaw < 360 for m in told)
    middle = told[5]
    assert middle.pitch == pytest.approx(-23, abs=2)
    assert middle.alt_rel == pytest.approx(30, abs=0.3)
    assert middle.alt_msl == pytest.approx(40, abs=0.3)
    assert told[1].time_usec - told[0].time_usec > 1e6


@pytest.mark.parametrize("kind", [1, 2, 5])
def test_types_that_report(kind: float) -> None:
    """CAM1_TYPE 1, 2 and 5 send CAMERA_FEEDBACK."""
    assert fly(parameters=(("CAM1_TYPE", kind),))[0]


@pytest.mark.parametrize("kind", [0, 4, 6])
def test_types_that_are_silent(kind: float) -> None:
    """CAM1_TYPE 0, 4 and 6 take the commands and report nothing."""
    assert not fly(parameters=(("CAM1_TYPE", kind),))[0]


def test_no_other_camera_messages() -> None:
    """No CAMERA_TRIGGER and no CAMERA_IMAGE_CAPTURED come."""
    speaker = booted()
    kinds = {message.get_type() for message in flies(speaker, lines()) + until_landed(speaker)}
    assert "CAMERA_FEEDBACK" in kinds
    assert not kinds & {"CAMERA_TRIGGER", "CAMERA_IMAGE_CAPTURED"}


def test_param3_fires_at_the_closing_command_too() -> None:
    """Distance 0 with param3 = 1 fires one more; without it, none."""
    counts = []
    for closing in (0.0, 1.0):
        speaker = booted()
        flies(speaker, lines(closing=closing))
        until_landed(speaker)
        counts.append(len(speaker.machine.state.shots))
    assert counts[1] == counts[0] + 2


def test_without_fire_now_the_first_is_late() -> None:
    """With param3 = 0 the first photograph of a line comes after one distance."""
    speaker = booted()
    flies(speaker, lines(first=0.0))
    until_landed(speaker)
    first = speaker.machine.state.shots[0].at
    assert speaker.machine.flying._place.metres(first.lat_deg, first.lon_deg)[1] == pytest.approx(30, abs=1)


def test_camera_goes_on_on_the_way_home() -> None:
    """A trigger that nobody closed fires on in RTL, as users complain."""
    speaker = booted()
    flies(speaker, lines()[:6])
    until_item(speaker, 5)
    speaker.listen(3.0)
    before = len(speaker.machine.state.shots)
    assert speaker.command(dialect.MAV_CMD_NAV_RETURN_TO_LAUNCH) == 0
    until_landed(speaker)
    assert len(speaker.machine.state.shots) > before + 1
