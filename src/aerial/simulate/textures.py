"""Tileable detail textures: how a surface's brightness and tint vary within itself.

Each tile multiplies the colour of the surface that carries it: 128 means 1. Tiles are noise of
natural spectra (power falling with frequency, as in photographs of such surfaces), specks, joints,
cracks and sheet profiles; they are made once a run, at the pixel size that the camera resolves.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial.simulate.presets import stream

Image = NDArray[np.float32]

TILE_PX = 512
PAD_PX = 2
FACADE_M = 12.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Atlas:
    """All tiles in one column, each with a wrapped rim; ``texel_L`` in metres a pixel."""

    pixels_HW3: NDArray[np.uint8]
    texel_L: NDArray[np.float32]
    names: tuple[str, ...]


def atlas(seed: int, gsd_m: float) -> Atlas:
    """Return the tiles, resolved for a camera of ``gsd_m``."""
    tiles, texels = [], []
    for name, paint in PAINTERS.items():
        texel_m = FACADE_M / TILE_PX if name.startswith(("facade", "brick")) else gsd_m * 0.9
        tile_HW3 = paint(stream(seed, "texture", name), texel_m)
        blur_px = 0.45 * max(0.0, gsd_m / texel_m - 1)
        if blur_px > 0.3:
            wide = cv2.copyMakeBorder(tile_HW3, 16, 16, 16, 16, cv2.BORDER_WRAP)
            tile_HW3 = cv2.GaussianBlur(wide, (0, 0), blur_px)[16:-16, 16:-16]
        bytes_HW3 = np.clip(tile_HW3 * 128, 0, 255).astype(np.uint8)
        tiles.append(cv2.copyMakeBorder(bytes_HW3, PAD_PX, PAD_PX, PAD_PX, PAD_PX, cv2.BORDER_WRAP))
        texels.append(texel_m)
    return Atlas(
        pixels_HW3=np.concatenate(tiles), texel_L=np.array(texels, np.float32), names=tuple(PAINTERS)
    )


def spectral(rng: np.random.Generator, texel_m: float, low_m: float, high_m: float, slope: float) -> Image:
    """Return tileable noise of zero mean and unit deviation, wavelengths ``low_m`` to ``high_m``.

    Amplitude falls with frequency to the power ``slope`` (1 is what natural scenes show: D. J.
    Field 1987, "Relations between the statistics of natural images", JOSA A 4).
    """
    frequency = np.hypot(np.fft.fftfreq(TILE_PX)[:, None], np.fft.rfftfreq(TILE_PX)[None]) / texel_m
    # Wavelengths longer than the tile cannot be in it.
    band = (frequency >= 1 / high_m) & (frequency <= 1 / max(low_m, 2 * texel_m)) & (frequency > 0)
    spectrum = np.fft.rfft2(rng.standard_normal((TILE_PX, TILE_PX)))
    spectrum *= np.where(band, np.where(frequency > 0, frequency, 1) ** -slope, 0)
    noise = np.fft.irfft2(spectrum, (TILE_PX, TILE_PX))
    return np.asarray(noise / max(float(noise.std()), 1e-9), np.float32)


def _grey(*layers: Image | float) -> Image:
    total = np.ones((TILE_PX, TILE_PX), np.float32)
    for layer in layers:
        total = total + layer
    return np.repeat(total[..., None], 3, axis=2)


def _specks(
    rng: np.random.Generator, texel_m: float, a_m2: float, size_m: tuple[float, float], depth: float
) -> Image:
    """Return specks, ``a_m2`` to the square metre, each lighter or darker by up to ``depth``."""
    picture = np.zeros((TILE_PX, TILE_PX), np.float32)
    for _ in range(rng.poisson(a_m2 * (TILE_PX * texel_m) ** 2)):
        x, y = rng.integers(0, TILE_PX, 2)
        radii = np.maximum(rng.uniform(*size_m, 2) / texel_m / 2, 0.5)
        value = float(rng.uniform(-depth, depth))
        for ox in (0, TILE_PX, -TILE_PX):
            for oy in (0, TILE_PX, -TILE_PX):
                if -20 < x + ox < TILE_PX + 20 and -20 < y + oy < TILE_PX + 20:
                    axes = (round(radii[0] * 16), round(radii[1] * 16))
                    centre = (int((x + ox) * 16), int((y + oy) * 16))
                    cv2.ellipse(
                        picture, centre, axes, int(rng.integers(180)), 0, 360, value, -1, cv2.LINE_AA, 4
                    )
    return picture


def _cracks(rng: np.random.Generator, texel_m: float, count: int, depth: float) -> Image:
    picture = np.zeros((TILE_PX, TILE_PX), np.float32)
    for _ in range(count):
        walk = np.cumsum(rng.normal(0, 0.35, 60))
        steps = np.column_stack([np.cos(walk), np.sin(walk)]) * 0.25 / texel_m
        points = (rng.uniform(0, TILE_PX, 2) + np.cumsum(steps, axis=0)).astype(np.int32)
        for shift in ((0, 0), (TILE_PX, 0), (-TILE_PX, 0), (0, TILE_PX), (0, -TILE_PX)):
            cv2.polylines(picture, [points + np.array(shift, np.int32)], False, -depth, 1, cv2.LINE_AA)
    return picture


def _joints(texel_m: float, pitch_m: float, width_m: float, depth: float, *, across: bool = True) -> Image:
    # The pitch is made to divide the tile, so that joints meet at its rim.
    side_m = TILE_PX * texel_m
    pitch_m = side_m / max(1, round(side_m / pitch_m))
    position = (np.arange(TILE_PX) + 0.5) * texel_m
    away = np.abs((position + pitch_m / 2) % pitch_m - pitch_m / 2)
    line = -depth * np.clip(1 - (away - width_m / 2) / texel_m, 0, 1).astype(np.float32)
    grid = np.broadcast_to(line, (TILE_PX, TILE_PX))
    return np.asarray(np.minimum(grid, grid.T) if across else grid, np.float32)


def _asphalt(rng: np.random.Generator, t: float) -> Image:
    return _grey(
        0.10 * spectral(rng, t, 0.12, 0.9, 0.6),
        0.05 * spectral(rng, t, 0.5, 8, 1.0),
        _cracks(rng, t, 30, 0.25),
        _specks(rng, t, 1.2, (0.1, 0.6), 0.3),
    )


def _concrete(rng: np.random.Generator, t: float) -> Image:
    return _grey(
        0.10 * spectral(rng, t, 0.12, 0.9, 0.6),
        0.06 * spectral(rng, t, 0.5, 10, 1.1),
        _joints(t, 4.0, 0.03, 0.18),
        _cracks(rng, t, 20, 0.2),
        _specks(rng, t, 1.6, (0.1, 0.6), 0.35),
    )


def _soil(rng: np.random.Generator, t: float) -> Image:
    tile = _grey(
        0.15 * spectral(rng, t, 0.15, 1.2, 0.6),
        0.08 * spectral(rng, t, 0.5, 8, 1.0),
        _specks(rng, t, 2.5, (0.1, 0.6), 0.35),
    )
    tile[..., 1] += 0.05 * np.clip(spectral(rng, t, 0.3, 6, 1.0), 0, None)
    return tile


def _grass(rng: np.random.Generator, t: float) -> Image:
    tile = _grey(
        0.26 * spectral(rng, t, 0.15, 1.3, 0.5),
        0.10 * spectral(rng, t, 0.6, 8, 1.0),
        _specks(rng, t, 1.2, (0.2, 0.9), 0.4),
    )
    dry = np.clip(spectral(rng, t, 0.4, 8, 1.0) - 0.6, 0, 1.2)
    tile += dry[..., None] * np.array([0.4, 0.22, 0.15], np.float32)
    return tile


def _crop(rng: np.random.Generator, t: float) -> Image:
    rows = _joints(t, 0.9, 0.25, 0.4, across=False)
    return _grey(
        rows,
        0.24 * spectral(rng, t, 0.15, 1.0, 0.5),
        0.08 * spectral(rng, t, 0.6, 8, 1.0),
        _specks(rng, t, 1.0, (0.2, 0.7), 0.4),
    )


def _furrows(rng: np.random.Generator, t: float) -> Image:
    return _grey(
        _joints(t, 1.1, 0.35, 0.14, across=False),
        0.15 * spectral(rng, t, 0.15, 1.2, 0.6),
        0.07 * spectral(rng, t, 0.6, 8, 1.0),
        _specks(rng, t, 1.6, (0.1, 0.6), 0.35),
    )


def _rubble(rng: np.random.Generator, t: float) -> Image:
    return _grey(
        0.15 * spectral(rng, t, 0.15, 1.2, 0.6),
        0.08 * spectral(rng, t, 0.6, 10, 1.0),
        _specks(rng, t, 3.0, (0.1, 0.8), 0.45),
    )


def _leaves(rng: np.random.Generator, t: float) -> Image:
    tile = _grey(0.30 * spectral(rng, t, 0.15, 0.9, 0.4), 0.12 * spectral(rng, t, 0.6, 6, 1.0))
    tile[..., 0] += 0.06 * spectral(rng, t, 0.3, 3, 0.8)
    return tile


def _slab(rng: np.random.Generator, t: float) -> Image:
    return _grey(
        0.06 * spectral(rng, t, 0.12, 0.9, 0.6),
        0.09 * spectral(rng, t, 0.5, 6, 1.2),
        _joints(t, 3.0, 0.03, 0.12),
        _cracks(rng, t, 30, 0.18),
        _specks(rng, t, 0.8, (0.1, 0.7), 0.35),
    )


def _slab_wet(rng: np.random.Generator, t: float) -> Image:
    moss = np.clip(spectral(rng, t, 0.3, 5, 1.1), 0, 2)
    return _grey(0.06 * spectral(rng, t, 0.12, 0.9, 0.6), -0.17 * moss, _specks(rng, t, 0.8, (0.1, 0.8), 0.3))


def _tiles(rng: np.random.Generator, t: float) -> Image:
    # Insulation tiles of half a metre, each of its own shade: repetitive on purpose.
    side = max(1, round(TILE_PX * t / 0.5))
    shade = rng.normal(0, 0.05, (side, side)).astype(np.float32)
    shades = cv2.resize(shade, (TILE_PX, TILE_PX), interpolation=cv2.INTER_NEAREST)
    stains = 0.08 * spectral(rng, t, 0.3, 6, 1.2)
    return _grey(shades, _joints(t, 0.5, 0.03, 0.2), stains, _specks(rng, t, 0.4, (0.1, 0.6), 0.3))


def _rooftile(rng: np.random.Generator, t: float) -> Image:
    return _grey(
        _joints(t, 0.28, 0.08, 0.22, across=False),
        0.08 * spectral(rng, t, 0.1, 1, 0.6),
        0.09 * spectral(rng, t, 0.5, 8, 1.3),
    )


def _sheets(rng: np.random.Generator, t: float, spread: float) -> Image:
    """Return sheets of 0.9 m width side by side, ribs 0.3 m apart: nearly textureless, repetitive."""
    count = max(1, round(TILE_PX * t / 0.9))
    shade = np.repeat(rng.normal(0, spread, (1, count)).astype(np.float32), 4, axis=0)
    shade += rng.normal(0, spread / 2, shade.shape).astype(np.float32)
    shades = cv2.resize(shade, (TILE_PX, TILE_PX), interpolation=cv2.INTER_NEAREST)
    ribs = _joints(t, 0.3, 0.05, 0.05, across=False)
    return np.asarray(shades + ribs + 0.012 * spectral(rng, t, 0.5, 10, 1.3), np.float32)


def _steel(rng: np.random.Generator, t: float) -> Image:
    return _grey(_sheets(rng, t, 0.012))


def _steel_rust(rng: np.random.Generator, t: float) -> Image:
    tile = _grey(_sheets(rng, t, 0.05))
    rust = np.clip(spectral(rng, t, 0.2, 5, 1.1) - 0.7, 0, 1)[..., None]
    return np.asarray(tile * (1 - 0.5 * rust) + 0.5 * rust * np.array([0.95, 0.6, 0.4], np.float32))


def _steel_lit(rng: np.random.Generator, t: float) -> Image:
    """Return steel sheet with strips of translucent plastic for light."""
    tile = _grey(_sheets(rng, t, 0.015))
    lines = (np.arange(TILE_PX) * t) % 6.0 < 0.9
    rows = (np.arange(TILE_PX) * t) % 9.0 < 4.0
    tile[np.ix_(rows, lines)] *= np.array([1.5, 1.35, 1.2], np.float32)
    return tile


def _facade(
    pane: tuple[float, float, float, float], dark: float
) -> Callable[[np.random.Generator, float], Image]:
    """Return a painter of windows: ``pane`` is (from, to) across a 3.1 m bay, (from, to) up a storey."""

    def paint(rng: np.random.Generator, t: float) -> Image:
        tile = _grey(0.03 * spectral(rng, t, 0.1, 1, 0.7), 0.05 * spectral(rng, t, 0.5, 8, 1.3))
        bay = TILE_PX // 4
        for column in range(4):
            for row in range(4):
                x0, x1, y0, y1 = (round(part * bay) for part in pane)
                window = tile[row * bay + y0 : row * bay + y1, column * bay + x0 : column * bay + x1]
                window *= dark * rng.uniform(0.6, 1.5)
                frame = tile[
                    row * bay + y0 - 3 : row * bay + y0, column * bay + x0 - 2 : column * bay + x1 + 2
                ]
                frame *= 1.25
        return tile

    return paint


def _brick(rng: np.random.Generator, t: float) -> Image:
    return _grey(0.10 * spectral(rng, t, 0.1, 1, 0.5), 0.1 * spectral(rng, t, 0.5, 6, 1.3))


def _plain(rng: np.random.Generator, t: float) -> Image:
    return _grey(0.02 * spectral(rng, t, 0.5, 8, 1.2))


def _panel(rng: np.random.Generator, t: float) -> Image:
    return _grey(_joints(t, 1.0, 0.05, 0.08, across=False), 0.03 * spectral(rng, t, 0.5, 8, 1.2))


def _net(rng: np.random.Generator, t: float) -> Image:
    return _grey(_joints(t, 1.8, 0.08, 0.15), 0.07 * spectral(rng, t, 0.2, 5, 1.0))


PAINTERS: dict[str, Callable[[np.random.Generator, float], Image]] = {
    "asphalt": _asphalt,
    "concrete": _concrete,
    "soil": _soil,
    "grass": _grass,
    "crop": _crop,
    "furrows": _furrows,
    "rubble": _rubble,
    "leaves": _leaves,
    "slab": _slab,
    "slab_wet": _slab_wet,
    "tiles": _tiles,
    "rooftile": _rooftile,
    "steel": _steel,
    "steel_rust": _steel_rust,
    "steel_lit": _steel_lit,
    "facade_a": _facade((0.2, 0.75, 0.3, 0.8), 0.35),
    "facade_b": _facade((0.1, 0.9, 0.35, 0.75), 0.4),
    "facade_c": _facade((0.3, 0.65, 0.3, 0.85), 0.3),
    "brick": _brick,
    "plain": _plain,
    "panel": _panel,
    "net": _net,
}
LAYERS = {name: index for index, name in enumerate(PAINTERS)}
# Marks faces whose colour and layer are read from the painted ground, and faces that mirror the sky.
GROUND_LAYER = len(PAINTERS)
WATER_LAYER = len(PAINTERS) + 1
