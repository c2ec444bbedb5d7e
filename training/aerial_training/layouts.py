"""Labelled pairs on disk: the folders A, B and label, and LEVIR-CD's own layout.

    <root>/A/<name>.png         the earlier date      <root>/train/A ...
    <root>/B/<name>.png         the later one         <root>/val/A ...
    <root>/label/<name>.png     what changed          <root>/test/A ...

Files of one pair share their stem. PNG, JPEG and TIFF are read. In a label grey above 127 is change;
of a picture with a palette every entry but the first is; a label that holds nothing above 1 is taken
as 0 and 1. The layout says neither the pixel size nor the direction of change: both are declared.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aerial.errors import InputError
from aerial_training.sample import EITHER, UNKNOWN, Sample

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
FOLDERS = ("A", "B", "label")
SPLITS = ("train", "val", "test")
# Crops are shown between these many times the pixel size that was asked for.
SCALES = (0.8, 1.25)

Split = Literal["train", "val", "test"]
Direction = Literal["appeared", "gone", "either"]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPair:
    """The three files of one pair."""

    name: str
    before: Path
    after: Path
    label: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class PairSet:
    """All pairs of a folder; ``gsd_m`` is the pixel size of every picture in it."""

    name: str
    gsd_m: float
    pairs: tuple[LabelledPair, ...]


def open_pairs(root: Path, gsd_m: float, split: Split | None = None) -> PairSet:
    """Return the pairs under ``root``, sorted by name; ``split`` picks one of LEVIR-CD's three.

    Without ``split`` a folder in LEVIR-CD's layout gives its test pairs.

    Raises:
        InputError: no such layout, a picture without its partners, two of one name, a picture that is
            not 8-bit or not as large as its partners (by the files' heads), or no pair at all.
    """
    if not 0.01 <= gsd_m <= 5:
        raise InputError(f"A pixel size of {gsd_m} m is not plausible.", hint="Give it in metres: 0.3.")
    folder = _layout(root, split)
    files = {name: _by_stem(folder / name) for name in FOLDERS}
    stems = set().union(*files.values())
    if not stems:
        raise InputError(f"{folder} holds no pairs.", hint=f"Put {', '.join(SUFFIXES)} in A, B and label.")
    for stem in sorted(stems):
        missing = [name for name in FOLDERS if stem not in files[name]]
        if missing:
            raise InputError(
                f"{folder}: {stem} has no partner in {' and '.join(missing)}.",
                hint="Give the three files of a pair the same name, or take the single ones away.",
            )
    name = root.resolve().name if folder == root else f"{root.resolve().name}/{folder.name}"
    pairs = tuple(
        LabelledPair(name=s, before=files["A"][s], after=files["B"][s], label=files["label"][s])
        for s in sorted(stems)
    )
    for pair in pairs:
        # Now, not hours later when a crop of it is drawn.
        heads = [_open(path, pixels=False) for path in (pair.before, pair.after, pair.label)]
        _require_one_size(pair.name, [head.size for head in heads])
    return PairSet(name=name, gsd_m=gsd_m, pairs=pairs)


def _layout(root: Path, split: Split | None) -> Path:
    plain = all((root / name).is_dir() for name in FOLDERS)
    if plain and split is None:
        return root
    folder = root / (split or "test")
    if all((folder / name).is_dir() for name in FOLDERS):
        return folder
    wanted = f"{folder.name}/A, {folder.name}/B and {folder.name}/label" if split else "A, B and label"
    raise InputError(
        f"{root} holds no folders {wanted}.",
        hint="Lay the pairs out as A, B and label, or as LEVIR-CD does: the three in train, val and test.",
    )


def _by_stem(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() not in SUFFIXES:
            continue
        if path.stem in found:
            raise InputError(
                f"{folder} holds both {found[path.stem].name} and {path.name}.", hint="Keep one of the two."
            )
        found[path.stem] = path
    return found


@lru_cache(maxsize=2)
def read_pair(pair: LabelledPair) -> tuple[Bytes, Bytes, Bytes]:
    """Return before and after as uint8 RGB (3, H, W), and the change (H, W): 1 or 0.

    Raises:
        InputError: a file cannot be read, is not 8-bit, or is not as large as its partners.
    """
    before_3HW, after_3HW = (_read_rgb(path) for path in (pair.before, pair.after))
    change_HW = read_label(pair.label)
    shapes = before_3HW.shape[1:], after_3HW.shape[1:], change_HW.shape
    _require_one_size(pair.name, [(width, height) for height, width in shapes])
    return before_3HW, after_3HW, change_HW


def _require_one_size(name: str, sizes: list[tuple[int, int]]) -> None:
    if len(set(sizes)) > 1:
        told = ", ".join(
            f"{folder} {width} x {height}" for folder, (width, height) in zip(FOLDERS, sizes, strict=True)
        )
        raise InputError(
            f"The pictures of {name} differ in size: {told}.",
            hint="Resample them to one pixel grid, label and both dates alike.",
        )


def _read_rgb(path: Path) -> Bytes:
    image = _open(path)
    return np.ascontiguousarray(np.moveaxis(np.asarray(image.convert("RGB")), -1, 0))


def read_label(path: Path) -> Bytes:
    """Return what a label says of each pixel (H, W): 1 changed, 0 not; see the module for the rule."""
    image = _open(path)
    values = np.asarray(image if image.mode in ("P", "1") else image.convert("L"))
    binary = image.mode in ("P", "1") or values.max(initial=0) <= 1
    return np.asarray(values > (0 if binary else 127), np.uint8)


def _open(path: Path, *, pixels: bool = True) -> Image.Image:
    try:
        with Image.open(path) as image:
            if pixels:
                image.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as exc:
        raise InputError(f"{path} cannot be read: {exc}", hint="Export it again as 8-bit PNG.") from exc
    if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA"):
        raise InputError(
            f"{path} is not an 8-bit picture (its mode is {image.mode}).",
            hint="Export it with 8 bits a channel: what the network sees must be what people see.",
        )
    return image


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledSamples:
    """Crops of labelled pairs as training samples; the same index gives the same crop in any process.

    Crops are turned, mirrored, shown a little larger or smaller, and their dates swapped. With the
    direction ``either`` nobody knows whether a change appeared or went, and the network is asked for
    one of the two. Buildings are unknown where nothing is said of them.
    """

    pairs: PairSet
    side_px: int
    gsd_m: float
    seed: int
    direction: Direction = "either"

    def sample(self, index: int) -> Sample:
        """Return sample number ``index``, ``side_px`` a side at ``gsd_m``."""
        rng = np.random.default_rng([self.seed, index, 13])
        pair = self.pairs.pairs[int(rng.integers(len(self.pairs.pairs)))]
        before_3HW, after_3HW, change_HW = read_pair(pair)
        own_px = max(8, round(self.side_px * self.gsd_m * rng.uniform(*SCALES) / self.pairs.gsd_m))
        corner = [_start(rng, length, own_px) for length in change_HW.shape]
        before, after = (cut(p, corner, own_px, self.side_px) for p in (before_3HW, after_3HW))
        changed_HW = cut_truth(change_HW, corner, own_px, self.side_px)
        made = as_sample(before, after, changed_HW, self.direction, self.gsd_m)
        return augmented(made, rng)


def as_sample(
    before_3HW: Bytes, after_3HW: Bytes, change_HW: Bytes, direction: Direction, gsd_m: float
) -> Sample:
    """Return a sample of two pictures and where they changed (1, 0, ``UNKNOWN``)."""
    unknown = np.full(change_HW.shape, UNKNOWN, np.uint8)
    other = np.where(change_HW == UNKNOWN, UNKNOWN, 0).astype(np.uint8)
    either = np.where(change_HW == 1, EITHER, change_HW).astype(np.uint8)
    appeared, gone = {
        "appeared": (change_HW, other),
        "gone": (other, change_HW),
        "either": (either, either.copy()),
    }[direction]
    # A building that appeared stands afterwards; whether one stood there before, nobody said.
    stands = np.where(change_HW == 1, 1, UNKNOWN).astype(np.uint8)
    return Sample(
        before_3HW=before_3HW,
        after_3HW=after_3HW,
        appeared_HW=appeared,
        gone_HW=gone,
        building_before_HW=stands if direction == "gone" else unknown,
        building_after_HW=stands if direction == "appeared" else unknown.copy(),
        height_change_HW=None,
        gsd_m=gsd_m,
    )


def augmented(sample: Sample, rng: np.random.Generator) -> Sample:
    """Return the sample turned by quarters, mirrored, and half of the time with its dates swapped."""
    turns, mirror, swap = int(rng.integers(4)), bool(rng.integers(2)), bool(rng.integers(2))

    def turned(array: NDArray[np.generic]) -> NDArray[np.generic]:
        moved = np.rot90(array, turns, axes=(-2, -1))
        return np.ascontiguousarray(moved[..., ::-1] if mirror else moved)

    dates = [
        (sample.before_3HW, sample.gone_HW, sample.building_before_HW),
        (sample.after_3HW, sample.appeared_HW, sample.building_after_HW),
    ]
    first, second = ([np.asarray(turned(a), np.uint8) for a in d] for d in (dates[::-1] if swap else dates))
    change = sample.height_change_HW
    if change is not None:
        change = np.asarray(turned(-change if swap else change), np.float32)
    return Sample(
        before_3HW=first[0],
        after_3HW=second[0],
        appeared_HW=second[1],
        gone_HW=first[1],
        building_before_HW=first[2],
        building_after_HW=second[2],
        height_change_HW=change,
        gsd_m=sample.gsd_m,
    )


def _start(rng: np.random.Generator, length_px: int, crop_px: int) -> int:
    """Return where a crop begins; a picture smaller than it lies in its middle."""
    room = length_px - crop_px
    return int(rng.integers(room + 1)) if room >= 0 else room // 2


def cut(image_3HW: Bytes, corner: list[int], own_px: int, side_px: int) -> Bytes:
    """Return a square of a picture resampled to ``side_px``; beyond its rim the mean colour."""
    mean_3 = image_3HW.reshape(3, -1).mean(axis=1)
    whole = np.broadcast_to(mean_3.astype(np.uint8)[:, None, None], (3, own_px, own_px)).copy()
    _paste(whole, image_3HW, corner)
    method = cv2.INTER_AREA if own_px > side_px else cv2.INTER_CUBIC
    resized = cv2.resize(
        np.ascontiguousarray(np.moveaxis(whole, 0, -1)), (side_px, side_px), interpolation=method
    )
    return np.ascontiguousarray(np.moveaxis(resized, -1, 0), np.uint8)


def cut_truth(truth_HW: Bytes, corner: list[int], own_px: int, side_px: int) -> Bytes:
    """Return a square of a truth map (1, 0, ``UNKNOWN``); unknown beyond the rim."""
    whole = np.full((own_px, own_px), UNKNOWN, np.uint8)
    _paste(whole, truth_HW, corner)
    method = cv2.INTER_AREA if own_px > side_px else cv2.INTER_LINEAR
    changed, unknown = (
        cv2.resize((whole == value).astype(np.float32), (side_px, side_px), interpolation=method)
        for value in (1, UNKNOWN)
    )
    return np.where(unknown > 0, UNKNOWN, changed >= 0.5).astype(np.uint8)


def _paste(whole: Bytes, part: Bytes, corner: list[int]) -> None:
    """Copy what a square at ``corner`` (row, column) sees of ``part`` into ``whole``."""
    (row, column), side = corner, whole.shape[-1]
    top, left = max(row, 0), max(column, 0)
    seen = part[..., top : row + side, left : column + side]
    whole[..., top - row : top - row + seen.shape[-2], left - column : left - column + seen.shape[-1]] = seen
