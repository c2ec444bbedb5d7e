"""The second look: where it is taken, what it makes of eight answers, and that cuts do not show."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from tests import models

from aerial.change import looks
from aerial.change.inputs import Normalisation
from aerial.change.model import Calibration, Model, load_model

NORM = Normalisation(gain_2C=np.ones((2, 3), np.float32), offset_2C=np.zeros((2, 3), np.float32))


@dataclass
class Eye:
    """A network that answers by a function of (its number of calls, the picture before)."""

    model: Model
    answer: Callable[[int, np.ndarray], np.ndarray]
    calls: int = 0
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    precision, sha256 = "fp32", ""

    def run(self, before_CHW: np.ndarray, *_rest: Any) -> np.ndarray:
        """Return four planes of half the size."""
        self.calls += 1
        self.shapes.append(before_CHW.shape)
        height, width = before_CHW.shape[1:]
        chance_HW = self.answer(self.calls, before_CHW).astype(np.float32)
        half_HW = cv2.resize(chance_HW, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        return np.stack([half_HW] * 4)


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """The tiny model; its network is never run."""
    return load_model(models.write_model(tmp_path))


def _place(side_px: int = 512) -> np.ndarray:
    """Return a smooth picture, so that zooming changes nothing, with a bright roof."""
    picture = np.full((3, side_px, side_px), 40, np.uint8)
    picture[:, 100:180, 60:200] = 230
    return np.stack([cv2.GaussianBlur(band, (0, 0), 6) for band in picture])


def _see(picture_CHW: np.ndarray, seen: list[tuple[int, ...]] | None = None) -> looks.See:
    def see(window: tuple[int, int, int, int]) -> looks.Seen:
        if seen is not None:
            seen.append(window)
        column, row, width, height = window
        side = picture_CHW.shape[-1]
        y, x = np.arange(row, row + height), np.arange(column, column + width)
        inside = ((y >= 0) & (y < side))[:, None] & ((x >= 0) & (x < side))[None]
        cut = picture_CHW[:, np.clip(y, 0, side - 1)[:, None], np.clip(x, 0, side - 1)[None]]
        return looks.Seen(before_CHW=cut, after_CHW=cut, valid_HW=inside, height_change_HW=None)

    return see


def _bands(value: float, side_px: int = 512) -> list[np.ndarray]:
    return [np.full((side_px, side_px), value, np.float32) for _ in range(4)]


def test_where_nothing_was_found_nobody_looks_again(model: Model) -> None:
    """First chances of at most 0.3 stay as they are, and the network is not asked."""
    eye = Eye(model, lambda _, before: before[0] / 255)
    bands = _bands(0.29)
    looks.again(eye, NORM, bands, (0, 0, 512, 512), 1, _see(_place()))
    assert eye.calls == 0
    assert all((band == np.float32(0.29)).all() for band in bands)


def test_all_looks_at_one_place_show_the_same_place(model: Model) -> None:
    """A network that sees brightness says of each pixel, turned and zoomed, what it said at first."""
    place = _place()
    eye = Eye(model, lambda _, before: before[0] / 255)
    bands = _bands(0.9)
    looks.again(eye, NORM, bands, (0, 0, 512, 512), 1, _see(place))
    assert eye.calls == 4 * len(looks.LOOKS)
    assert np.abs(bands[0] - place[0] / 255).max() < 0.03


def test_what_one_look_alone_shows_is_no_finding(model: Model) -> None:
    """Log odds are averaged: 0.95 once and 0.05 seven times is 0.1, not a suspect."""
    eye = Eye(model, lambda call, before: np.full(before.shape[1:], 0.95 if call % 8 == 1 else 0.05))
    bands = _bands(0.95)
    looks.again(eye, NORM, bands, (0, 0, 512, 512), 1, _see(_place()))
    odds = (np.log(0.95 / 0.05) + 7 * np.log(0.05 / 0.95)) / 8
    assert np.allclose(bands[0], 1 / (1 + np.exp(-odds)), atol=1e-4)


def test_only_the_cell_that_was_found_changes(model: Model) -> None:
    """One pixel of 0.9 brings its cell of 32 pixels before the eye, and no other; 0.35 counts by half."""
    eye = Eye(model, lambda _, before: np.full(before.shape[1:], 0.6))
    bands = _bands(0.0)
    bands[0][40, 70], bands[1][300, 300] = 0.9, 0.35
    seen: list[tuple[int, ...]] = []
    looks.again(eye, NORM, bands, (0, 0, 512, 512), 1, _see(_place(), seen))
    assert len(seen) == 2
    assert np.allclose(bands[1][32:64, 64:96], 0.6, atol=1e-4)
    assert np.isclose(bands[0][290, 290], 0.3, atol=1e-4)
    touched = np.zeros((512, 512), bool)
    touched[32:64, 64:96] = touched[288:320, 288:320] = True
    assert not any(band[~touched].any() for band in bands)


def test_calibration_is_of_the_mean_and_of_the_changes_alone(model: Model) -> None:
    """Sigmoid(slope * mean log odds + offset) for change; the building maps keep the mean."""
    calibrated = Model(
        folder=model.folder, file=replace(model.file, calibration=Calibration(slope=0.5, offset=-1.0))
    )
    eye = Eye(calibrated, lambda _, before: np.full(before.shape[1:], 0.8))
    bands = _bands(0.9)
    looks.again(eye, NORM, bands, (0, 0, 512, 512), 1, _see(_place()))
    assert np.allclose(bands[0], 1 / (1 + np.exp(-(0.5 * np.log(4) - 1))), atol=1e-4)
    assert np.allclose(bands[3], 0.8, atol=1e-4)


@pytest.mark.parametrize("halo_px", [32, 160, 256])
def test_every_look_holds_its_surroundings_in_whole_strides(halo_px: int, model: Model) -> None:
    """Zoomed, the halo is no smaller than asked and a multiple of the stride; one canvas holds all looks."""
    file = replace(model.file, halo_px=halo_px)
    eye = Eye(Model(folder=model.folder, file=file), lambda _, before: before[0] / 255)
    looks.again(eye, NORM, _bands(0.9), (0, 0, 512, 512), 1, _see(_place()))
    assert len(set(eye.shapes)) == 1
    assert all(side % file.stride_px == 0 for side in eye.shapes[0][1:])
    for look in looks.LOOKS:
        above, below = look.zoom
        around = looks._halo_px(look, halo_px, file.stride_px) * above / below
        assert around >= halo_px
        assert around % file.stride_px == 0
        assert looks.BLOCK_PX * above // below + 2 * around <= eye.shapes[0][1]


def test_pieces_of_a_place_are_answered_as_the_whole_is(model: Model) -> None:
    """On a finer grid and cut anywhere at a cell, the second look gives each pixel the same."""
    place = _place()

    def textured(_: int, before: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(before[0].astype(np.float32), (0, 0), 9) / 255

    whole, pieces = _bands(0.9, 1024), _bands(0.9, 1024)
    looks.again(Eye(model, textured), NORM, whole, (0, 0, 1024, 1024), 2, _see(place))
    for top, height in ((0, 192), (192, 832)):
        for left, width in ((0, 576), (576, 448)):
            part = [band[top : top + height, left : left + width] for band in pieces]
            looks.again(Eye(model, textured), NORM, part, (left, top, width, height), 2, _see(place))
    assert max(np.abs(a - b).max() for a, b in zip(whole, pieces, strict=True)) < 1e-6
