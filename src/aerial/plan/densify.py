"""Lines, heights and trigger distances that reach the overlap asked on a terrain model, as it is flown."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from aerial.autopilots.found import found
from aerial.plan.ground import Ground
from aerial.plan.lines import Piece
from aerial.plan.overlap import Overlaps, Shots, footprint_m, overlaps
from aerial.plan.reinforce import ROUNDS, Asked, reinforce, spacing_share, triggers
from aerial.records.finding import Finding
from aerial.records.record import record

Floats = NDArray[np.float64]

_MORE = 0.002  # asked for beyond a shortfall, so that the next round need not come back


@record
class Dense:
    """What is flown: ``legs`` and ``trigger_m`` in the order of the lines of the pieces.

    ``legs``: x, y and height of each line as flown. ``spacing_m``: of the lines before some were added.
    ``front``, ``side``: the least overlap of photographs half a footprint inside the area; 1 without any.
    """

    pieces: tuple[Piece, ...]
    legs: tuple[Floats, ...]
    trigger_m: tuple[float, ...]
    spacing_m: float
    front: float
    side: float
    findings: tuple[Finding, ...]


def densify(
    ground: Ground,
    asked: Asked,
    spacing_m: float,
    area: BaseGeometry,
    *,
    lay: Callable[[float], Sequence[Piece]],
    fly: Callable[[Sequence[Piece]], Sequence[Floats]],
) -> Dense:
    """Return lines that reach the overlap asked on the ground, whatever the way between them does to heights.

    ``lay`` returns the pieces for a spacing; ``spacing_m`` is that of flat ground. ``fly`` returns the
    lines of the pieces as they are flown (``terrain.follow`` over the whole path), in the order of the
    lines. ``area`` is in the frame. Where side overlap falls short as flown, more is asked for and all is
    laid again, up to ``ROUNDS`` times; a finding says what still falls short.
    """
    best: Dense | None = None
    wish = asked
    for _ in range(ROUNDS):
        spacing = spacing_m * spacing_share(ground, lay(spacing_m), wish, spacing_m)
        laid = reinforce(ground, lay(spacing), wish)
        legs = fly(laid.pieces)
        trigger_m, findings = triggers(ground, legs, asked)
        shots = shots_on(laid.pieces, legs, trigger_m, asked.pitch_deg)
        front, side = least_inside(
            overlaps(asked.camera, ground, shots, spacing_m=spacing), shots, area, asked
        )
        unknown = tuple(f for f in laid.findings if f.code == "overlap_unknown")
        if best is None or side > best.side:
            best = Dense(
                pieces=laid.pieces,
                legs=tuple(legs),
                trigger_m=trigger_m,
                spacing_m=spacing,
                front=front,
                side=side,
                findings=(*findings, *unknown),
            )
        if side >= asked.overlap_side:
            return best
        wish = replace(wish, overlap_side=wish.overlap_side + asked.overlap_side - side + _MORE)
    assert best is not None  # noqa: S101 - there is a round
    return replace(best, findings=(*best.findings, _short(best.side, asked)))


def shots_on(
    pieces: Sequence[Piece], legs: Sequence[Floats], trigger_m: Sequence[float], pitch_deg: float
) -> Shots:
    """Return the photographs of lines as flown: at the start of each, then at its trigger distance."""
    piece_L = np.repeat(np.arange(len(pieces)), [len(piece.lines) for piece in pieces])
    xyz, yaws, counts = [], [], []
    for leg_M3, trigger in zip(legs, trigger_m, strict=True):
        along_M = np.r_[0.0, np.cumsum(np.hypot(*np.diff(leg_M3[:, :2], axis=0).T))]
        at_N = np.arange(0.0, along_M[-1] + 1e-6, trigger)
        xyz.append(np.column_stack([np.interp(at_N, along_M, leg_M3[:, axis]) for axis in range(3)]))
        yaws.append(float(np.arctan2(*(leg_M3[-1, :2] - leg_M3[0, :2])[::-1])))
        counts.append(len(at_N))
    return Shots(
        xyz_N3=np.vstack(xyz),
        yaw_rad_N=np.repeat(np.array(yaws), counts),
        line_N=np.repeat(np.arange(len(legs)), counts),
        piece_N=np.repeat(piece_L, counts),
        pitch_deg=pitch_deg,
    )


def least_inside(achieved: Overlaps, shots: Shots, area: BaseGeometry, asked: Asked) -> tuple[float, float]:
    """Return the least front and side overlap of photographs that show ground inside the area only."""
    reach_m = max(footprint_m(asked.camera, asked.height_agl_m, asked.pitch_deg)) / 2
    inner_N = shapely.contains_xy(area.buffer(-reach_m), shots.xyz_N3[:, :2])
    least = []
    for share_N in (achieved.front_N[inner_N], achieved.side_N[inner_N]):
        known_N = share_N[np.isfinite(share_N)]
        least.append(float(known_N.min()) if known_N.size else 1.0)
    return least[0], least[1]


def _short(side: float, asked: Asked) -> Finding:
    return found(
        "warn",
        "side_overlap",
        f"Side overlap falls to {side:.1%} on this terrain; asked: {asked.overlap_side:.0%}.",
        "Fly slower, so that the path is less steep, or ask for more overlap.",
    )
