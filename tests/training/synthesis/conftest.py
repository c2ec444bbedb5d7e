"""A tiny generated source of pictures: one block with four roofs, one piece of forest, one pair of it."""

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from aerial_training.synthesis import PairSynthesiser

_ZOOM, _TILE = 21, 256
_LEFT, _TOP = 1_200_000 * _TILE, 1_050_000 * _TILE


def _lonlat(x: float, y: float) -> list[float]:
    world = float(_TILE * 2**_ZOOM)
    latitude = math.degrees(math.atan(math.sinh(math.pi * (1 - 2 * (y + _TOP) / world))))
    return [(x + _LEFT) / world * 360 - 180, latitude]


def _block(folder: Path) -> None:
    rng = np.random.default_rng(1)
    folder.mkdir(parents=True)
    image = np.clip(rng.normal((90, 120, 100), 9, (1536, 1536, 3)), 0, 255).astype(np.uint8)
    mask = np.zeros(image.shape[:2], np.uint8)
    features = []
    for x, y, width, height in (
        (200, 220, 260, 140),
        (700, 260, 160, 230),
        (300, 900, 420, 200),
        (1000, 1000, 150, 150),
    ):
        cv2.rectangle(image, (x, y), (x + width, y + height), (70, 80, 190), -1)
        cv2.rectangle(mask, (x, y), (x + width, y + height), 255, -1)
        ring = [(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)]
        outline = {"type": "Polygon", "coordinates": [[_lonlat(*corner) for corner in ring]]}
        features.append({"type": "Feature", "properties": {}, "geometry": outline})
    cv2.imwrite(str(folder / "site1_0.jpg"), image)
    cv2.imwrite(str(folder / "site1_0_mask.png"), mask)
    labels = {"type": "FeatureCollection", "features": features}
    (folder / "site1_labels.geojson").write_text(json.dumps(labels), encoding="utf-8")


def _forest(folder: Path) -> None:
    rng = np.random.default_rng(2)
    for name in ("images", "pairs/A", "pairs/B"):
        (folder / name).mkdir(parents=True)
        small = np.clip(rng.normal((50, 95, 60), 22, (100, 100, 3)), 0, 255).astype(np.uint8)
        cv2.imwrite(
            str(folder / name / "P_001.jpg"), cv2.resize(small, (400, 400), interpolation=cv2.INTER_CUBIC)
        )


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out as the real one."""
    folder = tmp_path_factory.mktemp("data")
    _block(folder / "drone_blocks")
    _forest(folder / "neon_trees")
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the prepared pictures and the bank lie."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def synthesiser(data: Path, cache: Path) -> PairSynthesiser:
    """A synthesiser of the tiny source."""
    return PairSynthesiser(data, 5, cache=cache, size_px=128)
