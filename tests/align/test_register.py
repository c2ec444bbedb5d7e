"""Laying one survey on another."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests import pairs

from aerial import geo
from aerial.align import fine
from aerial.align.register import register
from aerial.align.warp import smooth_remainder
from aerial.errors import AlignError
from aerial.progress import SilentProgress
from aerial.raster import grid as grids
from aerial.raster.grid import Grid
from aerial.raster.read import read_on_grid
from aerial.raster.write import write_cog

SIDE = 500


@pytest.fixture(scope="module")
def place() -> pairs.Date:
    """Ground with a house and trees."""
    bare = pairs.with_box(pairs.ground(7, SIDE), (200, 180, 110, 80), 6.0, (170, 170, 175))
    return pairs.with_trees(bare, 4, [(90, 400), (400, 100)])


def put(path: Path, image_HWC: np.ndarray, grid: Grid) -> Path:
    """Write a picture with an alpha band."""
    write_cog(path, grid, np.ascontiguousarray(image_HWC.transpose(2, 0, 1)), mask=True)
    return path


def test_a_wrong_georeference_is_recovered_within_a_third_of_a_pixel(
    place: pairs.Date, tmp_path: Path
) -> None:
    """AFTER drawn 1.5 m off, turned by 0.5 degrees, 0.4 % larger, darker: the affine is found."""
    true = np.array(
        [
            [1.004 * np.cos(0.0087), 1.004 * -np.sin(0.0087), 14.0],
            [1.004 * np.sin(0.0087), 1.004 * np.cos(0.0087), -6.0],
        ]
    )
    # Pixel centres at +0.5, as align.json counts; cv2 counts them at 0.
    shift = true @ np.array([0.5, 0.5, 1.0]) - 0.5
    moved = cv2.warpAffine(
        pairs.photographed(place, 2, gain=0.8).image_HWC, np.column_stack([true[:, :2], shift]), (SIDE, SIDE)
    )
    before = put(tmp_path / "b.tif", place.image_HWC, pairs.grid(SIDE))
    after = put(tmp_path / "a.tif", moved, pairs.grid(SIDE))
    alignment = register(before, after, gsd_m=0.1).alignment
    corners = np.array([[0, 0, 1], [SIDE, 0, 1], [0, SIDE, 1], [SIDE, SIDE, 1]], float)
    gap = corners @ np.array(alignment.before_to_after_px).T - corners @ true.T
    assert np.hypot(*gap.T).max() < 0.3
    assert alignment.residual_median_px < 0.3
    assert 1.0 < alignment.shift_m < 2.0


@pytest.mark.parametrize("kind", ["degrees", "utm", "coarser", "float"])
def test_other_crs_gsd_and_dtype_are_resampled(kind: str, place: pairs.Date, tmp_path: Path) -> None:
    """A survey in another CRS, pixel size or number type still fits within a fifth of a metre."""
    before = put(tmp_path / "b.tif", place.image_HWC, pairs.grid(SIDE))
    image = np.ascontiguousarray(pairs.photographed(place, 2).image_HWC.transpose(2, 0, 1))
    after = tmp_path / "a.tif"
    if kind == "float":
        write_cog(after, pairs.grid(SIDE), (image * 37.5 - 100).astype(np.float32), nodata=-9999.0)
    else:
        source = put(tmp_path / "s.tif", image.transpose(1, 2, 0), pairs.grid(SIDE))
        crs = {"degrees": geo.WGS84, "utm": "EPSG:32649", "coarser": pairs.CRS}[kind]
        x0, y0, x1, y1 = grids.bounds(pairs.grid(SIDE))
        x, y = geo.transform(pairs.CRS, crs, np.array([x0, x1, x0, x1]), np.array([y0, y0, y1, y1]))
        pixel = {"degrees": 1e-6, "utm": 0.1, "coarser": 0.25}[kind]
        grid = grids.north_up(crs, (x.min(), y.min(), x.max(), y.max()), pixel)
        data_CHW, valid_HW = read_on_grid(
            source, grid, resampling="bilinear" if kind != "coarser" else "average"
        )
        write_cog(after, grid, data_CHW, valid_HW=valid_HW, mask=True)
    alignment = register(before, after, gsd_m=0.1).alignment
    assert alignment.residual_median_m < 0.1
    assert alignment.shift_m < 0.2


def test_a_window_s_shift_is_measured_to_a_tenth_of_a_pixel(place: pairs.Date) -> None:
    """A shift of (3.3, -2.6) pixels is found in one window; noise has none."""
    grey = place.image_HWC
    moved = cv2.warpAffine(grey, np.array([[1, 0, 3.3], [0, 1, -2.6]]), (SIDE, SIDE), flags=cv2.INTER_CUBIC)
    cut = np.s_[:, 100:292, 100:292]
    valid = np.ones((192, 192), bool)
    found = fine.measure(moved.transpose(2, 0, 1)[cut], grey.transpose(2, 0, 1)[cut], valid)
    assert found is not None
    assert pytest.approx(found[:2], abs=0.1) == (3.3, -2.6)
    other = pairs.ground(99, SIDE).image_HWC.transpose(2, 0, 1)[cut]
    assert fine.measure(other, grey.transpose(2, 0, 1)[cut], valid) is None


def test_the_remainder_does_not_bend_around_a_change() -> None:
    """One window that jumps by 12 pixels is left out, and the field stays at its neighbours' shift."""
    x, y = np.meshgrid(np.arange(50, 1000, 100.0), np.arange(50, 1000, 100.0))
    at = np.column_stack([x.ravel(), y.ravel()])
    shift = np.tile([0.4, -0.2], (len(at), 1))
    shift[44] = [12.0, 3.0]
    agree = fine.neighbours_agree(at, shift, 400.0)
    assert np.flatnonzero(~agree).tolist() == [44]
    warp = smooth_remainder(at[agree], shift[agree], np.ones(agree.sum()), pairs.grid(1000), 200.0, 60.0)
    assert pytest.approx(tuple(warp.at(at[44:45])[0]), abs=0.05) == (0.4, -0.2)


class Said(SilentProgress):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        """Keep it."""
        self.said.append(message)


def test_a_small_place_that_changed_beyond_recognition_is_compared_as_declared(
    place: pairs.Date, tmp_path: Path
) -> None:
    """Nothing agrees: the georeferences stand as they are, aloud, and the residual is called assumed."""
    before = put(tmp_path / "b.tif", place.image_HWC, pairs.grid(SIDE))
    after = put(tmp_path / "a.tif", pairs.ground(99, SIDE).image_HWC, pairs.grid(SIDE))
    said = Said()
    alignment = register(before, after, gsd_m=0.1, progress=said).alignment
    assert (alignment.how, alignment.windows, alignment.residual_median_m) == ("assumed", 0, 1.0)
    assert np.allclose(alignment.before_to_after_px, [[1, 0, 0], [0, 1, 0]], atol=1e-6)
    assert len(said.said) == 1


def test_a_large_place_of_which_nothing_is_recognised_is_another_one(tmp_path: Path) -> None:
    """Two hectares that share nothing are refused."""
    # Turned, so that the two do not share the lattice that their texture is made on.
    turn = cv2.getRotationMatrix2D((700, 700), 31, 1.3)
    images = [pairs.ground(seed, 1400).image_HWC for seed in (5, 6)]
    images[1] = cv2.warpAffine(images[1], turn, (1400, 1400), borderMode=cv2.BORDER_REFLECT)
    ends = [put(tmp_path / f"{n}.tif", image, pairs.grid(1400)) for n, image in enumerate(images)]
    with pytest.raises(AlignError, match="recognised") as caught:
        register(*ends, gsd_m=0.1)
    assert caught.value.hint


def test_one_leaning_roof_does_not_bend_a_good_georeference(place: pairs.Date, tmp_path: Path) -> None:
    """Ground without texture and a patterned roof that leans 0.5 m elsewhere: the frame stays."""
    rng = np.random.default_rng(3)
    tiles = np.kron(rng.integers(90, 220, (16, 22)), np.ones((8, 8)))[..., None].astype(np.uint8)
    dates = []
    for seed, lean_px in ((1, 0), (2, 5)):
        flat = np.clip(120 + np.random.default_rng(seed).normal(0, 4, (SIDE, SIDE, 3)), 0, 255)
        image = flat.astype(np.uint8)
        image[180:308, 150 + lean_px : 326 + lean_px] = tiles
        dates.append(put(tmp_path / f"{seed}.tif", image, pairs.grid(SIDE)))
    alignment = register(*dates, gsd_m=0.1).alignment
    assert np.allclose(np.array(alignment.before_to_after_px)[:, :2], np.eye(2), atol=1e-3)
    assert alignment.shift_m <= 0.51


def test_the_simplest_fit_that_explains_the_windows_is_taken() -> None:
    """Noise of half a pixel is a shift at most; a turn of half a degree over 50 m is found."""
    rng = np.random.default_rng(0)
    x, y = np.meshgrid(np.linspace(100, 400, 7), np.linspace(100, 400, 7))
    at = np.column_stack([x.ravel(), y.ravel()])
    noise = rng.normal(0, 0.5, at.shape)
    peak = np.full(49, 12.0)
    still = fine.robust_fit(fine.Shifts(at_N2=at, shift_N2=noise, peak_N=peak), 5, 7, gentle=True)
    assert still is not None
    assert np.array_equal(still[0][:2, :2], np.eye(2))
    turned = at @ np.array([[0, 0.0087], [-0.0087, 0]]) + noise * 0.1
    found = fine.robust_fit(fine.Shifts(at_N2=at, shift_N2=turned, peak_N=peak), 5, 7, gentle=True)
    assert found is not None
    assert pytest.approx(found[0][1, 0], abs=1e-3) == 0.0087


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["epoch2_nochange", "epoch2_buildings_shifted"])
def test_the_georeference_of_real_orthos_is_told_to_a_third_of_a_pixel(name: str, real_data: Path) -> None:
    """JPEG, exposure steps and cast shadows; right as declared, and wrong by metres, turn and scale."""
    folder = real_data / "pairs" / "caliterra"
    alignment = register(folder / "epoch1.tif", folder / f"{name}.tif", gsd_m=0.1).alignment
    true_23 = np.array([[1.0, 0, 0], [0, 1, 0]])
    if name.endswith("shifted"):
        true_23 = np.array(json.loads((folder / "truth.json").read_text())["affine_epoch2_to_shifted_px"])
    columns, rows = np.meshgrid(np.linspace(0, 1736, 9), np.linspace(0, 1394, 9))
    pixels_3N = np.stack([columns.ravel(), rows.ravel(), np.ones(81)])
    gap_2N = (np.array(alignment.before_to_after_px) - true_23) @ pixels_3N
    assert np.hypot(*gap_2N).max() < 0.3


@pytest.mark.realdata
def test_pairs_of_other_years_and_suns_are_compared_where_they_lie(real_data: Path, tmp_path: Path) -> None:
    """Of ten small pairs years apart none is refused, and none is turned, scaled or moved by over 4 m."""
    for path in sorted((real_data / "pairs" / "real_dev").glob("*/A/*.png")):
        dates = [cv2.imread(str(path).replace("/A/", f"/{date}/"))[::2, ::2, ::-1] for date in "AB"]
        ends = [put(tmp_path / f"{n}.tif", d.copy(), pairs.grid(256, 0.4)) for n, d in enumerate(dates)]
        alignment = register(*ends, gsd_m=0.1).alignment
        assert np.allclose(np.array(alignment.before_to_after_px)[:, :2], np.eye(2), atol=0.01), path.stem
        assert alignment.shift_m < 4, path.stem


@pytest.mark.parametrize("size", [(1, SIDE), (SIDE, 1), (9, 9)])
def test_a_sliver_is_refused(place: pairs.Date, tmp_path: Path, size: tuple[int, int]) -> None:
    """A row, a column or a few pixels hold nothing to compare; ten by ten are laid as declared."""
    height, width = size
    before = put(tmp_path / "b.tif", place.image_HWC, pairs.grid(SIDE))
    whole = pairs.grid(SIDE)

    def cut(name: str, height: int, width: int) -> Path:
        grid = Grid(crs=whole.crs, affine=whole.affine, width_px=width, height_px=height)
        return put(tmp_path / name, place.image_HWC[:height, :width], grid)

    with pytest.raises(AlignError, match="only a sliver"):
        register(before, cut("sliver.tif", height, width), gsd_m=0.1)
    assert register(before, cut("ten.tif", 10, 10), gsd_m=0.1).alignment.how == "assumed"
