"""What one mission decides for itself: its threshold, and what two flights agree on."""

from dataclasses import replace
from pathlib import Path

from aerial.change.calibrate import MissionThreshold, floor_of, mission_threshold
from aerial.codec import write_json
from aerial.errors import InputError
from aerial.records import Suspect
from aerial.records.record import record
from aerial.report.geojson import read_suspects, write_suspects
from aerial.suspects import find
from aerial.suspects.persist import persisted

FILE = "mission.json"
WAITING = "unconfirmed.geojson"


@record
class Persistence:
    """How many suspects ``previous`` (the result of the flight before) confirmed, and how many wait."""

    previous: str
    confirmed: int
    waiting: int


@record
class Mission:
    """What was decided for this mission alone; None: not asked for."""

    threshold: MissionThreshold | None = None
    persistence: Persistence | None = None


def find_on_mission(
    change: Path, context: find.Context, false_alarms_per_km2: float | None
) -> tuple[tuple[find.Found, ...], MissionThreshold | None]:
    """Return the suspects of a change map, at the mission's own threshold where a rate is asked for."""
    if false_alarms_per_km2 is None:
        return find.find_suspects(change, context), None
    chosen = mission_threshold(
        find.scores_above(change, context, floor_of(context.threshold)),
        find.compared_m2(change) / 1e6,
        false_alarms_per_km2,
        context.threshold,
    )
    if chosen.measured:
        context = replace(context, threshold=chosen.threshold, height_threshold=chosen.threshold)
    return find.find_suspects(change, context), chosen


def previous_suspects(folder: Path, baseline: str) -> tuple[Suspect, ...]:
    """Return all suspects of the result in ``folder``, those that wait included.

    Raises:
        InputError: the folder holds no result, or one of another BEFORE than ``baseline``.
    """
    told = [folder / "suspects.geojson", folder / WAITING]
    if not told[0].is_file():
        raise InputError(
            f"{folder} holds no suspects.geojson.",
            hint="Give the folder that aerial detect wrote for the flight before.",
        )
    suspects = tuple(suspect for path in told if path.is_file() for suspect in read_suspects(path))
    others = {suspect.pair for suspect in suspects if suspect.pair.partition("__")[0] != baseline}
    if others:
        raise InputError(
            f"{folder} compares another baseline: {', '.join(sorted(others))}, not {baseline}.",
            hint="Compare both flights with the same BEFORE.",
        )
    return suspects


def confirm(
    found: tuple[find.Found, ...], previous: tuple[Suspect, ...], folder: Path, out: Path
) -> tuple[tuple[find.Found, ...], Persistence]:
    """Return what the flight before shows too; the rest is written to ``unconfirmed.geojson``."""
    kept, waiting = persisted([item.suspect for item in found], previous)
    write_suspects(out / WAITING, waiting)
    keys = {suspect.key for suspect in kept}
    return (
        tuple(item for item in found if item.suspect.key in keys),
        Persistence(previous=folder.name, confirmed=len(kept), waiting=len(waiting)),
    )


def told(mission: Mission) -> list[str]:
    """Return what people should know of the mission's own decisions, a sentence each."""
    lines = []
    if (chosen := mission.threshold) is not None:
        lines.append(
            f"Threshold {chosen.threshold:.2f} for {chosen.false_alarms_per_km2:g} false alarms a km2 "
            f"(the model's own: {chosen.stored_threshold:.2f})."
            if chosen.measured
            else f"Only {chosen.pieces} weak piece(s) on {chosen.area_km2:.3f} km2: too few for a rate; "
            f"the model's threshold {chosen.stored_threshold:.2f} stays."
        )
    if (seen := mission.persistence) is not None:
        lines.append(f"{seen.waiting} suspect(s) that {seen.previous} does not show wait for another flight.")
    return lines


def write_mission(out: Path, mission: Mission) -> None:
    """Write ``mission.json``; nothing where nothing was asked for."""
    if mission != Mission():
        write_json(out / FILE, mission)
