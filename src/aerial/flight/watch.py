"""What a vehicle tells while it flies: position, mode, battery, photographs, warnings.

Only listens. A mode that was not asked for by us means that the pilot, or the vehicle's own failsafe,
has control; from then on nothing is commanded but an abort that a person asks for.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aerial.autopilots.base import Autopilot
from aerial.errors import InputError
from aerial.flight.exchange import NOTHING, Outgoing, Peer
from aerial.flight.log import Event, Tell, event_of, shot_of
from aerial.flight.mavlink import Message, dialect
from aerial.geo import LonLat
from aerial.records import ShotRecord

POSITION_EVERY_S = 1.0
_LINK_LOST_S = 5.0
# The stream of each message that a watch needs, in microseconds between two.
STREAMS_US = {
    dialect.MAVLINK_MSG_ID_GLOBAL_POSITION_INT: 200_000,
    dialect.MAVLINK_MSG_ID_SYS_STATUS: 1_000_000,
    dialect.MAVLINK_MSG_ID_BATTERY_STATUS: 1_000_000,
    dialect.MAVLINK_MSG_ID_GPS_RAW_INT: 1_000_000,
    dialect.MAVLINK_MSG_ID_MISSION_CURRENT: 500_000,
    dialect.MAVLINK_MSG_ID_FENCE_STATUS: 1_000_000,
    dialect.MAVLINK_MSG_ID_EXTENDED_SYS_STATE: 1_000_000,
    dialect.MAVLINK_MSG_ID_HOME_POSITION: 5_000_000,
}
_UNKNOWN_U16, _UNKNOWN_U8 = 65_535, 255
_INDICES = 65_536
_SAME_SHOT_S = 0.05


@dataclass(slots=True)
class Seen:
    """What was heard last; None: never. Heights in metres, ``battery_share`` 0-1, angles in degrees."""

    at: LonLat | None = None
    amsl_m: float | None = None
    above_home_m: float | None = None
    ground_speed_m_s: float | None = None
    heading_deg: float | None = None
    mode: str | None = None
    armed: bool | None = None
    landed: bool | None = None
    battery_share: float | None = None
    battery_v: float | None = None
    fix: int | None = None
    satellites: int | None = None
    home: LonLat | None = None
    home_amsl_m: float | None = None
    current: int | None = None
    furthest: int = 0
    complete: bool = False
    breached: bool = False
    prearm_ok: bool | None = None
    texts: list[str] = field(default_factory=list)
    shots: dict[int, ShotRecord] = field(default_factory=dict)


class Watch:
    """A listener that keeps ``seen`` and tells events; ``expected_modes``: those that we asked for.

    ``pilot_has_control`` is set by a change of mode that we did not ask for, and stays.
    """

    def __init__(self, peer: Peer, autopilot: Autopilot, tell: Tell) -> None:
        self.seen = Seen()
        self.pilot_has_control = False
        self.expected_modes: set[str] = set()
        self.position_heard_s = float("-inf")
        self._peer, self._autopilot, self._tell = peer, autopilot, tell
        self._heard_s: float | None = None
        self._lost = False
        self._restarts = 0
        self._source: str | None = None
        self._told_s = float("-inf")
        self._hear: dict[str, Callable[[Message], None]] = {
            "HEARTBEAT": self._heartbeat,
            "GLOBAL_POSITION_INT": self._position,
            "SYS_STATUS": self._system,
            "BATTERY_STATUS": self._battery,
            "GPS_RAW_INT": self._gps,
            "HOME_POSITION": self._home,
            "MISSION_CURRENT": self._mission,
            "EXTENDED_SYS_STATE": self._extended,
            "FENCE_STATUS": self._fence,
            "STATUSTEXT": self._text,
            "CAMERA_FEEDBACK": self._feedback,
            "CAMERA_IMAGE_CAPTURED": self._captured,
        }

    def hear(self, message: Message, now_s: float) -> Outgoing:
        """Take one message in."""
        # Cameras and gimbals are components of their own under the vehicle's number.
        if message.get_srcSystem() != self._peer.system:
            return NOTHING
        if message.get_srcComponent() == self._peer.component:
            self._heard_s = now_s
            if message.get_type() == "GLOBAL_POSITION_INT":
                self.position_heard_s = now_s
            if self._lost:
                self._lost = False
                self._tell({"event": "link", "lost": False})
        take = self._hear.get(message.get_type())
        if take is not None:
            take(message)
        return NOTHING

    def tick(self, now_s: float) -> Outgoing:
        """Tell of a lost link, and where the vehicle is, once a second."""
        if self._heard_s is not None and not self._lost and now_s - self._heard_s > _LINK_LOST_S:
            self._lost = True
            self._tell({"event": "link", "lost": True})
        if self.seen.at is not None and not self._lost and now_s - self._told_s >= POSITION_EVERY_S:
            self._told_s = now_s
            self._tell(self._position_event())
        return NOTHING

    def recall(self, event: Event) -> None:
        """Take in a photograph that an earlier process has logged; what is no photograph is ignored."""
        try:
            self._keep(shot_of(event))
        except InputError:
            return

    @property
    def lost(self) -> bool:
        """Tell whether the link is lost."""
        return self._lost

    def _position_event(self) -> dict[str, Any]:
        seen = self.seen
        return {
            "event": "position",
            "lon_deg": seen.at.lon_deg if seen.at else None,
            "lat_deg": seen.at.lat_deg if seen.at else None,
            "altitude_amsl_m": seen.amsl_m,
            "height_above_home_m": seen.above_home_m,
            "ground_speed_m_s": seen.ground_speed_m_s,
            "battery_share": seen.battery_share,
            "item": seen.current,
            "shots": len(seen.shots),
        }

    def _heartbeat(self, message: Message) -> None:
        if message.get_srcComponent() != self._peer.component:
            return
        seen, mode = self.seen, self._autopilot.mode_name(message.custom_mode)
        armed = bool(message.base_mode & dialect.MAV_MODE_FLAG_SAFETY_ARMED)
        if mode != seen.mode:
            ours = mode in self.expected_modes or seen.mode is None
            self._tell({"event": "mode", "mode": mode, "asked_for": ours})
            # Armed by the same heartbeat, too: those in between may be lost.
            if not ours and (armed or seen.armed) and not self.pilot_has_control:
                self.pilot_has_control = True
                self._tell({"event": "pilot", "mode": mode})
            seen.mode = mode
        if armed != seen.armed:
            self._tell({"event": "armed" if armed else "disarmed"})
            seen.armed = armed

    def _position(self, message: Message) -> None:
        seen, at = self.seen, _place(message.lon, message.lat)
        if at is None:
            return
        seen.at = at
        seen.amsl_m, seen.above_home_m = message.alt / 1000, message.relative_alt / 1000
        seen.ground_speed_m_s = round((message.vx**2 + message.vy**2) ** 0.5 / 100, 2)
        seen.heading_deg = None if message.hdg == _UNKNOWN_U16 else message.hdg / 100

    def _system(self, message: Message) -> None:
        self._charge(message.battery_remaining)
        if message.voltage_battery not in (0, _UNKNOWN_U16):
            self.seen.battery_v = message.voltage_battery / 1000
        bit = dialect.MAV_SYS_STATUS_PREARM_CHECK
        if message.onboard_control_sensors_present & bit:
            self.seen.prearm_ok = bool(message.onboard_control_sensors_health & bit)

    def _battery(self, message: Message) -> None:
        if message.id == 0:
            self._charge(message.battery_remaining)

    def _charge(self, percent: int) -> None:
        # -1 is unknown; nothing else outside is a charge.
        if 0 <= percent <= 100:
            self.seen.battery_share = percent / 100

    def _gps(self, message: Message) -> None:
        self.seen.fix = message.fix_type
        known = message.satellites_visible != _UNKNOWN_U8
        self.seen.satellites = message.satellites_visible if known else None

    def _home(self, message: Message) -> None:
        home = _place(message.longitude, message.latitude)
        if home is not None:
            self.seen.home, self.seen.home_amsl_m = home, message.altitude / 1000

    def _mission(self, message: Message) -> None:
        state = getattr(message, "mission_state", 0)
        complete = state == dialect.MISSION_STATE_COMPLETE
        if complete and not self.seen.complete:
            self._tell({"event": "mission-complete"})
        self.seen.complete = complete
        if message.seq != self.seen.current:
            self._tell({"event": "item", "item": message.seq})
            self.seen.current = message.seq
            self.seen.furthest = max(self.seen.furthest, message.seq)

    def _extended(self, message: Message) -> None:
        if message.landed_state != dialect.MAV_LANDED_STATE_UNDEFINED:
            landed = message.landed_state == dialect.MAV_LANDED_STATE_ON_GROUND
            if landed != self.seen.landed:
                self._tell({"event": "landed" if landed else "airborne"})
            self.seen.landed = landed

    def _fence(self, message: Message) -> None:
        breached = bool(message.breach_status)
        if breached != self.seen.breached:
            self._tell({"event": "fence", "breached": breached, "type": message.breach_type})
        self.seen.breached = breached

    def _text(self, message: Message) -> None:
        text = message.text if isinstance(message.text, str) else message.text.decode("utf-8", "replace")
        self.seen.texts = [*self.seen.texts[-49:], text]
        self._tell({"event": "text", "severity": message.severity, "text": text})

    def _feedback(self, message: Message) -> None:
        self._shot(
            message.img_idx,
            message.time_usec / 1e6,
            _place(message.lng, message.lat),
            message.alt_msl,
            message.alt_rel,
            (message.roll, message.pitch, message.yaw % 360),
            "feedback",
        )

    def _captured(self, message: Message) -> None:
        if message.capture_result == 1 and message.image_index >= 0:
            self._shot(
                message.image_index,
                message.time_utc / 1e3,
                _place(message.lon, message.lat),
                message.alt / 1000,
                message.relative_alt / 1000,
                None,
                "captured",
            )

    def _shot(
        self,
        index: int,
        time_s: float,
        at: LonLat | None,
        amsl_m: float,
        above_home_m: float,
        attitude_deg: tuple[float, float, float] | None,
        source: Any,
    ) -> None:
        numbers = (time_s, amsl_m, above_home_m, *(attitude_deg or ()))
        if at is None or not all(map(math.isfinite, numbers)):
            return
        roll, pitch, yaw = attitude_deg or (None, None, None)
        shot = ShotRecord(
            index=index,
            time_s=time_s,
            at=at,
            altitude_amsl_m=round(amsl_m, 3),
            height_above_home_m=round(above_home_m, 3),
            roll_deg=roll,
            pitch_deg=pitch,
            yaw_deg=yaw,
            source=source,
        )
        if self._keep(shot):
            self._tell(event_of(shot))

    def _keep(self, shot: ShotRecord) -> bool:
        """Keep a photograph by its number; False: it was told before, or by the other of two messages.

        An autopilot with a MAVLink camera may tell each photograph twice, each counted on its own: the
        message that comes first in a flight is the one that counts.
        """
        self._source = self._source or shot.source
        if shot.source != self._source:
            return False
        key = shot.index + self._restarts * _INDICES
        if (known := self.seen.shots.get(key)) is not None:
            if abs(known.time_s - shot.time_s) < _SAME_SHOT_S:
                return False
            # The vehicle was restarted, for a battery swap, and counts from 1 again.
            self._restarts += 1
            key += _INDICES
        self.seen.shots[key] = shot
        return True


def _place(lon_e7: int, lat_e7: int) -> LonLat | None:
    """Return a position; None where it is none: not on Earth, or 0, 0, which a GPS without a fix says."""
    if lon_e7 == 0 and lat_e7 == 0:
        return None
    try:
        return LonLat(lon_deg=lon_e7 / 1e7, lat_deg=lat_e7 / 1e7)
    except InputError:
        return None
