"""The town as triangles in a ray caster, with what is needed to shade a hit."""

from dataclasses import replace

import cv2
import numpy as np
from embreex.mesh_construction import TriangleMesh
from embreex.rtcore_scene import EmbreeScene
from numpy.typing import NDArray

from aerial.records.record import record
from aerial.simulate import ground, solids, terrain, textures
from aerial.simulate.mesh import Mesh, joined
from aerial.simulate.presets import Preset, stream
from aerial.simulate.town import Floats, Town, Vehicle, corners

TERRAIN_STEP_M = 1.0
APRON_M = 120.0
SHADE_STEP_M = 1.0


@record
class Scene:
    """What ``shade.look`` needs; ``around_HW2`` are surface heights blurred over 2 m and over 8 m.

    ``moving`` holds what stands there in one photograph only, with its own face rows.
    """

    embree: EmbreeScene
    faces_TF: NDArray[np.float32]
    atlas: textures.Atlas
    painted: ground.Ground
    macro_HW: NDArray[np.uint8]
    around_HW2: NDArray[np.float32]
    half_m: tuple[float, float]
    moving: EmbreeScene | None = None
    moving_faces_TF: NDArray[np.float32] | None = None


def build(town: Town, preset: Preset, seed: int, epoch: int) -> Scene:
    """Return the scene of a town at one epoch."""
    mesh = Mesh()
    _terrain(mesh, town)
    for pit in town.pits:
        if pit.water:
            level = terrain.water_m(town.relief, pit)
            ring = np.column_stack([corners(pit.plot, 0.2), np.full(4, level)])
            mesh.add_layer(np.stack([ring[[0, 1, 2]], ring[[0, 2, 3]]]), textures.WATER_LAYER)
    for field in town.fields:
        if field.canopy_m > 0.05:
            solids.canopy(mesh, field, town.relief, town.pits)
    for building in town.buildings:
        solids.building(mesh, building)
    for tree in town.trees:
        solids.tree(mesh, tree, _ground_at(town, tree.x_m, tree.y_m))
    for vehicle in town.vehicles:
        solids.vehicle(mesh, vehicle, _ground_at(town, vehicle.x_m, vehicle.y_m))
    for sheet in town.sheets:
        solids.sheet(mesh, sheet, _ground_at(town, sheet.plot.x_m, sheet.plot.y_m))
    triangles_T33, faces_TF = joined(mesh)
    embree = EmbreeScene()
    TriangleMesh(embree, triangles_T33)
    macro = textures.spectral(stream(seed, "macro"), 0.35, 2.5, 90, 1.0)
    return Scene(
        embree=embree,
        faces_TF=faces_TF,
        atlas=textures.atlas(seed, preset.gsd_m),
        painted=ground.paint(town, seed, epoch, max(0.07, 1.2 * preset.gsd_m)),
        macro_HW=np.clip(128 + 32 * macro, 0, 255).astype(np.uint8),
        around_HW2=_surroundings(embree, town.half_m),
        half_m=town.half_m,
    )


def with_moving(scene: Scene, town: Town, vehicles: tuple[Vehicle, ...]) -> Scene:
    """Return the scene with vehicles on its roads that stand there in one photograph only."""
    if not vehicles:
        return scene
    mesh = Mesh()
    for vehicle in vehicles:
        solids.vehicle(mesh, vehicle, _ground_at(town, vehicle.x_m, vehicle.y_m))
    triangles_T33, faces_TF = joined(mesh)
    embree = EmbreeScene()
    TriangleMesh(embree, triangles_T33)
    return replace(scene, moving=embree, moving_faces_TF=faces_TF)


def _ground_at(town: Town, x_m: float, y_m: float) -> float:
    return float(terrain.ground_m(town.relief, town.pits, np.array([x_m]), np.array([y_m]))[0])


def _terrain(mesh: Mesh, town: Town) -> None:
    reach = [half + APRON_M for half in town.half_m]
    xs, ys = (np.arange(-r, r + TERRAIN_STEP_M, TERRAIN_STEP_M) for r in reach)
    x_HW, y_HW = np.meshgrid(xs, ys)
    points_HW3 = np.stack([x_HW, y_HW, terrain.ground_m(town.relief, town.pits, x_HW, y_HW)], -1)
    a, b, c, d = points_HW3[:-1, :-1], points_HW3[:-1, 1:], points_HW3[1:, 1:], points_HW3[1:, :-1]
    for triangle in ((a, b, c), (a, c, d)):
        mesh.add_layer(np.stack([corner.reshape(-1, 3) for corner in triangle], 1), textures.GROUND_LAYER)


def _surroundings(embree: EmbreeScene, half_m: tuple[float, float]) -> NDArray[np.float32]:
    """Return blurred surface heights: what stands around a point takes away its skylight."""
    xs, ys = (np.arange(-half, half, SHADE_STEP_M) + SHADE_STEP_M / 2 for half in half_m)
    x_HW, y_HW = np.meshgrid(xs, ys[::-1])
    z_HW = drop(embree, x_HW, y_HW)
    return np.stack([cv2.GaussianBlur(z_HW, (0, 0), sigma / SHADE_STEP_M) for sigma in (2.0, 8.0)], -1)


def drop(embree: EmbreeScene, x_HW: Floats, y_HW: Floats) -> NDArray[np.float32]:
    """Return the height of the first surface met from above at local x, y."""
    start_m = 300.0
    origins_N3 = np.column_stack([x_HW.ravel(), y_HW.ravel(), np.full(x_HW.size, start_m)]).astype(np.float32)
    down_N3 = np.broadcast_to(np.array([0, 0, -1], np.float32), origins_N3.shape)
    reach_N = embree.run(origins_N3, np.ascontiguousarray(down_N3), query="DISTANCE")
    return np.asarray(start_m - reach_N.reshape(x_HW.shape), np.float32)
