"""What a crew takes along: its days as a page to print, and as a table."""

import csv
import io
from collections.abc import Mapping

from aerial.records.cycle import CellJob, Crew, Cycle, Visit

_CSV_HEAD = (
    "day", "order", "cell", "community", "lon_deg", "lat_deg", "start", "flight_min", "stop_min", "aircraft",
    "extra", "file_before",
)  # fmt: skip


def crew_sheet(cycle: Cycle, crew: Crew, jobs: Mapping[str, CellJob]) -> str:
    """Return the crew's days as Markdown, local times."""
    lines = [
        f"# Crew {crew.name}: cycle from {cycle.start}, {cycle.days} days",
        "",
        f"Aircraft {crew.aircraft}. Decided {cycle.decided_at:%Y-%m-%d %H:%M}. "
        "Times are local; coordinates are on WGS 84.",
    ]
    for shift in cycle.shifts:
        if shift.crew != crew.name:
            continue
        minutes = round(shift.duty_s / 60)
        lines += [
            "",
            f"## {shift.day:%a} {shift.day}",
            "",
            f"Leave {shift.leave_at:%H:%M}, back {shift.back_at:%H:%M}; "
            f"duty {minutes // 60} h {minutes % 60:02d} min, {round(shift.travel_s / 60)} min on the road.",
            "",
            "| # | cell | community | take-off lon, lat | start | flight min | stop min | file before |",
            "|--:|---|---|---|---|--:|--:|---|",
        ]
        for visit in shift.visits:
            job = jobs.get(visit.cell)
            place = f"{job.at.lon_deg:.6f}, {job.at.lat_deg:.6f}" if job else "-"
            community = (job.community or "-").replace("|", "/") if job else "-"
            flight = f"{job.flight_s / 60:.0f}" if job and job.flight_s else "-"
            lines.append(
                f"| {visit.order} | {visit.cell}{' (extra)' if visit.extra else ''} | {community} | {place} "
                f"| {visit.start_at:%H:%M} | {flight} | {visit.service_s / 60:.0f} | {_deadline(visit)} |"
            )
    if len(lines) == 3:
        lines += ["", "No flight in this cycle."]
    return "\n".join(lines) + "\n"


def crew_csv(cycle: Cycle, crew: Crew, jobs: Mapping[str, CellJob]) -> str:
    """Return the crew's visits as CSV, one a line."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\r\n")
    table.writerow(_CSV_HEAD)
    for visit in (visit for shift in cycle.shifts if shift.crew == crew.name for visit in shift.visits):
        job = jobs.get(visit.cell)
        table.writerow(
            [
                visit.day.isoformat(),
                visit.order,
                visit.cell,
                (job.community or "") if job else "",
                f"{job.at.lon_deg:.8f}" if job else "",
                f"{job.at.lat_deg:.8f}" if job else "",
                visit.start_at.isoformat(),
                round(job.flight_s / 60, 1) if job else "",
                round(visit.service_s / 60, 1),
                crew.aircraft,
                "yes" if visit.extra else "no",
                visit.file_before.isoformat() if visit.file_before else "",
            ]
        )
    return out.getvalue()


def _deadline(visit: Visit) -> str:
    return f"{visit.file_before:%m-%d %H:%M}" if visit.file_before else "-"
