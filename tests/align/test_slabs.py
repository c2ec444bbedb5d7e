"""Pixels that several passes over the same windows read."""

from pathlib import Path

import numpy as np
import pytest
from tests import pairs

from aerial.align import slabs
from aerial.raster.read import levels, open_raster, read_level
from aerial.raster.write import write_cog


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise, no two pixels of which are alike, with an empty corner."""
    image_CHW = np.random.default_rng(5).integers(1, 255, (3, 400, 500), np.uint8)
    valid_HW = np.ones((400, 500), bool)
    valid_HW[:90, :120] = False
    path = tmp_path_factory.mktemp("slabs") / "a.tif"
    write_cog(path, pairs.grid(400), image_CHW[:, :, :400], valid_HW=valid_HW[:, :400], mask=True)
    return path


@pytest.mark.parametrize("step", [1, 2])
def test_a_window_beside_the_last_one_holds_the_same_pixels_and_is_not_read(
    step: int, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept is cut to the pixels that reading the window would give, at the rim too."""
    kept, info, level = slabs.Slabs(), open_raster(picture), levels(picture)[0]
    windows = [(column, row, 64, 48) for column in (0, 4, 330, 336) for row in (0, 8, 100, 352)]
    expected = [read_level(picture, level, window, bands=3, step=step) for window in windows]
    reads = []

    def counted(*arguments: object, **options: object) -> slabs.Pixels:
        reads.append(arguments)
        return read_level(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(slabs, "read_level", counted)
    for window, (data_CHW, valid_HW) in zip(windows, expected, strict=True):
        found_CHW, found_HW = kept.read(info, level, window, bands=3, step=step)
        np.testing.assert_array_equal(data_CHW, found_CHW)
        np.testing.assert_array_equal(valid_HW, found_HW)
    assert len(reads) == 6


def test_what_does_not_fit_into_memory_is_read_anew(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more is kept than allowed, and pixels are the same."""
    monkeypatch.setattr(slabs, "MOST_BYTES", 100 * 100 * 4)
    kept, info, level = slabs.Slabs(), open_raster(picture), levels(picture)[0]
    for column in (0, 100, 200, 0, 100, 200):
        found_CHW, _ = kept.read(info, level, (column, 40, 64, 64), bands=3, step=1)
        np.testing.assert_array_equal(read_level(picture, level, (column, 40, 64, 64), bands=3)[0], found_CHW)
    assert kept.kept_bytes <= slabs.MOST_BYTES
