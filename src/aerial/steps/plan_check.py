"""A plan's folder in, what may keep it from being flown out."""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

from aerial.codec import replacing, write_json
from aerial.plan.checks import Checked, check_plan
from aerial.plan.filing import check_deadline, filing_of, filing_sheet
from aerial.plan.flown import bounds_of, frame_of
from aerial.plan.ground import read_ground, read_surface
from aerial.plan.read import read_plan


def check_folder(
    folder: Path,
    *,
    now: datetime,
    dem: Path | None = None,
    dsm: Path | None = None,
    zones: Sequence[Path] = (),
    fly_on: date | None = None,
) -> Checked:
    """Check ``plan.json`` in ``folder``; write ``checks.json`` and ``filing.md`` beside it.

    ``fly_on``: the day to apply for; ``now`` tells whether that can still be done.

    Raises:
        InputError: a file is absent, broken, or does not cover the flight.
    """
    from aerial.areas import flight_zones
    from aerial.plan.profiles import read_aircraft, read_camera

    plan = read_plan(folder / "plan.json")
    aircraft, camera = read_aircraft(plan.aircraft), read_camera(plan.camera)
    frame = frame_of(plan)
    bounds = bounds_of(plan, frame)
    checked = check_plan(
        plan,
        aircraft=aircraft,
        camera=camera,
        ground=read_ground(dem, frame, bounds) if dem else None,
        surface=read_surface(dsm, frame, bounds) if dsm else None,
        zones=[zone for path in zones for zone in flight_zones(path)] if zones else None,
    )
    if fly_on:
        checked = Checked(findings=(*checked.findings, check_deadline(fly_on, now)), sorties=checked.sorties)
    write_json(folder / "checks.json", checked)
    with replacing(folder / "filing.md") as part:
        part.write_text(filing_sheet(filing_of(plan, aircraft, checked, fly_on)), encoding="utf-8")
    return checked
