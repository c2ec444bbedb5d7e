"""Arming, modes, missions and failsafes of the simulated vehicle, as measured; and its motion."""

import math

import numpy as np
import pytest
from tests.simulate.vehicle.speaker import (
    AUTO,
    GUIDED,
    LOITER,
    RTL,
    Speaker,
    acks,
    booted,
    east,
    flies,
    home,
    item,
    north,
    one,
    takeoff,
    texts,
    until_item,
    until_landed,
)

from aerial.flight.exchange import Peer
from aerial.flight.mavlink import Message, dialect
from aerial.flight.terrain import TerrainServer
from aerial.simulate.vehicle.machine import Machine
from aerial.simulate.vehicle.setup import Setup

MISSION = [home(), takeoff(), item(2, x=north(100)), item(3, 20)]


def test_auto_from_the_ground() -> None:
    """DO_SET_MODE AUTO, arm, MISSION_START: the take-off item is flown, and it comes home and disarms."""
    speaker = booted()
    flies(speaker, MISSION)
    highest = 0.0
    while speaker.machine.state.armed:
        assert speaker.machine.now_s < 2000
        speaker.listen(0.5)
        highest = max(highest, speaker.machine.state.up_m)
    assert highest == pytest.approx(30, abs=0.5)
    assert speaker.machine.state.landed


def test_done_is_told_by_mission_current() -> None:
    """At the end MISSION_CURRENT has seq 0 and state complete (5); its total leaves home out."""
    speaker = booted()
    assert speaker.command(511, 42, 500_000) == 0
    found = flies(speaker, MISSION) + until_landed(speaker) + speaker.listen(1.0)
    last = acks(found, "MISSION_CURRENT")[-1]
    assert (last.seq, last.mission_state, last.total) == (0, 5, 3)


def test_ready_15_to_22_s_after_boot() -> None:
    """Home is set 15 to 22 s after power-up; arming is accepted a little after prearm is told healthy."""
    machine = Machine(Setup())
    speaker = Speaker(machine)
    machine.step(5.0)
    assert speaker.upload(MISSION) == 0
    assert speaker.command(511, 1, 200_000) == 0
    healthy = armed = None
    while armed is None and machine.now_s < 40:
        said = speaker.listen(0.5)
        bit = dialect.MAV_SYS_STATUS_PREARM_CHECK
        if healthy is None and any(m.onboard_control_sensors_health & bit for m in acks(said, "SYS_STATUS")):
            healthy = machine.now_s
        if speaker.command(176, 1, AUTO) == 0 and speaker.command(400, 1) == 0:
            armed = machine.now_s
    assert healthy is not None
    assert armed is not None
    assert 15 <= healthy <= 22
    assert 0.5 < armed - healthy < 5


def test_no_mission() -> None:
    """Without a mission: "Mode requires mission", and arming fails with FAILED (4)."""
    speaker = booted()
    speaker.command(176, 1, AUTO)
    assert speaker.command(400, 1) == 4
    assert any("Mode requires mission" in text for text in texts(speaker.heard))


def test_no_take_off() -> None:
    """Without a take-off: arms, MISSION_START is accepted, disarms after about 10 s on the ground."""
    speaker = booted()
    flies(speaker, [home(), item(1, x=north(100)), item(2, 20)])
    began = speaker.machine.now_s
    until_landed(speaker)
    assert speaker.machine.now_s - began == pytest.approx(10, abs=1.5)
    assert speaker.machine.state.up_m < 0.1


def test_guided_take_off() -> None:
    """GUIDED, arm, NAV_TAKEOFF with a height."""
    speaker = booted()
    assert speaker.command(176, 1, GUIDED) == 0
    assert speaker.command(400, 1) == 0
    assert speaker.command(22, 0, 0, 0, 0, 0, 0, 15) == 0
    speaker.listen(30.0)
    assert speaker.machine.state.up_m == pytest.approx(15, abs=0.5)


def test_terrain_frame_waits_for_terrain() -> None:
    """A mission over terrain is taken; arming is refused until a ground station serves TERRAIN_DATA."""
    speaker = booted()
    assert speaker.upload([home(), takeoff(), item(2, frame=10, x=north(300)), item(3, 20)]) == 0
    assert speaker.command(176, 1, AUTO) == 0
    assert speaker.command(400, 1) == 4
    assert any("waiting for terrain data" in text for text in texts(speaker.heard))
    server = TerrainServer(
        lambda lon, lat: np.full(lon.shape, 10.0) + (lat > 22.8160) * 7.0, Peer(system=1, component=1)
    )
    for _ in range(200):
        for message in speaker.listen(0.1):
            server.hear(message, 0.0)
        speaker.say(*server.tick(0.0))
    assert speaker.command(400, 1) == 0
    highest = 0.0
    while speaker.machine.state.armed:
        assert speaker.machine.now_s < 2000
        speaker.listen(0.5)
        highest = max(highest, speaker.machine.state.up_m)
    assert highest == pytest.approx(37, abs=0.5)


def test_reached_is_lossy() -> None:
    """The take-off's MISSION_ITEM_REACHED is overwritten by the DO item behind it; 206 is never told."""
    speaker = booted()
    rows = [
        home(),
        takeoff(),
        item(2, 178, 2, p=(1, 5, -1, 0), x=0, y=0, z=0),
        item(3, x=north(50)),
        item(4, 206, 2, p=(10, 0, 1, 0), x=0, y=0, z=0),
        item(5, x=north(100)),
        item(6, 20),
    ]
    found = flies(speaker, rows) + until_landed(speaker)
    told = [message.seq for message in acks(found, "MISSION_ITEM_REACHED")]
    assert 1 not in told
    assert 4 not in told
    assert {2, 3, 5} <= set(told)


def positions(speaker: Speaker) -> np.ndarray:
    """Fly on until it has landed; return east, north, up, speed at 10 Hz."""
    found, state = [], speaker.machine.state
    while state.armed:
        assert speaker.machine.now_s < 2000
        speaker.listen(0.1)
        found.append(
            (state.east_m, state.north_m, state.up_m, math.hypot(state.v_east_m_s, state.v_north_m_s))
        )
    return np.array(found)


def corner(hold: float) -> list[Message]:
    """Return a mission with one right-angled corner, 100 m north of home."""
    p = (hold, 0, 0, 0)
    return [
        home(),
        takeoff(),
        item(2, p=p, x=north(100)),
        item(3, p=p, x=north(100), y=east(100)),
        item(4, 20),
    ]


def test_corner_is_cut_without_a_hold() -> None:
    """Without a hold the corner is passed at speed and missed by 1 to 2 m (WP_RADIUS_M)."""
    speaker = booted()
    flies(speaker, corner(0))
    path = positions(speaker)
    away = np.hypot(path[:, 0], path[:, 1] - 100)
    assert 1.0 < away.min() <= 2.2
    assert path[away.argmin(), 3] > 1.5


def test_corner_is_met_with_a_hold() -> None:
    """With a hold of a second the vehicle comes to rest on the corner."""
    speaker = booted()
    flies(speaker, corner(1))
    path = positions(speaker)
    away = np.hypot(path[:, 0], path[:, 1] - 100)
    assert away.min() < 0.15
    assert path[away < 0.3, 3].min() < 0.3


def test_wind_costs_battery_and_moves_it_little() -> None:
    """In 8 m/s of wind the line is held within half a metre, and the battery drains faster."""
    used = []
    for wind in (0.0, 8.0):
        speaker = booted(wind_speed_m_s=wind, wind_from_deg=90.0)
        flies(speaker, [home(), takeoff(), item(2, p=(1, 0, 0, 0), x=north(400)), item(3, 20)])
        path = positions(speaker)
        high = path[(path[:, 2] > 29) & (path[:, 1] > 10)]
        assert np.abs(high[:, 0]).max() < 0.6
        used.append(1 - speaker.machine.state.battery_share)
    assert used[1] > used[0]


def test_low_battery_brings_it_home() -> None:
    """Below BATT_LOW_MAH with BATT_FS_LOW_ACT 2 it returns."""
    speaker = booted(
        battery_s=300.0,
        parameters=(("BATT_LOW_MAH", 2000.0), ("BATT_FS_LOW_ACT", 2.0), ("BATT_CAPACITY", 3300.0)),
    )
    flies(speaker, [home(), takeoff(), item(2, p=(600, 0, 0, 0), x=north(100)), item(3, 20)])
    found = until_landed(speaker)
    assert speaker.machine.state.mode == RTL
    assert any(text.startswith("Battery 1 is low") for text in texts(found))


@pytest.mark.parametrize(("options", "mode"), [(0.0, RTL), (2.0, AUTO)])
def test_lost_station(options: float, mode: int) -> None:
    """With FS_GCS_ENABLE a silent station means RTL, or going on in AUTO where FS_OPTIONS says so."""
    speaker = booted(parameters=(("FS_GCS_ENABLE", 1.0), ("FS_OPTIONS", options)))
    speaker.say(dialect.MAVLink_heartbeat_message(6, 8, 0, 0, 4, 3))
    flies(speaker, [home(), takeoff(), item(2, p=(30, 0, 0, 0), x=north(100)), item(3, 20)])
    speaker.listen(25.0)
    assert speaker.machine.state.mode == mode


def test_pause_and_go_on() -> None:
    """LOITER in the middle of a mission and AUTO again: the current item is flown on (MIS_RESTART 0)."""
    speaker = booted()
    flies(speaker, [home(), takeoff(), item(2, x=north(100)), item(3, x=north(200)), item(4, 20)])
    until_item(speaker, 3)
    speaker.listen(2.0)
    assert speaker.command(176, 1, LOITER) == 0
    speaker.listen(20.0)
    stopped = speaker.machine.state.north_m
    assert 100 < stopped < 150
    assert speaker.command(176, 1, AUTO) == 0
    assert speaker.machine.state.current == 3
    path = positions(speaker)
    assert path[:, 1].max() == pytest.approx(200, abs=2.2)


def test_current_waypoint_is_finished_before_a_new_mission() -> None:
    """A mission uploaded in flight takes over behind the waypoint that is being flown to."""
    speaker = booted()
    flies(speaker, [home(), takeoff(), item(2, x=north(200)), item(3, x=north(400)), item(4, 20)])
    until_item(speaker, 2)
    assert speaker.upload([home(), takeoff(), item(2, x=north(50)), item(3, 20)]) == 0
    path = positions(speaker)
    assert path[:, 1].max() == pytest.approx(200, abs=2.2)


def test_pilot_takes_over() -> None:
    """A mode from the pilot's switch stops the mission and is told by the heartbeat."""
    speaker = booted()
    flies(speaker, MISSION)
    speaker.listen(15.0)
    speaker.machine.flying.pilot_takes(LOITER)
    assert acks(speaker.listen(1.5), "HEARTBEAT")[-1].custom_mode == LOITER
    assert speaker.machine.state.mission_state == 4


def test_reboot_keeps_what_is_stored() -> None:
    """After a reboot mission and parameters are there, and state and transfers are not."""
    speaker = booted()
    assert speaker.upload(MISSION) == 0
    speaker.count(5)
    speaker.machine.reboot()
    speaker.machine.take()
    assert not speaker.listen(1.0)
    assert one([m for m in speaker.listen(3.0) if m.get_type() == "HEARTBEAT"][:1], "HEARTBEAT")
    assert len(speaker.machine.stored.mission) == 4
    assert not speaker.machine.plans.busy


def test_noise_never_breaks_it() -> None:
    """Random bytes and random messages of every kind leave it alive and answering: 20 seeded rounds."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        speaker = booted(seed=seed)
        for _ in range(60):
            speaker.machine.receive(rng.bytes(int(rng.integers(1, 120))))
            kind = list(dialect.mavlink_map.values())[int(rng.integers(len(dialect.mavlink_map)))]
            payload = rng.bytes(kind.unpacker.size)
            message = kind(*_fields(kind, payload))
            speaker.say(message, wait_s=0.02)
        speaker.listen(10.0)
        assert acks(speaker.listen(3.0), "HEARTBEAT")


def _fields(kind: type, payload: bytes) -> list[object]:
    """Return the fields of a message from random bytes, in the order of its constructor."""
    values = kind.unpacker.unpack(payload)
    at: dict[int, object] = {}
    place = 0
    for number, length in enumerate(kind.lengths):
        field = values[place : place + max(length, 1)]
        at[number] = field[0] if length <= 1 or isinstance(field[0], bytes) else list(field)
        place += 1 if isinstance(field[0], bytes) else max(length, 1)
    return [at[number] for number in kind.orders]
