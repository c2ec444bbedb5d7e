"""Simulated towns at two epochs, rendered once: every change, its height, and what is none, are known."""

import json
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Polygon, box

from aerial.simulate import changes, distractors, layout, scene
from aerial.simulate.photograph import tone_curve
from aerial.simulate.presets import Preset, preset_named, stream
from aerial.simulate.shade import Light, look, sunlight
from aerial.simulate.town import Town, outline
from aerial_training.synthesis.sources import LEVEL_GSD_M, Picture

_VERSION = 1
_FIRST_SEED = 730_000
_HALF_M = 105.0
_START_M = 200.0
_ROWS = 200
APPEARED, GONE, OPEN = 1, 2, 4
_CHANGES = {
    "house": 9, "farm_shed": 8, "floor": 3, "roof_shed": 6, "roof_room": 8, "roof_box": 6, "annex": 7,
    "demolition": 7, "excavation": 2,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TownPair:
    """Two epochs of one town at 0.15 m.

    ``epochs``: what each looks like, its buildings. ``truth_HW``: by epoch, uint8 bits ``APPEARED``,
    ``GONE``, ``OPEN`` (facades: nobody says). ``rise_HW``: float16 metres, after minus before.
    """

    epochs: tuple[Picture, Picture]
    truths_HW: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    rise_HW: NDArray[np.float16]


def prepare(count: int, cache: Path) -> Path:
    """Render ``count`` towns into ``cache`` unless they are there (about 10 s of processor time each)."""
    folder = cache / f"towns-{_VERSION}"
    cache.mkdir(parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True)
    for number in range(count):
        place = folder / f"{number:03d}"
        if (place / "town.json").exists():
            continue
        building = Path(tempfile.mkdtemp(prefix="town-", dir=cache))
        try:
            _render(building, _FIRST_SEED + number)
            building.replace(place)
        except OSError:
            if not (place / "town.json").exists():
                raise
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return folder


def load(folder: Path, count: int) -> list[TownPair]:
    """Open ``count`` towns, memory-mapped."""
    return [_opened(folder / f"{number:03d}") for number in range(count)]


def _opened(place: Path) -> TownPair:
    def plane(name: str) -> NDArray[np.uint8]:
        return np.asanyarray(np.load(place / f"{name}.npy", mmap_mode="r"))

    epochs = tuple(
        Picture(
            levels=(plane(f"{epoch}-0"), plane(f"{epoch}-1")),
            ids_HW=np.load(place / f"{epoch}-ids.npy", mmap_mode="r"),
            rings=(),
            clean=(),
            kind="town",
            twin=-1,
        )
        for epoch in "01"
    )
    return TownPair(
        epochs=(epochs[0], epochs[1]),
        truths_HW=(plane("0-truth"), plane("1-truth")),
        rise_HW=np.load(place / "rise.npy", mmap_mode="r"),
    )


def _render(place: Path, seed: int) -> None:
    preset = replace(preset_named("demo"), changes=_CHANGES, permitted=0)
    half = (_HALF_M, _HALF_M)
    cell = box(-_HALF_M + 4, -_HALF_M + 4, _HALF_M - 4, _HALF_M - 4)
    history = changes.happen(layout.lay_out(preset, seed, half), preset, seed, cell)
    after, _ = distractors.scatter(history, seed, cell)
    rng = stream(seed, "epochs")
    tops = []
    for epoch, town in enumerate((history.before, after)):
        top = _epoch(place, rng, preset, seed, epoch, town, history.changes)
        tops.append(top)
    np.save(place / "rise.npy", (tops[1] - tops[0]).astype(np.float16))
    (place / "town.json").write_text(
        json.dumps({"seed": seed, "changes": len(history.changes)}), encoding="utf-8"
    )


def _epoch(
    place: Path,
    rng: np.random.Generator,
    preset: Preset,
    seed: int,
    epoch: int,
    town: Town,
    happened: tuple[changes.Change, ...],
) -> NDArray[np.float32]:
    """Write one epoch's picture and truth; return its surface from straight above."""
    built = scene.build(town, preset, seed, epoch + 1)
    xs = np.arange(-_HALF_M, _HALF_M, LEVEL_GSD_M) + LEVEL_GSD_M / 2
    x_HW, y_HW = np.meshgrid(xs, -xs)
    top_HW = scene.drop(built.embree, x_HW, y_HW)
    light = sunlight(float(rng.uniform(32, 70)), float(rng.uniform(80, 280)), float(rng.uniform(0, 1)))
    lean = rng.normal(0, 0.09, 2)
    image, hit_HW3 = _seen(built, light, x_HW, y_HW, lean, float(np.median(top_HW)))
    column = np.clip((hit_HW3[..., 0] + _HALF_M) / LEVEL_GSD_M, 0, len(xs) - 1).astype(np.int32)
    row = np.clip((_HALF_M - hit_HW3[..., 1]) / LEVEL_GSD_M, 0, len(xs) - 1).astype(np.int32)
    ids, truth = _plan(town, happened, epoch, len(xs))
    ids, truth = ids[row, column], truth[row, column]
    wall = (ids > 0) & (hit_HW3[..., 2] < top_HW[row, column] - 0.7)
    truth[wall] |= OPEN
    half = cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)
    for name, plane in (("0", image), ("1", half), ("ids", ids), ("truth", truth)):
        np.save(place / f"{epoch}-{name}.npy", plane)
    return top_HW


def _seen(
    built: scene.Scene,
    light: Light,
    x_HW: NDArray[np.float64],
    y_HW: NDArray[np.float64],
    lean: NDArray[np.float64],
    level_m: float,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The town by parallel rays, and the point that each pixel shows."""
    ray = np.array([-lean[0], -lean[1], -1.0])
    ray /= np.linalg.norm(ray)
    reach = (_START_M - level_m) / -ray[2]
    curve = tone_curve()
    image = np.empty((*x_HW.shape, 3), np.uint8)
    hit_HW3 = np.empty((*x_HW.shape, 3), np.float32)
    for start in range(0, len(x_HW), _ROWS):
        rows = np.s_[start : start + _ROWS]
        shape = x_HW[rows].shape
        origins = np.column_stack(
            [
                x_HW[rows].ravel() - ray[0] * reach,
                y_HW[rows].ravel() - ray[1] * reach,
                np.full(x_HW[rows].size, _START_M),
            ]
        ).astype(np.float32)
        rays = np.ascontiguousarray(np.broadcast_to(ray.astype(np.float32), origins.shape))
        radiance, far = look(built, origins, rays, light, 0.0)
        image[rows] = curve[np.clip(radiance * 0.98 * 4095, 0, 4095).astype(np.uint16)].reshape(*shape, 3)
        hit_HW3[rows] = (origins + rays * np.minimum(far, 1e4)[:, None]).reshape(*shape, 3)
    return image, hit_HW3


def _plan(
    town: Town, happened: tuple[changes.Change, ...], epoch: int, side: int
) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """Buildings and changes of one epoch, drawn in plan."""
    ids, truth = np.zeros((side, side), np.uint16), np.zeros((side, side), np.uint8)
    for number, building in enumerate(town.buildings, start=1):
        cv2.fillPoly(ids, [_pixels(outline(building.plot))], number % 1000 + 1)
    for change in happened:
        if change.kind in ("new", "extended", "rooftop") and epoch == 1:
            cv2.fillPoly(truth, [_pixels(change.outline)], APPEARED)
        elif change.kind == "demolished" and epoch == 0:
            cv2.fillPoly(truth, [_pixels(change.outline)], GONE)
    return ids, truth


def _pixels(shape: Polygon) -> NDArray[np.int32]:
    ring = np.asarray(shape.exterior.coords)[:-1]
    columns_rows = np.stack([ring[:, 0] + _HALF_M, _HALF_M - ring[:, 1]], axis=1) / LEVEL_GSD_M - 0.5
    return np.asarray(np.round(columns_rows), dtype=np.int32)
