"""The overlap that a plan's photographs achieve on a terrain model."""

import numpy as np
import shapely
from numpy.typing import NDArray

from aerial import geo
from aerial.autopilots.found import found
from aerial.geo import WGS84, in_frame
from aerial.plan.ground import Ground
from aerial.plan.overlap import Shots, footprint_m, overlaps
from aerial.records.aircraft import CameraProfile
from aerial.records.finding import Finding
from aerial.records.plan import Plan

Floats = NDArray[np.float64]

_SHORT = 0.001  # of overlap: less is rounding of trigger distances and positions


def shots_of(plan: Plan, frame_crs: str, takeoff_amsl_N: Floats) -> Shots:
    """Return the photographs of a plan: at the start of each survey leg, then at its trigger distance.

    ``takeoff_amsl_N``: height of each sortie's take-off point. Lines of one direction are one piece.
    """
    xyz: list[Floats] = []
    yaws: list[float] = []
    lines: list[int] = []
    counts: list[int] = []
    for sortie, base in zip(plan.sorties, takeoff_amsl_N.tolist(), strict=True):
        for leg in sortie.legs:
            if leg.kind != "survey" or leg.trigger_distance_m is None:
                continue
            xy_M2 = in_frame(frame_crs, [point.at for point in leg.path])
            along_M = np.r_[0.0, np.cumsum(np.hypot(*np.diff(xy_M2, axis=0).T))]
            at_N = np.arange(0.0, along_M[-1] + 1e-6, leg.trigger_distance_m)
            above_M = np.array([point.height_above_takeoff_m for point in leg.path])
            columns = (xy_M2[:, 0], xy_M2[:, 1], above_M + base)
            xyz.append(np.column_stack([np.interp(at_N, along_M, column) for column in columns]))
            yaws.append(float(np.arctan2(*(xy_M2[-1] - xy_M2[0])[::-1])))
            lines.append(len(lines))
            counts.append(len(at_N))
    # Directions to half a degree, a line and its reverse alike; counted from one that occurs.
    turns_deg = np.degrees(np.array(yaws) - (yaws[0] if yaws else 0.0))
    piece = np.round(turns_deg * 2).astype(np.intp) % 360
    return Shots(
        xyz_N3=np.vstack(xyz) if xyz else np.empty((0, 3)),
        yaw_rad_N=np.repeat(np.array(yaws), counts),
        line_N=np.repeat(np.array(lines, dtype=np.intp), counts),
        piece_N=np.repeat(piece, counts),
        pitch_deg=plan.parameters.pitch_deg,
    )


def check_overlap(plan: Plan, camera: CameraProfile, ground: Ground, takeoff_amsl_N: Floats) -> list[Finding]:
    """Return how much overlap photographs half a footprint inside the area achieve on the ground."""
    shots = shots_of(plan, ground.crs, takeoff_amsl_N)
    asked = plan.parameters
    reach_m = float(max(footprint_m(camera, asked.height_agl_m, asked.pitch_deg))) / 2
    area = shapely.union_all([geo.reproject(part, WGS84, ground.crs) for part in plan.area])
    inner_N = shapely.contains_xy(area.buffer(-reach_m), shots.xyz_N3[:, :2])
    if not inner_N.any() or np.isnan(shots.xyz_N3[inner_N]).any():
        return []
    achieved = overlaps(camera, ground, shots, spacing_m=plan.line_spacing_m)
    texts, short = [], False
    for name, share_N, wanted in (
        ("front", achieved.front_N[inner_N], asked.overlap_front),
        ("side", achieved.side_N[inner_N], asked.overlap_side),
    ):
        if np.isfinite(share_N).any():
            least = float(np.nanmin(share_N))
            short |= least < wanted - _SHORT
            texts.append(f"{name} overlap is at least {least:.1%} (asked: {wanted:.0%})")
    if not texts:
        return []
    message = f"On this terrain {' and '.join(texts)}, half a picture inside the border."
    hint = "Plan the cell again with this terrain model, so that lines are added." if short else ""
    return [found("warn" if short else "pass", "overlap", message, hint)]
