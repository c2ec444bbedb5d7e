"""What a vehicle tells of itself: little unasked, the rest by SET_MESSAGE_INTERVAL.

As measured: only HEARTBEAT, STATUSTEXT and answers to TIMESYNC come by themselves.
"""

import math
from collections.abc import Callable, Sequence

from aerial.flight.mavlink import Message, dialect
from aerial.simulate.vehicle.place import Place
from aerial.simulate.vehicle.plans import Stored
from aerial.simulate.vehicle.state import State

_GPS_EPOCH_S = 1_790_000_000.0
_NO_DATA = 65_535
_PREARM = dialect.MAV_SYS_STATUS_PREARM_CHECK
_SENSORS = (
    dialect.MAV_SYS_STATUS_SENSOR_3D_GYRO
    | dialect.MAV_SYS_STATUS_SENSOR_3D_ACCEL
    | dialect.MAV_SYS_STATUS_SENSOR_GPS
    | dialect.MAV_SYS_STATUS_SENSOR_BATTERY
    | _PREARM
)
# Shorter than this, and the vehicle's own loop is the limit.
_LEAST_S = 0.02


def epoch_us(time_s: float) -> int:
    """Return the time of day of a vehicle, microseconds since 1970, for a time since power-up."""
    return round((_GPS_EPOCH_S + time_s) * 1e6)


class Telemetry:
    """Makes messages of ``state`` and sends those that were asked for at their intervals."""

    def __init__(self, state: State, place: Place, stored: Stored, wind: tuple[float, float]) -> None:
        self._state, self._place, self._stored, self._wind = state, place, stored, wind
        self._every_s: dict[int, float] = {dialect.MAVLINK_MSG_ID_HEARTBEAT: 1.0}
        self._due_s: dict[int, float] = {dialect.MAVLINK_MSG_ID_HEARTBEAT: 1.0}
        self._make: dict[int, Callable[[], Message]] = {
            dialect.MAVLINK_MSG_ID_HEARTBEAT: self._heartbeat,
            dialect.MAVLINK_MSG_ID_GLOBAL_POSITION_INT: self._position,
            dialect.MAVLINK_MSG_ID_ATTITUDE: self._attitude,
            dialect.MAVLINK_MSG_ID_SYS_STATUS: self._system,
            dialect.MAVLINK_MSG_ID_BATTERY_STATUS: self._battery,
            dialect.MAVLINK_MSG_ID_GPS_RAW_INT: self._gps,
            dialect.MAVLINK_MSG_ID_MISSION_CURRENT: self._mission,
            dialect.MAVLINK_MSG_ID_HOME_POSITION: self._home,
            dialect.MAVLINK_MSG_ID_FENCE_STATUS: self._fence,
            dialect.MAVLINK_MSG_ID_VFR_HUD: self._hud,
            dialect.MAVLINK_MSG_ID_EXTENDED_SYS_STATE: self._extended,
            dialect.MAVLINK_MSG_ID_AUTOPILOT_VERSION: self._version,
            dialect.MAVLINK_MSG_ID_WIND: self._blowing,
        }

    def set_interval(self, number: int, every_us: float) -> int:
        """Send a message every so often: -1 off, 0 as it is by default; return MAV_RESULT."""
        if number not in self._make or not math.isfinite(every_us):
            return int(dialect.MAV_RESULT_FAILED)
        default = 1.0 if number == dialect.MAVLINK_MSG_ID_HEARTBEAT else None
        every = default if every_us == 0 else None if every_us < 0 else max(every_us / 1e6, _LEAST_S)
        if every is None:
            self._every_s.pop(number, None)
            self._due_s.pop(number, None)
        else:
            self._every_s[number] = every
            self._due_s[number] = self._state.time_s
        return int(dialect.MAV_RESULT_ACCEPTED)

    def one(self, number: int) -> Message | None:
        """Return a message that is asked for once; None: it is not known, or there is nothing to tell."""
        if number not in self._make:
            return None
        if number == dialect.MAVLINK_MSG_ID_HOME_POSITION and not self._state.home_set:
            return None
        return self._make[number]()

    @property
    def next_s(self) -> float:
        """Return when the next message is due, seconds since power-up."""
        return min(self._due_s.values(), default=float("inf"))

    def due(self) -> Sequence[Message]:
        """Return what is to be sent now."""
        now, found = self._state.time_s, []
        for number, at in self._due_s.items():
            if now >= at:
                # A vehicle that was stepped far at once does not send what it missed.
                self._due_s[number] = max(at + self._every_s[number], now)
                message = self.one(number)
                if message is not None:
                    found.append(message)
        return found

    def _heartbeat(self) -> Message:
        state = self._state
        mode = dialect.MAV_MODE_FLAG_CUSTOM_MODE_ENABLED | dialect.MAV_MODE_FLAG_STABILIZE_ENABLED
        mode |= dialect.MAV_MODE_FLAG_SAFETY_ARMED if state.armed else 0
        status = dialect.MAV_STATE_ACTIVE if state.armed else dialect.MAV_STATE_STANDBY
        return dialect.MAVLink_heartbeat_message(
            dialect.MAV_TYPE_QUADROTOR, dialect.MAV_AUTOPILOT_ARDUPILOTMEGA, mode, state.mode, status, 3
        )

    def _milliseconds(self) -> int:
        return round(self._state.time_s * 1000) % 2**32

    def _position(self) -> Message:
        state = self._state
        lat, lon = self._place.lat_lon_e7(state.east_m, state.north_m) if state.home_set else (0, 0)
        return dialect.MAVLink_global_position_int_message(
            self._milliseconds(),
            lat,
            lon,
            round((self._place.amsl_m + state.up_m) * 1000),
            round((state.up_m - self._place.home_up_m) * 1000),
            round(state.v_north_m_s * 100),
            round(state.v_east_m_s * 100),
            round(-state.v_up_m_s * 100),
            round(state.yaw_deg * 100) % 36_000,
        )

    def _attitude(self) -> Message:
        state = self._state
        yaw = (state.yaw_deg + 180) % 360 - 180
        angles = (math.radians(value) for value in (state.roll_deg, state.pitch_deg, yaw))
        return dialect.MAVLink_attitude_message(self._milliseconds(), *angles, 0.0, 0.0, 0.0)

    def _system(self) -> Message:
        state = self._state
        healthy = _SENSORS if state.prearm_healthy else _SENSORS & ~_PREARM
        return dialect.MAVLink_sys_status_message(
            _SENSORS,
            _SENSORS,
            healthy,
            100,
            round(state.battery_v * 1000),
            round(state.battery_a * 100),
            round(state.battery_share * 100),
            *(0,) * 6,
        )

    def _battery(self) -> Message:
        state = self._state
        volts = [round(state.battery_v * 1000)] + [_NO_DATA] * 9
        return dialect.MAVLink_battery_status_message(
            0, 0, 0, 32_767, volts, round(state.battery_a * 100), -1, -1, round(state.battery_share * 100)
        )

    def _gps(self) -> Message:
        state = self._state
        fixed = state.gps_fixed
        lat, lon = self._place.lat_lon_e7(state.east_m, state.north_m) if fixed else (0, 0)
        return dialect.MAVLink_gps_raw_int_message(
            epoch_us(state.time_s),
            dialect.GPS_FIX_TYPE_DGPS if fixed else dialect.GPS_FIX_TYPE_NO_FIX,
            lat,
            lon,
            round((self._place.amsl_m + state.up_m) * 1000) if fixed else 0,
            90 if fixed else _NO_DATA,
            120 if fixed else _NO_DATA,
            round(math.hypot(state.v_east_m_s, state.v_north_m_s) * 100),
            round(state.yaw_deg * 100) % 36_000,
            14 if fixed else 0,
        )

    def _mission(self) -> Message:
        state = self._state
        total = max(len(self._stored.mission) - 1, 0)
        return dialect.MAVLink_mission_current_message(state.current, total, state.mission_state)

    def _home(self) -> Message:
        lat, lon = self._place.home_lat_lon_e7()
        return dialect.MAVLink_home_position_message(
            lat, lon, round((self._place.amsl_m + self._place.home_up_m) * 1000), 0.0, 0.0, 0.0,
            [1.0, 0.0, 0.0, 0.0], 0.0, 0.0, 0.0, epoch_us(self._state.time_s),
        )  # fmt: skip

    def _fence(self) -> Message:
        state = self._state
        return dialect.MAVLink_fence_status_message(
            int(state.breach_type != 0), state.breach_count, state.breach_type, self._milliseconds()
        )

    def _hud(self) -> Message:
        state = self._state
        speed = math.hypot(state.v_east_m_s, state.v_north_m_s)
        return dialect.MAVLink_vfr_hud_message(
            speed, speed, round(state.yaw_deg) % 360, 0, self._place.amsl_m + state.up_m, state.v_up_m_s
        )

    def _extended(self) -> Message:
        landed = dialect.MAV_LANDED_STATE_ON_GROUND if self._state.landed else dialect.MAV_LANDED_STATE_IN_AIR
        return dialect.MAVLink_extended_sys_state_message(0, landed)

    def _version(self) -> Message:
        capabilities = (
            dialect.MAV_PROTOCOL_CAPABILITY_MISSION_INT
            | dialect.MAV_PROTOCOL_CAPABILITY_COMMAND_INT
            | dialect.MAV_PROTOCOL_CAPABILITY_MAVLINK2
            | dialect.MAV_PROTOCOL_CAPABILITY_MISSION_FENCE
            | dialect.MAV_PROTOCOL_CAPABILITY_MISSION_RALLY
        )
        # 4.7.0, development.
        return dialect.MAVLink_autopilot_version_message(
            capabilities, 4 << 24 | 7 << 16, 0, 0, 0, [0] * 8, [0] * 8, [0] * 8, 0, 0, 0
        )

    def _blowing(self) -> Message:
        speed, from_deg = self._wind
        return dialect.MAVLink_wind_message(from_deg, speed, 0.0)
