"""A model whose photographs do not say where they were taken: level, of about the right size, anywhere.

Control points or an orthomosaic place it afterwards.
"""

from collections.abc import Sequence

import numpy as np

from aerial.ortho import adjust, georef
from aerial.ortho.judge import Candidate, told_downs
from aerial.records import Photo

# A usual flying height, where no photograph states its own.
USUAL_HEIGHT_M = 70.0


def level(photos: Sequence[Photo], model: adjust.Model) -> Candidate | None:
    """Return the levelled model, its ground at height 0, in metres as far as relative heights tell.

    ``photos`` are all, in order of their numbers. None where its tie points do not hold it together.
    """
    if model.reprojection_px > adjust.MAX_REPROJECTION_PX or model.reconstruction.num_points3D() == 0:
        return None
    centres_N3, _ = adjust.centres_and_axes(model)
    rows = [number - 1 for number in model.numbers]
    rotations_N33 = np.array([adjust.pose_of(model.reconstruction, n).rotation_33 for n in model.numbers])
    downs_N3 = told_downs(rotations_N33, [photos[row].gimbal_pitch_deg for row in rows])
    points = model.reconstruction.points3D
    xyz_N3 = np.array([points[i].xyz for i in sorted(points)])
    similarity = georef.level(
        centres_N3, downs_N3, xyz_N3, [photos[row].relative_height_m for row in rows], USUAL_HEIGHT_M
    )
    unknown_N = np.full(len(rows), np.nan)
    placement = georef.Placement(
        similarity=similarity,
        residual_N=unknown_N,
        agrees_N=np.ones(len(rows), bool),
        sigma_m=0.0,
        tilt_deg=0.0,
    )
    return Candidate(model=model, placement=placement, why_not="")
