"""Decoding of photographs with bounded memory."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from aerial.errors import PhotoError
from aerial.ortho import pictures as pictures_module
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


def test_two_threads_decode_at_once_and_nothing_twice(flown: Any, monkeypatch: Any) -> None:
    """Asked for the same photographs by several threads, each is decoded once, two at the same time."""
    decode, decoded, meet = pictures_module._decode, [], threading.Barrier(2, timeout=20)

    def slow(path: Any, *rest: Any) -> Any:
        decoded.append(path.name)
        meet.wait()
        return decode(path, *rest)

    monkeypatch.setattr(pictures_module, "_decode", slow)
    pictures = Pictures(flown.block, flown.folder / "photos", grey=True)
    with ThreadPoolExecutor(3) as pool:
        # The first waits for the third; the second comes while the first is being decoded.
        found = list(pool.map(pictures.__getitem__, (0, 0, 1)))
    assert sorted(decoded) == ["P00.jpg", "P01.jpg"]
    assert found[0] is found[1]


def test_a_photograph_that_came_back_is_decoded(flown: Any, tmp_path: Any) -> None:
    """After a failure the next request looks again."""
    name = flown.block.photos[0].file
    (tmp_path / name).write_bytes(b"no picture")
    pictures = Pictures(flown.block, tmp_path, grey=True)
    with pytest.raises(PhotoError):
        pictures[0]
    (tmp_path / name).write_bytes((flown.folder / "photos" / name).read_bytes())
    assert pictures[0].any()
