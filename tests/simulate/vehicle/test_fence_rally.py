"""Fence and rally points of the simulated vehicle: one test for each line that was measured."""

import math

import pytest
from tests.simulate.vehicle.speaker import (
    RTL,
    Speaker,
    booted,
    east,
    flies,
    home,
    item,
    north,
    one,
    ring,
    takeoff,
    texts,
    until_landed,
)

from aerial.flight.mavlink import dialect

SQUARE = ((-50, -50), (-50, 150), (150, 150), (150, -50))


def circle(corners: int) -> list[tuple[float, float]]:
    """Return corners on a circle of 200 m."""
    return [
        (200 * math.cos(math.tau * n / corners), 200 * math.sin(math.tau * n / corners))
        for n in range(corners)
    ]


def test_polygon_is_kept_as_measured() -> None:
    """A fence has no place for home; it reads back in frame 0, z 0, param2 0, autocontinue 0."""
    speaker = booted()
    sent = [item(n, 5001, 3, p=(4, 7, 0, 0), x=c.x, y=c.y, z=12, kind=1) for n, c in enumerate(ring(*SQUARE))]
    assert speaker.upload(sent, 1) == 0
    back = speaker.download(1)
    assert [(b.x, b.y) for b in back] == [(s.x, s.y) for s in sent]
    assert {(b.frame, b.z, b.param1, b.param2, b.autocontinue) for b in back} == {(0, 0.0, 4.0, 0.0, 0)}


def test_circle_keeps_its_radius() -> None:
    """A circle's radius of 15.5 m is kept."""
    speaker = booted()
    assert speaker.upload([item(0, 5003, p=(15.5, 0, 0, 0), kind=1)], 1) == 0
    assert speaker.download(1)[0].param1 == 15.5


@pytest.mark.parametrize("frame", [0, 3, 5, 6, 10, 11])
def test_frames_of_a_fence(frame: int) -> None:
    """Frames 0, 3, 5, 6, 10 and 11 are taken."""
    sent = [item(n, 5001, frame, p=(4, 0, 0, 0), x=c.x, y=c.y, kind=1) for n, c in enumerate(ring(*SQUARE))]
    assert booted().upload(sent, 1) == 0


def test_frame_mission_is_refused() -> None:
    """Frame MISSION (2) is an unsupported frame."""
    sent = [item(n, 5001, 2, p=(4, 0, 0, 0), x=c.x, y=c.y, kind=1) for n, c in enumerate(ring(*SQUARE))]
    assert booted().upload(sent, 1) == 2


@pytest.mark.parametrize(
    "sent",
    [
        ring(*SQUARE, size=5),
        ring(*SQUARE[:2]),
        [*ring(*SQUARE[:3]), item(3, 5001, p=(3, 0, 0, 0), x=950000000, kind=1)],
        [item(0, 5003, p=(0, 0, 0, 0), kind=1)],
        [item(0, 5000, kind=1), item(1, 5000, kind=1)],
        ring(*circle(70)),
    ],
)
def test_bad_fence_changes_nothing(sent: list[object]) -> None:
    """A fence that is wrong as a whole gets a bare ERROR after its last item, and the old one stays."""
    speaker = booted()
    assert speaker.upload(ring(*SQUARE), 1) == 0
    assert speaker.upload(sent, 1) == 1
    assert len(speaker.download(1)) == 4


def test_count_0_is_an_error() -> None:
    """COUNT 0 of a fence gets ERROR and changes nothing; it is cleared by MISSION_CLEAR_ALL."""
    speaker = booted()
    assert speaker.upload(ring(*SQUARE), 1) == 0
    assert one(speaker.count(0, 1), "MISSION_ACK").type == 1
    assert len(speaker.download(1)) == 4
    assert one(speaker.say(dialect.MAVLink_mission_clear_all_message(1, 1, 1)), "MISSION_ACK").type == 0
    assert one(speaker.say(dialect.MAVLink_mission_request_list_message(1, 1, 1)), "MISSION_COUNT").count == 0


def test_other_commands_are_refused() -> None:
    """A waypoint in a fence is UNSUPPORTED."""
    assert booted().upload([item(0, 16, kind=1)], 1) == 3


@pytest.mark.parametrize(
    "sent",
    [
        ring(*SQUARE, SQUARE[0]),
        ring(SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3]),
        [*ring(*SQUARE[:3], size=4), item(3, 5001, p=(4, 0, 0, 0), x=0, y=0, kind=1)],
        [item(0, 5000, kind=1)],
        ring(*circle(69)),
    ],
)
def test_accepted_fences(sent: list[object]) -> None:
    """A closed ring, a bow tie, a corner at (0, 0), a lone return point and 69 corners are taken."""
    assert booted().upload(sent, 1) == 0


def test_too_many() -> None:
    """71 items are refused with NO_SPACE and a text."""
    speaker = booted()
    said = speaker.count(71, 1)
    assert one(said, "MISSION_ACK").type == 4
    assert texts(said) == ["Only 70 items are supported"]


def total(speaker: Speaker) -> float:
    """Return FENCE_TOTAL."""
    said = speaker.say(dialect.MAVLink_param_request_read_message(1, 1, b"FENCE_TOTAL", -1))
    return float(one(said, "PARAM_VALUE").param_value)


def test_fence_total_counts_more_than_corners() -> None:
    """FENCE_TOTAL is 6 for four corners."""
    speaker = booted()
    assert speaker.upload(ring(*SQUARE), 1) == 0
    assert total(speaker) == 6


def test_upload_switches_nothing_on() -> None:
    """Stock: FENCE_ENABLE 0, FENCE_TYPE 7, FENCE_RADIUS 150, FENCE_ALT_MAX 100, also after an upload."""
    speaker = booted()
    assert speaker.upload(ring(*SQUARE), 1) == 0
    of = speaker.machine.parameters
    assert [of[name] for name in ("FENCE_ENABLE", "FENCE_TYPE", "FENCE_RADIUS", "FENCE_ALT_MAX")] == [
        0,
        7,
        150,
        100,
    ]


def test_breach_brings_it_home() -> None:
    """Leaving the polygon in AUTO: breach type 3, the text, RTL, and it lands at home."""
    speaker = booted(parameters=(("FENCE_TYPE", 4.0), ("FENCE_ENABLE", 1.0)))
    assert speaker.upload(ring(*SQUARE), 1) == 0
    flies(speaker, [home(), takeoff(), item(2, x=north(400)), item(3, 20)])
    state, seen = speaker.machine.state, set()
    found = []
    while state.armed and speaker.machine.now_s < 900:
        found += speaker.listen(0.5)
        seen.add((state.mode, state.breach_type))
    assert (RTL, 3) in seen
    assert "Polygon fence breached" in texts(found)
    assert math.hypot(state.east_m, state.north_m) < 2


@pytest.mark.parametrize(("kind", "text"), [(2, "Circle fence breached"), (1, "Max Alt fence breached")])
def test_stock_circle_and_ceiling_are_traps(kind: int, text: str) -> None:
    """FENCE_TYPE with circle or altitude breaks off flights beyond the stock 150 m and above 100 m."""
    speaker = booted(parameters=(("FENCE_TYPE", float(kind)), ("FENCE_ENABLE", 1.0)))
    flies(speaker, [home(), takeoff(up_m=110.0 if kind == 1 else 30.0), item(2, y=east(300)), item(3, 20)])
    assert text in texts(until_landed(speaker))


def test_home_outside_is_not_armed() -> None:
    """With home outside the polygon, arming is refused; at the instant of switching on it slips through."""
    speaker = booted()
    assert speaker.upload(ring((100, 100), (100, 200), (200, 200)), 1) == 0
    assert speaker.upload([home(), takeoff(), item(2, 20)]) == 0
    set_ = dialect.MAVLink_param_set_message
    speaker.say(set_(1, 1, b"FENCE_TYPE", 4.0, 9), set_(1, 1, b"FENCE_ENABLE", 1.0, 9))
    assert speaker.command(176, 1, 3) == 0
    assert speaker.command(400, 1) == 0
    assert speaker.command(400, 0) == 0
    speaker.listen(30.0)
    before = len(speaker.heard)
    assert speaker.command(400, 1) == 4
    assert texts(speaker.heard[before:]) == ["Arm: Vehicle breaching Polygon fence"]


def test_rally_is_kept_as_it_is() -> None:
    """A rally point 5100 in frame 3 comes back unchanged."""
    speaker = booted()
    sent = item(0, 5100, z=60.0, kind=2)
    assert speaker.upload([sent], 2) == 0
    back = speaker.download(2)[0]
    assert (back.command, back.frame, back.x, back.y, back.z) == (5100, 3, sent.x, sent.y, 60.0)


def test_return_goes_to_the_nearest_rally_point() -> None:
    """RTL lands at a rally point that is nearer than home."""
    speaker = booted()
    assert speaker.upload([item(0, 5100, x=north(250), z=30.0, kind=2)], 2) == 0
    flies(speaker, [home(), takeoff(), item(2, x=north(300)), item(3, 20)])
    until_landed(speaker)
    assert speaker.machine.state.north_m == pytest.approx(250, abs=2)
