"""Asks a MAVLink camera again for the photographs that its messages did not tell of.

Source: MAVLink guide, camera protocol: CAMERA_IMAGE_CAPTURED counts from 0; a lost one is asked for by
REQUEST_MESSAGE with its number in param2.
"""

from aerial.flight.exchange import NOTHING, Outgoing, Peer
from aerial.flight.mavlink import Message, dialect
from aerial.flight.watch import Watch

_EVERY_S = 2.0
_AT_ONCE = 4
_TRIES = 10
# No flight takes so many; a number beyond is none, and is not counted up to.
_MOST = 10_000


class MissingImages:
    """A listener; silent while the pilot has control."""

    def __init__(self, watch: Watch, vehicle: Peer) -> None:
        self._watch, self._vehicle = watch, vehicle
        self._seen: set[int] = set()
        self._first: int | None = None
        self._known = 0
        self._camera: Peer | None = None
        self._tries: dict[int, int] = {}
        self._asked_s = float("-inf")

    @property
    def missing(self) -> tuple[int, ...]:
        """Return the numbers that are known to exist and were not told."""
        return tuple(index for index in range(self._first or 0, self._known) if index not in self._seen)

    def hear(self, message: Message, now_s: float) -> Outgoing:
        """Note which images were told, and how many there are."""
        if message.get_srcSystem() != self._vehicle.system:
            return NOTHING
        kind = message.get_type()
        if kind == "CAMERA_IMAGE_CAPTURED":
            self._camera = Peer(system=message.get_srcSystem(), component=message.get_srcComponent())
            # The first that is heard may not be the first of the camera's life.
            if self._first is None and message.image_index >= 0:
                self._first = message.image_index
            self._seen.add(message.image_index)
            self._know_of(message.image_index + 1)
        elif kind == "CAMERA_CAPTURE_STATUS":
            self._know_of(message.image_count)
        return NOTHING

    def _know_of(self, count: int) -> None:
        if self._first is not None and count <= self._first + _MOST:
            self._known = max(self._known, count)

    def tick(self, now_s: float) -> Outgoing:
        """Ask for some of those that miss."""
        if self._camera is None or self._watch.pilot_has_control or now_s - self._asked_s < _EVERY_S:
            return NOTHING
        wanted = [index for index in self.missing if self._tries.get(index, 0) < _TRIES][:_AT_ONCE]
        if not wanted:
            return NOTHING
        self._asked_s = now_s
        for index in wanted:
            self._tries[index] = self._tries.get(index, 0) + 1
        return [
            dialect.MAVLink_command_long_message(
                self._camera.system,
                self._camera.component,
                dialect.MAV_CMD_REQUEST_MESSAGE,
                0,
                dialect.MAVLINK_MSG_ID_CAMERA_IMAGE_CAPTURED,
                index,
                0,
                0,
                0,
                0,
                0,
            )
            for index in wanted
        ]
