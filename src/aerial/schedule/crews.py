"""``crews.toml``, read and judged."""

import re
import tomllib
from pathlib import Path

from aerial.codec import from_plain
from aerial.errors import InputError
from aerial.records.cycle import Crew, Squad

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SCHEMA = 1
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
# Names become names of files.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}")


def read_squad(path: Path) -> Squad:
    """Return the crews of ``crews.toml``.

    Raises:
        InputError: the file is absent, not TOML, or a value is unknown or impossible.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise InputError(
            f"{path} is not there.", hint="Write the crews into it; docs/formats.md shows one."
        ) from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise InputError(f"{path} is not TOML: {exc}", hint="Correct the named line.") from exc
    squad = from_plain(Squad, data, source=str(path))
    require_squad(squad, str(path))
    return squad


def require_squad(squad: Squad, source: str) -> None:
    """Refuse crews that cannot be scheduled; ``source`` names where they came from.

    Raises:
        InputError: with the crew and the value.
    """
    if squad.schema != SCHEMA:
        raise InputError(
            f"{source} is of schema {squad.schema}; this aerial knows {SCHEMA}.", hint="Update aerial."
        )
    if not squad.crews:
        raise InputError(f"{source} names no crew.", hint="Add a table [[crews]] for each crew.")
    for name, value, low, high in (
        ("cycle_days", squad.cycle_days, 1, 60),
        ("utc_offset_h", squad.utc_offset_h, -12, 14),
        ("road_km_h", squad.road_km_h, 1, 130),
        ("detour", squad.detour, 1, 5),
        ("stop_setup_min", squad.stop_setup_min, 0, 240),
        ("battery_swap_min", squad.battery_swap_min, 0, 240),
    ):
        if not low <= value <= high:
            raise InputError(f"{source}: {name} = {value} is not possible.", hint=f"Give {low} to {high}.")
    seen = set()
    for crew in squad.crews:
        _require_crew(crew, source)
        if crew.name.casefold() in seen:
            raise InputError(
                f"{source} has two crews called {crew.name}.", hint="Give each crew its own name."
            )
        seen.add(crew.name.casefold())


def _require_crew(crew: Crew, source: str) -> None:
    if not _NAME.fullmatch(crew.name):
        raise InputError(
            f"{source}: a crew is called {crew.name!r}.", hint="Use 1 to 32 letters, digits, _ or -."
        )
    for name, text in (("work_start", crew.work_start), ("work_end", crew.work_end)):
        if not _TIME.fullmatch(text):
            raise InputError(
                f"{source}: {name} = {text!r} of crew {crew.name} is not a time.",
                hint="Write HH:MM, such as 08:30.",
            )
    if crew.work_start >= crew.work_end:
        raise InputError(
            f"{source}: crew {crew.name} works from {crew.work_start} to {crew.work_end}.",
            hint="Give an end after the start, on the same day.",
        )
    unknown = [day for day in crew.days_off if day not in WEEKDAYS]
    if unknown:
        raise InputError(
            f"{source}: {unknown[0]!r} of crew {crew.name} is not a weekday.",
            hint=f"Use {', '.join(WEEKDAYS)}.",
        )
    if not 0 <= crew.setup_min <= 600:
        raise InputError(
            f"{source}: setup_min = {crew.setup_min} of crew {crew.name} is not possible.",
            hint="Give 0 to 600.",
        )
