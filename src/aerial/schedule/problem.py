"""Cells, crews and days as numbers."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone

import numpy as np
from numpy.typing import NDArray

from aerial.errors import InputError
from aerial.geo import WGS84, LonLat, local_frame, transform
from aerial.records.cycle import CellJob, Crew, Squad
from aerial.schedule.crews import WEEKDAYS
from aerial.schedule.sun import daylight

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDay:
    """A day on which a crew can fly: between ``begin`` and ``end`` it works and the sun is up."""

    crew: Crew
    day: date
    begin: datetime
    end: datetime

    @property
    def setup_s(self) -> int:
        """Seconds at home before it leaves."""
        return round(self.crew.setup_min * 60)

    @property
    def capacity_s(self) -> int:
        """Seconds from begin to end, set-up included."""
        return int((self.end - self.begin).total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Jobs and open days with the seconds between them: nodes are the jobs, then each day's home."""

    jobs: tuple[CellJob, ...]
    days: tuple[OpenDay, ...]
    travel_NN: Ints
    service_n: Ints
    capacity_m: Ints
    setup_m: Ints

    def fits_nm(self) -> NDArray[np.bool_]:
        """Tell which job alone fits into which day."""
        n = len(self.jobs)
        there_nm = self.travel_NN[:n, n:]
        return np.asarray(2 * there_nm + self.service_n[:, None] <= self.capacity_m[None])


def zone_of(squad: Squad) -> timezone:
    """Return the fixed offset of local time."""
    return timezone(timedelta(hours=squad.utc_offset_h))


def window(start: date, days: int) -> tuple[date, ...]:
    """Return the days of a cycle."""
    return tuple(start + timedelta(days=number) for number in range(days))


def open_days(
    squad: Squad,
    days: Sequence[date],
    town: LonLat,
    *,
    not_before: datetime,
    rain: Collection[date] = (),
    absent: Collection[tuple[str, date]] = (),
) -> tuple[OpenDay, ...]:
    """Return every crew-day that can still be flown, crew by crew in order of days.

    ``not_before``: a day that has begun is not open any more. ``absent``: (crew, day) that fall out.
    """
    zone = zone_of(squad)
    light = {day: daylight(town, day, squad.utc_offset_h) for day in days if day not in rain}
    found = []
    for crew in squad.crews:
        for day in days:
            sun = light.get(day)
            free = WEEKDAYS[day.weekday()] in crew.days_off or day in crew.off or (crew.name, day) in absent
            if sun is None or free:
                continue
            begin = max(datetime.combine(day, time.fromisoformat(crew.work_start), zone), sun[0])
            end = min(datetime.combine(day, time.fromisoformat(crew.work_end), zone), sun[1])
            begin = begin.replace(microsecond=0) + timedelta(seconds=begin.microsecond > 0)
            if begin < end and begin >= not_before:
                found.append(OpenDay(crew=crew, day=day, begin=begin, end=end.replace(microsecond=0)))
    return tuple(found)


def make_problem(jobs: Sequence[CellJob], days: Sequence[OpenDay], squad: Squad) -> Problem:
    """Return the problem of flying ``jobs`` on ``days``; ways are straight lines x detour / speed."""
    places = [job.at for job in jobs] + [day.crew.home for day in days]
    x_N, y_N = metres(places)
    straight_NN = np.hypot(x_N[:, None] - x_N[None], y_N[:, None] - y_N[None])
    # Rounded up, so that the triangle inequality stays.
    travel_NN = np.ceil(straight_NN * squad.detour / (squad.road_km_h / 3.6) - 1e-9).astype(np.int64)
    setup_m = np.array([day.setup_s for day in days], dtype=np.int64)
    return Problem(
        jobs=tuple(jobs),
        days=tuple(days),
        travel_NN=travel_NN,
        service_n=np.array([job.service_s for job in jobs], dtype=np.int64),
        capacity_m=np.array([day.capacity_s for day in days], dtype=np.int64) - setup_m,
        setup_m=setup_m,
    )


def metres(places: Sequence[LonLat]) -> tuple[Floats, Floats]:
    """Return x, y in one local frame."""
    if not places:
        return np.zeros(0), np.zeros(0)
    lon = np.array([place.lon_deg for place in places])
    lat = np.array([place.lat_deg for place in places])
    return transform(WGS84, local_frame(middle(places)), lon, lat)


def middle(places: Sequence[LonLat]) -> LonLat:
    """Return the middle of the bounding box."""
    lon = [place.lon_deg for place in places]
    lat = [place.lat_deg for place in places]
    return LonLat(lon_deg=(min(lon) + max(lon)) / 2, lat_deg=(min(lat) + max(lat)) / 2)


def require_jobs(jobs: Sequence[CellJob], squad: Squad) -> None:
    """Refuse jobs that cannot be true.

    Raises:
        InputError: none, twice the same cell, no time or an odd risk, or a home far from every cell.
    """
    if not jobs:
        raise InputError("There is no cell to schedule.", hint="Write cells.geojson, or check its path.")
    seen = set()
    for job in jobs:
        if job.cell in seen:
            raise InputError(f"Cell {job.cell} is given twice.", hint="Give each cell once.")
        seen.add(job.cell)
        if not 0 < job.service_s < 86400:
            raise InputError(
                f"Cell {job.cell} takes {job.service_s} s.",
                hint="Give more than nothing and less than a day.",
            )
        if not (math.isfinite(job.risk) and 0.01 <= job.risk <= 100):
            raise InputError(
                f"Cell {job.cell} has the risk {job.risk}.", hint="Give 0.01 to 100; 1 is ordinary."
            )
    x_N, y_N = metres([job.at for job in jobs] + [crew.home for crew in squad.crews])
    n = len(jobs)
    for crew, x, y in zip(squad.crews, x_N[n:], y_N[n:], strict=True):
        nearest = float(np.hypot(x_N[:n] - x, y_N[:n] - y).min())
        if nearest > 100_000:
            raise InputError(
                f"The home of crew {crew.name} is {nearest / 1000:.0f} km from the nearest cell.",
                hint="Give its longitude and latitude in degrees, in crews.toml.",
            )


def due_day(job: CellJob, days: Sequence[date], cycle_days: int) -> date:
    """Return the last day on which a visit is in time: before the cell is too old, within the window."""
    if job.last_surveyed is None:
        return days[-1]
    return min(job.last_surveyed + timedelta(days=cycle_days), days[-1])


def filing_deadline(day: date, local: datetime) -> datetime:
    """Return when a flight of ``day`` must have been applied for, in the zone of ``local``.

    Before 12:00 of the day before (notice of the CAAC on its UOM platform, 2023-12-31).
    """
    return datetime.combine(day - timedelta(days=1), time(12), local.tzinfo)
