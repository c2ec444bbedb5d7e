"""Parameters of the simulated vehicle: 4.7's names, and the protocol that reads and sets them."""

import math

import pytest
from tests.simulate.vehicle.talk import named, talk, texts

from aerial.flight.mavlink import dialect
from aerial.simulate.vehicle.parameters import Parameters

# What 4.7 renamed, and the name before.
RENAMED = {
    "MAV_SYSID": "SYSID_THISMAV",
    "MAV_GCS_SYSID": "SYSID_MYGCS",
    "ARMING_SKIPCHK": "ARMING_CHECK",
    "WP_SPD": "WPNAV_SPEED",
    "WP_ACC": "WPNAV_ACCEL",
    "WP_SPD_UP": "WPNAV_SPEED_UP",
    "WP_SPD_DN": "WPNAV_SPEED_DN",
    "WP_RADIUS_M": "WPNAV_RADIUS",
    "RTL_ALT_M": "RTL_ALT",
    "RTL_CLIMB_MIN_M": "RTL_CLIMB_MIN",
}


@pytest.mark.parametrize(("new", "old"), RENAMED.items())
def test_renamed(new: str, old: str) -> None:
    """The name of 4.7 is read and set; the old name gets no reply at all, to reading nor to setting."""
    pilot = talk()
    read, write = dialect.MAVLink_param_request_read_message, dialect.MAVLink_param_set_message
    (told,) = pilot.ask(read(1, 1, new.encode(), -1))
    assert (told.param_id, told.param_value) == (new, pilot.machine.parameters[new])
    (told,) = pilot.ask(write(1, 1, new.encode(), 7.5, 9))
    assert told.param_value == pilot.machine.parameters[new] == 7.5
    for sent in (read(1, 1, old.encode(), -1), write(1, 1, old.encode(), 7.5, 9)):
        assert pilot.ask(sent) == []
    assert not [m for _, m in pilot.wait(3.0) if m.get_type() != "HEARTBEAT"]


def test_stock_values() -> None:
    """Values measured on a stock vehicle: camera, fence, AUTO_OPTIONS; speeds in m/s, heights in m."""
    of = Parameters()
    expected = {
        "CAM1_TYPE": 1, "CAM2_TYPE": 0, "SERVO9_FUNCTION": 10, "AUTO_OPTIONS": 3, "FENCE_ENABLE": 0,
        "FENCE_TYPE": 7, "FENCE_RADIUS": 150, "FENCE_ALT_MAX": 100, "FENCE_ACTION": 1, "FENCE_TOTAL": 0,
        "MAV_SYSID": 1, "MAV_GCS_SYSID": 255, "WP_SPD": 10, "RTL_ALT_M": 15,
    }  # fmt: skip
    assert {name: of[name] for name in expected} == expected


def test_list_is_whole_and_numbered() -> None:
    """PARAM_REQUEST_LIST tells every parameter once, numbered; each number reads the same one."""
    pilot = talk()
    told = pilot.ask(dialect.MAVLink_param_request_list_message(1, 1))
    assert [one.param_index for one in told] == list(range(len(pilot.machine.parameters)))
    assert {one.param_count for one in told} == {len(told)}
    assert {one.param_id: one.param_value for one in told} == dict(pilot.machine.parameters)
    (tenth,) = pilot.ask(dialect.MAVLink_param_request_read_message(1, 1, b"", 10))
    assert tenth.param_id == told[10].param_id
    assert pilot.ask(dialect.MAVLink_param_request_read_message(1, 1, b"", len(told))) == []


def test_values_are_of_32_bits() -> None:
    """What is set is kept and told in 32 bits; NaN and infinity are not taken."""
    pilot = talk()
    (told,) = pilot.ask(dialect.MAVLink_param_set_message(1, 1, b"WP_ACC", 0.1, 9))
    assert told.param_value == pilot.machine.parameters["WP_ACC"] == pytest.approx(0.1, abs=1e-8)
    for value in (math.nan, math.inf):
        assert pilot.ask(dialect.MAVLink_param_set_message(1, 1, b"WP_ACC", value, 9)) == []
    assert math.isfinite(pilot.machine.parameters["WP_ACC"])


def test_set_up_before_power_up() -> None:
    """Parameters and system number of the set-up replace stock values; unknown names are refused."""
    pilot = talk(system=7, parameters=(("WP_SPD", 6.5),))
    assert (pilot.machine.parameters["WP_SPD"], pilot.machine.parameters["MAV_SYSID"]) == (6.5, 7)
    assert named([m for _, m in pilot.wait(1.5)], "HEARTBEAT")[0].get_srcSystem() == 7
    with pytest.raises(KeyError):
        Parameters((("WPNAV_SPEED", 500.0),))


def test_reboot_keeps_parameters() -> None:
    """What was set survives a reboot."""
    pilot = talk()
    pilot.ask(dialect.MAVLink_param_set_message(1, 1, b"RTL_ALT_M", 42.0, 9))
    pilot.machine.reboot()
    pilot.wait(3.0)
    (told,) = pilot.ask(dialect.MAVLink_param_request_read_message(1, 1, b"RTL_ALT_M", -1))
    assert told.param_value == 42.0


@pytest.mark.parametrize(("beats", "lost"), [(True, False), (False, True)])
def test_station_that_counts_is_named_by_a_parameter(beats: bool, lost: bool) -> None:
    """Only heartbeats of MAV_GCS_SYSID hold the station failsafe off."""
    pilot = talk(parameters=(("FS_GCS_ENABLE", 1.0), ("FS_GCS_TIMEOUT", 5.0), ("FS_OPTIONS", 0.0)))
    beat = dialect.MAVLink_heartbeat_message(6, 8, 0, 0, 4, 3)
    pilot.send(beat)
    if not beats:
        pilot.ask(dialect.MAVLink_param_set_message(1, 1, b"MAV_GCS_SYSID", 42.0, 9))
    pilot.ask(dialect.MAVLink_command_long_message(1, 1, 176, 0, 1, 4, 0, 0, 0, 0, 0))
    pilot.ask(dialect.MAVLink_command_long_message(1, 1, 400, 0, 1, 0, 0, 0, 0, 0, 0))
    pilot.ask(dialect.MAVLink_command_long_message(1, 1, 22, 0, 0, 0, 0, 0, 0, 0, 20))
    found = []
    for _ in range(12):
        pilot.send(beat)
        found += [m for _, m in pilot.wait(1.0)]
    assert ("GCS Failsafe" in texts(found)) == lost
