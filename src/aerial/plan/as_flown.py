"""Whether a flight was flown as planned: its height, its overlaps, its camera."""

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from aerial.plan.overlap import footprint_m
from aerial.plan.views import Site, Views
from aerial.records import Finding, Photo

Floats = NDArray[np.float64]

# A barometer is within some metres after half an hour; a tenth of the height is a tenth of the overlap.
_HEIGHT_SHARE, _HEIGHT_M = 0.1, 5.0
_OVERLAP_SHORT = 0.05
_CAMERA_SHARE = 0.05
# In trigger distances and line spacings: what lies on a line, and a step without a hole in it.
_NEAR, _BESIDE, _STEP = 0.75, 0.4, 1.6
_FEWEST = 5


def judge_flight(
    site: Site, taken: Views, photos: Sequence[Photo], outside: Mapping[str, float]
) -> list[Finding]:
    """Return what was flown otherwise than planned: warnings only, and the overlaps as they were flown."""
    plan = site.plan
    reach_m = np.hypot(_NEAR * plan.trigger_distance_m, _BESIDE * plan.line_spacing_m)
    on_line_N = (taken.away_N <= reach_m) & np.array([photo.file not in outside for photo in photos])
    if on_line_N.sum() < _FEWEST:
        return [
            Finding(
                level="warn",
                code="off_lines",
                message=f"Only {int(on_line_N.sum())} photograph(s) were taken on lines of the plan.",
                hint="Give the plan that was flown.",
            )
        ]
    found = [*_height(site, taken, on_line_N), *_camera(site, taken, on_line_N)]
    return [*found, *_overlap(site, taken, on_line_N)]


def _height(site: Site, taken: Views, on_line_N: NDArray[np.bool_]) -> list[Finding]:
    known_N = on_line_N & ~taken.assumed_N
    if known_N.sum() < _FEWEST:
        return [
            Finding(
                level="warn",
                code="height_unknown",
                message="The photographs do not tell their height over take-off; the plan's is assumed.",
                hint="aerial photos geotag takes it from the log of the flight.",
            )
        ]
    due_N = np.array([site.points[int(due)].height_above_takeoff_m for due in taken.due_N])
    off_m = float(np.median((taken.above_N - due_N)[known_N]))
    asked_m = site.plan.parameters.height_agl_m
    if abs(off_m) <= max(_HEIGHT_SHARE * asked_m, _HEIGHT_M):
        return []
    return [
        Finding(
            level="warn",
            code="height",
            message=f"Flown {abs(off_m):.0f} m {'higher' if off_m > 0 else 'lower'} than planned "
            f"({asked_m:.0f} m over the ground): "
            + ("the pictures are coarser." if off_m > 0 else "the pictures overlap less."),
            hint="Was the take-off point the planned one? Heights count from it.",
        )
    ]


def _camera(site: Site, taken: Views, on_line_N: NDArray[np.bool_]) -> list[Finding]:
    planned = site.camera.focal_mm / site.camera.sensor_width_mm
    flown = float(np.median(taken.focal_N[on_line_N]))
    if abs(flown / planned - 1) <= _CAMERA_SHARE:
        return []
    return [
        Finding(
            level="warn",
            code="camera",
            message=f"The pictures are {planned / flown:.2f} times as wide as those of {site.camera.name}, "
            "for which the plan was made.",
            hint="Plan the cell with the camera that flies; the cover is judged by the pictures' own width.",
        )
    ]


def _overlap(site: Site, taken: Views, on_line_N: NDArray[np.bool_]) -> list[Finding]:
    """Return the overlaps of level ground at the heights, distances and widths that were flown."""
    step_m = _step_m(site, taken, on_line_N)
    if step_m is None:
        return []
    high_m = float(np.median(taken.over_N[on_line_N]))
    scale = site.camera.focal_mm / site.camera.sensor_width_mm / float(np.median(taken.focal_N[on_line_N]))
    across_m, along_m = footprint_m(site.camera, high_m * scale, site.plan.parameters.pitch_deg)
    if taken.across_N[on_line_N].mean() < 0.5:
        across_m, along_m = along_m, across_m
    asked = site.plan.parameters
    flown = (1 - step_m / along_m, 1 - site.plan.line_spacing_m / across_m)
    wanted = (asked.overlap_front, asked.overlap_side)
    short = any(one < two - _OVERLAP_SHORT for one, two in zip(flown, wanted, strict=True))
    front, side = (f"{100 * max(share, 0.0):.0f} %" for share in flown)
    return [
        Finding(
            level="warn" if short else "pass",
            code="overlap",
            message=f"Flown with an overlap of {front} forward (every {step_m:.1f} m) and {side} "
            f"sideways; asked: {100 * wanted[0]:.0f} and {100 * wanted[1]:.0f} %.",
            hint="Check height, trigger distance and camera before the next sortie." if short else "",
        )
    ]


def _step_m(site: Site, taken: Views, on_line_N: NDArray[np.bool_]) -> float | None:
    """Return the usual distance between photographs along a line, holes left out."""
    steps: list[float] = []
    keys = [(site.points[int(due)].sortie, site.points[int(due)].line or 0) for due in taken.due_N]
    on_line = sorted((keys[n], n) for n in np.flatnonzero(on_line_N).tolist())
    for (_, _), group in groupby(on_line, key=lambda one: one[0]):
        xy_K2 = taken.xy_N2[[n for _, n in group]]
        if len(xy_K2) < 3:
            continue
        course_2 = np.linalg.svd(xy_K2 - xy_K2.mean(axis=0), full_matrices=False)[2][0]
        steps += np.diff(np.sort(xy_K2 @ course_2)).tolist()
    if not steps:
        return None
    usual_m = float(np.median(steps))
    return float(np.median([step for step in steps if step <= _STEP * usual_m]))
