"""The camera trigger: by distance from the last photograph, or once on command."""

from collections.abc import Callable, Mapping

import numpy as np

from aerial.flight.mavlink import Message, dialect
from aerial.geo import LonLat
from aerial.records import ShotRecord
from aerial.simulate.vehicle.place import Place
from aerial.simulate.vehicle.setup import Setup
from aerial.simulate.vehicle.state import State
from aerial.simulate.vehicle.telemetry import epoch_us

# Servo, relay and MAVLink fire and report; none (0), mount without one (4) and 6 accept and do nothing.
_FIRES = (1, 2, 5)


class Camera:
    """Fires for ``state``; tells each photograph by CAMERA_FEEDBACK, numbered from 1."""

    def __init__(
        self,
        setup: Setup,
        parameters: Mapping[str, float],
        state: State,
        place: Place,
        emit: Callable[[Message], None],
    ) -> None:
        self._works = setup.camera == "servo"
        self._parameters, self._state, self._place, self._emit = parameters, state, place, emit
        self._every_m = 0.0
        self._last: tuple[float, float] | None = None
        self._last_s = float("-inf")

    def set_distance(self, every_m: float, *, at_once: bool) -> None:
        """Fire every so many metres, 0 never; ``at_once`` fires now, with the closing 0 too."""
        self._every_m = max(every_m, 0.0)
        # The distance counts from here where nothing was fired.
        self._last = (self._state.east_m, self._state.north_m)
        if at_once:
            self.fire()

    def check(self) -> None:
        """Fire where the distance is reached; called in every round of the 50 Hz loop."""
        if self._every_m <= 0 or self._last is None:
            return
        state = self._state
        if np.hypot(state.east_m - self._last[0], state.north_m - self._last[1]) >= self._every_m:
            self.fire()

    def fire(self) -> None:
        """Take a photograph, unless the camera was told to wait, or is not there."""
        state = self._state
        if state.time_s - self._last_s < self._parameters["CAM1_INTRVAL_MIN"]:
            return
        self._last, self._last_s = (state.east_m, state.north_m), state.time_s
        if not self._works or self._parameters["CAM1_TYPE"] not in _FIRES:
            return
        lat_e7, lon_e7 = self._place.lat_lon_e7(state.east_m, state.north_m)
        amsl, above = self._place.amsl_m + state.up_m, state.up_m - self._place.home_up_m
        index = len(state.shots) + 1
        state.shots.append(
            ShotRecord(
                index=index,
                time_s=epoch_us(state.time_s) / 1e6,
                at=LonLat(lon_deg=lon_e7 / 1e7, lat_deg=lat_e7 / 1e7),
                altitude_amsl_m=amsl,
                height_above_home_m=above,
                roll_deg=state.roll_deg,
                pitch_deg=state.pitch_deg,
                yaw_deg=state.yaw_deg,
                source="feedback",
            )
        )
        self._emit(
            dialect.MAVLink_camera_feedback_message(
                epoch_us(state.time_s), 0, 0, index % 65_536, lat_e7, lon_e7, amsl, above, state.roll_deg,
                state.pitch_deg, state.yaw_deg, 0.0, 0, 0,
            )
        )  # fmt: skip
