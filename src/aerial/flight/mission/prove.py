"""Upload that is proved: sent, read back, compared; and what the vehicle holds when it is not.

Whatever the vehicle acknowledged, only the comparison decides.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Literal

from aerial.autopilots.base import Autopilot
from aerial.flight.exchange import Exchange, Pause, Peer
from aerial.flight.mission.clear import Clear
from aerial.flight.mission.compare import differences, same_held
from aerial.flight.mission.download import Download
from aerial.flight.mission.outcome import said
from aerial.flight.mission.upload import Upload
from aerial.flight.mission.wire import NAMED, MissionType
from aerial.records import MissionItem
from aerial.records.record import record

ATTEMPTS = 3
Holds = Literal["ours", "old", "nothing", "mix", "unknown"]
# Lets the stale answers of a failed transfer arrive before the next begins.
_SETTLE_S = 1.0

Steps = Generator[Exchange, None, "Proof"]
Watch = Callable[[str, Exchange], None]


@record
class Proof:
    """What the vehicle holds after an upload.

    ``holds``: "ours" is proved by reading it back and comparing; "old" what it held before; "mix" of
    old and new, or something else; "unknown": it could not be read, nothing may be assumed. ``before``
    and ``held``: as read, None where that failed. ``reason``: why it is not ours, a sentence.
    """

    kind: MissionType
    holds: Holds
    attempts: int
    reason: str = ""
    before: tuple[MissionItem, ...] | None = None
    held: tuple[MissionItem, ...] | None = None

    @property
    def proved(self) -> bool:
        """Tell whether the vehicle holds what was sent."""
        return self.holds == "ours"


def prove(
    items: Sequence[MissionItem],
    kind: MissionType,
    autopilot: Autopilot,
    peer: Peer,
    own: Peer,
    watch: Watch = lambda _text, _exchange: None,
) -> Steps:
    """Yield the exchanges of an upload with its proof; return the ``Proof``.

    ``watch`` is told each exchange as it begins, with what it does, for a progress bar.
    """
    before = yield from read(kind, autopilot, peer, own, watch)
    return (yield from send(items, kind, autopilot, peer, own, before, watch))


def send(
    items: Sequence[MissionItem],
    kind: MissionType,
    autopilot: Autopilot,
    peer: Peer,
    own: Peer,
    before: tuple[MissionItem, ...] | None,
    watch: Watch = lambda _text, _exchange: None,
) -> Steps:
    """Yield the exchanges that replace ``before`` by ``items``; an empty list is a clearing."""
    reason = ""
    held: tuple[MissionItem, ...] | None = None
    has_home_item = autopilot.has_home_item and kind == "mission"
    for attempt in range(1, ATTEMPTS + 1):
        if attempt > 1:
            yield Pause(_SETTLE_S)
        change: Upload | Clear = Upload(items, kind, peer, own) if items else Clear(kind, peer, own)
        watch(f"Sending the {NAMED[kind]}", change)
        yield change
        outcome = change.outcome
        held = yield from read(kind, autopilot, peer, own, watch)
        if _holds(held, before, has_home_item=has_home_item) == "mix" and differences(
            autopilot, items, held or (), kind
        ):
            # One false answer among hundreds would condemn a mission that is whole; it does not come twice.
            held = yield from read(kind, autopilot, peer, own, watch)
        if held is not None:
            wrong = differences(autopilot, items, held, kind)
            if not wrong:
                return Proof(kind=kind, holds="ours", attempts=attempt, before=before, held=held)
            reason = (
                f"it holds {wrong[0]}" + (f", and {len(wrong) - 1} more differ" if len(wrong) > 1 else "")
                if outcome is None or outcome.how in ("accepted", "unclear")
                else said(outcome)
            )
        else:
            reason = said(outcome) if outcome and outcome.how != "accepted" else "it cannot be read back"
    return Proof(
        kind=kind,
        holds=_holds(held, before, has_home_item=has_home_item),
        attempts=ATTEMPTS,
        reason=reason,
        before=before,
        held=held,
    )


def read(
    kind: MissionType,
    autopilot: Autopilot,
    peer: Peer,
    own: Peer,
    watch: Watch = lambda _text, _exchange: None,
) -> Generator[Exchange, None, tuple[MissionItem, ...] | None]:
    """Yield downloads until one is whole; return the items, None where none was."""
    for attempt in range(ATTEMPTS):
        if attempt:
            yield Pause(_SETTLE_S)
        download = Download(kind, peer, own, autopilot.limits.requests)
        watch(f"Reading the {NAMED[kind]}", download)
        yield download
        if download.outcome and download.outcome.how == "accepted":
            return download.items
    return None


def _holds(
    held: tuple[MissionItem, ...] | None,
    before: tuple[MissionItem, ...] | None,
    *,
    has_home_item: bool,
) -> Holds:
    if held is None:
        return "unknown"
    if len(held) <= (1 if has_home_item else 0):
        return "nothing"
    if before is not None and same_held(held, before, has_home_item=has_home_item):
        return "old"
    return "mix"
