"""What colour a ray sees: first hit, sun and shadow, skylight, texture."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial.records.record import record
from aerial.simulate.scene import SHADE_STEP_M, Scene
from aerial.simulate.textures import GROUND_LAYER, LAYERS, PAD_PX, TILE_PX, WATER_LAYER

Array = NDArray[np.float32]

SHEETS = np.array([name.startswith("steel") for name in LAYERS])
MACRO_TEXEL_M = 0.35
_LINEAR = (np.arange(256) / 255).astype(np.float32) ** np.float32(2.2)


@record
class Light:
    """Sunlight and skylight; ``to_sun_3`` points at the sun, strengths are linear RGB."""

    to_sun_3: Array
    sun_3: Array
    sky_3: Array


def sunlight(elevation_deg: float, azimuth_deg: float, warmth: float) -> Light:
    """Return the light of a sun at an elevation and an azimuth clockwise from north.

    ``warmth`` 0-1 turns the sun redder and the sky bluer.
    """
    e, a = np.radians([elevation_deg, azimuth_deg])
    return Light(
        to_sun_3=np.array([np.sin(a) * np.cos(e), np.cos(a) * np.cos(e), np.sin(e)], np.float32),
        sun_3=np.array([0.98, 0.93 - 0.04 * warmth, 0.85 - 0.12 * warmth], np.float32),
        sky_3=np.array([0.24, 0.27, 0.32 + 0.04 * warmth], np.float32),
    )


def look(scene: Scene, origins_N3: Array, rays_N3: Array, light: Light, drift: float) -> tuple[Array, Array]:
    """Return linear radiance (N, 3) and distance (N,), 1e37 where nothing is met.

    ``drift`` moves the waves on water, which are never the same in two photographs.
    """
    hits = scene.embree.run(origins_N3, rays_N3, output=1)
    face_N, reach_N = hits["primID"], hits["tfar"]
    missed_N = face_N < 0
    face_N = np.where(missed_N, 0, face_N)
    rows_NF = scene.faces_TF.take(face_N, axis=0)
    if scene.moving is not None and scene.moving_faces_TF is not None:
        other = scene.moving.run(origins_N3, rays_N3, output=1)
        nearer_N = (other["primID"] >= 0) & (missed_N | (other["tfar"] < reach_N))
        rows_NF[nearer_N] = scene.moving_faces_TF[other["primID"][nearer_N]]
        reach_N = np.where(nearer_N, other["tfar"], reach_N)
        missed_N &= ~nearer_N
    points_N3 = origins_N3 + rays_N3 * np.where(missed_N, 0, reach_N)[:, None]
    normals_N3 = rows_NF[:, 0:3]
    away_N = np.einsum("ij,ij->i", normals_N3, rays_N3)
    normals_N3 = np.where((away_N > 0)[:, None], -normals_N3, normals_N3)

    layer_N = rows_NF[:, 14].astype(np.int32)
    ground_N, water_N = layer_N == GROUND_LAYER, layer_N == WATER_LAYER
    x_N, y_N, z_N = points_N3.T
    painted_N3, painted_layer_N = _painted(scene, x_N, y_N)
    colour_N3 = np.where(ground_N[:, None], painted_N3, rows_NF[:, 11:14])
    layer_N = np.where(ground_N, painted_layer_N, np.where(water_N, LAYERS["plain"], layer_N))
    u_N = np.einsum("ij,ij->i", points_N3, rows_NF[:, 3:6]) + rows_NF[:, 6]
    v_N = np.einsum("ij,ij->i", points_N3, rows_NF[:, 7:10]) + rows_NF[:, 10]
    colour_N3 = colour_N3 * _textured(scene, u_N, v_N, layer_N)
    colour_N3 *= _macro(scene, x_N, y_N)[:, None]

    facing_N = normals_N3 @ light.to_sun_3
    leaf_N = layer_N == LAYERS["leaves"]
    facing_N = np.where(leaf_N, 0.25 + 0.75 * np.abs(facing_N), np.maximum(facing_N, 0))
    lit_N = _lit(scene, points_N3, normals_N3, light, facing_N)
    open_N = _openness(scene, x_N, y_N, z_N) * (0.65 + 0.35 * normals_N3[:, 2])
    radiance_N3 = colour_N3 * (light.sky_3 * open_N[:, None] + light.sun_3 * (facing_N * lit_N)[:, None])
    sheet_N = SHEETS[layer_N] & ~ground_N & (lit_N > 0)
    if sheet_N.any():
        radiance_N3[sheet_N] += _sheen(normals_N3[sheet_N], rays_N3[sheet_N], light)
    if water_N.any():
        radiance_N3[water_N] = _water(scene, x_N[water_N], y_N[water_N], light, drift)
    return radiance_N3, np.where(missed_N, np.float32(1e37), reach_N)


def _sheen(normals_N3: Array, rays_N3: Array, light: Light) -> Array:
    """Return the glare of painted steel: it moves with the view, as no texture does (Blinn 1977)."""
    half_N3 = light.to_sun_3 - rays_N3
    half_N3 /= np.linalg.norm(half_N3, axis=1, keepdims=True)
    glint_N = np.maximum(np.einsum("ij,ij->i", normals_N3, half_N3), 0) ** 30
    return np.asarray(np.float32(0.3) * glint_N[:, None] * light.sun_3, np.float32)


def _lit(scene: Scene, points_N3: Array, normals_N3: Array, light: Light, facing_N: Array) -> Array:
    """Return 1 where the sun reaches, 0 in shadow; faces turned away cast no ray."""
    asked = np.flatnonzero(facing_N > 0)
    lit_N = np.zeros(len(points_N3), np.float32)
    starts = points_N3[asked] + normals_N3[asked] * np.float32(0.03)
    towards = np.ascontiguousarray(np.broadcast_to(light.to_sun_3, starts.shape))
    lit_N[asked] = scene.embree.run(starts, towards, query="OCCLUDED") != 0
    if scene.moving is not None:
        lit_N[asked] *= scene.moving.run(starts, towards, query="OCCLUDED") != 0
    return lit_N


def _painted(scene: Scene, x_N: Array, y_N: Array) -> tuple[Array, NDArray[np.int32]]:
    painted = scene.painted
    column_N = (x_N + painted.half_m[0]) / painted.texel_m - 0.5
    row_N = (painted.half_m[1] - y_N) / painted.texel_m - 0.5
    colour_N3 = _sample(painted.colour_HW3, column_N, row_N, cv2.INTER_LINEAR)
    layer_N = _sample(painted.layer_HW, column_N, row_N, cv2.INTER_NEAREST)
    return _LINEAR[colour_N3], layer_N.astype(np.int32)


def _sample(image: NDArray[Any], column_N: Array, row_N: Array, how: int) -> NDArray[Any]:
    """Return image values at pixel indices; cv2 wants maps of two dimensions below 32768."""
    count = len(column_N)
    wide = 16384
    padded = -(-count // wide) * wide
    maps = [
        np.resize(part.astype(np.float32, copy=False), padded).reshape(-1, wide) for part in (column_N, row_N)
    ]
    found = cv2.remap(image, maps[0], maps[1], how, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(found.reshape(padded, *found.shape[2:])[:count])


def _textured(scene: Scene, u_N: Array, v_N: Array, layer_N: NDArray[np.int32]) -> Array:
    texel_N = scene.atlas.texel_L[layer_N]
    column_N = np.mod(u_N / texel_N, TILE_PX) + (PAD_PX - 0.5)
    row_N = np.mod(v_N / texel_N, TILE_PX) + (PAD_PX - 0.5)
    row_N += layer_N * np.float32(TILE_PX + 2 * PAD_PX)
    return np.asarray(
        _sample(scene.atlas.pixels_HW3, column_N, row_N, cv2.INTER_LINEAR) * np.float32(1 / 128)
    )


def _macro(scene: Scene, x_N: Array, y_N: Array) -> Array:
    size = scene.macro_HW.shape[0]
    column_N = (x_N / MACRO_TEXEL_M).astype(np.int32) % size
    row_N = (y_N / MACRO_TEXEL_M).astype(np.int32) % size
    return np.asarray(1 + (scene.macro_HW[row_N, column_N].astype(np.float32) - 128) * np.float32(0.06 / 32))


def _openness(scene: Scene, x_N: Array, y_N: Array, z_N: Array) -> Array:
    """Return how much of the sky a point sees, from the heights around it."""
    column_N = (x_N + scene.half_m[0]) / SHADE_STEP_M - 0.5
    row_N = (scene.half_m[1] - y_N) / SHADE_STEP_M - 0.5
    around_N2 = _sample(scene.around_HW2, column_N, row_N, cv2.INTER_LINEAR) - z_N[:, None]
    near_N, far_N = np.clip(around_N2[:, 0] / 6, 0, 1), np.clip(around_N2[:, 1] / 16, 0, 1)
    return np.asarray((1 - 0.45 * near_N) * (1 - 0.45 * far_N))


def _water(scene: Scene, x_N: Array, y_N: Array, light: Light, drift: float) -> Array:
    size = scene.macro_HW.shape[0]
    column_N = ((x_N + 37 * drift) / 0.12).astype(np.int32) % size
    row_N = ((y_N - 91 * drift) / 0.12).astype(np.int32) % size
    wave_N = (scene.macro_HW[row_N, column_N].astype(np.float32) - 128) / 128
    base_3 = np.array([0.045, 0.065, 0.045], np.float32)
    return np.asarray(base_3 + light.sky_3 * 0.12 * (1 + 0.5 * wave_N[:, None]), np.float32)
