"""Generated scenes with exact poses: boxes on a textured plane, photographed from above."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from aerial.camera import Camera, Pose, nadir_rotation, rays
from aerial.ortho.block import Block, BlockPhoto

HEIGHT_M, GSD_M = 60.0, 0.1
ORIGIN_3 = np.array([500_000.0, 2_500_000.0, 30.0])
CAMERA = Camera(
    width_px=560,
    height_px=420,
    focal_x_px=HEIGHT_M / GSD_M,
    focal_y_px=HEIGHT_M / GSD_M,
    centre_x_px=283.0,
    centre_y_px=208.0,
    distortion=(-0.02, 0.01, 0.001, -0.001),
)


@dataclass(frozen=True)
class Box:
    """A house: x and y from-to, height; metres."""

    x0: float
    x1: float
    y0: float
    y1: float
    z: float


def texture(seed: int, size: int = 1600) -> NDArray[np.float32]:
    """Return seeded ground or roof at 0.1 m, grey levels 50-200, rough at every scale."""
    rng = np.random.default_rng(seed)
    total = np.zeros((size, size), np.float32)
    for step, strength in ((1, 10), (3, 14), (10, 12), (60, 12)):
        noise = rng.normal(size=(size // step + 2, size // step + 2)).astype(np.float32)
        total += strength * cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.clip(125 + total, 50, 200)


GROUND, ROOF, WALL = texture(1), texture(2), texture(3)


def shade(
    picture_HW: NDArray[np.float32], u: NDArray[np.float64], v: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return the texture at metres (u, v); its middle is (0, 0)."""
    at = [10 * v + 799.5, 10 * u + 799.5]
    return np.asarray(ndimage.map_coordinates(picture_HW, at, order=1, mode="reflect"))


def surface_grey(
    x: NDArray[np.float64], y: NDArray[np.float64], boxes: tuple[Box, ...]
) -> NDArray[np.float32]:
    """Return what a true orthomosaic shows at (x, y): roofs over ground."""
    grey = shade(GROUND, x, y)
    for box in boxes:
        on = (x >= box.x0) & (x <= box.x1) & (y >= box.y0) & (y <= box.y1)
        grey = np.where(on, roof(x, y, box), grey)
    return grey


def roof(x: NDArray[np.float64], y: NDArray[np.float64], box: Box) -> NDArray[np.float32]:
    """Return a roof's grey: brighter than the ground, with a rim as parapets have."""
    rim = np.minimum.reduce([x - box.x0, box.x1 - x, y - box.y0, box.y1 - y]) < 0.4
    return np.where(rim, 235.0, np.clip(shade(ROOF, x, y) + 30, 0, 230)).astype(np.float32)


def photograph(pose: Pose, boxes: tuple[Box, ...]) -> NDArray[np.float32]:
    """Return the exact picture of the scene, (H, W) grey: every ray meets box or ground."""
    columns, rows = np.meshgrid(np.arange(CAMERA.width_px) + 0.5, np.arange(CAMERA.height_px) + 0.5)
    direction_N3 = rays(CAMERA, pose, np.column_stack([columns.ravel(), rows.ravel()]))
    c = pose.centre_3
    reach_N = -c[2] / direction_N3[:, 2]
    hit_N3 = c + reach_N[:, None] * direction_N3
    grey_N = shade(GROUND, hit_N3[:, 0], hit_N3[:, 1])
    for box in boxes:
        low_3, high_3 = np.array([box.x0, box.y0, 0.0]), np.array([box.x1, box.y1, box.z])
        with np.errstate(divide="ignore"):
            first_N3, second_N3 = (low_3 - c) / direction_N3, (high_3 - c) / direction_N3
        enter_N3 = np.minimum(first_N3, second_N3)
        enter_N = enter_N3.max(axis=1)
        hits_N = (enter_N < np.maximum(first_N3, second_N3).min(axis=1)) & (enter_N < reach_N)
        at_N3 = c + enter_N[:, None] * direction_N3
        top_N = enter_N3.argmax(axis=1) == 2
        wall_N = shade(WALL, at_N3[:, 0] + at_N3[:, 1], at_N3[:, 2]) * 0.6
        box_N = np.where(top_N, roof(at_N3[:, 0], at_N3[:, 1], box), wall_N)
        grey_N, reach_N = np.where(hits_N, box_N, grey_N), np.where(hits_N, enter_N, reach_N)
    return grey_N.reshape(CAMERA.height_px, CAMERA.width_px)


def fly(folder: Path, boxes: tuple[Box, ...], gains: tuple[float, ...] = (1.0,)) -> Block:
    """Photograph the scene from 3 x 4 stations into ``folder``; return the block, poses exact."""
    rng = np.random.default_rng(7)
    folder.mkdir(parents=True, exist_ok=True)
    photos = []
    for number, (x, y) in enumerate((x, y) for x in (-16.0, 0.0, 16.0) for y in (-18.0, -6.0, 6.0, 18.0)):
        tilt, roll = rng.normal(scale=1.5, size=2)
        pose = Pose(
            rotation_33=nadir_rotation(90.0 * (number // 4), -90 + tilt, roll),
            centre_3=np.array([x, y, HEIGHT_M]) + rng.normal(scale=0.7, size=3),
        )
        grey_HW = photograph(pose, boxes) * gains[number % len(gains)] + rng.normal(
            scale=1.5, size=(CAMERA.height_px, CAMERA.width_px)
        )
        picture = np.repeat(np.clip(grey_HW, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2)
        name = f"P{number:02d}.jpg"
        cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tofile(folder / name)
        photos.append(BlockPhoto(file=name, camera=CAMERA, pose=pose))
    # Tie points lie on the ground only: matching must find the houses by itself.
    points_N3 = np.column_stack([rng.uniform(-30, 30, (400, 2)), np.zeros(400)])
    return Block(crs="EPSG:32650", origin_3=ORIGIN_3, photos=tuple(photos), points_N3=points_N3)
