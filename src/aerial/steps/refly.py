"""Photographs that miss from a plan in, the small plan that takes them out."""

from collections.abc import Collection, Sequence
from pathlib import Path

from aerial.areas import flight_zones
from aerial.codec import write_json
from aerial.errors import InputError
from aerial.plan.export import export_plan
from aerial.plan.flown import bounds_of, frame_of
from aerial.plan.ground import read_ground, read_surface
from aerial.plan.profiles import read_aircraft
from aerial.plan.read import read_plan
from aerial.plan.refly import missing_points, refly_plan
from aerial.records import LonLat, Plan, TriggerPoint
from aerial.records.record import record
from aerial.workspace import locked

PLAN_FILE = "plan.json"


@record
class Refly:
    """What misses, and the plan that flies it; None: nothing misses."""

    missing: tuple[TriggerPoint, ...]
    plan: Plan | None


def refly(
    folder: Path,
    photographed: Sequence[LonLat],
    out: Path,
    *,
    dropped: Sequence[LonLat] = (),
    sorties: Collection[int] | None = None,
    dem: Path | None = None,
    dsm: Path | None = None,
    zones: Sequence[Path] = (),
) -> Refly:
    """Write to ``out`` a plan of what misses of the plan in ``folder``, with its exports.

    See ``plan.refly``. Nothing is written if nothing misses.

    Raises:
        InputError: a file is absent, broken, or does not cover the flight, or ``out`` is the plan's own.
        PlanError: nothing of the plan was photographed, or the missing part may not be flown.
    """
    require_another(folder, out)
    plan = read_plan(folder / PLAN_FILE)
    missing = missing_points(plan, photographed, dropped=dropped, sorties=sorties)
    return refly_points(plan, missing, out, dem=dem, dsm=dsm, zones=zones)


def require_another(folder: Path, out: Path) -> None:
    """Refuse the plan's own folder as the place of a re-fly plan.

    Raises:
        InputError: ``out`` is it.
    """
    if out.resolve() == folder.resolve():
        raise InputError(
            f"{out} holds the plan itself, which is flown again in the next cycle.",
            hint="Give another --refly.",
        )


def refly_points(
    plan: Plan,
    missing: Sequence[TriggerPoint],
    out: Path,
    *,
    dem: Path | None = None,
    dsm: Path | None = None,
    zones: Sequence[Path] = (),
) -> Refly:
    """Write to ``out`` a plan that takes the photographs of the places ``missing``, with its exports.

    Nothing is written if nothing misses.

    Raises:
        InputError: a file is absent, broken, or does not cover the flight.
        PlanError: the missing part may not be flown.
    """
    if not missing:
        return Refly(missing=(), plan=None)
    frame = frame_of(plan)
    bounds = bounds_of(plan, frame)
    again = refly_plan(
        plan,
        missing,
        ground=read_ground(dem, frame, bounds) if dem else None,
        surface=read_surface(dsm, frame, bounds) if dsm else None,
        zones=[zone for path in zones for zone in flight_zones(path)] if zones else None,
    )
    out.mkdir(parents=True, exist_ok=True)
    with locked(out):
        write_json(out / PLAN_FILE, again)
        export_plan(again, out, None, aircraft=read_aircraft(again.aircraft))
    return Refly(missing=tuple(missing), plan=again)
