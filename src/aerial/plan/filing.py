"""What an application for airspace at UOM (uom.caac.gov.cn) asks of a flight, on one sheet.

The rules are those that the CAAC published on 2023-12-31 with 国令761: an application is made before 12:00
on the day before; micro, light and small aircraft in 适飞 airspace need none. Whether the airspace of a
flight is 适飞 is published by the city: the sheet states the rule and never calls a flight legal.
"""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta, timezone

from shapely.geometry import Polygon

from aerial.autopilots.found import found
from aerial.geo import LonLat
from aerial.plan.checks import Checked
from aerial.records.aircraft import Aircraft
from aerial.records.finding import Finding
from aerial.records.plan import Plan
from aerial.records.record import record

# China has kept UTC+8 without summer time since 1992; Windows has no table of time zones to ask.
CHINA = timezone(timedelta(hours=8), "Asia/Shanghai")
EXEMPT = ("micro", "light", "small")
_CLASSES = {
    "micro": "微型 micro",
    "light": "轻型 light",
    "small": "小型 small",
    "medium": "中型 medium",
    "large": "大型 large",
}


@record
class Filing:
    """The figures of an application. ``deadline``, ``flight_day``: None without a day of flight.

    ``airspace``: corners of each part that the flight stays in (its fence, else its area). Heights are
    metres; ``height_over``: "ground" (true height, from a terrain model) or "takeoff".
    """

    cell: str | None
    aircraft: str
    weight_class: str
    takeoff_mass_kg: float
    airspace: tuple[tuple[LonLat, ...], ...]
    takeoffs: tuple[LonLat, ...]
    highest_m: float
    height_over: str
    sorties: int
    duration_s: float
    approval: str | None
    flight_day: date | None
    deadline: datetime | None


def filing_of(plan: Plan, aircraft: Aircraft, checked: Checked, flight_day: date | None) -> Filing:
    """Return the figures of the application for a checked plan."""
    true = [row.most_true_height_m for row in checked.sorties]
    known = [height for height in true if height is not None]
    over_takeoff = max(row.highest_above_takeoff_m for row in checked.sorties)
    by_ground = len(known) == len(true)
    return Filing(
        cell=plan.cell,
        aircraft=aircraft.name,
        weight_class=aircraft.weight_class,
        takeoff_mass_kg=aircraft.takeoff_mass_kg,
        airspace=_corners(plan.fence or plan.area),
        takeoffs=tuple(dict.fromkeys(sortie.takeoff for sortie in plan.sorties)),
        highest_m=max(known) if by_ground else over_takeoff,
        height_over="ground" if by_ground else "takeoff",
        sorties=len(plan.sorties),
        duration_s=sum(sortie.duration_s for sortie in plan.sorties),
        approval=plan.parameters.approval,
        flight_day=flight_day,
        deadline=deadline_of(flight_day) if flight_day else None,
    )


def deadline_of(flight_day: date) -> datetime:
    """Return when an application must be in: 12:00 in China on the day before."""
    return datetime.combine(flight_day - timedelta(days=1), time(12), CHINA)


def check_deadline(flight_day: date, now: datetime) -> Finding:
    """Return whether an application for ``flight_day`` can still be made at ``now`` (with UTC offset)."""
    deadline = deadline_of(flight_day)
    text = f"{deadline:%Y-%m-%d %H:%M} (UTC+8)"
    # Before 12:00: at 12:00 it is too late.
    if now < deadline:
        return found("pass", "filing_deadline", f"An application for {flight_day} must be in before {text}.")
    return found(
        "fail",
        "filing_deadline",
        f"An application for {flight_day} had to be in before {text}; now it is "
        f"{now.astimezone(CHINA):%Y-%m-%d %H:%M}.",
        "Plan for a later day, unless the flight was applied for in time or needs no application.",
    )


def filing_sheet(filing: Filing) -> str:
    """Return the application as Markdown, labels in Chinese and English."""
    height = (
        "真高 true height" if filing.height_over == "ground" else "距起飞点 over take-off (terrain unchecked)"
    )
    day = str(filing.flight_day) if filing.flight_day else "____-__-__"
    deadline = (
        f"{filing.deadline:%Y-%m-%d %H:%M} (UTC+8)"
        if filing.deadline
        else "12:00 of the day before the flight (UTC+8)"
    )
    exempt = (
        "micro, light and small aircraft in 适飞 airspace need no application"
        if filing.weight_class in EXEMPT
        else f"a {filing.weight_class} aircraft needs an application for every flight"
    )
    lines = [
        f"# 飞行活动申请 Flight application: {filing.cell or '-'}",
        "",
        "| 项目 item | 内容 content |",
        "|---|---|",
        f"| 航空器 aircraft | {filing.aircraft} |",
        f"| 类别 class | {_CLASSES[filing.weight_class]}, {filing.takeoff_mass_kg:g} kg |",
        f"| 最大高度 greatest height | {filing.highest_m:.1f} m, {height} |",
        f"| 飞行日期 day of flight | {day} |",
        f"| 起止时间 from, to | __:__ – __:__ (at least {filing.duration_s / 60:.0f} min in the air, "
        f"{filing.sorties} sorties) |",
        f"| 申请截止 apply before | {deadline} |",
        f"| 批准文号 approval | {filing.approval or '-'} |",
        "",
        "## 起降点 Take-off points (WGS 84)",
        "",
        *_listed(filing.takeoffs),
        "",
        "## 空域范围 Airspace, corners (WGS 84)",
        "",
    ]
    for number, ring in enumerate(filing.airspace, start=1):
        lines += [f"Part {number}", "", *_listed(ring), ""]
    lines += [
        "## 规定 Rule",
        "",
        f"Applications are made at uom.caac.gov.cn before 12:00 of the day before; {exempt} "
        "(CAAC, 2023-12-31; 国令761). Which airspace is 适飞 is published by the city: look it up.",
        "",
    ]
    return "\n".join(lines)


def _corners(parts: Sequence[Polygon]) -> tuple[tuple[LonLat, ...], ...]:
    return tuple(
        tuple(LonLat(lon_deg=x, lat_deg=y) for x, y, *_ in part.exterior.coords[:-1]) for part in parts
    )


def _listed(points: Sequence[LonLat]) -> list[str]:
    return [
        f"{number}. E {at.lon_deg:.6f}° ({_dms(at.lon_deg)}), N {at.lat_deg:.6f}° ({_dms(at.lat_deg)})"
        for number, at in enumerate(points, start=1)
    ]


def _dms(degrees: float) -> str:
    tenths = round(abs(degrees) * 36_000)
    sign = "-" if degrees < 0 else ""
    return f"{sign}{tenths // 36_000}°{tenths // 600 % 60:02d}′{tenths % 600 / 10:04.1f}″"
