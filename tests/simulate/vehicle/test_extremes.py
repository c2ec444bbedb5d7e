"""Sound frames with the worst numbers: the simulated vehicle lives and answers; twenty seeded rounds."""

import math
import random
from typing import Any

import pytest
from tests.simulate.vehicle.talk import LAT, Talk, command, item, named, talk

from aerial.flight.mavlink import Message, dialect

MESSAGES = [
    dialect.MAVLink_mission_count_message, dialect.MAVLink_mission_item_int_message,
    dialect.MAVLink_mission_item_int_message, dialect.MAVLink_mission_item_message,
    dialect.MAVLink_mission_request_list_message, dialect.MAVLink_mission_request_int_message,
    dialect.MAVLink_mission_request_message, dialect.MAVLink_mission_clear_all_message,
    dialect.MAVLink_mission_write_partial_list_message, dialect.MAVLink_mission_set_current_message,
    dialect.MAVLink_param_set_message, dialect.MAVLink_param_request_read_message,
    dialect.MAVLink_command_long_message, dialect.MAVLink_command_int_message,
    dialect.MAVLink_set_mode_message, dialect.MAVLink_timesync_message, dialect.MAVLink_heartbeat_message,
    dialect.MAVLink_terrain_data_message,
]  # fmt: skip
FLOATS = [0.0, 1.0, -1.0, 3.0, 30.0, 65_536.5, 1e38, -1e38, math.inf, -math.inf, math.nan]
COMMANDS = [16, 17, 19, 20, 21, 22, 82, 93, 176, 177, 178, 193, 203, 206, 224, 246, 300, 400, 401, 511, 512,
            1000, 2000, 5000, 5001, 5003, 5100]  # fmt: skip
KNOWN = {
    "target_system": [0, 1, 1, 1],
    "mission_type": [0, 0, 1, 2, 255],
    "seq": [0, 1, 2, 3, 65_535],
    "count": [0, 1, 2, 3, 5, 65_535],
    "command": COMMANDS,
    "frame": [0, 2, 3, 10, 255],
}
BITS = {"b": 8, "h": 16, "i": 32, "q": 64}


def field(rng: random.Random, name: str, code: str, parameters: list[str]) -> Any:
    """Return one value of a field."""
    if name == "param_id":
        return rng.choice(parameters).encode()
    if name in KNOWN:
        return rng.choice(KNOWN[name])
    if code in "fd":
        return rng.choice(FLOATS)
    bits = BITS[code.lower()]
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if code.islower() else (0, 2**bits - 1)
    return rng.choice([low, high, 0, 1, rng.randint(low, high)])


def anything(rng: random.Random, parameters: list[str]) -> Message:
    """Return a message of a kind that the vehicle hears, of extreme values."""
    kind = rng.choice(MESSAGES)
    codes = [code for code in kind.native_format.decode() if code.isalpha()]
    values: dict[str, Any] = {}
    for name, code, length in zip(kind.ordered_fieldnames, codes, kind.array_lengths, strict=True):
        one = name == "param_id" or not length
        values[name] = (
            field(rng, name, code, parameters)
            if one
            else [field(rng, name, code, parameters) for _ in range(length)]
        )
    return kind(*(values[name] for name in kind.fieldnames))


def in_the_air() -> Talk:
    """Return a station at a vehicle in AUTO."""
    pilot = talk()
    pilot.upload([item(0), item(1, 22), item(2, x=LAT + 500_000), item(3, 20)])
    for sent in (command(176, 1, 3), command(400, 1), command(300)):
        assert named(pilot.ask(sent), "COMMAND_ACK")[0].result == 0
    return pilot


@pytest.mark.parametrize("seed", range(20))
def test_worst_numbers(seed: int) -> None:
    """Whatever is uploaded, set or commanded, on the ground, in the air or booting: it goes on beating."""
    rng = random.Random(seed)
    pilot = in_the_air() if seed % 2 else talk(rng.choice([0.5, 30.0]))
    parameters = list(pilot.machine.parameters)
    for number in (1, 24, 30, 33, 42, 74, 147, 162, 242, 245):
        pilot.ask(command(511, number, 200_000))
    for _ in range(150):
        pilot.ask(anything(rng, parameters))
        if rng.random() < 0.2:
            pilot.machine.step(pilot.machine.now_s + rng.choice([0.005, 0.3, 2.0]))
    pilot.ask(command(511, dialect.MAVLINK_MSG_ID_HEARTBEAT, 0))
    assert named([m for _, m in pilot.wait(12.0)], "HEARTBEAT")


@pytest.mark.parametrize("frame", [0, 3, 10])
@pytest.mark.parametrize(("lat", "lon"), [(-90, 0), (90, 0), (22.815, -180), (-22.815, -66.2), (1e-7, 1e-7)])
def test_ends_of_the_earth(lat: float, lon: float, frame: int) -> None:
    """Waypoints at the poles, on the date line and on the other side of the Earth are set out for."""
    pilot = talk(parameters=(("TERRAIN_ENABLE", 0.0),))
    pilot.ask(command(511, dialect.MAVLINK_MSG_ID_GLOBAL_POSITION_INT, 1_000_000))
    pilot.upload(
        [item(0), item(1, 22), item(2, x=round(lat * 1e7), y=round(lon * 1e7), frame=frame), item(3, 20)]
    )
    for sent in (command(176, 1, 3), command(400, 1), command(300)):
        assert named(pilot.ask(sent), "COMMAND_ACK")[0].result == 0
    pilot.machine.step(pilot.machine.now_s + 60.0)
    assert math.hypot(pilot.machine.state.east_m, pilot.machine.state.north_m) > 100


@pytest.mark.parametrize("spacing", [1e38, 0.0, -5.0, 70_000.0])
def test_terrain_spacing_of_nonsense(spacing: float) -> None:
    """Any TERRAIN_SPACING survives the boot that reads it, and a mission over terrain."""
    pilot = talk()
    pilot.ask(dialect.MAVLink_param_set_message(1, 1, b"TERRAIN_SPACING", spacing, 9))
    pilot.ask(command(246, 1))
    pilot.machine.step(pilot.machine.now_s + 30.0)
    pilot.upload([item(0), item(1, 22, frame=10)])
    assert named([m for _, m in pilot.wait(3.0)], "TERRAIN_REQUEST")
