"""What the rest asks of an autopilot: its items, what it keeps of them, and what it must be set to."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from aerial.records import Finding, MissionItem, Plan, Sortie
from aerial.records.record import record


@record
class Limits:
    """What an autopilot stores as delivered; ``requests`` that a download may have in flight at once."""

    mission_items: int
    fence_corners: int
    rally_points: int
    requests: int


class Autopilot(Protocol):
    """One firmware, without any I/O. Registered as an entry point of ``aerial.autopilots``.

    ``name`` as in aircraft files; ``autopilot`` its MAV_AUTOPILOT number; ``has_home_item``: item 0 of a
    mission is home. ``parameters``: every name that ``preflight`` may look at, old and new ones.
    ``mission_mode``: the name of the mode that flies the mission.
    """

    name: str
    autopilot: int
    has_home_item: bool
    limits: Limits
    parameters: tuple[str, ...]
    mission_mode: str

    def encode(self, sortie: Sortie) -> tuple[MissionItem, ...]:
        """Return the items to upload, numbered from 0."""
        ...

    def as_stored(self, items: Sequence[MissionItem]) -> tuple[MissionItem, ...]:
        """Return ``items`` as a download gives them back, float32 and integers applied.

        Works for missions, fences and rally points: a fence or rally point is told by its command.
        Idempotent. Item 0 of a mission with a home item is returned as it is: no one can tell it.
        """
        ...

    def fence(self, plan: Plan, sortie: Sortie) -> tuple[MissionItem, ...]:
        """Return the fence of a sortie, simplified outward to the limits."""
        ...

    def rally(self, plan: Plan, sortie: Sortie) -> tuple[MissionItem, ...]:
        """Return the rally points."""
        ...

    def preflight(self, params: Mapping[str, float], sortie: Sortie) -> tuple[Finding, ...]:
        """Return what the parameters say of this sortie; one that is absent was not answered."""
        ...

    def mode_name(self, custom_mode: int) -> str:
        """Return the name of a flight mode, lower case; ``mode 99`` for one that is not known."""
        ...

    def set_mode(self, name: str) -> tuple[float, float, float]:
        """Return param1 to param3 of DO_SET_MODE; ``KeyError`` for a mode that is not known."""
        ...
