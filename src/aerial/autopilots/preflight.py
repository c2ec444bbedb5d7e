"""What every autopilot's parameters are held against: the figures of a sortie."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from aerial import geo
from aerial.autopilots.found import found
from aerial.records import Finding, Sortie
from aerial.records.record import record

Floats = NDArray[np.float64]
Params = Mapping[str, float]

_EVERY_M = 10.0
# Plans round the return height up to a metre; so near to home an aircraft is as good as there.
SAME_HEIGHT_M, _HOME_M = 1.0, 5.0


@record
class Figures:
    """Of a sortie: metres from take-off and over it along its path, and its photographs.

    ``highest_m``: of path and return. ``first_m``: the way to the first waypoint. ``least_interval_s``:
    between two photographs at the planned speed; None where none are taken.
    """

    away_N: Floats
    above_N: Floats
    furthest_m: float
    highest_m: float
    first_m: float
    return_m: float
    speed_m_s: float
    fastest_m_s: float
    least_interval_s: float | None


def figures(sortie: Sortie) -> Figures:
    """Return the figures of a sortie."""
    points = [point for leg in sortie.legs for point in leg.path]
    xy_N2 = geo.in_frame(geo.local_frame(sortie.takeoff), [point.at for point in points])
    xyz_N3 = np.column_stack([xy_N2, [point.height_above_takeoff_m for point in points]])
    parts = [
        np.linspace(one, other, int(np.hypot(*(other - one)[:2]) / _EVERY_M) + 2)
        for one, other in pairwise(xyz_N3)
    ]
    fine_N3 = np.vstack(parts)
    away_N = np.hypot(fine_N3[:, 0], fine_N3[:, 1])
    first = next((at for at in np.hypot(*xy_N2.T) if at > 1e-3), 0.0)
    triggers = [leg.trigger_distance_m for leg in sortie.legs if leg.trigger_distance_m is not None]
    return Figures(
        away_N=away_N,
        above_N=fine_N3[:, 2],
        furthest_m=float(away_N.max()),
        highest_m=max(float(fine_N3[:, 2].max()), sortie.return_height_m),
        first_m=float(first),
        return_m=sortie.return_height_m,
        speed_m_s=sortie.speed_m_s,
        fastest_m_s=max(sortie.speed_m_s, sortie.transit_speed_m_s),
        least_interval_s=min(triggers) / sortie.speed_m_s if triggers else None,
    )


def too_low_m(of: Figures, return_m: float, slope: float | None = None) -> float:
    """Return how far a failsafe's way home lies below the planned return height, at most; metres.

    It climbs to ``return_m`` or stays where it is higher. ``slope``: near home it climbs no higher than
    so many times its distance.
    """
    out_N = of.away_N > _HOME_M
    goal_N = np.full(out_N.sum(), return_m)
    if slope is not None:
        goal_N = np.minimum(goal_N, of.away_N[out_N] * slope)
    return float((of.return_m - np.maximum(goal_N, of.above_N[out_N])).max(initial=0.0))


def answered(params: Params, *names: tuple[str, float]) -> tuple[str, float] | None:
    """Return the first of ``names`` that was answered and its value times its factor; None: none was."""
    for name, factor in names:
        if name in params:
            return name, params[name] * factor
    return None


def unknown(code: str, names: Sequence[str], why: str) -> Finding:
    """Return the warning that a parameter which matters was not answered."""
    return found(
        "warn",
        code,
        f"{' or '.join(names)} was not answered: {why}",
        "Read the parameters again, or look at it in a ground station.",
    )


def return_finding(of: Figures, name: str, return_m: float, slope: tuple[str, float] | None) -> Finding:
    """Return what a return altitude and a cone (name of its parameter, slope) mean for the ways home."""
    low_m = too_low_m(of, return_m)
    if low_m > SAME_HEIGHT_M:
        return found(
            "fail",
            "return_height",
            f"{name} is {return_m:.0f} m: a failsafe would come home {low_m:.0f} m below the planned return "
            f"height of {of.return_m:.0f} m.",
            f"Set {name} to {of.return_m:.0f} m.",
        )
    if slope is not None and too_low_m(of, return_m, slope[1]) > SAME_HEIGHT_M:
        return found(
            "warn",
            "return_height",
            f"{slope[0]} keeps a failsafe near home {too_low_m(of, return_m, slope[1]):.0f} m below the "
            f"planned return height of {of.return_m:.0f} m.",
            f"Set {slope[0]} to 0.",
        )
    if return_m < of.return_m - SAME_HEIGHT_M:
        return found(
            "warn",
            "return_height",
            f"{name} is {return_m:.0f} m: a failsafe comes home as high as the path is, but from below the "
            f"path it does not climb to the planned {of.return_m:.0f} m.",
            f"Set {name} to {of.return_m:.0f} m.",
        )
    return found("pass", "return_height", f"A failsafe comes home at {max(return_m, of.return_m):.0f} m.")


def off_finding(
    code: str,
    params: Params,
    name: str,
    actions: Mapping[float, str],
    hint: str,
    *,
    lethal: Sequence[int] = (),
    well: str = "the failsafe acts.",
) -> Finding:
    """Return what a failsafe's action means.

    ``actions``: those that leave the aircraft to itself. ``lethal``: those that let it fall. ``well``: what
    any other does.
    """
    if name not in params:
        return unknown(code, [name], "what the failsafe does is not known.")
    value = params[name]
    if value in lethal:
        return found("fail", code, f"{name} is {value:.0f}: the aircraft would fall.", hint)
    if value in actions:
        return found("warn", code, f"{name} is {value:.0f}: {actions[value]}", hint)
    return found("pass", code, f"{name} is {value:.0f}: {well}")
