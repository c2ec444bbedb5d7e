"""What a photograph sees of the surface."""

from typing import Any

import numpy as np

from aerial.camera import Pose, nadir_rotation, project
from aerial.ortho import sight


def test_pixels_agree_with_the_camera(flown: Any) -> None:
    """The fast raster projection is the camera's, to a hundredth of a pixel."""
    camera = flown.scene.CAMERA
    pose = Pose(rotation_33=nadir_rotation(30, -80, 3), centre_3=np.array([5.0, -3.0, 60.0]))
    x, y = np.meshgrid(np.linspace(-15, 15, 20), np.linspace(-10, 12, 20))
    z = np.linspace(-2, 10, x.size).reshape(x.shape)
    points = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    expected, seen = project(camera, pose, points)
    offset = (points - pose.centre_3).astype(np.float32)
    column, row = sight.pixels_of(camera, pose, *offset.T)
    assert seen.sum() > 300
    assert np.abs(np.column_stack([column, row]) + 0.5 - expected)[seen].max() < 0.01


def scene(height: float, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a level ground of 60 x 60 m with a wall along y, cells of 0.2 m; its west face at x = 0."""
    x = (np.arange(300) + 0.5) * 0.2 - 30
    y = 30 - (np.arange(300) + 0.5) * 0.2
    z = np.zeros((300, 300), np.float32)
    z[:, 150 : 150 + width] = height
    return x.astype(np.float32), y.astype(np.float32), z


def test_a_house_hides_what_lies_behind_it() -> None:
    """Seen from 20 m to the west and 60 m up, a 10 m house 6 m wide hides 5.2 m behind it."""
    x, y, z = scene(10.0, 30)
    seen = sight.unhidden(np.array([-20.0, 0.0, 60.0]), x, y, z, 0.2)[150]
    # The ray over the far edge (6, 10) reaches the ground at 6 + 10 * 26 / 50 = 11.2 m.
    assert not seen[(x > 6.5) & (x < 10.7)].any()
    assert seen[(x > 11.8) & (x < 29)].all()
    assert seen[x < -0.5].all()
    assert seen[(x > 0.5) & (x < 5.5)].all()


def test_a_thin_high_wall_hides_too() -> None:
    """The face of a wall hides, not its top alone: a 10 m wall 0.4 m thick leaves no gap."""
    x, y, z = scene(10.0, 2)
    seen = sight.unhidden(np.array([-20.0, 0.0, 60.0]), x, y, z, 0.2)[150]
    assert not seen[(x > 1.0) & (x < 4.0)].any()


def test_level_and_sloping_ground_hides_nothing() -> None:
    """Neither noise of matching nor a slope of one in two makes holes."""
    x, y, z = scene(0.0, 2)
    rng = np.random.default_rng(0)
    slope = (0.5 * x[None, :] + rng.normal(scale=0.05, size=z.shape)).astype(np.float32)
    assert sight.unhidden(np.array([-10.0, 5.0, 80.0]), x, y, slope, 0.2).all()


def test_a_single_cell_is_hidden_as_its_row_is() -> None:
    """Followed ray by ray, cells behind a house and a thin wall are hidden, and no others."""
    for width, hidden in ((30, (6.2, 10.7)), (2, (0.6, 4.1))):
        x, y, z = scene(10.0, width)
        columns = np.arange(300)
        seen = sight.unhidden_cells(
            np.array([-20.0, 0.0, 60.0]), (x[0], y[0]), z, 0.2, np.full(300, 150), columns
        )
        # On the far side of the wall the ray over its top comes down, less what noise may be.
        assert not seen[(x > hidden[0]) & (x < hidden[1])].any()
        assert seen[(x > hidden[1] + 1.1) & (x < 29)].all()
        assert seen[x < -0.5].all()
