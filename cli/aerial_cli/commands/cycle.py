"""``aerial cycle``: who flies which cell on which day."""

from datetime import date, datetime

import click

from aerial_cli import console
from aerial_cli.town import this_town

DAY = click.DateTime(formats=["%Y-%m-%d"])
MOMENT = click.DateTime(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"])
MINUTES = click.option(
    "--minutes-per-cell",
    type=click.FloatRange(0.1, 1000),
    help="Flight time of cells that have no plan yet.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def crew_days(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> tuple[tuple[str, date], ...]:
    """Return crew and day of each ``NAME:DATE``."""
    found = []
    for text in given:
        crew, _colon, day = text.rpartition(":")
        try:
            found.append((crew, date.fromisoformat(day)))
        except ValueError as exc:
            raise click.BadParameter(f"{text!r} is not NAME:DATE, such as north:2030-03-07.") from exc
    return tuple(found)


@click.group()
def command() -> None:
    """Plan the cycle: every cell is flown before it is older than 14 days, or named.

    The crews are in crews.toml of the town's folder (docs/formats.md).

    Example: aerial cycle plan --start 2030-03-04
    """


@command.command()
@click.option("--start", type=DAY, required=True, help="First day of the cycle.")
@click.option("--seconds", type=click.FloatRange(1, 3600), default=60, show_default=True)
@MINUTES
@click.option("--strict", is_flag=True, help="Exit with 1 when a cell is late.")
@JSON
def plan(start: datetime, seconds: float, minutes_per_cell: float | None, strict: bool, as_json: bool) -> int:
    """Schedule cells, crews and days; write cycles/START with a sheet for each crew.

    Says how far the schedule is from the best possible one. Cells that will be late are named.

    Example: aerial cycle plan --start 2030-03-04
    """
    from aerial.codec import to_plain
    from aerial.steps.cycle import plan_town_cycle

    town = this_town()
    with console.progress() as progress:
        cycle = plan_town_cycle(
            town, start.date(), seconds=seconds, minutes_per_cell=minutes_per_cell, progress=progress
        )
    if as_json:
        console.data(to_plain(cycle))
    else:
        console.table(
            [
                {
                    "day": shift.day.isoformat(),
                    "crew": shift.crew,
                    "cells": len(shift.visits),
                    "leave": f"{shift.leave_at:%H:%M}",
                    "back": f"{shift.back_at:%H:%M}",
                    "road min": round(shift.travel_s / 60),
                    "duty min": round(shift.duty_s / 60),
                }
                for shift in cycle.shifts
            ]
        )
    for finding in cycle.findings:
        console.say(finding.message)
    if cycle.optimality is not None:
        best = cycle.optimality
        console.say(
            f"{best.shifts} crew-days (at least {best.shifts_bound} are needed), load {cycle.load:.0%}, "
            f"duty {best.duty_s / 3600:.1f} h, of which the best schedule could save {best.gap:.1%} at most; "
            f"travel {best.travel_s / 3600:.1f} h, {best.travel_gap:.0%} at most."
        )
    console.say(f"Sheets of the crews: {town.cycle_folder(start.date())}")
    return int(strict and bool(cycle.late))


@command.command()
@click.option("--on", type=DAY, help="The day; without it, today.")
@MINUTES
@click.option("--strict", is_flag=True, help="Exit with 1 when a cell is late, missed or unplanned.")
@JSON
def status(on: datetime | None, minutes_per_cell: float | None, strict: bool, as_json: bool) -> int:
    """List where every cell stands: done, planned, due, missed, late, unplanned.

    A cell that will be too old under the schedule as it stands is named with the day.

    Example: aerial cycle status
    """
    from aerial.codec import to_plain
    from aerial.steps.cycle import town_cycle_status

    cycle, day, states = town_cycle_status(this_town(), on, minutes_per_cell)
    console.table(to_plain(states), as_json=as_json)
    counts: dict[str, int] = {}
    for state in states:
        counts[state.state] = counts.get(state.state, 0) + 1
    console.say(
        f"Day {(day - cycle.start).days + 1} of {cycle.days}: "
        + ", ".join(f"{number} {name}" for name, number in sorted(counts.items()))
        + "."
    )
    wrong = [state for state in states if state.late_on is not None or state.state == "missed"]
    for state in wrong:
        console.say(f"Cell {state.cell} is {state.state}: {state.note or f'late on {state.late_on}'}.")
    if (day - cycle.start).days >= cycle.days:
        console.say("The cycle is over. Next: aerial cycle plan --start DATE")
    elif wrong:
        console.say("Next: aerial cycle replan")
    return int(strict and bool(wrong))


@command.command()
@click.option("--on", type=MOMENT, help="The day, or the day and time; without it, now.")
@click.option("--rain", type=DAY, multiple=True, help="A day on which nobody flies; repeatable.")
@click.option("--failed", metavar="CELL", multiple=True, help="Its flight gave no survey; repeatable.")
@click.option(
    "--crew-off",
    metavar="NAME:DATE",
    multiple=True,
    callback=crew_days,
    help="A crew that falls out; repeatable.",
)
@MINUTES
@click.option("--strict", is_flag=True, help="Exit with 1 when a cell is late.")
@JSON
def replan(
    on: datetime | None,
    rain: tuple[datetime, ...],
    failed: tuple[str, ...],
    crew_off: tuple[tuple[str, date], ...],
    minutes_per_cell: float | None,
    strict: bool,
    as_json: bool,
) -> int:
    """Change the schedule for what happened, moving as few cells as possible; list them.

    Flights that were planned and have no survey are planned again without being named.

    Example: aerial cycle replan --rain 2030-03-06 --failed A1 --crew-off north:2030-03-07
    """
    from aerial.codec import to_plain
    from aerial.steps.cycle import replan_town_cycle

    with console.progress() as progress:
        result = replan_town_cycle(
            this_town(),
            on,
            rain=[day.date() for day in rain],
            failed=failed,
            crew_off=crew_off,
            minutes_per_cell=minutes_per_cell,
            progress=progress,
        )
    console.table(to_plain(result.moved), as_json=as_json)
    for finding in result.cycle.findings:
        console.say(finding.message)
    console.say(
        f"{len(result.moved)} cells moved (at least {result.moved_bound} had to) in {result.seconds:.0f} s; "
        f"the sheets of the crews are new."
    )
    return int(strict and bool(result.cycle.late))
