"""What the simulated vehicle tells, and what it makes of commands that are not about flight."""

import math

import pytest
from tests.simulate.vehicle.talk import (
    LAT,
    LON,
    MISSION,
    Talk,
    command,
    item,
    mission,
    named,
    names,
    talk,
)

from aerial.flight.mavlink import Codec, dialect
from aerial.flight.signing import KeySigner
from aerial.simulate.vehicle.machine import Machine
from aerial.simulate.vehicle.setup import Setup

STREAMS = {
    dialect.MAVLINK_MSG_ID_GLOBAL_POSITION_INT: "GLOBAL_POSITION_INT",
    dialect.MAVLINK_MSG_ID_ATTITUDE: "ATTITUDE",
    dialect.MAVLINK_MSG_ID_SYS_STATUS: "SYS_STATUS",
    dialect.MAVLINK_MSG_ID_BATTERY_STATUS: "BATTERY_STATUS",
    dialect.MAVLINK_MSG_ID_GPS_RAW_INT: "GPS_RAW_INT",
    dialect.MAVLINK_MSG_ID_MISSION_CURRENT: "MISSION_CURRENT",
    dialect.MAVLINK_MSG_ID_HOME_POSITION: "HOME_POSITION",
    dialect.MAVLINK_MSG_ID_FENCE_STATUS: "FENCE_STATUS",
    dialect.MAVLINK_MSG_ID_VFR_HUD: "VFR_HUD",
    dialect.MAVLINK_MSG_ID_EXTENDED_SYS_STATE: "EXTENDED_SYS_STATE",
    dialect.MAVLINK_MSG_ID_WIND: "WIND",
}


def flying() -> Talk:
    """Return a station at a vehicle on its way north."""
    pilot = talk(wind_speed_m_s=3.0, wind_from_deg=90.0)
    pilot.upload([item(0), item(1, 22), item(2, x=LAT + 100_000), item(3, 20)])
    for sent in (command(176, 1, 3), command(400, 1), command(300)):
        assert named(pilot.ask(sent), "COMMAND_ACK")[0].result == 0
    pilot.wait(30.0)
    return pilot


def test_every_stream_comes_at_its_interval_and_stops() -> None:
    """SET_MESSAGE_INTERVAL starts each message at its interval in microseconds; 0 and -1 stop it again."""
    pilot = talk()
    for number, name in STREAMS.items():
        assert named(pilot.ask(command(511, number, 250_000)), "COMMAND_ACK")[0].result == 0
        came = [after for after, message in pilot.wait(5.0, 0.02) if message.get_type() == name]
        assert len(came) == pytest.approx(20, abs=1)
        pilot.ask(command(511, number, 0 if number % 2 else -1))
        assert not named([m for _, m in pilot.wait(1.0)], name)


def test_heartbeat_by_default_every_second() -> None:
    """HEARTBEAT comes every second, faster or not at all on request, and every second again by 0."""
    pilot = talk()
    for every_us, expected in ((100_000, 50), (-1, 0), (0, 5)):
        pilot.ask(command(511, dialect.MAVLINK_MSG_ID_HEARTBEAT, every_us))
        assert len(named([m for _, m in pilot.wait(5.0)], "HEARTBEAT")) == pytest.approx(expected, abs=1)


def test_what_is_told_is_true() -> None:
    """Position, speed, mode, mission, battery, landed state and wind are those of the vehicle's state."""
    pilot = flying()
    state = pilot.machine.state
    said = {
        name: named(pilot.ask(command(512, number)), name)[0]
        for number, name in {**STREAMS, dialect.MAVLINK_MSG_ID_HEARTBEAT: "HEARTBEAT"}.items()
    }
    place = said["GLOBAL_POSITION_INT"]
    assert (place.lat - LAT) / 1e7 * 110_750 == pytest.approx(state.north_m, abs=0.5)
    assert place.relative_alt == pytest.approx(state.up_m * 1000, abs=1)
    assert place.alt == pytest.approx((state.up_m + 10.0) * 1000, abs=1)
    assert place.vx == pytest.approx(state.v_north_m_s * 100, abs=1)
    assert (place.lat, place.lon) == (said["GPS_RAW_INT"].lat, said["GPS_RAW_INT"].lon)
    assert said["GPS_RAW_INT"].fix_type >= 3
    assert said["ATTITUDE"].pitch == pytest.approx(math.radians(state.pitch_deg), abs=1e-3)
    beat = said["HEARTBEAT"]
    assert (beat.type, beat.autopilot, beat.custom_mode) == (2, 3, 3)
    assert beat.base_mode & dialect.MAV_MODE_FLAG_SAFETY_ARMED
    assert beat.system_status == dialect.MAV_STATE_ACTIVE
    current = said["MISSION_CURRENT"]
    assert (current.seq, current.total, current.mission_state) == (2, 3, 3)
    assert said["SYS_STATUS"].battery_remaining == round(state.battery_share * 100) < 100
    assert said["BATTERY_STATUS"].voltages[0] == said["SYS_STATUS"].voltage_battery
    assert said["EXTENDED_SYS_STATE"].landed_state == dialect.MAV_LANDED_STATE_IN_AIR
    assert (said["HOME_POSITION"].latitude, said["HOME_POSITION"].altitude) == (LAT, 10_000)
    assert (said["WIND"].speed, said["WIND"].direction) == (3.0, 90.0)
    assert said["FENCE_STATUS"].breach_status == 0


def test_version() -> None:
    """AUTOPILOT_VERSION on request: 4.7.0 in development; missions, fences, rally points, MAVLink 2."""
    (told,) = named(talk().ask(command(512, dialect.MAVLINK_MSG_ID_AUTOPILOT_VERSION)), "AUTOPILOT_VERSION")
    assert told.flight_sw_version.to_bytes(4, "big") == bytes((4, 7, 0, 0))
    for name in ("MISSION_INT", "MAVLINK2", "MISSION_FENCE", "MISSION_RALLY", "COMMAND_INT"):
        assert told.capabilities & getattr(dialect, f"MAV_PROTOCOL_CAPABILITY_{name}")


def test_unknown_messages_and_commands() -> None:
    """A message that it does not have is FAILED, a command that it does not know UNSUPPORTED."""
    pilot = talk()
    for sent, result in ((command(512, 9999), 4), (command(511, 9999, 100_000), 4), (command(31_999), 3)):
        assert named(pilot.ask(sent), "COMMAND_ACK")[0].result == result
    assert names(pilot.ask(command(512, dialect.MAVLINK_MSG_ID_HOME_POSITION)))[-1] == "HOME_POSITION"
    early = talk(5.0)
    assert named(early.ask(command(512, dialect.MAVLINK_MSG_ID_HOME_POSITION)), "COMMAND_ACK")[0].result == 4


def test_timesync_is_answered() -> None:
    """TIMESYNC with tc1 0 comes back with its ts1 and the vehicle's own time; an answer is not answered."""
    pilot = talk()
    (told,) = pilot.ask(dialect.MAVLink_timesync_message(0, 123_456_789))
    assert told.ts1 == 123_456_789
    assert told.tc1 == pytest.approx(pilot.machine.state.time_s * 1e9, abs=1e6)
    assert pilot.ask(dialect.MAVLink_timesync_message(77, 123)) == []


def test_commands_for_others_are_not_heard() -> None:
    """Commands, parameters and missions for system 2 are ignored; 0 and 1 are heard, as any component."""
    pilot = talk()
    for sent in (
        dialect.MAVLink_command_long_message(2, 1, 400, 0, 1, 0, 0, 0, 0, 0, 0),
        dialect.MAVLink_command_int_message(2, 1, 0, 400, 0, 0, 1, 0, 0, 0, 0, 0, 0),
        dialect.MAVLink_param_request_list_message(2, 1),
        dialect.MAVLink_mission_clear_all_message(2, 1, MISSION),
        dialect.MAVLink_mission_count_message(2, 1, 3, MISSION),
    ):
        assert pilot.ask(sent) == []
    for system, component in ((0, 0), (1, 1), (1, 77)):
        sent = dialect.MAVLink_command_long_message(system, component, 512, 0, 0, 0, 0, 0, 0, 0, 0)
        assert names(pilot.ask(sent)) == ["COMMAND_ACK", "HEARTBEAT"]


def test_command_int_is_answered_like_long() -> None:
    """COMMAND_INT carries the same commands, and is acknowledged to its sender."""
    pilot = talk()
    sent = dialect.MAVLink_command_int_message(1, 1, 3, 176, 0, 0, 1, 4, 0, 0, 0, 0, 0)
    (ack,) = named(pilot.ask(sent), "COMMAND_ACK")
    assert (ack.command, ack.result, ack.target_system, ack.target_component) == (176, 0, 255, 190)
    assert pilot.machine.state.mode == 4


def test_repeated_commands_do_no_harm() -> None:
    """Arming, mode and start that come twice, with a higher confirmation, are accepted and change nothing."""
    pilot = flying()
    before = (pilot.machine.state.mode, pilot.machine.state.current, pilot.machine.state.armed)
    for sent in (
        command(176, 1, 3, confirmation=1),
        command(400, 1, confirmation=1),
        command(300, confirmation=1),
    ):
        assert named(pilot.ask(sent), "COMMAND_ACK")[0].result == 0
    pilot.wait(1.0)
    assert (pilot.machine.state.mode, pilot.machine.state.current, pilot.machine.state.armed) == before
    north = pilot.machine.state.north_m
    pilot.wait(2.0)
    assert pilot.machine.state.north_m > north + 10


def test_old_messages_for_mode_and_current() -> None:
    """SET_MODE changes the mode; MISSION_SET_CURRENT is answered by MISSION_CURRENT, or not at all."""
    pilot = talk()
    pilot.upload(mission(6))
    pilot.ask(dialect.MAVLink_set_mode_message(1, 1, 4))
    assert pilot.machine.state.mode == 4
    (told,) = pilot.ask(dialect.MAVLink_mission_set_current_message(1, 1, 3))
    assert (told.get_type(), told.seq) == ("MISSION_CURRENT", 3)
    assert pilot.ask(dialect.MAVLink_mission_set_current_message(1, 1, 77)) == []


def test_mission_stays_active_when_another_is_uploaded() -> None:
    """A mission uploaded in flight leaves mission_state active (3)."""
    pilot = flying()
    pilot.upload([item(0), item(1, 22), item(2, x=LAT + 100_000), item(3, 20)])
    assert pilot.machine.state.mission_state == 3


def test_reboot_is_refused_in_flight() -> None:
    """PREFLIGHT_REBOOT_SHUTDOWN is accepted on the ground and FAILED with the motors on."""
    pilot = flying()
    assert named(pilot.ask(command(246, 1)), "COMMAND_ACK")[0].result == 4
    assert pilot.machine.state.armed
    ground = talk()
    assert named(ground.ask(command(246, 1)), "COMMAND_ACK")[0].result == 0
    assert ground.machine.state.time_s == 0.0


@pytest.mark.parametrize("every_s", [0.003, 0.01, 0.02, 0.5])
def test_time_is_what_it_is_told(every_s: float) -> None:
    """The vehicle covers the same ground however often it is stepped: 10 m/s are 10 m in each second."""
    pilot = flying()
    began, number = pilot.machine.now_s, 0
    from_m, from_s = pilot.machine.state.north_m, pilot.machine.state.time_s
    while pilot.machine.now_s < began + 4.0:
        number += 1
        pilot.machine.step(began + number * every_s)
    seconds = pilot.machine.state.time_s - from_s
    assert seconds == pytest.approx(4.0, abs=0.021)
    assert (pilot.machine.state.north_m - from_m) / seconds == pytest.approx(10.0, abs=0.1)


def test_fence_that_is_on_for_long_is_looked_at_by_the_first_arming() -> None:
    """30 s after the fence was switched on, even the first arming command is refused outside of it."""
    pilot = talk()
    pilot.upload([item(0, 5003, p=(10, 0, 0, 0), x=LAT + 100_000, y=LON, kind=1)], 1)
    for name, value in ((b"FENCE_TYPE", 4.0), (b"FENCE_ENABLE", 1.0)):
        pilot.ask(dialect.MAVLink_param_set_message(1, 1, name, value, 9))
    pilot.machine.step(pilot.machine.now_s + 30.0)
    assert named(pilot.ask(command(400, 1)), "COMMAND_ACK")[0].result == 4


def test_signed_vehicle_hears_signed_frames_only() -> None:
    """With a key, unsigned and wrongly signed frames are not heard, and what it sends is signed."""
    key = bytes(range(32))
    machine = Machine(Setup(), lambda: KeySigner(key))
    pilot = Talk(machine)
    machine.step(5.0)
    assert machine.take()
    pilot.send(dialect.MAVLink_param_request_list_message(1, 1))
    pilot.codec = Codec(system=255, component=190, signer=KeySigner(bytes(32)))
    pilot.send(dialect.MAVLink_param_request_list_message(1, 1))
    assert machine.take() == []
    pilot.codec = Codec(system=255, component=190, signer=KeySigner(key))
    assert len(pilot.ask(dialect.MAVLink_param_request_list_message(1, 1))) == len(machine.parameters)
