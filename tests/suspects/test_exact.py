"""Raw outlines lie where the raster's own transform puts their pixels, whatever the grid."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.features
from shapely.geometry import Polygon

from aerial.raster.grid import Grid, matrix
from aerial.raster.read import open_raster
from aerial.raster.write import write_cog
from aerial.suspects.pieces import Levels, on_ground, outlines_of

WIDTH, HEIGHT = 2100, 300
GRIDS = {
    "north-up": ("EPSG:4547", (0.3, 0.0, 500_000.0, 0.0, -0.3, 2_522_000.0)),
    "rotated": ("EPSG:4547", (0.28, 0.11, 500_000.0, 0.11, -0.28, 2_522_000.0)),
    "geographic": ("EPSG:4326", (2.9e-6, 0.0, 113.8, 0.0, -2.7e-6, 22.8)),
}


@pytest.mark.parametrize("name", sorted(GRIDS))
def test_raw_outlines_are_the_raster_s_own_to_a_millionth_of_a_pixel(name: str, tmp_path: Path) -> None:
    """Every corner of every outline, across the seam of two windows too, as GDAL polygonizes the file."""
    crs, affine = GRIDS[name]
    grid = Grid(crs=crs, affine=affine, width_px=WIDTH, height_px=HEIGHT)
    score = np.zeros((1, HEIGHT, WIDTH), np.uint8)
    rng = np.random.default_rng(4)
    for _ in range(60):
        row, column = rng.integers(0, HEIGHT - 40), rng.integers(0, WIDTH - 60)
        score[0, row : row + rng.integers(3, 40), column : column + rng.integers(3, 60)] = 254
    score[0, 100:130, 2030:2070] = 254
    path = tmp_path / "change.tif"
    write_cog(path, grid, score, nodata=255, descriptions=("appeared",), scale=1 / 254)
    found = outlines_of(
        path, ("appeared",), lambda bands: bands["appeared"], Levels(low=0.5, seed=0.5, sure_m2=0, least_m2=0)
    )
    with rasterio.open(path) as dataset:
        mask = dataset.read(1) == 254
        shapes = rasterio.features.shapes(
            mask.astype(np.uint8), mask=mask, connectivity=4, transform=dataset.transform
        )
        expected = [Polygon(g["coordinates"][0], g["coordinates"][1:]) for g, _ in shapes]
    assert len(expected) == len(found)
    assert open_raster(path).grid.affine == pytest.approx(affine, rel=1e-15)
    there = sorted(corners(p, grid) for p in expected)
    here = sorted(corners(on_ground(p, grid), grid) for p in found)
    assert here == there


def corners(outline: Polygon, grid: Grid) -> list[tuple[float, float]]:
    """Return the corners of an outline on the ground in pixels, to 1e-6, sorted, straight ones left out."""
    simple = outline.normalize()
    rings = [simple.exterior, *simple.interiors]
    back = np.linalg.inv(matrix(grid))
    points = []
    for ring in rings:
        ends = np.asarray(ring.coords)[:-1]
        pixels = ends @ back[:2, :2].T + back[:2, 2]
        before, after = np.roll(pixels, 1, axis=0), np.roll(pixels, -1, axis=0)
        first, second = pixels - before, after - pixels
        turns = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) > 1e-3
        points += [(round(float(x), 6) + 0.0, round(float(y), 6) + 0.0) for x, y in pixels[turns]]
    return sorted(points)
