"""Pictures of a suspect."""

from pathlib import Path

import numpy as np
from PIL import Image
from shapely.geometry import box

from aerial.codec import sha256_file
from aerial.evidence.chips import chip_grid, write_chip


def test_a_chip_shows_15_m_around_and_is_never_finer_than_5_cm() -> None:
    """A 10 m house at 1 cm pixels is shown at 5 cm, 40 m wide."""
    grid = chip_grid(box(100, 200, 110, 208), "EPSG:4547", 0.01)
    assert 0.05 == grid.affine[0] == -grid.affine[4]
    assert abs(grid.width_px * 0.05 - 40) < 0.2


def test_the_outline_is_drawn_where_it_is_and_the_file_is_hashed(tmp_path: Path) -> None:
    """The picture is yellow on the outline, untouched far from it; the hash is the file's."""
    outline = box(100, 200, 110, 208)
    grid = chip_grid(outline, "EPSG:4547", 0.1)
    image = np.full((3, grid.height_px, grid.width_px), 90, np.uint8)
    reference = write_chip(tmp_path / "k-after.jpg", image, grid, outline)
    assert ("k-after.jpg", sha256_file(tmp_path / "k-after.jpg")) == (reference.path, reference.sha256)
    seen = np.asarray(Image.open(tmp_path / "k-after.jpg")).astype(int)
    column = round((105 - grid.affine[2]) / 0.1)
    row = round((grid.affine[5] - 208) / 0.1)
    assert seen[row - 2 : row + 3, column, 0].max() > 180 > 130 > seen[row - 2 : row + 3, column, 2].min()
    assert abs(seen[5, 5] - 90).max() < 6
