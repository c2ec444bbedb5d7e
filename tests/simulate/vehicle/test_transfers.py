"""Uploads and downloads of the simulated vehicle where stations, types and broken numbers meet."""

import math
from collections import deque

import pytest
from tests.simulate.vehicle.talk import (
    ALL,
    FENCE,
    LAT,
    MISSION,
    RALLY,
    Talk,
    command,
    count,
    item,
    mission,
    named,
    names,
    results,
    ring,
    talk,
    texts,
)

from aerial.flight.mavlink import Message, dialect

INF, NAN = math.inf, math.nan


def test_each_type_has_an_upload_of_its_own() -> None:
    """Two stations upload a mission and a fence at once: neither is denied, each is asked for its own."""
    pilot = talk()
    other = Talk(pilot.machine, system=254, port=1)
    corners = ring(4)
    pilot.send(count(3))
    said = other.ask(count(4, FENCE))
    assert [(ask.seq, ask.mission_type) for ask in named(said, "MISSION_REQUEST")] == [(0, FENCE)]
    pilot.send(item(0))
    for corner in corners:
        said = other.ask(corner)
    assert results(said) == [(FENCE, 0)]
    pilot.send(item(1))
    assert results(pilot.ask(item(2))) == [(MISSION, 0)]
    assert len(pilot.machine.stored.mission) == 3
    assert len(pilot.machine.stored.fence) == 4


def test_abandoned_mission_is_asked_for_during_the_fence() -> None:
    """A mission that was given up is asked for, and cancelled, in the middle of the fence that follows."""
    pilot = talk()
    pilot.send(count(3))
    pilot.ask(count(4, FENCE))
    came = pilot.wait(9.0)
    stale = [m for _, m in came if m.get_type() == "MISSION_REQUEST" and m.mission_type == MISSION]
    assert len(stale) == 7
    assert sorted(results([m for _, m in came])) == [(MISSION, 15), (FENCE, 15)]
    assert sorted(texts([m for _, m in came])) == ["Fence upload timeout", "Mission upload timeout"]


def test_wrong_item_number_is_told_the_count() -> None:
    """A request of item 99 is answered by MISSION_COUNT, and then by INVALID_SEQUENCE."""
    pilot = talk()
    pilot.upload(mission(5))
    said = pilot.ask(dialect.MAVLink_mission_request_int_message(1, 1, 99, MISSION))
    assert names(said) == ["MISSION_COUNT", "MISSION_ACK"]
    assert (said[0].count, said[1].type) == (5, 13)


def test_home_is_read_from_an_empty_vehicle() -> None:
    """Item 0 can be read where the count is 0: zeros before home is set, home after a clear."""
    pilot = talk(6.0)
    ask = dialect.MAVLink_mission_request_int_message(1, 1, 0, MISSION)
    (told,) = pilot.ask(ask)
    assert (told.x, told.y, told.z) == (0, 0, 0.0)
    pilot.machine.step(30.0)
    pilot.ask(dialect.MAVLink_mission_clear_all_message(1, 1, MISSION))
    (told,) = pilot.ask(ask)
    assert (told.frame, told.x, told.z) == (0, LAT, 10.0)


@pytest.mark.parametrize("number", [0, 1])
def test_smallest_missions(number: int) -> None:
    """COUNT 0 empties the mission at once; COUNT 1 leaves home alone."""
    pilot = talk()
    pilot.upload(mission(9))
    assert results(pilot.upload(mission(number))) == [(MISSION, 0)]
    assert len(pilot.machine.stored.mission) == number


def test_jump_in_a_part() -> None:
    """DO_JUMP in a partial upload reaches what is stored behind the part, and not past the end of all."""
    pilot = talk()
    pilot.upload(mission(20))
    part = dialect.MAVLink_mission_write_partial_list_message(1, 1, 3, 3, MISSION)
    pilot.ask(part)
    assert results(pilot.ask(item(3, 177, p=(19, 1, 0, 0)))) == [(MISSION, 0)]
    pilot.ask(part)
    assert results(pilot.ask(item(3, 177, p=(20, 1, 0, 0)))) == [(MISSION, 1)]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (item(1, 16, p=(INF, 0, 0, 0)), 0),
        (item(1, 16, p=(-INF, 0, 0, 0)), 6),
        (item(1, 16, z=INF), 12),
        (item(1, 22, z=-INF), 12),
        (item(1, 177, p=(INF, 0, 0, 0)), 1),
        (item(1, 1000, p=(INF, 0, 0, 0)), 0),
        (item(0, 5001, p=(INF, 0, 0, 0), kind=FENCE), 1),
        (item(0, 5001, p=(NAN, 0, 0, 0), kind=FENCE), 1),
        (item(0, 5003, p=(INF, 0, 0, 0), kind=FENCE), 1),
        (item(0, 5003, p=(NAN, 0, 0, 0), kind=FENCE), 1),
        (item(0, 5003, p=(-5, 0, 0, 0), kind=FENCE), 1),
        (item(0, 5003, p=(5, 0, 0, 0), y=1900000000, kind=FENCE), 1),
        (item(0, 5100, z=NAN, kind=RALLY), 12),
        (item(0, 5100, x=950000000, kind=RALLY), 10),
    ],
)
def test_numbers_that_are_none(sent: Message, code: int) -> None:
    """Infinite and undefined numbers are refused or bounded, and the vehicle lives on."""
    pilot = talk()
    items = [item(0), sent] if sent.seq else [sent]
    assert results(pilot.upload(items, sent.mission_type)) == [(sent.mission_type, code)]
    assert named([m for _, m in pilot.wait(2.0)], "HEARTBEAT")


@pytest.mark.parametrize(
    ("lat", "lon", "code"), [(NAN, 113.8, 10), (95.0, 113.8, 10), (22.8, 250.0, 11), (22.8, INF, 11)]
)
def test_float_item_without_a_place(lat: float, lon: float, code: int) -> None:
    """A float MISSION_ITEM whose place is none on Earth is refused as an integer one is."""
    pilot = talk()
    pilot.ask(count(2))
    pilot.ask(item(0))
    sent = dialect.MAVLink_mission_item_message(1, 1, 1, 3, 16, 0, 1, 0, 0, 0, 0, lat, lon, 30.0, MISSION)
    assert results(pilot.ask(sent)) == [(MISSION, code)]


def test_mixed_mission_is_what_is_counted_and_flown() -> None:
    """After a refusal, MIS_TOTAL and MISSION_CURRENT tell of the mix that is stored, without home."""
    pilot = talk()
    pilot.upload(mission(20, z=100.0))
    pilot.upload([*mission(4), item(4, 214), *mission(7)[5:]])
    assert [one.params[6] for one in pilot.machine.stored.mission[1:]] == [30.0] * 3 + [100.0] * 3
    assert pilot.machine.parameters["MIS_TOTAL"] == 7
    said = pilot.ask(command(512, dialect.MAVLINK_MSG_ID_MISSION_CURRENT))
    assert named(said, "MISSION_CURRENT")[0].total == 6


def test_fence_cancelled_half_way_is_the_old_one() -> None:
    """A fence whose upload stops half-way is not touched."""
    pilot = talk()
    assert results(pilot.upload(ring(4), FENCE)) == [(FENCE, 0)]
    before = list(pilot.machine.stored.fence)
    pilot.ask(count(6, FENCE))
    pilot.ask(ring(6)[0])
    pilot.wait(9.0)
    assert pilot.machine.stored.fence == before


@pytest.mark.parametrize("kind", [FENCE, RALLY])
def test_others_are_denied_per_type(kind: int) -> None:
    """Another station's upload, clear, item and download of the type under way are DENIED."""
    pilot = talk()
    other = Talk(pilot.machine, system=255, component=191, port=1)
    pilot.ask(count(4, kind))
    for message in (
        count(2, kind),
        item(0, 5001 if kind == FENCE else 5100, kind=kind),
        dialect.MAVLink_mission_clear_all_message(1, 1, kind),
        dialect.MAVLink_mission_request_list_message(1, 1, kind),
        dialect.MAVLink_mission_request_int_message(1, 1, 0, kind),
    ):
        assert results(other.ask(message)) == [(kind, 14)]
    assert not pilot.heard()


def test_answers_go_to_who_asked() -> None:
    """What one station asks is answered to it alone; what nobody asked for goes to all."""
    pilot = talk()
    other = Talk(pilot.machine, system=254, port=1)
    pilot.upload(mission(5))
    assert not other.heard()
    pilot.wait(1.2)
    assert names(other.heard()) == ["HEARTBEAT"]
    other.send(count(700))
    assert texts(pilot.heard()) == ["Only 650 items are supported"]


def test_station_that_left_is_not_answered() -> None:
    """The port of a station that left keeps nothing, and another may upload when its time is over."""
    pilot = talk()
    gone = Talk(pilot.machine, system=254, port=1)
    gone.ask(count(5))
    pilot.machine.forget(1)
    assert results(pilot.ask(count(2))) == [(MISSION, 14)]
    pilot.wait(9.0)
    assert pilot.machine.take(1) == []
    assert results(pilot.upload(mission(2))) == [(MISSION, 0)]


def test_unknown_types_are_not_supported() -> None:
    """Types 255 and 7 are UNSUPPORTED for list, request, count and clear."""
    pilot = talk()
    for kind in (ALL, 7):
        for message in (
            dialect.MAVLink_mission_request_list_message(1, 1, kind),
            dialect.MAVLink_mission_request_int_message(1, 1, 0, kind),
            dialect.MAVLink_mission_clear_all_message(1, 1, kind),
            count(3, kind),
        ):
            assert results(pilot.ask(message)) == [(kind, 3)]


@pytest.mark.parametrize("speedup", [1, 10])
def test_slow_client_never_finishes_in_fast_time(speedup: int) -> None:
    """A passive client that takes 0.3 s an item goes through at 1x, and is cancelled at 10x."""
    pilot = talk()
    items, queue = mission(8), deque(named(pilot.ask(count(8)), "MISSION_REQUEST"))
    found: list[Message] = []
    for _ in range(60):
        came = [m for _, m in pilot.wait(0.3 * speedup)]
        if queue:
            came += pilot.ask(items[queue.popleft().seq])
        queue += named(came, "MISSION_REQUEST")
        found += came
    codes = {code for _, code in results(found)} - {13}
    assert codes == ({0} if speedup == 1 else {15, 1})


def test_requests_go_on_through_noise() -> None:
    """Duplicates and items out of order do not keep a silent upload alive: 8.0 s after the last good one."""
    pilot = talk()
    pilot.ask(count(5))
    pilot.ask(item(0))
    began = pilot.machine.now_s
    cancelled = None
    for _ in range(100):
        pilot.send(item(0))
        for _, message in pilot.wait(0.1):
            if message.get_type() == "MISSION_ACK" and message.type == 15:
                cancelled = pilot.machine.now_s - began
        if cancelled:
            break
    assert cancelled == pytest.approx(8.0, abs=0.15)


def test_reboot_in_the_middle_of_an_upload() -> None:
    """After a reboot the half-written mission is stored, nobody is asked, and an item gets ERROR."""
    pilot = talk()
    pilot.upload(mission(10, z=100.0))
    pilot.ask(count(6))
    for one in mission(3):
        pilot.ask(one)
    said = pilot.ask(command(246, 1))
    assert named(said, "COMMAND_ACK")[0].result == 0
    came = [m for _, m in pilot.wait(6.0)]
    assert "MISSION_REQUEST" not in names(came)
    assert [one.params[6] for one in pilot.machine.stored.mission[1:]] == [30.0, 30.0, 100.0, 100.0, 100.0]
    assert results(pilot.ask(item(3))) == [(MISSION, 1)]


def test_silent_while_it_boots() -> None:
    """A rebooting vehicle hears and says nothing for 2 s, and refuses uploads in its first seconds."""
    pilot = talk()
    pilot.machine.reboot()
    assert pilot.ask(count(2)) == []
    assert not [m for _, m in pilot.wait(1.8)]
    pilot.wait(0.5)
    assert results(pilot.ask(count(2))) == [(MISSION, 4)]
    pilot.wait(3.0)
    assert names(pilot.ask(count(2))) == ["MISSION_REQUEST"]
