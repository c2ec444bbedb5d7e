"""The cycle: cells, crews, days; who flies what when, and how near to the best possible that is."""

from datetime import date, datetime

from aerial.geo import LonLat
from aerial.records.finding import Finding
from aerial.records.record import record


@record
class CellJob:
    """One cell to be surveyed in the window.

    ``at``: its take-off point. ``service_s``: at the take-off point, set-up, flights and changes of battery
    included; ``flight_s`` of it in the air. ``last_surveyed``: None before the first survey. ``risk``: 1 is
    ordinary; misses weigh by it, and above 1 a second visit is worth free time. ``needs_filing``: each
    flight is applied for before 12:00 of the day before.
    """

    cell: str
    at: LonLat
    service_s: int
    flight_s: int = 0
    last_surveyed: date | None = None
    risk: float = 1.0
    needs_filing: bool = False
    community: str | None = None


@record
class Crew:
    """A crew and when it works; times are local, ``HH:MM``.

    ``days_off``: weekdays (``mon`` ... ``sun``); ``off``: dates. ``setup_min``: at home before it leaves,
    on each day that it flies.
    """

    name: str
    home: LonLat
    aircraft: str
    work_start: str = "08:30"
    work_end: str = "17:30"
    days_off: tuple[str, ...] = ("sat", "sun")
    off: tuple[date, ...] = ()
    setup_min: float = 20.0


@record
class Squad:
    """Everything that ``crews.toml`` may say.

    ``cycle_days``: no cell is older at a visit. ``utc_offset_h``: of local time, which has no summer time
    (China: 8). Ways by road: straight distance x ``detour``, at ``road_km_h``. ``stop_setup_min`` at each
    take-off point, ``battery_swap_min`` for each sortie after the first.
    """

    crews: tuple[Crew, ...]
    schema: int = 1
    cycle_days: int = 14
    utc_offset_h: float = 8.0
    road_km_h: float = 30.0
    detour: float = 1.3
    stop_setup_min: float = 6.0
    battery_swap_min: float = 3.0


@record
class Visit:
    """One cell, flown by a crew on a day.

    ``order``: 1 is the crew's first of the day. ``start_at``: arrival at the take-off point. ``extra``: a
    second visit in the window, of a cell with a high risk. ``file_before``: None where nothing is filed.
    """

    cell: str
    crew: str
    day: date
    order: int
    start_at: datetime
    service_s: int
    travel_s: int
    extra: bool = False
    file_before: datetime | None = None


@record
class Shift:
    """One day of one crew: from home over its visits back home, all of it by daylight.

    ``duty_s`` is the sum of set-up, travel and service; ``capacity_s`` what the day holds.
    """

    crew: str
    day: date
    leave_at: datetime
    back_at: datetime
    setup_s: int
    travel_s: int
    service_s: int
    duty_s: int
    capacity_s: int
    visits: tuple[Visit, ...]


@record
class Late:
    """A cell that will be older than the cycle allows.

    ``since``: the first day on which it is; ``planned``: its visit, None: not in this window. ``reason``
    is for people.
    """

    cell: str
    since: date
    planned: date | None
    reason: str


@record
class Optimality:
    """How near the schedule is to the best possible one, its extra visits left out.

    ``duty_s``: set-up, travel and service of all shifts. ``duty_bound_s``: no schedule that visits the
    same cells in this window can have less, whatever its crews and days. ``gap``: (duty - bound) / duty.
    ``travel_s``, ``travel_bound_s``, ``travel_gap``: the same of travel alone, over schedules that
    spend no more on set-ups than this one. ``shifts_bound``: of crew-days, over all.
    """

    duty_s: int
    duty_bound_s: int
    gap: float
    travel_s: int
    travel_bound_s: int
    travel_gap: float
    shifts: int
    shifts_bound: int


@record
class Cycle:
    """The schedule of one window.

    ``decided_at``: when it was made; flights that need filing keep the deadline from then on. ``rain``:
    days on which nobody flies. ``optimality``: None after a re-plan, which keeps what was told to
    the crews rather than the shortest way. ``load``: duty over what all available crew-days hold.
    """

    schema: int = 1
    start: date
    days: int
    decided_at: datetime
    shifts: tuple[Shift, ...]
    late: tuple[Late, ...]
    optimality: Optimality | None
    load: float
    rain: tuple[date, ...] = ()
    findings: tuple[Finding, ...] = ()
    inputs: dict[str, str]


@record
class Event:
    """What upset a schedule, a line of ``events.jsonl``.

    ``kind``: "rain" (``day``), "failed" (``cell``, whose flight of ``day`` gave no survey), "crew_off"
    (``crew`` on ``day``).
    """

    kind: str
    day: date
    cell: str | None = None
    crew: str | None = None
    told_at: datetime


@record
class Moved:
    """A visit that changed its crew or day; ``to_*`` None: it is not planned any more."""

    cell: str
    from_crew: str | None
    from_day: date | None
    to_crew: str | None
    to_day: date | None


@record
class Replan:
    """A changed schedule. No schedule that flies them moves fewer than ``moved_bound`` cells."""

    cycle: Cycle
    moved: tuple[Moved, ...]
    moved_bound: int
    seconds: float


@record
class CellState:
    """Where a cell stands on a day; each cell is in exactly one state.

    "done": surveyed in this window, young enough until the window ends. "planned": it will be flown in
    time. "due": to be flown today. "missed": its flight was planned for a past day and there is no
    survey. "late": older than allowed, today or on ``late_on`` under the schedule as it stands, or with
    no visit left. "unplanned": in no schedule though not yet surveyed in this window.
    ``late_on``: the first day on which it is older than allowed unless the plan changes; it goes with any
    state.
    """

    cell: str
    state: str
    last_surveyed: date | None
    planned: date | None
    crew: str | None
    late_on: date | None
    note: str = ""
