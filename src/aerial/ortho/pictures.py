"""Decoded photographs, a bounded number of them in memory."""

from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial.camera import Camera
from aerial.errors import PhotoError
from aerial.ortho.ahead import in_order
from aerial.ortho.block import Block

_FLAGS = {
    True: {1: 0, 2: 16, 4: 32, 8: 64},  # grey: cv2.IMREAD_REDUCED_GRAYSCALE_n
    False: {1: 1, 2: 17, 4: 33, 8: 65},  # colour: cv2.IMREAD_REDUCED_COLOR_n
}


class Pictures:
    """Decodes the photographs of a block and keeps the latest ones, ``budget_bytes`` at most.

    ``reduction`` (1, 2, 4, 8) is done by the JPEG decoder itself and costs next to nothing.
    """

    def __init__(
        self, block: Block, folder: Path, *, reduction: int = 1, grey: bool, budget_bytes: int = 400_000_000
    ) -> None:
        self._block, self._folder = block, folder
        self._reduction, self._grey, self._budget = reduction, grey, budget_bytes
        self._kept: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        self._coming: dict[int, Future[NDArray[np.uint8]]] = {}
        self._lock = Lock()

    @property
    def held_bytes(self) -> int:
        """Bytes of the pictures held now."""
        return sum(picture.nbytes for picture in self._kept.values())

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """Return photograph ``index`` of the block: (H, W) grey or (H, W, 3) BGR, uint8.

        Two threads decode two photographs at once; one that both want is decoded once.
        """
        with self._lock:
            if index in self._kept:
                self._kept.move_to_end(index)
                return self._kept[index]
            coming = self._coming.get(index)
            if coming is None:
                mine = self._coming[index] = Future()
        if coming is not None:
            return coming.result()
        try:
            photo = self._block.photos[index]
            picture = _decode(self._folder / photo.file, photo.camera, self._reduction, self._grey)
        except BaseException as exc:
            with self._lock:
                del self._coming[index]
            mine.set_exception(exc)
            raise
        with self._lock:
            while self._kept and self.held_bytes + picture.nbytes > self._budget:
                self._kept.popitem(last=False)
            self._kept[index] = picture
            del self._coming[index]
        mine.set_result(picture)
        return picture

    def load(self) -> None:
        """Decode from the first photograph on, two at a time, what the budget holds."""
        photos = self._block.photos
        sizes = [reduced(p.camera, self._reduction) for p in photos]
        bytes_N = np.cumsum([s.width_px * s.height_px * (1 if self._grey else 3) for s in sizes])
        for _ in in_order(self.__getitem__, range(int(np.searchsorted(bytes_N, self._budget, "right")))):
            pass

    def camera(self, index: int) -> Camera:
        """Return the camera of the picture as decoded, that is, reduced."""
        return reduced(self._block.photos[index].camera, self._reduction)


def reduced(camera: Camera, reduction: int) -> Camera:
    """Return ``camera`` for its picture made smaller by ``reduction``."""
    return replace(
        camera,
        # libjpeg rounds up.
        width_px=-(-camera.width_px // reduction),
        height_px=-(-camera.height_px // reduction),
        focal_x_px=camera.focal_x_px / reduction,
        focal_y_px=camera.focal_y_px / reduction,
        centre_x_px=camera.centre_x_px / reduction,
        centre_y_px=camera.centre_y_px / reduction,
    )


def _decode(path: Path, camera: Camera, reduction: int, grey: bool) -> NDArray[np.uint8]:
    # Not cv2.imread: it cannot open Chinese paths on Windows, and it turns by EXIF orientation.
    flags = _FLAGS[grey][reduction] | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        picture: Any = cv2.imdecode(np.fromfile(path, np.uint8), flags)
    except (OSError, cv2.error) as exc:
        raise PhotoError(f"{path} cannot be read: {exc}", hint="Copy the photograph again.") from exc
    if picture is None:
        raise PhotoError(f"{path} is not a picture that can be decoded.", hint="Copy the photograph again.")
    expected = reduced(camera, reduction)
    if picture.shape[:2] != (expected.height_px, expected.width_px):
        raise PhotoError(
            f"{path} has {picture.shape[1]} x {picture.shape[0]} pixels; "
            f"its block was made from {expected.width_px} x {expected.height_px}.",
            hint="Put the original photograph back, or stitch again.",
        )
    # Colours stay as the decoder orders them, BGR: turning them round costs as much as decoding.
    return np.asarray(picture)
