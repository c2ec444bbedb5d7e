"""What is heard in flight: every field, photographs counted once, and who has control."""

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.flight.anything import KINDS, anything
from tests.flight.test_command import OWN, VEHICLE, heard

from aerial.autopilots.ardupilot import ArduPilot
from aerial.autopilots.base import Autopilot
from aerial.autopilots.px4 import Px4
from aerial.flight.abort import Abort
from aerial.flight.command import Command
from aerial.flight.images import MissingImages
from aerial.flight.log import Event, FlightLog, read_log
from aerial.flight.mavlink import Message, dialect
from aerial.flight.mission.clear import Clear
from aerial.flight.mission.download import Download
from aerial.flight.mission.upload import Upload
from aerial.flight.params import ReadParameters, SetParameter
from aerial.flight.preflight import AskVersion
from aerial.flight.terrain import TerrainServer
from aerial.flight.track import Track
from aerial.flight.watch import Watch
from aerial.records import MissionItem, Sortie

STABILIZE, AUTO, LOITER, RTL = 0, 3, 5, 6
ARMED = dialect.MAV_MODE_FLAG_SAFETY_ARMED


class Heard:
    """A watch and the events that it told."""

    def __init__(self, autopilot: Autopilot | None = None) -> None:
        self.events: list[Event] = []
        self.watch = Watch(VEHICLE, autopilot or ArduPilot(), self.events.append)
        self.seen = self.watch.seen

    def hear(self, message: Message, now_s: float = 0.0, component: int = 1, system: int = 1) -> None:
        """Let it hear; it never answers."""
        assert not self.watch.hear(heard(message, system, component), now_s)

    def told(self, kind: str) -> list[Event]:
        """Return the events of a kind."""
        return [event for event in self.events if event["event"] == kind]

    def beat(self, mode: int, *, armed: bool = True, **sender: int) -> None:
        """Hear a heartbeat."""
        self.hear(dialect.MAVLink_heartbeat_message(2, 3, ARMED if armed else 0, mode, 4, 3), **sender)

    def feedback(self, index: int, time_s: float, **fields: float) -> None:
        """Hear of a photograph."""
        values: dict[str, Any] = {
            "time_usec": round(time_s * 1e6), "target_system": 0, "cam_idx": 0, "img_idx": index,
            "lat": 228000000, "lng": 1138000000, "alt_msl": 110.5, "alt_rel": 100.25, "roll": 1.5,
            "pitch": -23.0, "yaw": 270.0, "foc_len": 0.0, "flags": 0, "completed_captures": 0,
        }  # fmt: skip
        self.hear(dialect.MAVLink_camera_feedback_message(**(values | fields)))


def position(**fields: int) -> Message:
    """Return a position."""
    values = {
        "time_boot_ms": 5, "lat": 228153593, "lon": 1138000001, "alt": 110_500, "relative_alt": 100_250,
        "vx": 300, "vy": -400, "vz": 0, "hdg": 12_345,
    }  # fmt: skip
    return dialect.MAVLink_global_position_int_message(**(values | fields))


def status(remaining: int = 87, voltage: int = 15_321, present: int = 0, health: int = 0) -> Message:
    """Return a SYS_STATUS."""
    return dialect.MAVLink_sys_status_message(present, 0, health, 0, voltage, 0, remaining, 0, 0, 0, 0, 0, 0)


def captured(index: int, time_s: float = 100.0, result: int = 1) -> Message:
    """Return a photograph of a MAVLink camera."""
    return dialect.MAVLink_camera_image_captured_message(
        5, round(time_s * 1e3), 0, 228000000, 1138000000, 110_500, 100_250, [1, 0, 0, 0], index, result, b""
    )


def test_position() -> None:
    """Position, heights, ground speed and heading come from GLOBAL_POSITION_INT."""
    found = Heard()
    found.hear(position())
    seen = found.seen
    assert seen.at is not None
    assert (seen.at.lon_deg, seen.at.lat_deg) == pytest.approx((113.8000001, 22.8153593), abs=1e-9)
    assert (seen.amsl_m, seen.above_home_m) == (110.5, 100.25)
    assert (seen.ground_speed_m_s, seen.heading_deg) == (5.0, 123.45)
    found.hear(position(hdg=65_535))
    assert seen.heading_deg is None


def test_impossible_position() -> None:
    """A position that is none leaves the last one."""
    found = Heard()
    found.hear(position())
    before = found.seen.at
    found.hear(position(lat=910_000_000))
    found.hear(position(lon=-2_000_000_000))
    assert found.seen.at == before


def test_no_position_yet() -> None:
    """0, 0, which a GPS without a fix says, is no position, home or place of a photograph."""
    found, zeros = Heard(), (0.0,) * 3
    found.hear(position(lat=0, lon=0))
    found.hear(dialect.MAVLink_home_position_message(0, 0, 10_120, *zeros, [1, 0, 0, 0], *zeros))
    found.feedback(1, 100.0, lat=0, lng=0)
    assert found.seen.at is None
    assert found.seen.home is None
    assert not found.seen.shots


@pytest.mark.parametrize(
    ("percent", "share"), [(0, 0.0), (87, 0.87), (100, 1.0), (-1, None), (120, None), (-7, None)]
)
def test_battery(percent: int, share: float | None) -> None:
    """The charge comes from SYS_STATUS or the first battery; -1 and the impossible are unknown."""
    found = Heard()
    found.hear(status(percent))
    assert found.seen.battery_share == share
    assert found.seen.battery_v == 15.321
    for number, expected in ((1, None), (0, share)):
        found = Heard()
        found.hear(
            dialect.MAVLink_battery_status_message(number, 0, 0, 0, [65_535] * 10, -1, -1, -1, percent)
        )
        assert found.seen.battery_share == expected


def test_voltage_that_is_not_known() -> None:
    """Neither 0 nor 65535 is a voltage."""
    found = Heard()
    for voltage in (0, 65_535):
        found.hear(status(voltage=voltage))
        assert found.seen.battery_v is None


def test_prearm() -> None:
    """Whether it may be armed is known where the vehicle has the check, and then by its health."""
    bit, found = dialect.MAV_SYS_STATUS_PREARM_CHECK, Heard()
    for present, health, known in ((0, bit, None), (bit, 0, False), (bit, bit, True)):
        found.hear(status(present=present, health=health))
        assert found.seen.prearm_ok is known


def test_gps() -> None:
    """Fix and satellites come from GPS_RAW_INT; 255 satellites are an unknown number."""
    found = Heard()
    for satellites, known in ((14, 14), (255, None)):
        found.hear(dialect.MAVLink_gps_raw_int_message(0, 3, 0, 0, 0, 0, 0, 0, 0, satellites))
        assert (found.seen.fix, found.seen.satellites) == (3, known)


def test_home() -> None:
    """Home and its height come from HOME_POSITION."""
    found = Heard()
    zeros = (0.0,) * 3
    found.hear(
        dialect.MAVLink_home_position_message(
            (228e6).__int__(), 1138000000, 10_120, *zeros, [1, 0, 0, 0], *zeros
        )
    )
    assert found.seen.home is not None
    assert (found.seen.home.lat_deg, found.seen.home_amsl_m) == (22.8, 10.12)


def test_mission() -> None:
    """The current item is told when it changes, the end of the mission once, and again after a restart."""
    found = Heard()
    for seq, state in ((1, 3), (1, 3), (2, 3), (0, 5), (0, 5), (1, 3), (0, 5)):
        found.hear(dialect.MAVLink_mission_current_message(seq, 10, state))
    assert [event["item"] for event in found.told("item")] == [1, 2, 0, 1, 0]
    assert len(found.told("mission-complete")) == 2
    assert found.seen.complete


def test_landed_and_fence() -> None:
    """Landing and a breached fence are told as they change; an undefined state says nothing."""
    found = Heard()
    for state in (1, 0, 2, 2, 1):
        found.hear(dialect.MAVLink_extended_sys_state_message(0, state))
    assert [event["event"] for event in found.events] == ["landed", "airborne", "landed"]
    assert found.seen.landed is True
    for breached in (0, 1, 1, 0):
        found.hear(dialect.MAVLink_fence_status_message(breached, 0, 3, 0))
    assert [(event["breached"], event["type"]) for event in found.told("fence")] == [(True, 3), (False, 3)]


def test_texts() -> None:
    """The last fifty texts are kept, and each is told with its severity, whatever its bytes."""
    found = Heard()
    for number in range(60):
        found.hear(dialect.MAVLink_statustext_message(4, f"text {number}".encode()))
    found.hear(dialect.MAVLink_statustext_message(2, b"\xe5\xa4\xa9\xff"))
    assert found.seen.texts[:2] == ["text 11", "text 12"]
    assert len(found.seen.texts) == 50
    assert found.told("text")[59] == {"event": "text", "severity": 4, "text": "text 59"}
    json.dumps(found.events, ensure_ascii=False).encode()


def test_others_are_not_heard() -> None:
    """Nothing of another vehicle is taken, and a component's heartbeat changes no mode."""
    found = Heard()
    found.hear(position(), system=2)
    found.beat(AUTO, system=2)
    found.beat(AUTO, component=154)
    assert found.seen.at is None
    assert not found.events


def test_link() -> None:
    """After five seconds without a word of the autopilot the link is lost; a gimbal's word is none."""
    found = Heard()
    found.watch.tick(100.0)
    assert not found.watch.lost
    found.hear(position(), 100.0)
    found.hear(dialect.MAVLink_heartbeat_message(26, 8, 0, 0, 4, 3), 104.0, component=154)
    found.watch.tick(105.0)
    assert not found.watch.lost
    found.watch.tick(105.1)
    found.watch.tick(106.0)
    assert found.watch.lost
    found.hear(position(), 107.0)
    assert not found.watch.lost
    assert [event["lost"] for event in found.told("link")] == [True, False]


def test_where_it_is_every_second() -> None:
    """The position is told once a second, and not while the link is lost."""
    found = Heard()
    found.hear(position(), 0.0)
    for step in range(100):
        found.watch.tick(step * 0.1)
    assert len(found.told("position")) == 6
    assert found.told("position")[0]["height_above_home_m"] == 100.25


def test_pilot() -> None:
    """A change of mode that nobody asked for, while armed, gives the pilot control, once and for good."""
    found = Heard()
    found.watch.expected_modes.add("auto")
    found.beat(STABILIZE, armed=False)
    found.beat(LOITER, armed=False)
    found.beat(AUTO, armed=False)
    found.beat(AUTO)
    assert not found.watch.pilot_has_control
    found.beat(LOITER)
    assert found.watch.pilot_has_control
    found.beat(AUTO)
    found.beat(RTL)
    assert found.watch.pilot_has_control
    assert found.told("pilot") == [{"event": "pilot", "mode": "loiter"}]


def test_pilot_armed_it() -> None:
    """Where arming and the foreign mode come in one heartbeat, the pilot has control."""
    found = Heard()
    found.beat(STABILIZE, armed=False)
    found.beat(LOITER)
    assert found.watch.pilot_has_control


def test_mode_at_first_is_no_change() -> None:
    """The first mode that is heard is nobody's change."""
    found = Heard()
    found.beat(LOITER)
    assert not found.watch.pilot_has_control
    assert found.told("mode") == [{"event": "mode", "mode": "loiter", "asked_for": True}]


def test_modes_of_ours() -> None:
    """Modes that were asked for leave control where it was."""
    found = Heard()
    found.watch.expected_modes |= {"auto", "rtl"}
    for mode in (STABILIZE, AUTO, RTL):
        found.beat(mode, armed=mode != STABILIZE)
    assert not found.watch.pilot_has_control


def test_feedback() -> None:
    """A photograph of CAMERA_FEEDBACK is kept with place, heights and attitude; yaw in 0-360."""
    found = Heard()
    found.feedback(7, 1.7e9, yaw=-90.0)
    shot = found.seen.shots[7]
    assert (shot.index, shot.source, shot.time_s) == (7, "feedback", 1.7e9)
    assert (shot.at.lat_deg, shot.at.lon_deg) == (22.8, 113.8)
    assert (shot.altitude_amsl_m, shot.height_above_home_m) == (110.5, 100.25)
    assert (shot.roll_deg, shot.pitch_deg, shot.yaw_deg) == (1.5, -23.0, 270.0)


def test_captured() -> None:
    """A photograph of a MAVLink camera is kept, one that failed is not, nor one with an impossible number."""
    found = Heard()
    for index, result in ((0, 1), (1, 0), (-4, 1)):
        found.hear(captured(index, 100.0 + index, result), component=100)
    (shot,) = found.seen.shots.values()
    assert (shot.index, shot.source, shot.time_s, shot.yaw_deg) == (0, "captured", 100.0, None)
    assert (shot.altitude_amsl_m, shot.height_above_home_m) == (110.5, 100.25)


@pytest.mark.parametrize("field", ["alt_msl", "alt_rel", "roll", "pitch", "yaw"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_photograph_without_numbers(field: str, value: float) -> None:
    """A photograph whose place or attitude is no number is not taken for one."""
    found = Heard()
    found.feedback(1, 100.0, **{field: value})
    assert not found.seen.shots


def test_photographs_are_counted_once() -> None:
    """A photograph that is told twice, at once or later, counts once."""
    found = Heard()
    for index in (1, 1, 2, 3, 2, 3, 1):
        found.feedback(index, 100.0 + index)
    assert sorted(found.seen.shots) == [1, 2, 3]
    assert len(found.told("shot")) == 3


def test_restarted_vehicle() -> None:
    """After a battery swap the numbers begin anew, and every photograph of both flights is kept."""
    found = Heard()
    for start_s in (100.0, 900.0, 1800.0):
        for index in (1, 2, 3, 3):
            found.feedback(index, start_s + index)
    times = [shot.time_s for shot in found.seen.shots.values()]
    assert times == [101, 102, 103, 901, 902, 903, 1801, 1802, 1803]


def test_recall() -> None:
    """What an earlier process logged is taken up without being told again; what it hears again is known."""
    first, second = Heard(), Heard()
    for start_s in (100.0, 900.0):
        for index in (1, 2):
            first.feedback(index, start_s + index)
    first.feedback(70, 1000.0)
    for event in json.loads(json.dumps(first.events)):
        second.watch.recall(event)
    assert second.seen.shots == first.seen.shots
    assert not second.events
    second.feedback(2, 902.0)
    assert not second.events
    second.feedback(3, 903.0)
    assert len(second.seen.shots) == 6


@pytest.mark.parametrize(
    "change",
    [{"index": None}, {"index": "x"}, {"lat_deg": 95.0}, {"lon_deg": None}, {"time_s": []}, {"source": ...}],
)
def test_recall_of_something_else(change: dict[str, Any]) -> None:
    """A line of the log that is no photograph is passed over."""
    first, second = Heard(), Heard()
    first.feedback(1, 100.0)
    (event,) = first.told("shot")
    broken = {key: value for key, value in (event | change).items() if value is not ...}
    second.watch.recall(broken)
    assert not second.seen.shots


class Camera:
    """The images that a station misses of a camera, and what it asks for."""

    def __init__(self) -> None:
        self.found = Heard()
        self.images = MissingImages(self.found.watch, VEHICLE)

    def takes(self, *numbers: int) -> None:
        """Hear of photographs."""
        for number in numbers:
            self.images.hear(heard(captured(number), component=100), 0.0)

    def holds(self, count: int) -> None:
        """Hear how many there are."""
        message = dialect.MAVLink_camera_capture_status_message(0, 0, 0, 0.0, 0, 0.0, count)
        self.images.hear(heard(message, component=100), 0.0)

    def asked(self, from_s: float, to_s: float) -> list[int]:
        """Let time pass; return the numbers that are asked for."""
        said = [
            message
            for step in range(round(from_s * 20), round(to_s * 20))
            for message in self.images.tick(step / 20)
        ]
        for message in said:
            assert message.command == dialect.MAV_CMD_REQUEST_MESSAGE
            assert message.param1 == dialect.MAVLINK_MSG_ID_CAMERA_IMAGE_CAPTURED
            assert (message.target_system, message.target_component) == (1, 100)
        return [int(message.param2) for message in said]


def test_missing_images_are_asked_for() -> None:
    """Numbers that were not told are asked for, a few at once, until they come or ten times each."""
    camera = Camera()
    camera.takes(5, 6, 9, 12)
    assert camera.images.missing == (7, 8, 10, 11)
    assert camera.asked(0.0, 2.0) == [7, 8, 10, 11]
    camera.takes(7, 10)
    assert camera.asked(2.0, 4.0) == [8, 11]
    assert camera.asked(4.0, 60.0).count(8) == 8
    assert camera.images.missing == (8, 11)


def test_last_image_is_known_by_the_count() -> None:
    """The last image, which no later one reveals, is known to miss by the camera's own count."""
    camera = Camera()
    camera.holds(4)
    assert camera.asked(0.0, 5.0) == []
    camera.takes(0, 1)
    camera.holds(4)
    assert camera.images.missing == (2, 3)


def test_pilot_is_not_disturbed() -> None:
    """While the pilot has control nothing is asked for."""
    camera = Camera()
    camera.takes(0, 3)
    camera.found.watch.pilot_has_control = True
    assert camera.asked(0.0, 30.0) == []


def test_impossible_images() -> None:
    """A number that no flight reaches is not counted up to, and a count that is garbage neither."""
    camera = Camera()
    camera.takes(-5, 3, 5, 2**31 - 1, -(2**31))
    camera.holds(2**31 - 1)
    assert camera.images.missing == (4,)


def test_first_image_far_on() -> None:
    """A camera that has counted far begins there: nothing before is asked for or counted up to."""
    camera = Camera()
    camera.takes(2**31 - 10, 2**31 - 8)
    assert camera.images.missing == (2**31 - 9,)


# Those that someone listens for come more often than the rest.
HEARD = tuple(
    kind
    for kind in KINDS
    if kind.msgname in (
        "HEARTBEAT", "GLOBAL_POSITION_INT", "SYS_STATUS", "BATTERY_STATUS", "GPS_RAW_INT", "HOME_POSITION",
        "MISSION_CURRENT", "EXTENDED_SYS_STATE", "FENCE_STATUS", "STATUSTEXT", "CAMERA_FEEDBACK",
        "CAMERA_IMAGE_CAPTURED", "CAMERA_CAPTURE_STATUS", "MISSION_COUNT", "MISSION_ITEM_INT", "MISSION_ACK",
        "MISSION_REQUEST", "MISSION_REQUEST_INT", "COMMAND_ACK", "PARAM_VALUE", "TERRAIN_REQUEST",
        "AUTOPILOT_VERSION", "TIMESYNC",
    )
)  # fmt: skip


def towards_us(rng: random.Random, message: Message) -> Message:
    """Return a message that is to us, and of the kind that is waited for, more often than by chance."""
    for name, value in (
        ("target_system", 255), ("target_component", 25), ("mission_type", 0), ("seq", rng.randrange(6)),
        ("command", 400), ("count", rng.randrange(8)),
    ):  # fmt: skip
        if isinstance(getattr(message, name, None), int) and rng.random() < 0.7:
            setattr(message, name, value)
    return message


@pytest.mark.parametrize("seed", range(20))
def test_fuzz(sortie: Sortie, tmp_path: Path, seed: int) -> None:
    """Valid messages of every kind with any values never raise in any listener; the log stays whole."""
    rng = random.Random(seed)
    autopilot: Autopilot = ArduPilot() if seed % 2 else Px4()
    home = MissionItem(seq=0, frame=0, command=16, params=(0, 0, 0, 0, 22.8, 113.8, 10.0))
    makers: tuple[Callable[[], Any], ...] = (
        lambda: Upload([home] * 5, "mission", VEHICLE, OWN),
        lambda: Download("mission", VEHICLE, OWN, 4),
        lambda: Clear("mission", VEHICLE, OWN),
        lambda: Command(VEHICLE, OWN, 400, 1.0),
        lambda: ReadParameters(["RTL_ALT_M", "PreArm: text"], VEHICLE),
        lambda: SetParameter("RTL_ALT_M", 5.0, VEHICLE),
        lambda: AskVersion(VEHICLE),
    )
    track, now_s = Track(sortie, autopilot), 100.0
    path = tmp_path / "flight.jsonl"
    with FlightLog(path) as log:
        watch = Watch(VEHICLE, autopilot, log)
        abort = Abort(VEHICLE, OWN)
        listeners: list[Any] = [
            watch, abort, MissingImages(watch, VEHICLE),
            TerrainServer(lambda lon_N, lat_N: np.where(lon_N > 0, lon_N + lat_N, np.nan), VEHICLE),
        ]  # fmt: skip
        exchanges = [make() for make in makers]
        said: list[Message] = [message for one in exchanges for message in one.start(now_s)]
        for turn in range(500):
            now_s += rng.choice((0.0, 0.02, 0.3, 2.0))
            kind = rng.choice(HEARD) if rng.random() < 0.8 else None
            message = heard(towards_us(rng, anything(rng, kind)), 1, rng.choice((1, 1, 1, 100)))
            for number, one in enumerate(exchanges):
                if one.done:
                    exchanges[number] = makers[number]()
                    said += exchanges[number].start(now_s)
            for listener in (*listeners, *exchanges):
                said += [*listener.hear(message, now_s), *listener.tick(now_s)]
            said += abort.urgent(now_s)
            seen = watch.seen
            if not turn % 8 and seen.at and seen.current is not None and seen.above_home_m is not None:
                last = next(reversed(seen.shots.values())).at if seen.shots else None
                assert track.at(seen.current, seen.at, seen.above_home_m, last).left_m >= 0
    for message in said:
        heard(message)
    lines = path.read_bytes().splitlines()
    assert len(lines) == len(list(read_log(path))) > 50
    again = Heard(autopilot)
    for event in read_log(path):
        again.watch.recall(event)
    assert again.seen.shots == watch.seen.shots


def test_one_photograph_told_by_two_messages_counts_once() -> None:
    """Where autopilot and camera both tell of each photograph, the message that came first counts."""
    found = Heard()
    for index in range(1, 6):
        found.feedback(index, 100.0 + index)
        found.hear(captured(index + 40, 100.1 + index), component=100)
    assert len(found.seen.shots) == 5
    assert {shot.source for shot in found.seen.shots.values()} == {"feedback"}
