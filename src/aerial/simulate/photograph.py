"""Takes one photograph: rays through the lens, then what optics, sensor and JPEG do to the light."""

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial import camera as cameras
from aerial.camera import Camera, Pose
from aerial.simulate.flight import Shot
from aerial.simulate.scene import Scene
from aerial.simulate.shade import Array, Light, look

BAND_RAYS = 400_000
# A diffraction and demosaicing blur of a good small camera, in pixels.
PSF_PX = 0.62
SHARPEN = 0.4
VIGNETTE = 0.22
FULL_WELL = 9000.0
READ_NOISE = 3.5e-4


@lru_cache(maxsize=1)
def _directions(camera: Camera) -> Array:
    """Return the unit direction of every pixel in the camera's own frame, shape (H, W, 3)."""
    straight = Pose(rotation_33=np.eye(3), centre_3=np.zeros(3))
    out_HW3 = np.empty((camera.height_px, camera.width_px, 3), np.float32)
    columns = np.arange(camera.width_px) + 0.5
    for row in range(camera.height_px):
        pixels_N2 = np.column_stack([columns, np.full(camera.width_px, row + 0.5)])
        out_HW3[row] = cameras.rays(camera, straight, pixels_N2)
    return out_HW3


def expose(
    scene: Scene, camera: Camera, shot: Shot, light: Light, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return the photograph as sRGB bytes, shape (H, W, 3)."""
    directions_HW3 = _directions(camera)
    height, width = camera.height_px, camera.width_px
    rotation_33 = shot.pose.rotation_33.astype(np.float32)
    centre_3 = shot.pose.centre_3.astype(np.float32)
    radiance_HW3 = np.empty((height, width, 3), np.float32)
    drift = float(rng.uniform(0, 10))
    rows = max(1, BAND_RAYS // width)
    for row in range(0, height, rows):
        rays_N3 = np.ascontiguousarray(directions_HW3[row : row + rows].reshape(-1, 3) @ rotation_33)
        starts_N3 = np.ascontiguousarray(np.broadcast_to(centre_3, rays_N3.shape))
        seen_N3, _ = look(scene, starts_N3, rays_N3, light, drift)
        radiance_HW3[row : row + rows] = seen_N3.reshape(-1, width, 3)
    return _develop(radiance_HW3, shot, rng)


def _develop(radiance_HW3: Array, shot: Shot, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Blur, vignette, expose, add noise, and curve to sRGB, in row bands."""
    travel = max(shot.blur_px)
    blurred_HW3 = cv2.GaussianBlur(
        radiance_HW3, (0, 0), sigmaX=PSF_PX, sigmaY=float(np.hypot(PSF_PX, travel / 3.46))
    )
    # The aircraft's processor sharpens before it compresses.
    soft_HW3 = cv2.GaussianBlur(blurred_HW3, (0, 0), 1.0)
    cv2.addWeighted(blurred_HW3, 1 + SHARPEN, soft_HW3, -SHARPEN, 0, dst=blurred_HW3)
    del soft_HW3
    height, width = radiance_HW3.shape[:2]
    gain_3 = np.array(shot.colour_3, np.float32) * np.float32(0.98 * shot.exposure)
    x_W = ((np.arange(width) + 0.5) / width - 0.5) ** 2
    out_HW3 = np.empty((height, width, 3), np.uint8)
    curve = tone_curve()
    for row in range(0, height, 256):
        part = blurred_HW3[row : row + 256]
        y = ((np.arange(row, row + len(part)) + 0.5) / width - height / width / 2) ** 2
        falloff = (1 - VIGNETTE * np.float32(2) * (x_W[None] + y[:, None])).astype(np.float32)
        light = np.maximum(part * falloff[..., None] * gain_3 + np.float32(0.004), 0)
        noise = rng.standard_normal(light.shape, np.float32)
        light += noise * np.sqrt(light / np.float32(FULL_WELL) + np.float32(READ_NOISE**2))
        out_HW3[row : row + 256] = curve[np.clip(light * 4095, 0, 4095).astype(np.uint16)]
    return out_HW3


def tone_curve() -> NDArray[np.uint8]:
    """Return the camera's curve from 12-bit linear light to bytes: sRGB with a soft shoulder."""
    light = np.arange(4096) / 4095
    soft = light * (1 + 0.25 * light) / (1 + 0.25 * light**2)
    srgb = np.where(soft <= 0.0031308, 12.92 * soft, 1.055 * np.maximum(soft, 1e-9) ** (1 / 2.4) - 0.055)
    return np.asarray(np.clip(srgb * 255 + 0.5, 0, 255), np.uint8)


def save(path: Path, image_HW3: NDArray[np.uint8], exif: bytes, xmp: bytes) -> None:
    """Write a photograph as JPEG with its EXIF and XMP; whole or not there."""
    from PIL import Image

    from aerial.codec import replacing

    with replacing(path) as temporary:
        Image.fromarray(image_HW3).save(
            temporary, format="JPEG", quality=92, subsampling=2, exif=exif, xmp=xmp
        )
