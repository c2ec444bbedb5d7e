"""Small towns to schedule."""

from datetime import date, datetime, timedelta, timezone

from aerial.geo import LonLat
from aerial.records import CellJob, Crew, Squad

ZONE = timezone(timedelta(hours=8))
MONDAY = date(2026, 3, 2)
EVE = datetime(2026, 3, 1, 9, tzinfo=ZONE)
HOME = LonLat(lon_deg=113.8, lat_deg=22.8)


def place(east: float, north: float) -> LonLat:
    """A position so many metres from the home (the scale is near enough)."""
    return LonLat(lon_deg=113.8 + east / 102_600, lat_deg=22.8 + north / 110_750)


def jobs(count: int, *, minutes: int = 20, **fields: object) -> tuple[CellJob, ...]:
    """Cells in rows of six, 450 m apart, all alike but for their place."""
    return tuple(
        CellJob(
            cell=f"C{n:02d}",
            at=place(450 * (n % 6 + 1), 450 * (n // 6)),
            service_s=minutes * 60,
            **fields,  # type: ignore[arg-type]
        )
        for n in range(count)
    )


def squad(*names: str, end: str = "11:30", **fields: object) -> Squad:
    """Crews of one home that work from 08:30."""
    crews = tuple(
        Crew(name=name, home=HOME, aircraft="any", work_end=end, **fields)  # type: ignore[arg-type]
        for name in names or ("north",)
    )
    return Squad(crews=crews)
