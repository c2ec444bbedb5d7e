"""Whether a piece of change can be a building, how sure that is, and of which kind.

The rules are physics, not fitted classes; each says the thing that it keeps out.
"""

from dataclasses import dataclass

import numpy as np

from aerial.records import Kind
from aerial.suspects.vectorise import Blob


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSettings:
    """The limits, for all data alike.

    ``min_area_m2``: a tool shed or a kiosk; without height a parked car is as large and cannot be
    told apart. ``min_area_height_m2``: what a surface model from photographs resolves.
    ``min_width_m``: kerbs, walls, rims of shadow are narrower. ``min_height_m``: a room is higher,
    crops and cars are lower. ``vehicle_*``: what may drive on a road. ``rough_inside``: mean
    steepness inside (1 is 2 metres a metre): roofs and pits are mostly flat, differences of two
    crowns are not. ``*_unsure``: for pictures alone where the surface models are silent.
    """

    min_area_m2: float = 3.5
    min_area_height_m2: float = 8.0
    min_width_m: float = 1.3
    min_width_height_m: float = 1.8
    min_height_m: float = 1.8
    min_rectangularity: float = 0.5
    min_rim_edge: float = 0.35
    min_rim_edge_gone: float = 0.5
    min_edge_gain: float = 0.15
    min_sure_share: float = 0.4
    vehicle_width_m: float = 3.3
    vehicle_area_m2: float = 45.0
    vehicle_height_m: float = 4.2
    vehicle_beside_share: float = 0.15
    standing_m: float = 1.8
    rough_inside: float = 0.55
    min_score: float = 0.5
    min_area_unsure_m2: float = 12.0
    min_score_unsure: float = 0.75


def judge(blob: Blob, s: JudgeSettings, dsm_gsd_m: float | None) -> float | None:
    """Return the score (0-1) of a piece of change, or None where it cannot be a building.

    ``dsm_gsd_m``: cell size of the surface models, None where there are none. Where they are silent
    (facades, crowns, deep shadow) the pictures are least reliable too, and must be surer.
    """
    if blob.height_change_m is None:
        score = _by_appearance(blob, s)
        if dsm_gsd_m is None or score is None or _supported(blob, s, dsm_gsd_m):
            return score
        return score if blob.area_m2 >= s.min_area_unsure_m2 and score >= s.min_score_unsure else None
    return _by_height(blob, blob.height_change_m, s, dsm_gsd_m or 0.0)


def kind_of(blob: Blob, s: JudgeSettings) -> Kind:
    """Return what happened, from heights before and after over the surrounding ground.

    Without height only an appearance is claimed: what left may have been a lorry.
    """
    change = blob.height_change_m
    if change is None:
        return "new" if blob.direction == "appeared" else "unknown"
    before = blob.standing_before_m
    if before is None:
        return "unknown"
    if change < 0:
        return "demolished" if before >= s.standing_m else "excavation"
    if before >= s.standing_m:
        return "rooftop"
    return "extended" if blob.rim_standing_share >= 0.2 else "new"


def _by_appearance(blob: Blob, s: JudgeSettings) -> float | None:
    if blob.area_m2 < s.min_area_m2 or blob.width_m < s.min_width_m:
        return None
    if blob.rectangularity < s.min_rectangularity:
        return None
    gain = blob.rim_edge - blob.inner_edge
    least_edge = s.min_rim_edge if blob.direction == "appeared" else s.min_rim_edge_gone
    if blob.rim_edge < least_edge or gain < s.min_edge_gain or blob.sure_share < s.min_sure_share:
        return None
    return float(
        blob.strength
        * _ramp(blob.rim_edge, least_edge - 0.15, least_edge + 0.15)
        * _ramp(gain, s.min_edge_gain - 0.15, s.min_edge_gain + 0.15)
        * _ramp(blob.rectangularity, s.min_rectangularity - 0.15, s.min_rectangularity + 0.2)
    )


def _by_height(blob: Blob, change_m: float, s: JudgeSettings, dsm_gsd_m: float) -> float | None:
    if abs(change_m) < s.min_height_m or (change_m > 0) != (blob.direction == "appeared"):
        return None
    if blob.area_m2 < s.min_area_height_m2 or blob.width_m < s.min_width_height_m:
        return None
    if blob.rectangularity < s.min_rectangularity:
        return None
    if _may_be_vehicle(blob, change_m, s, dsm_gsd_m):
        return None
    spread = blob.height_spread_m or 0.0
    return float(
        blob.strength
        * _ramp(abs(change_m), s.min_height_m - 0.6, s.min_height_m + 0.6)
        * (1 - _ramp(blob.inner_edge, s.rough_inside - 0.2, s.rough_inside + 0.2))
        * _ramp(abs(change_m) / max(spread, 0.1), 0.3, 1.3)
        * _ramp(blob.rectangularity, s.min_rectangularity - 0.15, s.min_rectangularity + 0.2)
    )


def _may_be_vehicle(blob: Blob, change_m: float, s: JudgeSettings, dsm_gsd_m: float) -> bool:
    """Tell whether a lorry, bus or container may stand there: narrow, low, and free on all sides.

    Matching fattens what stands out by about two cells of the surface model on each side.
    """
    width = min(blob.width_m - 4 * dsm_gsd_m, blob.look_width_m or blob.width_m)
    return (
        width <= s.vehicle_width_m
        and blob.area_m2 <= s.vehicle_area_m2
        and abs(change_m) <= s.vehicle_height_m
        and blob.rim_standing_share < s.vehicle_beside_share
    )


def _supported(blob: Blob, s: JudgeSettings, dsm_gsd_m: float) -> bool:
    """Tell whether heights that alone prove nothing say the same as the pictures."""
    change = blob.doubtful_change_m
    if change is None or blob.area_m2 < s.min_area_height_m2:
        return False
    same_way = change >= s.min_height_m if blob.direction == "appeared" else change <= -s.min_height_m
    return same_way and not _may_be_vehicle(blob, change, s, dsm_gsd_m)


def _ramp(value: float, low: float, high: float) -> float:
    return float(np.clip((value - low) / (high - low), 0, 1))
