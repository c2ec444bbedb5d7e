"""The bank of things to paste: buildings cut from pictures, drawn roofs, crowns, vehicles and the rest."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial_training.synthesis import roofs, things
from aerial_training.synthesis.outlines import Ring
from aerial_training.synthesis.sources import LEVEL_GSD_M, Picture
from aerial_training.synthesis.sprites import Sprite, save
from aerial_training.synthesis.texture import Rng

_VERSION = 8
_SEED = 20240611
_PROCEDURAL = {"shed": 160, "house": 420, "hall": 260, "giant": 70, "block": 320, "walls": 70}
_OTHERS = {
    "tree": 420,
    "hedge": 90,
    "car": 90,
    "lorry": 50,
    "goods": 90,
    "tarp": 70,
    "court": 140,
    "greenhouse": 14,
}
_STAGES = {"pad": 50, "slab": 60, "frame": 40}


def prepare(pictures: Sequence[Picture], cache: Path) -> Path:
    """Draw and cut the whole bank into ``cache`` unless it is there, and return its folder.

    The bank is the same for every seed: it depends on the pictures alone.
    """
    folder = cache / f"bank-{_VERSION}"
    if (folder / "sprites.json").exists():
        return folder
    building = Path(tempfile.mkdtemp(prefix="bank-", dir=cache))
    try:
        save(building, _draw(pictures))
        if not folder.exists():
            building.replace(folder)
    except OSError:
        if not (folder / "sprites.json").exists():
            raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return folder


def _draw(pictures: Sequence[Picture]) -> list[Sprite]:
    rng = np.random.default_rng(_SEED)
    bank = [sprite for picture in pictures for sprite in _cut(picture)]
    for kind, count in _PROCEDURAL.items():
        bank += [_building(rng, kind) for _ in range(count)]
    leaves = _leaves(rng, pictures)
    for kind, count in _OTHERS.items():
        bank += [_other(rng, kind, leaves) for _ in range(count)]
    for kind, count in _STAGES.items():
        bank += [things.stage(rng, kind, *_extent(rng, 30, 400)) for _ in range(count)]
    return bank


def _extent(rng: Rng, low_m2: float, high_m2: float, slender: float = 2.5) -> tuple[float, float]:
    """Width and length of a box whose area is log-uniform between the two."""
    area = float(np.exp(rng.uniform(np.log(low_m2), np.log(high_m2))))
    ratio = float(np.exp(rng.uniform(0, np.log(slender))))
    sides = np.sqrt(area / ratio), np.sqrt(area * ratio)
    return (float(sides[0]), float(sides[1])) if rng.random() < 0.5 else (float(sides[1]), float(sides[0]))


def _building(rng: Rng, kind: str) -> Sprite:
    if kind == "shed":
        draw = roofs.steel if rng.random() < 0.75 else roofs.flat
        return draw(rng, *_extent(rng, 6, 45), kind=kind)
    if kind == "house":
        draw = roofs.pitched if rng.random() < 0.8 else roofs.flat
        return draw(rng, *_extent(rng, 50, 420, 2.2), kind=kind)
    if kind == "hall":
        draw = roofs.steel if rng.random() < 0.75 else roofs.flat
        return draw(rng, *_extent(rng, 250, 6000, 3.5), kind=kind)
    if kind == "giant":
        draw = roofs.steel if rng.random() < 0.55 else roofs.flat
        return draw(rng, *_extent(rng, 3500, 18000, 3.0), kind=kind)
    if kind == "block":
        draw = roofs.flat if rng.random() < 0.85 else roofs.pitched
        return draw(rng, *_extent(rng, 60, 1500, 5.0), kind=kind)
    return things.stage(rng, "walls", *_extent(rng, 20, 300))


def _other(rng: Rng, kind: str, leaves: Sequence[NDArray[np.uint8]]) -> Sprite:
    if kind in ("tree", "hedge"):
        return things.tree(rng, leaves[int(rng.integers(len(leaves)))], hedge=kind == "hedge")
    if kind in ("car", "lorry"):
        return things.vehicle(rng, lorry=kind == "lorry")
    if kind == "goods":
        return things.goods(rng)
    if kind == "tarp":
        return things.tarp(rng)
    return things.court(rng) if kind == "court" else things.greenhouse(rng)


def _leaves(rng: Rng, pictures: Sequence[Picture]) -> list[NDArray[np.uint8]]:
    """Pieces of about 12 m that are nearly all green, from every picture; noise where there are none."""
    pieces: list[NDArray[np.uint8]] = []
    for picture in pictures:
        image = picture.levels[0]
        tries = 6 if picture.kind == "wild" else 60
        for _ in range(tries):
            side = int(rng.integers(24, 90))
            if min(image.shape[:2]) <= side:
                continue
            y, x = int(rng.integers(image.shape[0] - side)), int(rng.integers(image.shape[1] - side))
            piece = np.array(image[y : y + side, x : x + side])
            if picture.ids_HW[y : y + side, x : x + side].any():
                continue
            red, green, blue = (piece[..., channel].astype(np.int32) for channel in range(3))
            if (2 * green - red - blue > 12).mean() > 0.85 and piece.std() > 14:
                pieces.append(piece)
    if not pieces:
        noise = rng.normal(0, 18, (40, 40, 1)) + np.array([70, 95, 55])
        pieces.append(np.clip(noise, 0, 255).astype(np.uint8))
    return pieces


def _cut(picture: Picture) -> list[Sprite]:
    """Every building of ``picture`` whose outline lies on real edges, as it stands there."""
    found = []
    for ring, clean in zip(picture.rings, picture.clean, strict=True):
        if clean and (sprite := _cutout(picture, ring)) is not None:
            found.append(sprite)
    return found


def _cutout(picture: Picture, ring: Ring) -> Sprite | None:
    low, high = np.floor(ring.min(axis=0)).astype(int) - 4, np.ceil(ring.max(axis=0)).astype(int) + 5
    height, width = picture.ids_HW.shape
    area_m2 = abs(float(cv2.contourArea(ring.astype(np.float32)))) * LEVEL_GSD_M**2
    if (low < 0).any() or high[0] > width or high[1] > height or area_m2 < 6:
        return None
    image = np.array(picture.levels[0][low[1] : high[1], low[0] : high[0]])
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round((ring - low) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    red, green, blue = (image[..., channel].astype(np.int32) for channel in range(3))
    leafy = ((2 * green - red - blue > 24) & (mask > 127)).sum() / max((mask > 127).sum(), 1)
    if leafy > 0.25:
        return None
    outline = (ring - (low + high) / 2) * LEVEL_GSD_M
    kind = "shed" if area_m2 < 40 else "house" if area_m2 < 250 else "hall"
    # A quarter turn of the light with the building is what makes a paste look pasted; so real ones keep
    # theirs and are marked.
    return Sprite(
        rgba_HW4=np.dstack([image, mask]), gsd_m=LEVEL_GSD_M, outline=outline, facets=(), kind=kind, real=True
    )
