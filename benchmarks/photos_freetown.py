"""Claim: tails of real flights are named, and places that were left out of a real survey are found.

    python -m benchmarks.photos_freetown [--map OUT.html]

The metadata of 1,452 photographs of four adjoining tasks over Freetown (HOT DroneTM, CC BY 4.0), flown in
five flights that begin photographing at take-off. The set has no plan; one is laid along its own lines (a
stretch of at least eight steps within 10 degrees of east or west is a line, its photographs are 20.8 m
apart). Heights are its own; that over the ground is not told and taken as 110 m, with the overlaps that
follow from it.

*Tails*: photographs named as on the way; beside them everything before a flight's first photograph on a line
and after its last, which counts last turns too. *Whole*: against that plan nothing may miss. *Thinned*: the
set's own list of 32 photographs to delete is taken out. Half of them stand in places that are photographed
twice, in turns or on the ways; only where photographs beside are further than 1.5 trigger distances apart
does a place miss, and no other may. *A hole*: 250 m of neighbouring lines taken out must be a gap in the
ground, and nowhere else.
"""

import argparse
import csv
import re
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from shapely.geometry import MultiPoint

from aerial.geo import LonLat, in_frame, local_frame, to_lonlat
from aerial.photos.page import Marked, write_page
from aerial.photos.tails import find_tails
from aerial.plan.covered import judge_cover
from aerial.records import Leg, Parameters, PathPoint, Photo, PhotoCheck, Plan, Sortie, Totals
from benchmarks.machine import DATA, emit

AGL_M, TRIGGER_M, SPACING_M = 110.0, 20.8, 59.5
FOCAL_PX, LEAST_STEPS = 2667.0, 8
_TOTALS = Totals(
    area_m2=0.0, covered_share=1.0, lines=0, sorties=0, photos=0, survey_m=0.0, turn_m=0.0, transit_m=0.0,
    duration_s=0.0,
)  # fmt: skip


def rows_of(folder: Path) -> Iterator[tuple[dict[str, str], datetime, LonLat]]:
    """Give each row of the survey's table, with its time and its place."""
    text = (folder / "image_metadata.csv").read_text("utf-8")
    for row in csv.DictReader(text.splitlines()):
        angles = []
        for key in ("GPSLatitude", "GPSLongitude"):
            parts = re.findall(r"[\d.]+|[NSEW]", row[key])
            angle = float(parts[0]) + float(parts[1]) / 60 + float(parts[2]) / 3600
            angles.append(-angle if parts[3] in "SW" else angle)
        taken = datetime.strptime(row["DateTimeOriginal"], "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
        yield row, taken, LonLat(lon_deg=angles[1], lat_deg=angles[0])


def read(folder: Path) -> list[Photo]:
    """Return the photographs of the survey in the order of time."""
    photos = []
    for row, taken, at in rows_of(folder):
        photos.append(
            Photo(
                file=row["SourceFile"],
                width_px=4000,
                height_px=3000,
                taken_at=taken,
                at=at,
                altitude_m=None,
                relative_height_m=float(row["AbsoluteAltitude"]),
                gimbal_pitch_deg=float(row["GimbalPitchDegree"]),
                gimbal_yaw_deg=float(row["FlightYawDegree"]),
                focal_px=FOCAL_PX,
                make=None,
                model=None,
                rtk_std_m=None,
            )
        )
    return sorted(photos, key=lambda photo: (photo.taken_at, photo.file))


def lines_of(photos: Sequence[Photo], frame: str) -> list[list[Photo]]:
    """Return the stretches that lead east or west."""
    xy_N2 = in_frame(frame, [photo.at for photo in photos if photo.at])
    step_S2 = np.diff(xy_N2, axis=0)
    length_S = np.hypot(*step_S2.T)
    along_S = (np.abs(step_S2[:, 1]) <= np.sin(np.radians(10)) * length_S) & (length_S < 60) & (length_S > 1)
    found, run = [], [photos[0]]
    for place, along in enumerate(along_S.tolist()):
        turned = len(run) > 1 and step_S2[place, 0] * step_S2[place - 1, 0] < 0
        if not along or turned:
            found.append(run)
            run = []
        run = [*run, photos[place + 1]]
    return [line for line in [*found, run] if len(line) > LEAST_STEPS]


def _straight(line: Sequence[Photo], frame: str) -> tuple[PathPoint, ...]:
    """Return the straight line from the first photograph to the last, with the heights on the way."""
    xy_N2 = in_frame(frame, [photo.at for photo in line if photo.at])
    course_2 = (xy_N2[-1] - xy_N2[0]) / np.hypot(*(xy_N2[-1] - xy_N2[0]))
    found: list[PathPoint] = []
    reached_m = -np.inf
    for along_m, photo in zip(((xy_N2 - xy_N2[0]) @ course_2).tolist(), line, strict=True):
        if along_m > reached_m + 1.0:
            x, y = xy_N2[0] + along_m * course_2
            at = to_lonlat(frame, float(x), float(y))
            found.append(PathPoint(at=at, height_above_takeoff_m=photo.relative_height_m or 0.0))
            reached_m = along_m
    return tuple(found)


def plan_of(photos: Sequence[Photo], frame: str) -> Plan:
    """Return a plan along the lines, a sortie a task."""
    sorties = []
    numbered = 0
    for number, task in enumerate(sorted({Path(photo.file).parent.name for photo in photos}), start=1):
        legs: list[Leg] = []
        for line in lines_of([photo for photo in photos if Path(photo.file).parent.name == task], frame):
            numbered += 1
            path = _straight(line, frame)
            if legs:
                legs.append(Leg(kind="turn", path=(legs[-1].path[-1], path[0])))
            legs.append(Leg(kind="survey", path=path, line=numbered, trigger_distance_m=TRIGGER_M))
        first = legs[0].path[0].at
        sorties.append(
            Sortie(
                number=number,
                takeoff=first,
                takeoff_amsl_m=None,
                legs=tuple(legs),
                speed_m_s=10.0,
                transit_speed_m_s=10.0,
                pitch_deg=-80.0,
                return_height_m=300.0,
                photos=0,
                length_m=0.0,
                duration_s=0.0,
                energy_wh=0.0,
                battery_share=0.5,
            )
        )
    corners = [(p.at.lon_deg, p.at.lat_deg) for s in sorties for leg in s.legs for p in leg.path]
    wide_m, high_m = 4000 / FOCAL_PX * AGL_M, 3000 / FOCAL_PX * AGL_M
    return Plan(
        cell="freetown", aircraft="dji_mavic3_enterprise", camera="dji_m3e_wide",
        parameters=Parameters(
            height_agl_m=AGL_M, gsd_m=AGL_M / FOCAL_PX, overlap_front=1 - TRIGGER_M / high_m,
            overlap_side=1 - SPACING_M / wide_m, pitch_deg=-80.0,
        ),
        line_spacing_m=SPACING_M, trigger_distance_m=TRIGGER_M, direction_deg=90.0,
        area=(MultiPoint(corners).convex_hull,), fence=(), no_fly=(), rally=(), sorties=tuple(sorties),
        totals=_TOTALS, findings=(), inputs={},
    )  # fmt: skip


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--map", type=Path)
    given = parser.parse_args()
    folder = DATA / "freetown_meta"
    photos = read(folder)
    frame = local_frame(photos[len(photos) // 2].at or LonLat(lon_deg=0.0, lat_deg=0.0))
    tails = find_tails(photos)
    used = [photo for photo in photos if photo.file not in tails]
    plan = plan_of(used, frame)
    on_lines = {p.file for p in photos} & {q.file for line in lines_of(used, frame) for q in line}
    whole = judge_cover(plan, used)
    text = (folder / "images-to-delete-for-gaps.txt").read_text("utf-8")
    deleted = {name.strip() for name in text.splitlines() if name.strip() and not name.startswith("#")}
    thinned = judge_cover(plan, [photo for photo in used if photo.file not in deleted])
    gone_N2 = in_frame(frame, [p.at for p in used if p.file in deleted and p.at])
    named_N2 = in_frame(frame, [point.at for point in thinned.missing])
    away_N = [float(np.hypot(*(gone_N2 - xy).T).min()) for xy in named_N2]
    hole = _hole(used, frame)
    holed = judge_cover(plan, [photo for photo in used if photo.file not in hole])
    hole_N2 = in_frame(frame, [p.at for p in used if p.file in hole and p.at])
    hull = MultiPoint(hole_N2).convex_hull.buffer(AGL_M)
    gaps = [(gap, MultiPoint(in_frame(frame, _corners(gap.outline)))) for gap in holed.gaps]
    by_hand = _by_hand(photos, on_lines)
    figures: dict[str, Any] = {
        "photographs": len(photos),
        "tails": len(tails),
        "before_or_after_lines": len(by_hand),
        "tails_on_lines": len(set(tails) - by_hand),
        "lines": sum(leg.kind == "survey" for sortie in plan.sorties for leg in sortie.legs),
        "overlaps_assumed": [round(plan.parameters.overlap_front, 2), round(plan.parameters.overlap_side, 2)],
        "whole": {"missing": len(whole.missing), "gaps": len(whole.gaps), "covered": whole.covered_share},
        "thinned": {
            "deleted": len(deleted),
            "deleted_on_lines": len(deleted & on_lines),
            "missing": len(thinned.missing),
            "furthest_from_a_deleted_one_m": round(max(away_N, default=0.0), 1),
            "gaps": len(thinned.gaps),
            "covered": round(thinned.covered_share, 4),
        },
        "hole": {
            "photographs": len(hole),
            "missing": len(holed.missing),
            "again": len(holed.again),
            "gaps": len(holed.gaps),
            "gap_m2": round(sum(gap.area_m2 for gap in holed.gaps)),
            "outside_m2": round(sum(gap.area_m2 for gap, points in gaps if not hull.intersects(points))),
        },
    }
    if given.map:
        why = {**dict.fromkeys(hole, "taken out"), **tails}
        checks = [
            PhotoCheck(
                file=p.file, ok=p.file not in why, reasons=(why[p.file],) if p.file in why else (), photo=p
            )
            for p in photos
        ]
        marks = [Marked(outline=g.outline, text=f"{g.views} of {g.needed}") for g in holed.gaps]
        write_page(
            given.map, "Freetown", checks, {}, holed.findings, outlines=holed.outlines, plan=plan, gaps=marks
        )
    failed = [
        name
        for name, bad in (
            ("tails", not tails or len(tails) < 0.8 * len(by_hand) or figures["tails_on_lines"] > 0),
            ("whole", bool(whole.missing or whole.gaps)),
            (
                "thinned",
                not thinned.missing or figures["thinned"]["furthest_from_a_deleted_one_m"] > TRIGGER_M,
            ),
            ("hole", not holed.gaps or figures["hole"]["outside_m2"] > 0),
        )
        if bad
    ]
    return emit("photos_freetown", figures, failed=failed)


def _hole(used: Sequence[Photo], frame: str) -> set[str]:
    """Return the photographs of two or three lines within 125 m east and west of a place inside."""
    xy_N2 = in_frame(frame, [photo.at for photo in used if photo.at])
    near_N = (np.abs(xy_N2[:, 0] + 270.0) < 125) & (np.abs(xy_N2[:, 1] - 240.0) < 1.25 * SPACING_M)
    return {photo.file for photo, near in zip(used, near_N.tolist(), strict=True) if near}


def _corners(outline: Any) -> list[LonLat]:
    return [LonLat(lon_deg=lon, lat_deg=lat) for lon, lat, *_ in outline.exterior.coords]


def _by_hand(photos: Sequence[Photo], on_lines: set[str]) -> set[str]:
    """Return the photographs of a flight before its first on a line and after its last."""
    found: set[str] = set()
    flight = [photos[0]]
    for photo in [*photos[1:], None]:
        last = flight[-1].taken_at
        if photo is not None and photo.taken_at and last and (photo.taken_at - last).total_seconds() <= 60:
            flight.append(photo)
            continue
        places = [n for n, one in enumerate(flight) if one.file in on_lines]
        if places:
            found |= {one.file for one in [*flight[: places[0]], *flight[places[-1] + 1 :]]}
        if photo is not None:
            flight = [photo]
    return found


if __name__ == "__main__":
    sys.exit(main())
