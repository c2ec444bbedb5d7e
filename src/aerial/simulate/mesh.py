"""Triangles with what the shader needs to know of each: normal, texture frame, colour, layer."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aerial.simulate.textures import LAYERS
from aerial.simulate.town import Colour, Floats, Plot, corners, place

# Columns of a face row: normal 0-2, u axis 3-5, u offset 6, v axis 7-9, v offset 10, colour 11-13, layer 14.
FACE_COLUMNS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Skin:
    """How a surface looks: a texture layer and an sRGB colour."""

    layer: str
    colour: Colour


@dataclass(slots=True)
class Mesh:
    """Collects triangles (metres, local frame) and their face rows."""

    triangles: list[NDArray[np.float32]] = field(default_factory=list)
    faces: list[NDArray[np.float32]] = field(default_factory=list)

    def add(self, triangles_T33: Floats, skin: Skin, *, along_deg: float = 0.0, base_m: float = 0.0) -> None:
        """Add triangles of one skin.

        Level ones carry the texture along ``along_deg`` (east to north); upright ones along the wall,
        counted up from ``base_m``.
        """
        triangles_T33 = np.asarray(triangles_T33, float)
        self._append(triangles_T33, LAYERS[skin.layer], np.array(skin.colour), along_deg, base_m)

    def add_layer(self, triangles_T33: Floats, layer: int) -> None:
        """Add triangles of a layer that carries no skin: the ground, or water."""
        self._append(np.asarray(triangles_T33, float), layer, np.ones(3), 0.0, 0.0)

    def _append(
        self, triangles_T33: Floats, layer: int, colour: Floats, along_deg: float, base_m: float
    ) -> None:
        normals_T3 = np.cross(
            triangles_T33[:, 1] - triangles_T33[:, 0], triangles_T33[:, 2] - triangles_T33[:, 0]
        )
        normals_T3 /= np.maximum(np.linalg.norm(normals_T3, axis=1, keepdims=True), 1e-12)
        rows_TF = np.zeros((len(triangles_T33), FACE_COLUMNS), np.float32)
        rows_TF[:, 0:3] = normals_T3
        upright_T = np.abs(normals_T3[:, 2]) < 0.5
        c, s = np.cos(np.radians(along_deg)), np.sin(np.radians(along_deg))
        flat = np.hypot(normals_T3[:, 0], normals_T3[:, 1])
        wall_T2 = np.column_stack([-normals_T3[:, 1], normals_T3[:, 0]]) / np.maximum(flat, 1e-9)[:, None]
        rows_TF[:, 3:5] = np.where(upright_T[:, None], wall_T2, [c, s])
        rows_TF[:, 7:9] = np.where(upright_T[:, None], 0.0, [-s, c])
        rows_TF[:, 9] = np.where(upright_T, 1.0, 0.0)
        rows_TF[:, 10] = np.where(upright_T, -base_m, 0.0)
        # Light adds up in linear units; colours are picked as they appear.
        rows_TF[:, 11:14] = np.asarray(colour) ** 2.2
        rows_TF[:, 14] = layer
        self.triangles.append(triangles_T33.astype(np.float32))
        self.faces.append(rows_TF)

    def box(self, plot: Plot, z0: float, z1: float, wall: Skin, top: Skin) -> None:
        """Add an upright box without a floor."""
        self.walls(corners(plot), z0, z1, wall, base_m=z0)
        ring_42 = corners(plot)
        self.add(_fan(np.column_stack([ring_42, np.full(4, z1)])), top, along_deg=plot.yaw_deg)

    def walls(self, ring_N2: Floats, z0: float, z1: float, skin: Skin, *, base_m: float = 0.0) -> None:
        """Add the walls over a counter-clockwise ring."""
        after_N2 = np.roll(ring_N2, -1, axis=0)
        low0, low1 = (np.column_stack([p, np.full(len(p), z0)]) for p in (ring_N2, after_N2))
        top0, top1 = (np.column_stack([p, np.full(len(p), z1)]) for p in (ring_N2, after_N2))
        self.add(
            np.concatenate([np.stack([low0, low1, top1], 1), np.stack([low0, top1, top0], 1)]),
            skin,
            base_m=base_m,
        )

    def quad(self, corners_43: Floats, skin: Skin, *, along_deg: float = 0.0) -> None:
        """Add a four-cornered face, counter-clockwise from outside."""
        self.add(_fan(np.asarray(corners_43, float)), skin, along_deg=along_deg)

    def cylinder(self, x: float, y: float, radius: float, z0: float, z1: float, skin: Skin) -> None:
        """Add an upright cylinder of eight sides with its lid."""
        angle = np.arange(8) * np.pi / 4
        ring_82 = np.column_stack([x + radius * np.cos(angle), y + radius * np.sin(angle)])
        self.walls(ring_82, z0, z1, skin)
        self.add(_fan(np.column_stack([ring_82, np.full(8, z1)])), skin)

    def gable(
        self, plot: Plot, z0: float, rise_m: float, roof: Skin, wall: Skin, overhang_m: float = 0.3
    ) -> None:
        """Add a gable roof over a plot, its ridge along the longer side, and the two gable walls."""
        long = plot.width_m >= plot.depth_m
        w, d = plot.width_m / 2 + overhang_m, plot.depth_m / 2 + overhang_m
        if long:
            local = [[-w, -d], [w, -d], [w, 0], [-w, 0], [w, d], [-w, d]]
            ends = ([[w, -d], [w, d], [w, 0]], [[-w, d], [-w, -d], [-w, 0]])
        else:
            local = [[w, -d], [w, d], [0, d], [0, -d], [-w, d], [-w, -d]]
            ends = ([[w, d], [-w, d], [0, d]], [[-w, -d], [w, -d], [0, -d]])
        xy = place(plot, np.array(local, float))
        z = np.array([z0, z0, z0 + rise_m, z0 + rise_m, z0, z0])
        points = np.column_stack([xy, z])
        along = plot.yaw_deg if long else plot.yaw_deg + 90
        self.quad(points[[0, 1, 2, 3]], roof, along_deg=along)
        self.quad(points[[3, 2, 4, 5]], roof, along_deg=along)
        for end in ends:
            face = np.column_stack([place(plot, np.array(end, float)), [z0, z0, z0 + rise_m]])
            self.add(face[None], wall, base_m=z0)


def _fan(ring_N3: Floats) -> Floats:
    count = len(ring_N3)
    return np.stack([[ring_N3[0], ring_N3[i], ring_N3[i + 1]] for i in range(1, count - 1)])


def joined(mesh: Mesh) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return all triangles (T, 3, 3) and their face rows (T, F)."""
    return np.concatenate(mesh.triangles), np.concatenate(mesh.faces)
