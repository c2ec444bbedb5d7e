"""Denser lines and photographs where the ground makes overlap fall short; never a greater height.

Everything is in metres of one ``geo.local_frame``. Overlap is that of ``aerial.plan.overlap``.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d

from aerial import geo
from aerial.autopilots.found import found as finding
from aerial.plan.ground import Ground
from aerial.plan.lines import Line, Piece
from aerial.plan.overlap import borders, flat_spacing_m, footprint_m, neighbours, shared, shared_area, turned
from aerial.plan.terrain import TOLERANCE_M, Slope, profile
from aerial.records.aircraft import CameraProfile
from aerial.records.finding import Finding
from aerial.records.record import record

Floats = NDArray[np.float64]

ROUNDS = 3
_TRIGGER_STEP_M = 0.1
_PLACES = 20  # looked at on the way of one footprint, to lay lines
_PLACES_FLOWN = 45  # and once they are flown
_SHARES = (1.0, 0.98, 0.96, 0.94, 0.92, 0.9, 0.87, 0.84, 0.8, 0.76, 0.72, 0.68, 0.64, 0.6, 0.55, 0.5)


@record
class Asked:
    """What the flight over the ground must achieve, and with what.

    ``height_agl_m`` over the ground below the line. ``slope``: how steep the lines may be.
    ``drift_m``: how much later than its trigger distance a photograph may be taken.
    ``least_trigger_m``: speed times the camera's shortest interval.
    """

    camera: CameraProfile
    height_agl_m: float
    overlap_front: float
    overlap_side: float
    slope: Slope
    pitch_deg: float = -90.0
    drift_m: float = 0.0
    least_trigger_m: float = 1.0


@record
class Reinforced:
    """``trigger_m``: for each line of each piece; ``findings``: where overlap still falls short."""

    pieces: tuple[Piece, ...]
    trigger_m: tuple[tuple[float, ...], ...]
    added: int
    findings: tuple[Finding, ...]


@record
class _Swath:
    """A line as it is flown: places every ``step_m`` along it, and the frame's borders at each, u and v."""

    line: Line
    direction_rad: float
    step_m: float
    place_N2: Floats
    uv_N4n2: Floats


def spacing_share(ground: Ground, pieces: Sequence[Piece], asked: Asked, spacing_m: float) -> float:
    """Return the share of ``spacing_m`` at which lines are shortest in sum, those to be added included.

    ``pieces`` are laid with ``spacing_m``. Closer lines everywhere or more lines where the ground is
    rough: what is shorter depends on how much of it is rough. 1 is never returned on uneven ground,
    because the path may lie ``TOLERANCE_M`` over its lowest.
    """
    across_m, along_m = footprint_m(asked.camera, asked.height_agl_m, asked.pitch_deg)
    needed = []
    for piece in pieces:
        swaths = [_flown(ground, line, piece, asked) for line in piece.lines]
        for gap in _gaps(swaths, _widest(swaths)):
            allowed_K = (
                gap.width_m + (gap.share_K - _floor(asked.overlap_side, asked)) * across_m
            ) / spacing_m
            # A line that is added reaches half a frame beyond the short stretch.
            reach = int(along_m / 2 / swaths[gap.right].step_m)
            needed.append(minimum_filter1d(np.nan_to_num(allowed_K, nan=1.0), 2 * reach + 1, mode="nearest"))
    if not needed:
        return 1.0
    allowed_N = np.concatenate(needed)
    costs = [
        (1 + (allowed_N < f).mean() + 2 * (allowed_N < f / 2).mean() + 4 * (allowed_N < f / 4).mean()) / f
        for f in _SHARES
    ]
    return _SHARES[int(np.argmin(costs))]


def reinforce(ground: Ground, pieces: Sequence[Piece], asked: Asked) -> Reinforced:
    """Return the pieces with lines added where side overlap falls short, and each line's trigger distance.

    Heights are those of lines flown in either direction, alone; see ``triggers`` for the path as it is
    flown. A line is added in the middle between two lines of a piece over each short stretch and half a frame
    beyond either end, as far as both lines go; up to ``ROUNDS`` times. A trigger distance is the
    largest, in steps of 0.1 m, at which front overlap holds wherever the photographs fall.
    """
    out, triggers, findings, added = [], [], [], 0
    for piece in pieces:
        swaths = [_flown(ground, line, piece, asked) for line in piece.lines]
        widest_m = _widest(swaths)
        for _ in range(ROUNDS):
            extra = _extra(swaths, widest_m, piece, asked)
            if not extra:
                break
            added += len(extra)
            swaths += [_flown(ground, line, piece, asked) for line in extra]
        swaths.sort(key=lambda swath: (round(float(swath.place_N2[:, 1].mean()), 3), swath.place_N2[0, 0]))
        findings += _short_sides(ground, swaths, widest_m, asked)
        found = [_trigger(swath, asked) for swath in swaths]
        findings += _short_fronts(ground, swaths, found, asked)
        triggers.append(tuple(trigger for trigger, _ in found))
        out.append(Piece(direction_rad=piece.direction_rad, lines=tuple(swath.line for swath in swaths)))
    return Reinforced(pieces=tuple(out), trigger_m=tuple(triggers), added=added, findings=tuple(findings))


def _floor(share: float, asked: Asked) -> float:
    """Return the overlap to reach at the lowest heights, as one of two may fly ``TOLERANCE_M`` over."""
    return share + max(0.0, share - 0.5) * TOLERANCE_M / asked.height_agl_m


def triggers(
    ground: Ground, legs: Sequence[Floats], asked: Asked
) -> tuple[tuple[float, ...], tuple[Finding, ...]]:
    """Return the trigger distance of each survey leg as it is flown, and where overlap falls short.

    ``legs``: x, y and height, from ``terrain.follow`` over the whole path. Direction of flight and the
    way to the next line change heights by metres, so these count and those of ``reinforce`` are a forecast.
    """
    swaths, found = [], []
    for leg_M3 in legs:
        yaw = float(np.arctan2(*(leg_M3[-1, :2] - leg_M3[0, :2])[::-1]))
        swaths.append(_swath(ground, leg_M3, yaw, asked, _PLACES_FLOWN))
        found.append(_as_shot(ground, leg_M3, yaw, _trigger(swaths[-1], asked), asked))
    return tuple(trigger for trigger, _ in found), tuple(_short_fronts(ground, swaths, found, asked))


def _flown(ground: Ground, line: Line, piece: Piece, asked: Asked) -> _Swath:
    """Return a line as it may be flown in either direction: no steeper than the lesser of two slopes."""
    gentle = min(asked.slope.climb, asked.slope.descent)
    slope = Slope(climb=gentle, descent=gentle)
    ends_22 = np.array([line.start, line.end], float)
    path_M2, amsl_M = profile(ground, ends_22, asked.height_agl_m, slope, tolerance_m=1e-3)
    return _swath(ground, np.column_stack([path_M2, amsl_M]), piece.direction_rad, asked, _PLACES)


def _swath(ground: Ground, leg_M3: Floats, direction_rad: float, asked: Asked, places: int) -> _Swath:
    start, end = leg_M3[0, :2], leg_M3[-1, :2]
    length = float(np.hypot(*(end - start)))
    _, along_m = footprint_m(asked.camera, asked.height_agl_m, asked.pitch_deg)
    count = max(2, int(np.ceil(length / (along_m / places))) + 1)
    place_N2, uv_N4n2 = _seen(ground, leg_M3, np.linspace(0.0, length, count), direction_rad, asked)
    if place_N2[0, 0] > place_N2[-1, 0]:
        place_N2, uv_N4n2 = place_N2[::-1], uv_N4n2[::-1]
    return _Swath(
        line=Line(start=(float(start[0]), float(start[1])), end=(float(end[0]), float(end[1]))),
        direction_rad=direction_rad,
        step_m=length / (count - 1),
        place_N2=place_N2,
        uv_N4n2=uv_N4n2,
    )


def _seen(
    ground: Ground, leg_M3: Floats, at_N: Floats, direction_rad: float, asked: Asked
) -> tuple[Floats, Floats]:
    """Return places along a leg and the borders of the pictures taken there, as u and v of a direction."""
    along_M = np.hypot(*(leg_M3[:, :2] - leg_M3[0, :2]).T)
    xyz_N3 = np.column_stack([np.interp(at_N, along_M, leg_M3[:, axis]) for axis in range(3)])
    yaw = float(np.arctan2(*(leg_M3[-1, :2] - leg_M3[0, :2])[::-1]))
    cast = borders(asked.camera, ground, xyz_N3, np.full(len(at_N), yaw), asked.pitch_deg)
    cos, sin = np.cos(direction_rad), np.sin(direction_rad)
    against = np.full(len(at_N), np.cos(yaw - direction_rad) < 0)
    return xyz_N3[:, :2] @ np.array([[cos, -sin], [sin, cos]]), turned(cast, direction_rad, against)


def _as_shot(
    ground: Ground, leg_M3: Floats, yaw: float, planned: tuple[float, float], asked: Asked
) -> tuple[float, float]:
    """Return a leg's trigger distance, shorter where its photographs themselves show that it must be.

    Between the places looked at, steep ground may hide and show a border at once.
    """
    trigger_m, share = planned
    length = float(np.hypot(*(leg_M3[-1, :2] - leg_M3[0, :2])))
    while True:
        next_m = trigger_m + asked.drift_m
        at_N = np.arange(0.0, length - next_m, trigger_m)
        if not at_N.size:
            return trigger_m, share
        _, uv_N4n2 = _seen(ground, leg_M3, np.concatenate([at_N, at_N + next_m]), yaw, asked)
        one, two = uv_N4n2[: len(at_N)], uv_N4n2[len(at_N) :]
        fronts = np.minimum(shared(one, two, "front"), shared_area(one, two))
        least = float(np.nanmin(fronts)) if np.isfinite(fronts).any() else 1.0
        if least >= asked.overlap_front or trigger_m <= asked.least_trigger_m:
            return trigger_m, min(share, least)
        trigger_m = max(round(trigger_m - 2 * _TRIGGER_STEP_M, 1), asked.least_trigger_m)


@record
class _Gap:
    """What two neighbouring lines share, at places ``along_K`` (u) of the right one, ``width_m`` apart."""

    right: int
    left: int
    width_m: float
    along_K: Floats
    share_K: Floats


def _across(swath: _Swath) -> float:
    return float(swath.place_N2[:, 1].mean())


def _widest(swaths: Sequence[_Swath]) -> float:
    """Return the distance beyond which lines are no neighbours: what lies between is not the piece."""
    steps = np.diff(np.sort([_across(swath) for swath in swaths]))
    steps = steps[steps > 0.5]
    return float(np.median(steps)) * 1.3 if steps.size else 0.0


def _gaps(swaths: Sequence[_Swath], widest_m: float) -> list[_Gap]:
    line_N = np.repeat(np.arange(len(swaths)), [len(swath.place_N2) for swath in swaths])
    place_N2 = np.vstack([swath.place_N2 for swath in swaths])
    uv_N4n2 = np.concatenate([swath.uv_N4n2 for swath in swaths])
    right_P, left_P = neighbours(place_N2, line_N, widest_m)
    share_P = shared(uv_N4n2[right_P], uv_N4n2[left_P], "side")
    key_P = line_N[right_P] * len(swaths) + line_N[left_P]
    gaps = []
    for key in np.unique(key_P):
        at_K = np.nonzero(key_P == key)[0]
        at_K = at_K[np.argsort(place_N2[right_P[at_K], 0], kind="stable")]
        right, left = divmod(int(key), len(swaths))
        gaps.append(
            _Gap(
                right=right,
                left=left,
                width_m=_across(swaths[left]) - _across(swaths[right]),
                along_K=place_N2[right_P[at_K], 0],
                share_K=share_P[at_K],
            )
        )
    return gaps


def _extra(swaths: Sequence[_Swath], widest_m: float, piece: Piece, asked: Asked) -> list[Line]:
    """Return the lines to add between neighbours that share too little."""
    _, along_m = footprint_m(asked.camera, asked.height_agl_m, asked.pitch_deg)
    cos, sin = np.cos(piece.direction_rad), np.sin(piece.direction_rad)
    lines = []
    for gap in _gaps(swaths, widest_m):
        short_K = gap.along_K[gap.share_K < _floor(asked.overlap_side, asked) - 1e-6]
        if not short_K.size:
            continue
        both = [swaths[gap.right].place_N2, swaths[gap.left].place_N2]
        low, high = max(p[0, 0] for p in both), min(p[-1, 0] for p in both)
        across = (_across(swaths[gap.right]) + _across(swaths[gap.left])) / 2
        for start, end in _stretches(short_K, along_m, float(low), float(high)):
            ends = [(u * cos - across * sin, u * sin + across * cos) for u in (start, end)]
            lines.append(Line(start=ends[0], end=ends[1]))
    return lines


def _stretches(short_K: Floats, along_m: float, low: float, high: float) -> list[tuple[float, float]]:
    """Return short stretches with half a frame at either end, those that nearly meet as one."""
    breaks = np.nonzero(np.diff(short_K) > 2 * along_m)[0]
    starts, ends = short_K[np.r_[0, breaks + 1]], short_K[np.r_[breaks, len(short_K) - 1]]
    found = [
        (max(low, float(start) - along_m / 2), min(high, float(end) + along_m / 2))
        for start, end in zip(starts, ends, strict=True)
    ]
    found = [(start, end) for start, end in found if end - start > 1.0]
    if sum(end - start for start, end in found) > 0.8 * (high - low):
        return [(low, high)]
    return found


def _fronts(swath: _Swath, distance_m: float) -> Floats:
    """Return the front overlap of pictures ``distance_m`` apart, from each place that has a next one."""
    ahead = distance_m / swath.step_m
    first = int(ahead)
    count = len(swath.uv_N4n2) - first - 1
    if count < 1:
        return np.empty(0)
    share = ahead - first
    uv = swath.uv_N4n2
    next_N4n2 = uv[first : first + count] * (1 - share) + uv[first + 1 : first + 1 + count] * share
    fronts = shared(uv[:count], next_N4n2, "front")
    # Areas are dear and change little from place to place.
    fronts[::2] = np.minimum(fronts[::2], shared_area(uv[:count:2], next_N4n2[::2]))
    return fronts


def _trigger(swath: _Swath, asked: Asked) -> tuple[float, float]:
    """Return a line's trigger distance and the least front overlap it gives."""
    _, flat_m = flat_spacing_m(
        asked.camera, asked.height_agl_m, asked.overlap_front, asked.overlap_side, asked.pitch_deg
    )
    floor = _floor(asked.overlap_front, asked)
    most = int((flat_m - asked.drift_m) / _TRIGGER_STEP_M + 1e-6)
    least = min(most, int(np.ceil(asked.least_trigger_m / _TRIGGER_STEP_M - 1e-6)))

    def worst(tenths: int) -> float:
        shares = _fronts(swath, tenths * _TRIGGER_STEP_M + asked.drift_m)
        return float(np.nanmin(shares)) if np.isfinite(shares).any() else 1.0

    trigger, share = most, worst(most)
    while share < floor and trigger > least:
        # Overlap falls by the distance's share of the frame, so that a step or two arrive.
        trigger = max(least, trigger - max(1, int(trigger * (floor - share) / (1 - share))))
        share = worst(trigger)
    return round(trigger * _TRIGGER_STEP_M, 1), share


def _short_sides(ground: Ground, swaths: Sequence[_Swath], widest_m: float, asked: Asked) -> list[Finding]:
    findings = []
    unknown = 0
    worst: tuple[float, float, float] | None = None
    for gap in _gaps(swaths, widest_m):
        unknown += int(np.isnan(gap.share_K).sum())
        known_K = np.nan_to_num(gap.share_K, nan=1.0)
        at = int(np.argmin(known_K))
        if worst is None or known_K[at] < worst[0]:
            across = (_across(swaths[gap.right]) + _across(swaths[gap.left])) / 2
            worst = float(known_K[at]), float(gap.along_K[at]), across
    if worst and worst[0] < asked.overlap_side - 1e-4:
        where = _named(ground, swaths[0].direction_rad, worst[1], worst[2])
        findings.append(
            finding(
                "warn",
                "side_overlap",
                f"Side overlap falls to {worst[0]:.1%} near {where}; asked: {asked.overlap_side:.0%}.",
                "Look at the ground there: a cliff; fly it once more across, or accept it.",
            )
        )
    if unknown:
        findings.append(
            finding(
                "warn",
                "overlap_unknown",
                f"Overlap is unknown at {unknown} places: the elevation model has no heights there.",
                "Give an elevation model that reaches a picture's width beyond the area.",
            )
        )
    return findings


def _short_fronts(
    ground: Ground,
    swaths: Sequence[_Swath],
    found: Sequence[tuple[float, float]],
    asked: Asked,
) -> list[Finding]:
    if not found or min(share for _, share in found) >= asked.overlap_front - 1e-4:
        return []
    number = int(np.argmin([share for _, share in found]))
    swath, (trigger_m, share) = swaths[number], found[number]
    shares = _fronts(swath, trigger_m + asked.drift_m)
    u, v = swath.place_N2[int(np.nanargmin(shares))]
    where = _named(ground, swath.direction_rad, float(u), float(v))
    return [
        finding(
            "warn",
            "front_overlap",
            f"Front overlap falls to {share:.1%} near {where} at the camera's shortest distance, "
            f"{trigger_m:.1f} m; asked: {asked.overlap_front:.0%}.",
            "Fly slower, so that the camera can fire at shorter distances.",
        )
    ]


def _named(ground: Ground, direction_rad: float, along: float, across: float) -> str:
    cos, sin = np.cos(direction_rad), np.sin(direction_rad)
    at = geo.to_lonlat(ground.crs, along * cos - across * sin, along * sin + across * cos)
    return f"{at.lon_deg:.6f}, {at.lat_deg:.6f}"
