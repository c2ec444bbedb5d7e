"""True heights of a plan, and its clearance over the ground and the surface model."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aerial.autopilots.found import found
from aerial.plan.check_zones import Ways, leg_name
from aerial.plan.flown import Margins, Segments
from aerial.plan.ground import Ground
from aerial.records.aircraft import Aircraft
from aerial.records.finding import Finding

Floats = NDArray[np.float64]

# Ceilings of flight without an application (适飞空域), true height; medium and large have none.
CEILING_M = {"micro": 50.0, "light": 120.0, "small": 120.0, "medium": None, "large": None}
NEAR_M = 10.0  # a terrain model errs by metres: within it of the ceiling is warned


def check_heights(
    ways: Ways, aircraft: Aircraft, over: Margins | None, home_over: Margins | None
) -> list[Finding]:
    """Return findings on true heights; ``over`` and ``home_over`` None: no terrain model was given."""
    ceiling = CEILING_M[aircraft.weight_class]
    approval = ways.plan.parameters.approval
    findings = []
    if ceiling is None:
        findings.append(
            found(
                "warn" if approval else "fail",
                "weight_class",
                f"{aircraft.name} is of the class {aircraft.weight_class}: every flight needs an approval"
                + (f"; approval {approval} is recorded." if approval else "."),
                "" if approval else "Apply for the flight and record the number.",
            )
        )
    limit = ceiling if ceiling is not None else 120.0
    if over is None or home_over is None:
        findings.append(
            found(
                "warn",
                "terrain_unchecked",
                "terrain unchecked: heights are over the take-off point, not over the ground below.",
                "Give a terrain model with --dem.",
            )
        )
        highest_S = np.maximum(ways.path.start_above_S, ways.path.end_above_S)
        findings += _ceiling(ways, ways.path, highest_S, "over the take-off point", limit)
        return findings
    findings += _unknown_ground(over)
    findings += _below_ground(ways, over)
    most_S = _by_segment(over, len(ways.path.leg_S))
    findings += _ceiling(ways, ways.path, most_S, "over the ground below", limit)
    home_S = _by_segment(home_over, len(ways.home.leg_S))
    at = int(np.argmax(np.nan_to_num(home_S, nan=-np.inf)))
    if home_S[at] > limit:
        findings.append(
            found(
                "warn",
                "true_height_return",
                f"A straight way home is {home_S[at]:.1f} m over the ground below, above {limit:.0f} m: "
                f"{leg_name(ways, ways.home, at)}.",
                "Set a rally point nearer to the lines, or a lower return height where it stays clear.",
            )
        )
    return findings


def _by_segment(margins: Margins, count: int) -> Floats:
    most_S = np.full(count, -np.inf)
    np.fmax.at(most_S, margins.segment_K, margins.most_K)
    return np.where(np.isneginf(most_S), np.nan, most_S)


def _ceiling(ways: Ways, segments: Segments, most_S: Floats, over: str, limit: float) -> list[Finding]:
    if not np.isfinite(most_S).any():
        return []
    at = int(np.nanargmax(most_S))
    most, where = float(most_S[at]), leg_name(ways, segments, at)
    approval = ways.plan.parameters.approval
    if most > limit:
        return [
            found(
                "warn" if approval else "fail",
                "true_height",
                f"The path is {most:.1f} m {over}, above {limit:.0f} m: {where}"
                + (f"; approval {approval} recorded." if approval else "."),
                "" if approval else "Fly lower, climb less steeply, or record the number of the approval.",
            )
        ]
    if most > limit - NEAR_M:
        return [
            found(
                "warn",
                "true_height",
                f"The path is {most:.1f} m {over}, within {NEAR_M:.0f} m of the ceiling of {limit:.0f} m: "
                f"{where}.",
                "Fly lower if the terrain model may err by as much.",
            )
        ]
    return [found("pass", "true_height", f"The path is at most {most:.1f} m {over}.")]


def _unknown_ground(over: Margins) -> list[Finding]:
    unknown_m = float(over.length_K[np.isnan(over.most_K)].sum())
    if not np.isnan(over.most_K).any():
        return []
    return [
        found(
            "fail",
            "unknown_ground",
            f"The terrain model has no height under {unknown_m:.0f} m of path.",
            "Give a terrain model without holes there, or keep the flight off them with a no_fly zone.",
        )
    ]


def _below_ground(ways: Ways, over: Margins) -> list[Finding]:
    asked = ways.plan.parameters
    if not np.isfinite(over.least_K).any():
        return []
    at = int(np.nanargmin(over.least_K))
    least = float(over.least_K[at])
    # Over bare ground the clearance is as much needed as over roofs.
    if least >= asked.clearance_m:
        return [
            found(
                "pass",
                "ground_clearance",
                f"The path is at least {least:.1f} m over the ground.",
            )
        ]
    return [
        found(
            "fail",
            "ground_clearance",
            f"The path is {least:.1f} m over the ground, where {asked.clearance_m:.0f} m are asked: "
            f"{leg_name(ways, ways.path, int(over.segment_K[at]))}.",
            "Plan the cell again with this terrain model, so that the heights follow the ground.",
        )
    ]


def check_surface(
    ways: Ways,
    clear: Margins | None,
    home_clear: Margins | None,
    bases: Sequence[float | None],
    surface: Ground | None,
) -> list[Finding]:
    """Return findings on the clearance over the surface model, where it has heights."""
    if surface is None or clear is None or home_clear is None:
        return []
    findings = []
    asked_m = ways.plan.parameters.clearance_m
    for margins, segments, home in ((clear, ways.path, False), (home_clear, ways.home, True)):
        known = np.isfinite(margins.least_K)
        if not known.any():
            continue
        at = int(np.nanargmin(margins.least_K))
        least, where = float(margins.least_K[at]), leg_name(ways, segments, int(margins.segment_K[at]))
        way = "A straight way home" if home else "The path"
        code = "return_clearance" if home else "surface_clearance"
        if least >= asked_m:
            findings.append(found("pass", code, f"{way} clears the surface model by {least:.1f} m."))
            continue
        what = (
            "Raise the return height" if home else "Raise the flight, or plan around what stands there: raise"
        )
        findings.append(
            found(
                "fail",
                code,
                f"{way} clears the surface model by {least:.1f} m, where {asked_m:.0f} m are asked: {where}.",
                f"{what} by {asked_m - least:.1f} m.",
            )
        )
    unknown_m = float(clear.length_K[np.isnan(clear.least_K)].sum())
    if unknown_m > 0:
        why = " (a take-off point has no known height)" if None in bases else ""
        findings.append(
            found(
                "warn",
                "obstacles_unchecked",
                f"obstacles unchecked on {unknown_m:.0f} m of path: no surface is known there{why}.",
                "Give obstacle zones there, or a surface model that reaches the take-off points.",
            )
        )
    return findings
