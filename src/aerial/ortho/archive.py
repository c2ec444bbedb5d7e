"""The ``block/`` folder of a survey: features, poses and tie points that later surveys join.

``block.json`` (written last) names the frame, the lenses and the photographs; ``NNNNNN.npz`` holds
each photograph's features, ``points.npz`` the tie points and who sees them. No pickles. Poses are
stored as the very numbers that were adjusted: read back they are the same to the last bit.
"""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pycolmap
from numpy.typing import NDArray

from aerial.camera import Pose
from aerial.codec import read_json, replacing, write_json
from aerial.errors import InputError, StitchError
from aerial.ortho.matching import Lens

Floats = NDArray[np.float64]

FORMAT = 1
# All features that became tie points, and the largest others up to this number: what a later survey
# can recognise, at a third of the disk and of the matching.
KEPT_FEATURES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPhoto:
    """A photograph of a stored block; ``lens`` indexes ``StoredBlock.lenses``. Pose as in ``Block``."""

    file: str
    lens: int
    pose: Pose


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """``keypoints_N2`` (column, row, in pixels of the working size) and ``descriptors_ND`` (uint8)."""

    keypoints_N2: NDArray[np.float32]
    descriptors_ND: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBlock:
    """A block as later surveys join it; features stay on disk (``read_features``).

    ``parameters_L8``: OPENCV parameters of each lens at its working size. ``points_N3`` in the frame
    of the block; ``observations_M3``: rows of (point, photograph, feature).
    """

    crs: str
    origin_3: Floats
    ce95_m: float | None
    lenses: tuple[Lens, ...]
    parameters_L8: Floats
    photos: tuple[StoredPhoto, ...]
    points_N3: Floats
    observations_M3: NDArray[np.int64]


def write_archive(block: StoredBlock, features: Iterable[Features], folder: Path) -> None:
    """Write ``folder``; a reader finds it whole or not at all (``block.json`` is written last).

    ``features`` of each of ``block.photos``, taken one at a time.
    """
    (folder / "block.json").unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for index, one in zip(range(len(block.photos)), features, strict=True):
        _save(_features_file(folder, index), keypoints=one.keypoints_N2, descriptors=one.descriptors_ND)
    _save(folder / "points.npz", points=block.points_N3, observations=block.observations_M3)
    write_json(
        folder / "block.json",
        {
            "format": FORMAT,
            "crs": block.crs,
            "origin": block.origin_3.tolist(),
            "ce95_m": block.ce95_m,
            "lenses": [
                asdict(lens) | {"parameters": parameters.tolist()}
                for lens, parameters in zip(block.lenses, block.parameters_L8, strict=True)
            ],
            "photos": [
                {
                    "file": photo.file,
                    "lens": photo.lens,
                    "rotation": photo.pose.rotation_33.tolist(),
                    "centre": photo.pose.centre_3.tolist(),
                }
                for photo in block.photos
            ],
        },
    )


def read_archive(folder: Path) -> StoredBlock:
    """Return the block stored in ``folder``.

    Raises:
        StitchError: the folder is absent, not whole, or of another format.
    """
    with _explained(folder):
        head = read_json(folder / "block.json")
        if head["format"] != FORMAT:
            raise StitchError(
                f"{folder} is of format {head['format']}, this program reads {FORMAT}.",
                hint="Stitch the reference survey again with this version.",
            )
        photos = [
            StoredPhoto(
                file=entry["file"],
                lens=entry["lens"],
                pose=Pose(
                    rotation_33=np.array(entry["rotation"], float), centre_3=np.array(entry["centre"], float)
                ),
            )
            for entry in head["photos"]
        ]
        points = _load(folder / "points.npz")
        return StoredBlock(
            crs=head["crs"],
            origin_3=np.array(head["origin"], float),
            ce95_m=head["ce95_m"],
            lenses=tuple(
                Lens(**{k: v for k, v in entry.items() if k != "parameters"}) for entry in head["lenses"]
            ),
            parameters_L8=np.array([entry["parameters"] for entry in head["lenses"]], float),
            photos=tuple(photos),
            points_N3=np.asarray(points["points"], np.float64),
            observations_M3=np.asarray(points["observations"], np.int64),
        )


def read_features(folder: Path, index: int) -> Features:
    """Return the features of photograph ``index`` of the block in ``folder``; raises ``StitchError``."""
    with _explained(folder):
        stored = _load(_features_file(folder, index))
        return Features(
            keypoints_N2=np.asarray(stored["keypoints"], np.float32),
            descriptors_ND=np.asarray(stored["descriptors"], np.uint8),
        )


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except (InputError, OSError, BadZipFile, KeyError, TypeError, ValueError) as exc:
        raise StitchError(
            f"{folder} does not hold a block that can be joined: {exc}",
            hint="Give the output folder of `aerial stitch --engine local` as --previous.",
        ) from exc


def _features_file(folder: Path, index: int) -> Path:
    return folder / f"{index + 1:06d}.npz"


def worth_keeping(database: pycolmap.Database, number: int, tied: list[int]) -> NDArray[np.int64]:
    """Return which features of a photograph to keep, ascending; ``tied`` are those of tie points."""
    keypoints_N6 = np.asarray(database.read_keypoints(number), np.float32)
    size_N = _scale(keypoints_N6)
    size_N[tied] = np.inf
    return np.sort(np.argsort(-size_N, kind="stable")[: max(KEPT_FEATURES, len(tied))])


def _scale(keypoints_N6: NDArray[np.float32]) -> NDArray[np.float32]:
    # COLMAP keeps the affine shape (a11, a12, a21, a22) or scale and orientation behind x and y.
    if keypoints_N6.shape[1] >= 6:
        return np.hypot(keypoints_N6[:, 2], keypoints_N6[:, 4])
    return keypoints_N6[:, 2].copy() if keypoints_N6.shape[1] > 2 else np.ones(len(keypoints_N6), np.float32)


def _save(path: Path, **arrays: NDArray[np.generic]) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _load(path: Path) -> dict[str, NDArray[np.generic]]:
    # Opened here: numpy leaves the file open where it is not an archive.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}
