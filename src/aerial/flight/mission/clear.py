"""Clearing of a mission, a fence or rally points, one kind at a time."""

from aerial.flight.exchange import NOTHING, Outgoing, Peer
from aerial.flight.mavlink import Message, dialect
from aerial.flight.mission.outcome import Outcome
from aerial.flight.mission.wire import TYPE, MissionType

_EVERY_S = 1.5
_TRIES = 6


class Clear:
    """An exchange that clears; the vehicle's word proves nothing, a download does."""

    def __init__(self, kind: MissionType, peer: Peer, own: Peer) -> None:
        self.outcome: Outcome | None = None
        self._kind, self._peer, self._own = kind, peer, own
        self._tries = 0
        self._sent_s = 0.0

    @property
    def done(self) -> bool:
        """Tell whether it has ended."""
        return self.outcome is not None

    def start(self, now_s: float) -> Outgoing:
        """Ask to clear."""
        self._tries += 1
        self._sent_s = now_s
        return [
            dialect.MAVLink_mission_clear_all_message(
                self._peer.system, self._peer.component, TYPE[self._kind]
            )
        ]

    def hear(self, message: Message, now_s: float) -> Outgoing:
        """End at the answer."""
        if (
            message.get_type() == "MISSION_ACK"
            and message.get_srcSystem() == self._peer.system
            and message.get_srcComponent() == self._peer.component
            and message.target_system == self._own.system
            and message.mission_type == TYPE[self._kind]
        ):
            accepted = message.type == dialect.MAV_MISSION_ACCEPTED
            self.outcome = Outcome(how="accepted" if accepted else "refused", code=message.type)
        return NOTHING

    def tick(self, now_s: float) -> Outgoing:
        """Ask again."""
        if self.done or now_s - self._sent_s < _EVERY_S:
            return NOTHING
        if self._tries >= _TRIES:
            self.outcome = Outcome(how="silent")
            return NOTHING
        return self.start(now_s)
