"""How a repeat hangs on its reference."""

from dataclasses import replace

import numpy as np
import pycolmap
import pytest
from tests.ortho.test_anchor import domed, flight

from aerial.camera import Pose
from aerial.errors import StitchError
from aerial.ortho import adjust
from aerial.ortho.across import look_across, remarks
from aerial.ortho.archive import StoredBlock, StoredPhoto

FIRST = 13


def reference(model: adjust.Model) -> StoredBlock:
    """The last line of the flight as the reference survey."""
    photos = tuple(
        StoredPhoto(file=f"{n}.jpg", lens=0, pose=adjust.pose_of(model.reconstruction, n))
        for n in model.numbers
        if n >= FIRST
    )
    return StoredBlock(
        crs="EPSG:32650",
        origin_3=np.zeros(3),
        ce95_m=1.0,
        lenses=(),
        parameters_L8=np.zeros((0, 8)),
        photos=photos,
        points_N3=np.zeros((0, 3)),
        observations_M3=np.zeros((0, 3), np.int64),
    )


def joined() -> tuple[adjust.Model, StoredBlock]:
    """A flight whose first two lines are the repeat."""
    model = domed(flight()[0])
    return replace(model, numbers=tuple(range(1, FIRST))), reference(model)


def test_what_the_reference_did_not_see_is_told() -> None:
    """A repeat that overlaps the reference along one side says how much of it lies beyond it."""
    model, stored = joined()
    seen = look_across(model, FIRST, stored)
    assert seen.shared > 100
    assert seen.references == len(stored.photos)
    assert 0.1 < seen.outside < 0.6
    assert seen.furthest_m > 15
    assert "was not seen by the reference survey" in remarks(seen)[0]


def test_the_misfit_is_that_of_the_two_surveys() -> None:
    """Moving the reference by 20 cm shows as a misfit of 20 cm at the points that both see."""
    model, stored = joined()
    before_3 = np.median(look_across(model, FIRST, stored).misfit_N3, axis=0)
    moved = pycolmap.Reconstruction(model.reconstruction)
    for number in range(FIRST, 19):
        pose = adjust.pose_of(moved, number)
        away = Pose(rotation_33=pose.rotation_33, centre_3=pose.centre_3 + np.array([0.2, 0, 0]))
        matrix_34 = np.column_stack([away.rotation_33, -away.rotation_33 @ away.centre_3])
        moved.frame(moved.image(number).frame_id).rig_from_world = pycolmap.Rigid3d(matrix_34)
    after = look_across(replace(model, reconstruction=moved), FIRST, stored)
    assert np.median(after.misfit_N3, axis=0) - before_3 == pytest.approx([-0.2, 0, 0], abs=0.03)


def test_too_few_ties_are_refused() -> None:
    """Forty shared points, or points on one line, hold no survey in place."""
    model, stored = joined()
    few = pycolmap.Reconstruction(model.reconstruction)
    line = pycolmap.Reconstruction(model.reconstruction)
    left = 40
    for point_id in sorted(few.points3D):
        images = {e.image_id for e in few.points3D[point_id].track.elements}
        across = min(images) < FIRST <= max(images)
        if across:
            left -= 1
            if left < 0:
                few.delete_point3D(point_id)
            line.point3D(point_id).xyz = np.array([0.5 * (-left), 0.0, 0.0])
    with pytest.raises(StitchError, match="Only 40 tie points") as error:
        look_across(replace(model, reconstruction=few), FIRST, stored)
    assert "--previous" in error.value.hint
    with pytest.raises(StitchError, match="on one line"):
        look_across(replace(model, reconstruction=line), FIRST, stored)
