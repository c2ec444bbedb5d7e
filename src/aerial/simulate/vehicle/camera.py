"""The camera trigger: by distance from the last photograph, or once by command."""

import math

from aerial.flight.mavlink import dialect
from aerial.geo import LonLat
from aerial.records import ShotRecord
from aerial.simulate.vehicle.craft import Craft
from aerial.simulate.vehicle.telemetry import epoch_us

# CAM1_TYPE of those that answer: servo, relay, MAVLink camera (measured; 0, 4 and 6 stay silent).
_ANSWERING = (1, 2, 5)


class Camera:
    """Fires in the 50 Hz loop. It goes on firing in any mode until told to stop, as the real one does."""

    def __init__(self, craft: Craft) -> None:
        self._craft = craft
        self._distance_m = 0.0
        self._last: tuple[float, float] | None = None
        self._last_s = -math.inf
        self._count = 0

    def by_distance(self, distance_m: float, now: float) -> None:
        """DO_SET_CAM_TRIGG_DIST: ``now`` 1 fires at once, with distance 0 too."""
        self._distance_m = max(distance_m, 0.0)
        if now == 1:
            self.fire()

    def check(self) -> None:
        """Fire when the vehicle is far enough from the last photograph, level distance."""
        if not self._distance_m:
            return
        state = self._craft.state
        if self._last is None:
            self._last = (state.east_m, state.north_m)
        east, north = state.east_m - self._last[0], state.north_m - self._last[1]
        if east * east + north * north >= self._distance_m * self._distance_m:
            self.fire()

    def fire(self) -> None:
        """Take a photograph, unless the camera is not there or not ready again."""
        craft, state = self._craft, self._craft.state
        if craft.setup.camera == "none" or int(craft.p("CAM1_TYPE")) not in _ANSWERING:
            return
        if state.time_s - self._last_s < craft.p("CAM1_INTRVAL_MIN"):
            return
        self._last, self._last_s = (state.east_m, state.north_m), state.time_s
        self._count += 1
        craft.body.lean()
        lat, lon = craft.place.lat_lon(state.east_m, state.north_m)
        amsl, height = craft.setup.home_amsl_m + state.up_m, state.up_m - craft.home[2]
        taken_us = epoch_us(state.time_s)
        state.shots.append(
            ShotRecord(
                index=self._count,
                time_s=taken_us / 1e6,
                at=LonLat(lon_deg=lon, lat_deg=lat),
                altitude_amsl_m=amsl,
                height_above_home_m=height,
                roll_deg=state.roll_deg,
                pitch_deg=state.pitch_deg,
                yaw_deg=state.yaw_deg,
                source="feedback",
            )
        )
        angles = (state.roll_deg, state.pitch_deg, state.yaw_deg)
        row = (0, self._count, *craft.journal.gps_time(state.time_s), lat, lon, amsl, height, amsl, *angles)
        craft.journal.add("CAM", state.time_s, *row)
        if craft.p("CAM1_FEEDBAK_PIN") >= 0:
            # It waits for a pulse of the flash that is not wired.
            return
        craft.emit(
            dialect.MAVLink_camera_feedback_message(
                taken_us, 0, 0, self._count % 65536, round(lat * 1e7), round(lon * 1e7),
                amsl, height, *angles, 0.0, 0, 0,
            )
        )  # fmt: skip
