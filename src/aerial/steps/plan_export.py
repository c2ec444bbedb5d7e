"""plan.json → files for ground stations, aircraft and eyes."""

from collections.abc import Sequence
from pathlib import Path

from aerial.errors import InputError
from aerial.plan.export import export_plan
from aerial.plan.profiles import read_aircraft
from aerial.plan.read import read_plan

PLAN_FILE = "plan.json"


def export_plan_file(
    source: Path, out: Path | None, formats: Sequence[str] | None, *, aircraft: str | None = None
) -> list[Path]:
    """Export the plan in ``source`` (its folder, or the JSON itself) and return the files written.

    ``out``: None is the plan's own folder. ``formats``: None is every one that applies. ``aircraft``:
    the file of the plan's aircraft where it is none of those that ship.

    Raises:
        InputError: there is no plan, a check of it failed, a format does not apply, or the aircraft is
            another one than was planned for: its speeds and endurance were not checked.
    """
    path = source / PLAN_FILE if source.is_dir() else source
    plan = read_plan(path)
    flown = read_aircraft(aircraft or plan.aircraft)
    if flown.name != Path(plan.aircraft).stem:
        raise InputError(
            f"The plan is for {plan.aircraft}; {flown.name} was not checked against it.",
            hint="Plan the flight again with that aircraft.",
        )
    return export_plan(plan, path.parent if out is None else out, formats, aircraft=flown)
