"""Decoding of photographs with bounded memory."""

from typing import Any

import pytest

from aerial.errors import PhotoError
from aerial.ortho.pictures import Pictures


def test_memory_does_not_grow_with_the_number_of_photographs(flown: Any) -> None:
    """However many photographs are asked for, no more than the budget is held."""
    one = flown.scene.CAMERA.width_px * flown.scene.CAMERA.height_px
    pictures = Pictures(flown.block, flown.folder / "photos", grey=True, budget_bytes=3 * one)
    for index in range(len(flown.block.photos)):
        assert pictures[index].shape == (flown.scene.CAMERA.height_px, flown.scene.CAMERA.width_px)
        assert 3 * one >= pictures.held_bytes


def test_reduced_pictures_come_with_a_reduced_camera(flown: Any) -> None:
    """The camera of a picture decoded at a quarter fits that picture."""
    pictures = Pictures(flown.block, flown.folder / "photos", reduction=4, grey=False)
    camera = pictures.camera(0)
    assert (camera.height_px, camera.width_px, 3) == pictures[0].shape
    assert flown.scene.CAMERA.focal_x_px / 4 == camera.focal_x_px


def test_a_broken_photograph_is_named(flown: Any, tmp_path: Any) -> None:
    """What is not a picture is refused with its name."""
    for photo in flown.block.photos:
        (tmp_path / photo.file).write_bytes(b"no picture")
    with pytest.raises(PhotoError, match="P03"):
        Pictures(flown.block, tmp_path, grey=True)[3]
