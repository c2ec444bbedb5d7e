"""Whether a measured piece can be a building, how sure that is, and of which kind.

Limits are physics, each says the thing that it keeps out; scores are probabilities: what 2 m2 of a piece
reach by the network's word where no height is known, and where it is, the fusion of both (``fuse``). So a
threshold of scores is one of probabilities, and can be set to a rate of false alarms.
"""

from dataclasses import dataclass

from aerial.records import Kind
from aerial.suspects.fuse import fused
from aerial.suspects.measure import Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits, for all data alike.

    ``min_area_m2``: a tool shed or a kiosk. ``min_area_height_m2``: what a surface model from
    photographs resolves. ``min_width_m``: kerbs, walls, rims of shadow are narrower. ``min_height_m``:
    a room is higher, crops and cars are lower. ``min_rectangularity``: crowns and puddles are ragged.
    ``vehicle_*``: what may drive on a road. ``standing_m``: a room stood there before. ``beside_share``: so
    much of the ring around a piece is about one short side of it.
    ``*_unsure``: for pictures alone where surface models are
    there and silent (facades, crowns, deep shadow: pictures are least reliable there, too).
    ``supported_odds``, ``unsure_odds``: so many times the odds of the threshold, with and without heights
    that alone prove nothing. ``building``: mean of the network's building
    map inside from which on it is one.
    """

    min_area_m2: float = 3.5
    min_area_height_m2: float = 5.0
    min_width_m: float = 1.3
    min_width_height_m: float = 1.6
    min_height_m: float = 1.6
    min_rectangularity: float = 0.4
    vehicle_width_m: float = 3.3
    vehicle_area_m2: float = 45.0
    vehicle_height_m: float = 4.2
    vehicle_beside_share: float = 0.12
    standing_m: float = 1.8
    beside_share: float = 0.12
    building: float = 0.5
    min_area_unsure_m2: float = 12.0
    supported_odds: float = 2.0
    unsure_odds: float = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """From which score on a piece is a suspect: by ``pictures`` alone, and where ``heights`` are known."""

    pictures: float = 0.5
    heights: float = 0.5


def decide(m: Measured, s: Limits, least: Thresholds, dsm_gsd_m: float | None) -> float | None:
    """Return the score (0-1) of a measured piece, or None where it is no suspect.

    ``dsm_gsd_m``: cell size of the surface models, None where there are none.
    """
    if m.height_change_m is not None:
        weighed = fused(m) if reaches_fusion(m, s, dsm_gsd_m or 0.0) else 0.0
        return weighed if weighed >= least.heights else None
    score = m.reach
    if score is None or score < least.pictures or m.rectangularity < s.min_rectangularity:
        return None
    if m.area_m2 < s.min_area_m2 or m.width_m < s.min_width_m:
        return None
    if dsm_gsd_m is None:
        return score
    supported = _supported(m, s, dsm_gsd_m)
    odds = (s.supported_odds if supported else s.unsure_odds) * least.pictures / (1 - least.pictures)
    large = supported or m.area_m2 >= s.min_area_unsure_m2
    return score if large and score >= odds / (1 + odds) else None


def kind_of(m: Measured, s: Limits) -> Kind:
    """Return what happened: from heights over the ground where they are known, else from building maps."""
    if m.height_change_m is None or m.standing_before_m is None:
        return _kind_by_pictures(m, s)
    if m.height_change_m < 0:
        return "demolished" if m.standing_before_m >= s.standing_m else "excavation"
    if m.standing_before_m >= s.standing_m:
        return "rooftop"
    return "extended" if m.beside_standing >= s.beside_share else "new"


def reason_of(m: Measured, threshold: float) -> str:
    """Return which witness speaks for a suspect: ``height``, ``pictures`` or both."""
    seen = m.reach is not None and m.reach >= threshold
    if m.height_change_m is None:
        return "pictures"
    return "height and pictures" if seen else "height"


def _kind_by_pictures(m: Measured, s: Limits) -> Kind:
    if m.direction == "gone":
        # A roof that is still a building's was repaired or rebuilt; what it was is not known.
        return "unknown" if (m.building_after or 0.0) >= s.building else "demolished"
    if m.building_before is None:
        return "new"
    if m.building_before >= s.building:
        return "rooftop"
    return "extended" if m.beside_building >= s.beside_share else "new"


def reaches_fusion(m: Measured, s: Limits, dsm_gsd_m: float) -> bool:
    """Tell whether a piece of known height may be a building by its size alone, so that its score counts."""
    change_m = m.height_change_m
    return (
        change_m is not None
        and m.rectangularity >= s.min_rectangularity
        and abs(change_m) >= s.min_height_m
        and (change_m > 0) == (m.direction == "appeared")
        and m.area_m2 >= s.min_area_height_m2
        and m.width_m >= s.min_width_height_m
        and not _may_be_vehicle(m, change_m, s, dsm_gsd_m)
    )


def _may_be_vehicle(m: Measured, change_m: float, s: Limits, dsm_gsd_m: float) -> bool:
    """Tell whether a lorry, bus or container may stand there: narrow, low, on the ground, by no building.

    Matching fattens what stands out by about two cells of the surface model on each side; where the
    network sees the thing, its width there is taken. Another lorry beside it is no building: that takes
    the network's word, or a height that no lorry has.
    """
    width = m.look_width_m or m.width_m - 4 * dsm_gsd_m
    ground_m = (m.standing_before_m or 0.0) + min(change_m, 0.0)
    beside = m.beside_high if m.building_before is None else m.beside_building
    return (
        width <= s.vehicle_width_m
        and m.area_m2 <= s.vehicle_area_m2
        and abs(change_m) <= s.vehicle_height_m
        and ground_m < s.standing_m
        and beside < s.vehicle_beside_share
    )


def _supported(m: Measured, s: Limits, dsm_gsd_m: float) -> bool:
    """Tell whether heights that alone prove nothing say the same as the pictures."""
    change = m.doubtful_change_m
    if change is None or m.area_m2 < s.min_area_height_m2:
        return False
    same_way = change >= s.min_height_m if m.direction == "appeared" else change <= -s.min_height_m
    return same_way and not _may_be_vehicle(m, change, s, dsm_gsd_m)
