"""Things that are laid on the ground: colour, alpha, outline and slopes, packed for sharing."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]  # (N, 2) x to the right, y downwards, metres from the middle of the thing


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """One plane of a roof: its corners in metres, and where it faces.

    ``facing``: (x, y) horizontal part of the unit normal, (0, 0) for flat.
    """

    corners: Points
    facing: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sprite:
    """A thing seen from above.

    ``rgba_HW4``: uint8, colour without the sun's direction. ``gsd_m``: its pixel size. ``outline``: ring
    in metres around its middle. ``kind``: ``shed``, ``house``, ``hall``, ``giant``, ``block``,
    ``walls`` (buildings); ``slab``, ``frame``, ``tree``, ``hedge``, ``car``, ``lorry``, ``goods``,
    ``tarp``, ``court``, ``greenhouse``, ``box`` (no buildings by themselves).
    ``real``: cut from a picture, with its own light.
    """

    rgba_HW4: NDArray[np.uint8]
    gsd_m: float
    outline: Points
    facets: tuple[Facet, ...]
    kind: str
    real: bool

    def colour(self) -> NDArray[np.float64]:
        """Mean colour of what is opaque."""
        few = np.asarray(self.rgba_HW4[::4, ::4]).reshape(-1, 4)
        weight = few[:, 3:].astype(np.float64) + 1e-3
        return np.asarray((few[:, :3] * weight).sum(axis=0) / weight.sum())

    @property
    def size_m(self) -> tuple[float, float]:
        """Width and height of the outline's box."""
        extent = np.ptp(self.outline, axis=0)
        return float(extent[0]), float(extent[1])


def save(folder: Path, sprites: Sequence[Sprite]) -> None:
    """Write ``sprites`` as one pixel file and one description."""
    entries = []
    start = 0
    for sprite in sprites:
        entries.append(
            {
                "start": start,
                "shape": list(sprite.rgba_HW4.shape),
                "gsd_m": sprite.gsd_m,
                "outline": np.round(sprite.outline, 3).tolist(),
                "facets": [
                    [np.round(facet.corners, 3).tolist(), [round(float(part), 4) for part in facet.facing]]
                    for facet in sprite.facets
                ],
                "kind": sprite.kind,
                "real": sprite.real,
            }
        )
        start += sprite.rgba_HW4.size
    pixels = np.lib.format.open_memmap(folder / "sprites.npy", "w+", np.uint8, (max(start, 1),))
    for sprite, entry in zip(sprites, entries, strict=True):
        at = int(str(entry["start"]))
        pixels[at : at + sprite.rgba_HW4.size] = sprite.rgba_HW4.ravel()
    pixels.flush()
    (folder / "sprites.json").write_text(json.dumps(entries), encoding="utf-8")


def load(folder: Path) -> list[Sprite]:
    """Open every sprite, memory-mapped."""
    pixels = np.load(folder / "sprites.npy", mmap_mode="r")
    entries = json.loads((folder / "sprites.json").read_text(encoding="utf-8"))
    return [
        Sprite(
            rgba_HW4=pixels[entry["start"] : entry["start"] + int(np.prod(entry["shape"]))].reshape(
                entry["shape"]
            ),
            gsd_m=entry["gsd_m"],
            outline=np.asarray(entry["outline"], dtype=np.float64),
            facets=tuple(
                Facet(corners=np.asarray(corners, dtype=np.float64), facing=(facing[0], facing[1]))
                for corners, facing in entry["facets"]
            ),
            kind=entry["kind"],
            real=entry["real"],
        )
        for entry in entries
    ]
