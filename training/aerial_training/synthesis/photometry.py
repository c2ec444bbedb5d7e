"""How a camera, the air and the season show one date; every part is drawn anew for each date."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial_training.synthesis.texture import Rng, smooth_noise, to_uint8

Image = NDArray[np.uint8]
_NOISE = np.clip(np.random.default_rng(7).normal(0, 32, (640, 640, 3)), -127, 127).astype(np.int16)


def look(rng: Rng, image: Image, gsd_m: float, native_m: float) -> Image:
    """One date as a sensor would give it: season, haze, sharpness, colours, noise, JPEG.

    ``native_m``: the sensor's own pixel size; the picture is as sharp as that.
    """
    if rng.random() < 0.30:
        image = season(rng, image)
    if rng.random() < 0.15:
        image = clouded(rng, image)
    image = sharpness(rng, image, native_m / gsd_m)
    image = seamed(rng, image) if rng.random() < 0.05 else colours(rng, image)
    if rng.random() < 0.6:
        image = noisy(rng, image, coarse=native_m > 1.4 * gsd_m)
    if rng.random() < 0.4:
        image = jpeg(rng, image)
    return image


def season(rng: Rng, image: Image) -> Image:
    """Greens go brown, yellow, pale, dark or greener; rarely the whole ground is dusted white."""
    red, green, blue = (image[..., channel].astype(np.float32) for channel in range(3))
    greenness = cv2.GaussianBlur(np.clip((2 * green - red - blue) * np.float32(1 / 40), 0, 1), (0, 0), 1.0)
    targets = ((1.15, 0.95, 0.75), (1.25, 1.1, 0.7), (1.05, 1.05, 0.9), (0.7, 0.85, 0.65), (0.9, 1.12, 0.8))
    target = np.asarray(targets[int(rng.integers(len(targets)))], dtype=np.float32)
    grey = (red + green + blue) / 3
    amount = (greenness * np.float32(rng.uniform(0.4, 1.0)))[..., None]
    out = image + amount * (grey[..., None] * target * np.float32(rng.uniform(0.8, 1.25)) - image)
    if rng.random() < 0.12:
        dust = np.clip(0.5 * smooth_noise(rng, image.shape[:2], 40, 4) + rng.uniform(-0.3, 0.6), 0, 1)
        out += (dust * np.float32(rng.uniform(0.2, 0.7)))[..., None] * (235 - out)
    return to_uint8(out)


def clouded(rng: Rng, image: Image) -> Image:
    """A soft shadow of a cloud, or a veil of haze, over a part of the picture."""
    field = np.clip(0.5 + 0.6 * smooth_noise(rng, image.shape[:2], rng.uniform(80, 300)), 0, 1)[..., None]
    if rng.random() < 0.5:
        return to_uint8(image * (1 - field * np.float32(rng.uniform(0.1, 0.45))))
    veil = np.float32(rng.uniform(150, 230))
    return to_uint8(image + field * np.float32(rng.uniform(0.1, 0.5)) * (veil - image))


def sharpness(rng: Rng, image: Image, ratio: float) -> Image:
    """As sharp as a sensor with pixels ``ratio`` times as large: sampled down and up, or blurred.

    Sometimes sharpened afterwards, as web mosaics are.
    """
    height, width = image.shape[:2]
    if ratio > 1.1 and rng.random() < 0.6:
        small = cv2.resize(
            image, (max(int(width / ratio), 8), max(int(height / ratio), 8)), interpolation=cv2.INTER_AREA
        )
        way = (cv2.INTER_CUBIC, cv2.INTER_LINEAR, cv2.INTER_NEAREST)[int(rng.choice(3, p=[0.55, 0.38, 0.07]))]
        image = cv2.resize(small, (width, height), interpolation=way)
    else:
        sigma = 0.42 * math.sqrt(max(ratio**2 - 1, 0.0)) + (
            rng.uniform(0.2, 0.5) if rng.random() < 0.4 else 0.0
        )
        if sigma > 0.2:
            image = cv2.GaussianBlur(image, (0, 0), sigma)
    if rng.random() < 0.25:
        amount = rng.uniform(0.3, 1.3)
        soft = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.8, 1.8))
        image = cv2.addWeighted(image, 1 + amount, soft, -amount, 0)
    return image


def colours(rng: Rng, image: Image) -> Image:
    """Exposure, gamma, white balance, contrast, haze and saturation, as tables."""
    if rng.random() < 0.35:
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        amount = rng.uniform(0.35, 1.5)
        image = cv2.addWeighted(image, amount, grey, 1 - amount, 0)
    levels = np.linspace(0, 1, 256)[:, None]
    strong = 1.0 if rng.random() < 0.5 else 0.45
    gain = np.exp(strong * (rng.normal(0, 0.22) + rng.normal(0, 0.055, 3)))
    gamma = np.exp(strong * rng.normal(0, 0.25) + strong * rng.normal(0, 0.035, 3))
    contrast = np.exp(strong * rng.normal(0, 0.2))
    table = np.clip(levels * gain, 0, 1.2) ** gamma
    pivot = rng.uniform(0.3, 0.55)
    table = pivot + (table - pivot) * contrast
    haze = rng.uniform(0.05, 0.45) if rng.random() < 0.25 else 0.0
    air = np.clip(rng.uniform(0.6, 0.9) + rng.normal(0, 0.04, 3), 0, 1)
    table = table * (1 - haze) + air * haze
    return np.asarray(cv2.LUT(image, to_uint8(table * 255 + 0.5)[None]))


def seamed(rng: Rng, image: Image) -> Image:
    """Two strips of a mosaic that meet in the picture, each with its own colours."""
    height, width = image.shape[:2]
    turn = rng.uniform(0, 2 * math.pi)
    x = np.arange(width)[None, :] - rng.uniform(0.2, 0.8) * width
    y = np.arange(height)[:, None] - rng.uniform(0.2, 0.8) * height
    left = math.cos(turn) * x + math.sin(turn) * y < 0
    first, second = colours(rng, image), colours(rng, image)
    second = cv2.addWeighted(first, 0.6, second, 0.4, 0)
    return np.asarray(np.where(left[..., None], first, second), dtype=np.uint8)


def noisy(rng: Rng, image: Image, coarse: bool) -> Image:
    """Sensor noise, as coarse as the sensor's pixels."""
    height, width = image.shape[:2]
    amount = float(np.exp(rng.uniform(math.log(0.8), math.log(7.0))))
    step = 2 if coarse else 1
    y, x = int(rng.integers(640 - height // step)), int(rng.integers(640 - width // step))
    noise = _NOISE[y : y + -(-height // step), x : x + -(-width // step)]
    if rng.random() < 0.5:
        noise = np.repeat(noise[..., :1], 3, axis=2)
    if coarse:
        noise = cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.addWeighted(image, 1.0, noise, amount / 32, 0, dtype=cv2.CV_8U))


def jpeg(rng: Rng, image: Image) -> Image:
    """Once through JPEG."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 96))])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))
