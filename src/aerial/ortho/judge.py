"""Whether a model is a survey: its tie points, and its cameras against their GPS positions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aerial.errors import StitchError
from aerial.ortho import adjust, georef
from aerial.records import Photo

Floats = NDArray[np.float64]

# Positions that err by more than this, or by more than this share of the flight's own extent, place
# nothing: of a folded model they err by half of it.
MAX_RESIDUAL_M = 30.0
MAX_RESIDUAL_SHARE = 0.35
# Gimbals err by a degree or two; a block whose cameras lean more than they say is bent.
MAX_LEAN_DEG = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A model with its placement; ``why_not`` is empty where it may be used."""

    model: adjust.Model
    placement: georef.Placement
    why_not: str

    @property
    def numbers(self) -> tuple[int, ...]:
        """Photograph numbers whose positions agree with the model."""
        return tuple(n for n, ok in zip(self.model.numbers, self.placement.agrees_N, strict=True) if ok)

    @property
    def held(self) -> int:
        """How many photographs the block would hold."""
        return len(self.numbers)

    @property
    def residuals_m(self) -> Floats:
        """Distances of the held cameras to their positions, in metres, without those that have none."""
        residual_N = self.placement.residual_N
        return residual_N[self.placement.agrees_N & np.isfinite(residual_N)]


def judge(photos: Sequence[Photo], model: adjust.Model, gps_N3: Floats) -> Candidate | None:
    """Place a model by its photographs' positions; None where they are too few to place it.

    ``photos`` and ``gps_N3`` are of all photographs, in order of their numbers.
    """
    centres_N3, _ = adjust.centres_and_axes(model)
    rows = np.array(model.numbers) - 1
    rotations_N33 = np.array([adjust.pose_of(model.reconstruction, n).rotation_33 for n in model.numbers])
    downs_N3 = told_downs(rotations_N33, [photos[row].gimbal_pitch_deg for row in rows])
    relative = [photos[row].relative_height_m for row in rows]
    # A barometer drifts less than a receiver's altitude errs; one of them for all, never a mix.
    level_N = gps_N3[rows, 2] if any(v is None for v in relative) else np.array(relative, float)
    placement = georef.place(centres_N3, downs_N3, gps_N3[rows], level_N)
    if placement is None:
        return None
    why_not = _why_not(model, placement, gps_N3[rows])
    if not why_not and any(photos[row].gimbal_pitch_deg is not None for row in rows):
        why_not = _leans(downs_N3 @ placement.similarity.rotation_33.T)
    return Candidate(model=model, placement=placement, why_not=why_not)


def choose(candidates: Sequence[Candidate]) -> Candidate:
    """Return the sound candidate that holds most photographs.

    Raises:
        StitchError: none is sound; the message says what is wrong with the largest.
    """
    sound = [c for c in candidates if not c.why_not]
    if sound:
        return max(sound, key=lambda c: (c.held, c.model.reconstruction.num_points3D()))
    if candidates:
        raise StitchError(
            f"The photographs do not make one block: {max(candidates, key=lambda c: c.held).why_not}.",
            hint="Fly again with at least 70 % overlap in both directions, in one flight, straight down.",
        )
    raise StitchError(
        "The photographs do not overlap: no three of them show the same ground.",
        hint="Check that they are of one place and one flight, with at least 70 % overlap.",
    )


def _why_not(model: adjust.Model, placement: georef.Placement, gps_N3: Floats) -> str:
    known_N = np.isfinite(placement.residual_N)
    median_m = float(np.median(placement.residual_N[known_N]))
    middle_2 = np.median(gps_N3[known_N, :2], axis=0)
    extent_m = float(np.median(np.hypot(*(gps_N3[known_N, :2] - middle_2).T)))
    if model.reprojection_px > adjust.MAX_REPROJECTION_PX:
        return f"their tie points miss by {model.reprojection_px:.1f} px"
    if median_m > MAX_RESIDUAL_M or median_m > MAX_RESIDUAL_SHARE * extent_m:
        return (
            f"{len(model.numbers)} of them fit together only {median_m:.0f} m away from where they were taken"
        )
    return ""


def told_downs(rotations_N33: Floats, pitch_N: Sequence[float | None]) -> Floats:
    """Return where each camera's gimbal says that down is, as unit vectors of the model.

    ``rotations_N33`` turn model directions into camera directions. A pitch of -90 degrees looks
    straight down; what is less tilts about the image's x axis. Without a pitch: the optical axis.
    """
    tilt_N = np.radians([0.0 if pitch is None else pitch + 90 for pitch in pitch_N])
    camera_N3 = np.column_stack([np.zeros(len(tilt_N)), np.sin(tilt_N), np.cos(tilt_N)])
    return np.asarray(np.einsum("nij,ni->nj", rotations_N33, camera_N3))


def _leans(downs_N3: Floats) -> str:
    lean_deg = float(np.median(np.degrees(np.arccos(np.clip(-downs_N3[:, 2], -1, 1)))))
    if lean_deg <= MAX_LEAN_DEG:
        return ""
    return f"{len(downs_N3)} of them fit together only bent, {lean_deg:.0f} degrees off their gimbals"
