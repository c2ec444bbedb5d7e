"""The window of an elevation model that a plan asks for heights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine
from tests.plan.made import FRAME, HOME, Floats, write_model

from aerial import geo
from aerial.errors import CrsError, InputError, RasterError
from aerial.plan import ground as module
from aerial.plan.ground import read_ground, read_surface

BOUNDS = (-400.0, -300.0, 500.0, 600.0)


def hill(x: Floats, y: Floats) -> Floats:
    """Ground of the tests: a slope and a wave."""
    return 100 + 0.1 * x + 10 * np.sin(y / 80)


def places(count: int = 2000) -> Floats:
    """Points all over the bounds."""
    rng = np.random.default_rng(3)
    return np.column_stack([rng.uniform(*BOUNDS[::2], count), rng.uniform(*BOUNDS[1::2], count)])


@pytest.mark.parametrize(
    ("crs", "pixel"), [("EPSG:4547", 3.0), ("EPSG:4526", 5.0), ("EPSG:4326", 3e-5), ("EPSG:32649", 5.0)]
)
def test_heights_are_those_of_the_file_in_any_crs(tmp_path: Path, crs: str, pixel: float) -> None:
    """Between pixel centres heights are within 2 cm of a smooth ground, whatever the file's CRS."""
    ground = read_ground(write_model(tmp_path / "d.tif", hill, crs=crs, pixel=pixel), FRAME, BOUNDS)
    xy = places()
    assert np.abs(ground.at(xy) - hill(xy[:, 0], xy[:, 1])).max() < 0.02


@pytest.mark.parametrize(
    ("dtype", "scale", "offset"), [("int16", 0.01, 90.0), ("uint16", 0.005, -50.0), ("float64", None, None)]
)
def test_stored_numbers_become_metres(
    tmp_path: Path, dtype: str, scale: float | None, offset: float | None
) -> None:
    """Integers with a scale and an offset, and doubles, read as the same metres."""

    def store(z: Floats) -> Any:
        return np.round((z - (offset or 0.0)) / (scale or 1.0), 0 if scale else 6).astype(dtype)

    path = write_model(tmp_path / "d.tif", hill, pixel=4.0, store=store, scale=scale, offset=offset)
    xy = places(200)
    assert np.abs(read_ground(path, FRAME, BOUNDS).at(xy) - hill(xy[:, 0], xy[:, 1])).max() < 0.03


def test_holes_are_unknown_and_only_they(tmp_path: Path) -> None:
    """Heights are NaN inside and beside nodata, known a pixel further away, NaN outside the window."""

    def pond(x: Floats, y: Floats) -> Floats:
        return np.where(np.hypot(x, y) < 50, -9999.0, 20.0)

    ground = read_ground(write_model(tmp_path / "d.tif", pond, nodata=-9999), FRAME, BOUNDS)
    found = ground.at(np.array([[0.0, 0.0], [60.0, 0.0], [0.0, -60.0], [5000.0, 0.0]]))
    assert np.isnan(found[[0, 3]]).all()
    assert found[[1, 2]].tolist() == [20.0, 20.0]


def test_a_model_that_does_not_cover_is_refused_with_the_share(tmp_path: Path) -> None:
    """A terrain model must cover all of the bounds; the message says how much is missing."""
    path = write_model(tmp_path / "d.tif", hill, half_m=400.0)
    with pytest.raises(InputError, match=r"lacks 42\.\d%") as caught:
        read_ground(path, FRAME, (-400.0, -300.0, 1000.0, 300.0))
    assert "covers" in caught.value.hint
    with pytest.raises(InputError, match=r"lacks 100\.0%"):
        read_surface(path, FRAME, (5000.0, 5000.0, 6000.0, 6000.0))


def test_a_surface_may_cover_a_part(tmp_path: Path) -> None:
    """A surface model of the last survey serves where it is, and is unknown elsewhere."""
    surface = read_surface(
        write_model(tmp_path / "d.tif", hill, half_m=300.0), FRAME, (-900.0, -900.0, 900.0, 900.0)
    )
    found = surface.max_within(np.array([[0.0, 0.0], [700.0, 0.0]]), 5.0)
    assert found[0] >= hill(np.array(0.0), np.array(0.0))
    assert np.isnan(found[1])


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"unit": "ft"}, InputError, "in ft, not in metres"),
        ({"crs": "EPSG:4326+6360", "pixel": 1e-4, "unit": "metre"}, InputError, "not in metres"),
        ({"crs": None}, CrsError, "no coordinate reference system"),
        (
            {"store": lambda z: np.where(z > 100, -32768, z).astype(np.int16)},
            InputError,
            "heights from -32768",
        ),
        ({"store": lambda z: z.astype(np.complex64)}, InputError, "picture"),
    ],
)
def test_what_is_no_height_in_metres_is_refused(
    tmp_path: Path, changes: dict[str, Any], error: type[InputError], words: str
) -> None:
    """Feet, a missing CRS, undeclared empty pixels and pictures are named, with a hint."""
    path = write_model(tmp_path / "d.tif", hill, **changes)
    with pytest.raises(error, match=words) as caught:
        read_ground(path, FRAME, BOUNDS)
    assert caught.value.hint


def test_an_absent_model_is_refused(tmp_path: Path) -> None:
    """A path that is not there is said as such."""
    with pytest.raises(RasterError, match="is not there"):
        read_ground(tmp_path / "none.tif", FRAME, BOUNDS)


def test_thinning_keeps_means_of_ground_and_tops_of_surfaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over the cap a terrain model stays right on a slope, and a surface model keeps a mast of one pixel."""
    monkeypatch.setattr(module, "MOST_CELLS", 10_000)

    def mast(x: Floats, y: Floats) -> Floats:
        top = hill(x, y)
        top[len(top) // 2, len(top) // 2] += 60
        return top

    xy = places(300)
    ground = read_ground(write_model(tmp_path / "d.tif", hill), FRAME, BOUNDS)
    assert ground.cells_HW.size <= 10_000
    assert np.abs(ground.at(xy) - hill(xy[:, 0], xy[:, 1])).max() < 0.2
    surface = read_surface(write_model(tmp_path / "s.tif", mast), FRAME, BOUNDS)
    assert surface.cells_HW.size <= 10_000
    assert surface.max_within(np.array([[0.0, 0.0]]), 5.0)[0] > 155


def test_the_highest_within_a_radius_misses_nothing_near(tmp_path: Path) -> None:
    """Every cell within the radius counts, and none beyond the square of it and a cell."""
    rng = np.random.default_rng(1)

    def rough(x: Floats, y: Floats) -> Floats:
        return rng.uniform(0, 30, x.shape)

    surface = read_surface(write_model(tmp_path / "d.tif", rough, pixel=4.0), FRAME, BOUNDS)
    xy = places(200)
    ring = np.array(
        [[r * np.cos(a), r * np.sin(a)] for r in np.linspace(0, 5, 6) for a in np.linspace(0, 6.28, 30)]
    )
    near = surface.at((xy[:, None] + ring).reshape(-1, 2)).reshape(len(xy), -1).max(axis=1)
    assert (surface.max_within(xy, 5.0) >= near - 1e-4).all()
    far = np.array([[-8.0, 0.0], [8, 0], [0, 8], [0, -8]])
    lone = read_surface(
        write_model(tmp_path / "l.tif", lambda x, y: 50.0 * (np.hypot(x, y) < 1.5), pixel=2.0), FRAME, BOUNDS
    )
    assert lone.max_within(far * 1.4, 5.0).max() == 0.0


def test_ten_kilometres_in_degrees_far_north_are_exact(tmp_path: Path) -> None:
    """Ten kilometres at 60 degrees north in degrees: heights still come from the right pixel."""
    north = geo.LonLat(lon_deg=HOME.lon_deg, lat_deg=60.0)
    frame = geo.local_frame(north)
    path = tmp_path / "n.tif"
    z = np.tile(np.arange(400, dtype=np.float32)[:, None], (1, 800))
    affine = Affine(0.0005, 0, north.lon_deg - 0.2, 0, -0.0005, north.lat_deg + 0.1)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=1,
        width=800,
        height=400,
        dtype="float32",
        crs="EPSG:4326",
        transform=affine,
    ) as dataset:
        dataset.write(z, 1)
    ground = read_ground(path, frame, (-5000.0, -5000.0, 5000.0, 5000.0))
    xy = np.array([[-4900.0, 4900.0], [4900, 4900], [0, 0], [4900, -4900]])
    lat = geo.transform(frame, geo.WGS84, xy[:, 0], xy[:, 1])[1]
    expected = (north.lat_deg + 0.1 - lat) / 0.0005 - 0.5
    # A thousandth of a row of 56 m.
    assert np.abs(ground.at(xy) - expected).max() < 1e-3
