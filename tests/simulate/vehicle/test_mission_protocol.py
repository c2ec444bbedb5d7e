"""The mission protocol of the simulated vehicle: one test for each line that was measured on a real one."""

import math

import pytest
from tests.simulate.vehicle.speaker import (
    AUTO,
    LAT,
    LON,
    Speaker,
    acks,
    booted,
    flies,
    home,
    item,
    one,
    takeoff,
    texts,
)

from aerial.flight.mavlink import dialect
from aerial.simulate.vehicle.machine import Machine
from aerial.simulate.vehicle.setup import Setup


def test_asks_with_mission_request() -> None:
    """The vehicle asks for items with MISSION_REQUEST (40), never with MISSION_REQUEST_INT."""
    said = booted().count(3)
    assert one(said, "MISSION_REQUEST").seq == 0
    assert not acks(said, "MISSION_REQUEST_INT")


def test_float_items_are_taken_with_loss() -> None:
    """A float MISSION_ITEM is taken with a warning, and its latitude is rounded to 16e-7 degrees."""
    speaker = booted()
    speaker.count(2)
    speaker.say(home())
    said = speaker.say(
        dialect.MAVLink_mission_item_message(1, 1, 1, 3, 16, 0, 1, 0, 0, 0, 0, 22.8153593, 113.8, 30.0, 0)
    )
    assert one(said, "MISSION_ACK").type == 0
    assert texts(said) == ["got MISSION_ITEM; GCS should send MISSION_ITEM_INT"]
    assert speaker.download()[1].x == 228153584


def test_download_answers_in_kind() -> None:
    """REQUEST_INT is answered by ITEM_INT, REQUEST by ITEM."""
    speaker = booted()
    assert speaker.upload([home(), takeoff()]) == 0
    assert (
        one(speaker.say(dialect.MAVLink_mission_request_int_message(1, 1, 1, 0)), "MISSION_ITEM_INT").x == LAT
    )
    floated = one(speaker.say(dialect.MAVLink_mission_request_message(1, 1, 1, 0)), "MISSION_ITEM")
    assert floated.x == pytest.approx(LAT / 1e7, abs=1e-5)


def test_item_0_is_thrown_away() -> None:
    """What is sent as item 0 is asked for and accepted, and read back as the live home over sea level."""
    speaker = booted()
    assert speaker.upload([item(0, 22, z=77.0), item(1)]) == 0
    back = speaker.download()
    assert (back[0].command, back[0].frame) == (16, 0)
    assert abs(back[0].x - LAT) <= 1
    assert abs(back[0].y - LON) <= 1
    assert back[0].z == pytest.approx(10.0, abs=0.2)


def test_home_is_zero_before_it_is_set() -> None:
    """Before home is set, item 0 reads back as (0, 0, 0)."""
    speaker = booted(6.0)
    assert speaker.upload([home(), takeoff()]) == 0
    back = speaker.download()
    assert (back[0].x, back[0].y, back[0].z) == (0, 0, 0.0)


def test_mission_without_home_loses_its_first_item() -> None:
    """A mission without a place holder for home loses its take-off, though everything is accepted."""
    speaker = booted()
    assert speaker.upload([takeoff(0), item(1)]) == 0
    assert [held.command for held in speaker.download()] == [16, 16]


def test_count_of_an_empty_vehicle() -> None:
    """An empty vehicle counts 0 before home is set, 1 after it, and 0 after a clear and after COUNT 0."""
    machine = Machine(Setup())
    speaker = Speaker(machine)
    machine.step(6.0)
    ask = dialect.MAVLink_mission_request_list_message
    assert one(speaker.say(ask(1, 1, 0)), "MISSION_COUNT").count == 0
    machine.step(30.0)
    assert one(speaker.say(ask(1, 1, 0)), "MISSION_COUNT").count == 1
    assert speaker.upload([home(), takeoff()]) == 0
    assert one(speaker.say(dialect.MAVLink_mission_clear_all_message(1, 1, 0)), "MISSION_ACK").type == 0
    assert one(speaker.say(ask(1, 1, 0)), "MISSION_COUNT").count == 0
    assert speaker.upload([home(), takeoff()]) == 0
    assert one(speaker.count(0), "MISSION_ACK").type == 0
    assert one(speaker.say(ask(1, 1, 0)), "MISSION_COUNT").count == 0


def test_upload_is_refused_right_after_boot() -> None:
    """1.5 s after power-up the heartbeat flows and an upload is refused with NO_SPACE; after 5 s it goes."""
    machine = Machine(Setup())
    speaker = Speaker(machine)
    machine.step(1.5)
    assert acks(speaker.listen(), "HEARTBEAT")
    assert one(speaker.count(2), "MISSION_ACK").type == 4
    machine.step(5.0)
    assert speaker.upload([home(), takeoff()]) == 0


@pytest.mark.parametrize(
    ("sent", "back"),
    [
        (item(1, 16, 5), {"frame": 0}),
        (item(1, 16, 6), {"frame": 3}),
        (item(1, 16, 11), {"frame": 10}),
        (item(1, 206, 2, p=(12.5, 1, 1, 0), x=0, y=0, z=0), {"param1": 12.5, "param2": 0, "param3": 1}),
        (item(1, 178, 3, p=(1, 6.5, -1, 0), x=0, y=0, z=0), {"frame": 0, "param2": 6.5}),
        (item(1, 16, 2, z=30.0), {"frame": 0, "z": 30.0}),
        (item(1, 16, p=(0, 0, 0, math.nan)), {"param4": 0}),
        (item(1, 16, p=(3.7, 2, 1, 90)), {"param1": 3, "param2": 0, "param3": 0, "param4": 0}),
        (item(1, 22, p=(15, 0, 0, 45)), {"param1": 15, "param4": 0}),
        (item(1, 16, z=30.129), {"z": pytest.approx(30.12, abs=1e-5)}),
        (item(1, 2000, 2, p=(0, 1.25, 3, 4), x=0, y=0, z=0), {"param2": 1.25, "param3": 3, "param4": 4}),
        (item(1, 115, 2, p=(90.5, 10, 1, 1), x=0, y=0, z=0), {"param1": 90.5, "param2": 10, "param4": 1}),
        (item(1, x=228153593, y=1138001237), {"x": 228153593, "y": 1138001237}),
        (item(1), {"autocontinue": 1, "current": 0, "target_system": 255, "target_component": 190}),
    ],
)  # fmt: skip
def test_read_back(sent: object, back: dict[str, float]) -> None:
    """What is read back of an item is what the real one keeps: frames, parameters, heights, addressees."""
    speaker = booted()
    assert speaker.upload([home(), sent]) == 0
    held = speaker.download()[1]
    assert {name: getattr(held, name) for name in back} == back


def test_capacity() -> None:
    """650 items with home go up; 651 are refused with NO_SPACE and a text."""
    speaker = booted()
    assert speaker.upload([home(), *(item(n) for n in range(1, 650))]) == 0
    assert len(speaker.machine.stored.mission) == 650
    said = speaker.count(651)
    assert one(said, "MISSION_ACK").type == 4
    assert texts(said) == ["Only 650 items are supported"]


def test_not_atomic() -> None:
    """After a refusal at item 5, items 1 to 4 are new, the others old, and the total is the new count."""
    speaker = booted()
    assert speaker.upload([home(), *(item(n, z=100.0) for n in range(1, 20))]) == 0
    good, more = [item(n, z=50.0) for n in range(1, 5)], [item(n) for n in range(6, 10)]
    assert speaker.upload([home(), *good, item(5, 214), *more]) == 3
    assert [held.z for held in speaker.download()[1:]] == [50.0] * 4 + [100.0] * 5


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (item(1, x=950000000), 10),
        (item(1, y=1810000000), 11),
        (item(1, z=math.nan), 12),
        (item(1, z=1e6), 12),
        (item(1, frame=1), 2),
        (item(1, frame=8), 2),
        (item(1, frame=21), 2),
        (item(1, 31000), 3),
        (item(1, 5001), 3),
        (item(1, 214), 3),
        (item(1, 530), 3),
        (item(1, 0), 5),
        (item(1, p=(math.nan, 0, 0, 0)), 6),
        (item(1, p=(0, math.nan, 0, 0)), 7),
        (item(1, p=(0, 0, math.nan, 0)), 8),
        (item(1, 178, p=(0, 0, 0, math.nan)), 9),
        (item(1, 31000, p=(math.nan, 0, 0, 0)), 6),
        (item(1, p=(-1, 0, 0, 0)), 6),
        (item(1, 177, p=(9, 1, 0, 0)), 1),
    ],
)
def test_refused_items_end_the_upload(sent: object, code: int) -> None:
    """A bad item is refused with its own code, and the upload is over."""
    speaker = booted()
    assert speaker.upload([home(), sent, item(2)]) == code
    assert not acks(speaker.listen(3.0), "MISSION_REQUEST")


@pytest.mark.parametrize("command", [16, 17, 21, 22])
def test_nan_yaw_is_allowed(command: int) -> None:
    """NaN is taken as param4 of WAYPOINT, LOITER_UNLIM, LAND and TAKEOFF."""
    assert booted().upload([home(), item(1, command, p=(0, 0, 0, math.nan))]) == 0


@pytest.mark.parametrize(
    "sent",
    [
        item(1, x=0, y=0),
        item(1, z=-50.0),
        item(1, z=20000.0),
        item(1, 206, p=(-5, 0, 0, 0)),
        item(1, 178, 99, p=(1, 5, 0, 0)),
        item(1, 195),
        *(item(1, command) for command in (205, 1000, 2000, 2001, 2500, 93, 115, 82)),
    ],
)
def test_accepted_without_complaint(sent: object) -> None:
    """Nonsense that the real one takes is taken: no place, depths, heights, any frame without a place."""
    assert booted().upload([home(), sent]) == 0


def test_unanswered_requests() -> None:
    """An unanswered request comes again every 1.0 s, and after 8.0 s the upload is cancelled with a text."""
    speaker = booted()
    speaker.count(3)
    times, began = [], speaker.machine.now_s
    said = []
    while speaker.machine.now_s < began + 12:
        came = speaker.listen(0.1)
        times += [speaker.machine.now_s - began] * len(acks(came, "MISSION_REQUEST"))
        said += came
    assert times == pytest.approx([1, 2, 3, 4, 5, 6, 7], abs=0.2)
    assert one(said, "MISSION_ACK").type == 15
    assert "Mission upload timeout" in texts(said)


def test_wrong_sequence_is_not_the_end() -> None:
    """A duplicate and an item out of order get INVALID_SEQUENCE while the upload goes on."""
    speaker = booted()
    speaker.count(3)
    speaker.say(home())
    assert one(speaker.say(home()), "MISSION_ACK").type == 13
    assert one(speaker.say(item(2)), "MISSION_ACK").type == 13
    assert one(speaker.say(item(1)), "MISSION_REQUEST").seq == 2
    assert one(speaker.say(item(2)), "MISSION_ACK").type == 0


def test_duplicate_of_the_last_item() -> None:
    """The last item twice: ACCEPTED, and then ERROR for the second."""
    speaker = booted()
    speaker.count(2)
    speaker.say(home())
    said = speaker.say(item(1), item(1))
    assert [ack.type for ack in acks(said)] == [0, 1]


def test_last_acknowledgement_is_not_repeated() -> None:
    """The final MISSION_ACK is sent once."""
    speaker = booted()
    assert speaker.upload([home(), item(1)]) == 0
    assert not acks(speaker.listen(20.0))


def test_wrong_target_is_ignored() -> None:
    """An item for another system is not heard: the upload ends in a time-out."""
    speaker = booted()
    speaker.count(2)
    said = []
    for _ in range(100):
        said += speaker.say(item(0, to=2), wait_s=0.1)
    assert [ack.type for ack in acks(said)] == [15]


def test_wrong_type_is_refused_and_the_upload_goes_on() -> None:
    """An item of another mission type gets ERROR of that type; the vehicle goes on asking."""
    speaker = booted()
    speaker.count(2)
    said = speaker.say(item(0, 5001, kind=1), wait_s=1.2)
    assert (one(said, "MISSION_ACK").type, one(said, "MISSION_ACK").mission_type) == (1, 1)
    assert one(said, "MISSION_REQUEST").seq == 0


def test_others_are_denied_during_an_upload() -> None:
    """Another station's upload, and any download, are DENIED while one uploads; the same may begin again."""
    speaker = booted()
    other = Speaker(speaker.machine, 254, 190, port=1)
    component = Speaker(speaker.machine, 255, 191, port=2)
    speaker.count(5)
    speaker.say(home())
    assert one(other.count(3), "MISSION_ACK").type == 14
    assert one(component.count(3), "MISSION_ACK").type == 14
    ask = dialect.MAVLink_mission_request_list_message(1, 1, 0)
    assert one(other.say(ask), "MISSION_ACK").type == 14
    assert one(speaker.say(ask), "MISSION_ACK").type == 14
    assert one(speaker.count(2), "MISSION_REQUEST").seq == 0


def test_who_may_ask_for_the_list() -> None:
    """A list is given to targets 0 and 1 with any component, and not to target 2."""
    speaker = booted()
    ask = dialect.MAVLink_mission_request_list_message
    for system, component in ((0, 0), (1, 1), (1, 77), (0, 190)):
        assert one(speaker.say(ask(system, component, 0)), "MISSION_COUNT")
    assert not acks(speaker.say(ask(2, 1, 0)), "MISSION_COUNT")


def test_item_that_is_not_there() -> None:
    """A request of item 99 gets INVALID_SEQUENCE."""
    said = booted().say(dialect.MAVLink_mission_request_int_message(1, 1, 99, 0))
    assert one(said, "MISSION_ACK").type == 13


def test_write_partial() -> None:
    """MISSION_WRITE_PARTIAL_LIST replaces the items that it names and no others."""
    speaker = booted()
    assert speaker.upload([home(), *(item(n, z=100.0) for n in range(1, 6))]) == 0
    said = speaker.say(dialect.MAVLink_mission_write_partial_list_message(1, 1, 2, 3, 0))
    assert one(said, "MISSION_REQUEST").seq == 2
    speaker.say(item(2, z=50.0))
    assert one(speaker.say(item(3, z=50.0)), "MISSION_ACK").type == 0
    assert [held.z for held in speaker.download()[1:]] == [100.0, 50.0, 50.0, 100.0, 100.0]


def test_all_types_at_once_are_not_supported() -> None:
    """Mission type 255 (all) is UNSUPPORTED for the list and for clearing."""
    speaker = booted()
    assert one(speaker.say(dialect.MAVLink_mission_request_list_message(1, 1, 255)), "MISSION_ACK").type == 3
    assert one(speaker.say(dialect.MAVLink_mission_clear_all_message(1, 1, 255)), "MISSION_ACK").type == 3


def test_upload_while_flying() -> None:
    """A mission is taken while another is flown; clearing is refused in AUTO."""
    speaker = booted()
    flies(speaker, [home(), takeoff(), item(2, x=LAT + 9000), item(3, 20)])
    speaker.listen(30.0)
    assert speaker.machine.state.mode == AUTO
    assert one(speaker.say(dialect.MAVLink_mission_clear_all_message(1, 1, 0)), "MISSION_ACK").type != 0
    assert speaker.upload([home(), takeoff(), item(2, x=LAT + 5000), item(3, 20)]) == 0


def test_little_is_told_unasked() -> None:
    """Only HEARTBEAT, STATUSTEXT and TIMESYNC come unasked; the rest by SET_MESSAGE_INTERVAL."""
    speaker = booted()
    assert {message.get_type() for message in speaker.listen(5.0)} == {"HEARTBEAT"}
    assert speaker.command(511, 33, 200_000) == 0
    assert len(acks(speaker.listen(2.0), "GLOBAL_POSITION_INT")) == pytest.approx(10, abs=1)
    assert speaker.command(511, 33, -1) == 0
    assert not acks(speaker.listen(2.0), "GLOBAL_POSITION_INT")


def test_old_parameter_names_get_no_reply() -> None:
    """RTL_ALT_M is answered; RTL_ALT, WPNAV_SPEED, ARMING_CHECK and SYSID_THISMAV get no reply at all."""
    speaker = booted()
    ask = dialect.MAVLink_param_request_read_message
    for name in ("RTL_ALT_M", "WP_SPD", "ARMING_SKIPCHK", "MAV_SYSID", "MAV_GCS_SYSID"):
        assert one(speaker.say(ask(1, 1, name.encode(), -1)), "PARAM_VALUE").param_id == name
    for name in ("RTL_ALT", "WPNAV_SPEED", "ARMING_CHECK", "SYSID_THISMAV", "SYSID_MYGCS"):
        assert not acks(speaker.say(ask(1, 1, name.encode(), -1), wait_s=2.0), "PARAM_VALUE")
