"""Source pictures of the synthesiser, decoded once, on one pixel size, shared between processes."""

import json
import math
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial.errors import InputError
from aerial_training.synthesis.outlines import Ring, instances, locate, rings_in_tile_pixels, snapped

LEVEL_GSD_M = 0.15
"""Pixel size of the finest level kept; the next has twice that."""
_VERSION = 5
_EQUATOR_M = 40075016.686
TRAINING_SITES = (1, 3, 5)
"""Sites of the drone blocks; the others are kept out for scoring."""
_SITE_ZOOM = 21
_BANEPA_ZOOM, _BANEPA_TILE_PX = 19, 512
_BANEPA_TILE_X, _BANEPA_TILE_Y = 386683, 220234
_BANEPA_LATITUDE = 27.63
_NEON_GSD_M = 0.10


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture at 0.15 m and 0.3 m, its building instances, and what is known of it.

    ``levels``: (H, W, 3) uint8 RGB, memory-mapped. ``ids_HW``: uint16, 0 no building, bit ``DOUBTFUL``:
    outline unsure. ``rings``: outlines in pixels of level 0. ``clean``: whether each lies on real edges.
    ``kind``: ``labelled``, ``unlabelled`` (buildings unknown), ``wild`` (no buildings at all). ``twin``:
    number of the other date of a real pair, or -1.
    """

    levels: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    ids_HW: NDArray[np.uint16]
    rings: tuple[Ring, ...]
    clean: tuple[bool, ...]
    kind: str
    twin: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Raw:
    name: str
    image_HW3: NDArray[np.uint8]
    rings: list[Ring]
    clean: list[bool]
    kind: str
    twin: str


def _tile_gsd_m(latitude: float, zoom: int, tile_px: int) -> float:
    return _EQUATOR_M * math.cos(math.radians(latitude)) / float(tile_px * 2**zoom)


def _read_rgb(path: Path) -> NDArray[np.uint8]:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f"cannot read {path.name}", hint="Fetch the picture again; the file is damaged.")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


def _resampled(image_HW3: NDArray[np.uint8], gsd_m: float) -> NDArray[np.uint8]:
    scale = gsd_m / LEVEL_GSD_M
    size = (max(int(image_HW3.shape[1] * scale), 8), max(int(image_HW3.shape[0] * scale), 8))
    return np.asarray(cv2.resize(image_HW3, size, interpolation=cv2.INTER_AREA))


def _drone_blocks(folder: Path) -> Iterator[_Raw]:
    for site in TRAINING_SITES:
        labels = folder / f"site{site}_labels.geojson"
        if not labels.exists():
            continue
        rings = rings_in_tile_pixels(labels, _SITE_ZOOM)
        latitude = _mean_latitude(labels)
        gsd_m = _tile_gsd_m(latitude, _SITE_ZOOM, 256)
        for path in sorted(folder.glob(f"site{site}_*.jpg")):
            mask = cv2.imread(str(path.with_name(f"{path.stem}_mask.png")), cv2.IMREAD_GRAYSCALE)
            offset = None if mask is None else locate(np.asarray(mask, dtype=np.uint8), rings)
            if offset is None:
                continue
            yield _labelled(path.stem, _resampled(_read_rgb(path), gsd_m), rings, offset, gsd_m)


def _mean_latitude(labels: Path) -> float:
    first = json.loads(labels.read_text(encoding="utf-8"))["features"][0]["geometry"]["coordinates"]
    return float(np.asarray(first[0], dtype=np.float64).reshape(-1, 2)[0, 1])


def _labelled(
    name: str, image: NDArray[np.uint8], rings: list[Ring], offset: tuple[int, int], gsd_m: float
) -> _Raw:
    scale = gsd_m / LEVEL_GSD_M
    here = [(ring - offset) * scale for ring in rings]
    size = (image.shape[1], image.shape[0])
    here = [ring for ring in here if (ring.max(axis=0) > 0).all() and (ring.min(axis=0) < size).all()]
    moved, clean = snapped(image, here, LEVEL_GSD_M)
    return _Raw(name=name, image_HW3=image, rings=moved, clean=clean, kind="labelled", twin="")


def _banepa(folder: Path) -> Iterator[_Raw]:
    labels = folder / "osm_buildings.geojson"
    if not labels.exists():
        return
    gsd_m = _tile_gsd_m(_BANEPA_LATITUDE, _BANEPA_ZOOM, _BANEPA_TILE_PX)
    rings = rings_in_tile_pixels(labels, _BANEPA_ZOOM, _BANEPA_TILE_PX)
    for path in sorted(folder.glob("images/*.jpg")):
        found = re.fullmatch(r"banepa_x(\d+)_y(\d+)", path.stem)
        if found is None:
            continue
        offset = (
            _BANEPA_TILE_X * _BANEPA_TILE_PX + int(found[1]),
            _BANEPA_TILE_Y * _BANEPA_TILE_PX + int(found[2]),
        )
        yield _labelled(path.stem, _resampled(_read_rgb(path), gsd_m), rings, offset, gsd_m)
    for path in sorted(folder.glob("unlabelled/images/*.jpg")):
        image = _resampled(_read_rgb(path), gsd_m)
        yield _Raw(name=path.stem, image_HW3=image, rings=[], clean=[], kind="unlabelled", twin="")


def _neon(folder: Path) -> Iterator[_Raw]:
    for path in sorted(folder.glob("images/*.jpg")) + sorted(folder.glob("pairs/[AB]/*.jpg")):
        side = path.parent.name
        twin = {"A": f"B/{path.stem}", "B": f"A/{path.stem}"}.get(side, "")
        image = _resampled(_read_rgb(path), _NEON_GSD_M)
        yield _Raw(name=f"{side}/{path.stem}", image_HW3=image, rings=[], clean=[], kind="wild", twin=twin)


def prepare(data: Path, cache: Path) -> Path:
    """Decode every source under ``data`` into ``cache`` unless it is there, and return the folder.

    ``data`` holds ``drone_blocks``, ``banepa_oam`` and ``neon_trees`` (any of them may be absent). Safe to
    call from several processes: each writes beside, the first rename wins.
    """
    folder = cache / f"pictures-{_VERSION}"
    if (folder / "index.json").exists():
        return folder
    if not data.is_dir():
        raise InputError(
            f"no training data at {data}", hint="Set AERIAL_DATA to the folder of the real data."
        )
    cache.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix="pictures-", dir=cache))
    try:
        entries: list[dict[str, object]] = []
        for group in (
            _drone_blocks(data / "drone_blocks"),
            _banepa(data / "banepa_oam"),
            _neon(data / "neon_trees"),
        ):
            for raw in group:
                entries.append(_write(building, len(entries), raw))
        if not entries:
            raise InputError(
                f"no source pictures under {data}",
                hint="Put drone_blocks, banepa_oam or neon_trees below the data folder.",
            )
        (building / "index.json").write_text(json.dumps(entries), encoding="utf-8")
        if not folder.exists():
            building.replace(folder)
    except OSError:
        if not (folder / "index.json").exists():
            raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return folder


def _write(folder: Path, number: int, raw: _Raw) -> dict[str, object]:
    image = raw.image_HW3
    half = cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)
    np.save(folder / f"{number:04d}-0.npy", image)
    np.save(folder / f"{number:04d}-1.npy", half)
    np.save(folder / f"{number:04d}-ids.npy", instances(image.shape[:2], raw.rings, raw.clean))
    rings = [np.round(ring, 2).tolist() for ring in raw.rings]
    return {"name": raw.name, "kind": raw.kind, "twin": raw.twin, "rings": rings, "clean": raw.clean}


def load(folder: Path) -> list[Picture]:
    """Open every prepared picture, memory-mapped."""
    entries = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    numbers = {entry["name"]: number for number, entry in enumerate(entries)}
    return [
        Picture(
            levels=(
                np.load(folder / f"{number:04d}-0.npy", mmap_mode="r"),
                np.load(folder / f"{number:04d}-1.npy", mmap_mode="r"),
            ),
            ids_HW=np.load(folder / f"{number:04d}-ids.npy", mmap_mode="r"),
            rings=tuple(np.asarray(ring, dtype=np.float64) for ring in entry["rings"]),
            clean=tuple(entry["clean"]),
            kind=entry["kind"],
            twin=numbers.get(entry["twin"], -1),
        )
        for number, entry in enumerate(entries)
    ]
