"""SIFT features of photographs, kept in one COLMAP database that also is the matching journal.

Photographs are numbered; the database knows them as ``000001.bmp`` and so on, so that spaces or
Chinese characters in a file name never meet a text format. Everything in the database counts in
pixels of the *working size*: the photograph brought down to ``WORKING_EDGE_PX``.
"""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pycolmap
from numpy.typing import NDArray
from PIL import Image

from aerial.errors import PhotoError
from aerial.ortho import room, seal
from aerial.ortho.ahead import THREADS, in_order
from aerial.ortho.presets import QUALITY, Effort
from aerial.progress import Progress
from aerial.records import Photo

# 2000 px hold more tie points than an adjustment needs: on photographs of 4000 px the ground points
# move by less than their noise, and the extraction takes a quarter of the time.
WORKING_EDGE_PX = 2000
_AT_ONCE = 8
# A photograph in grey, and its features in the database and its write-ahead log.
_MOST_BYTES = WORKING_EDGE_PX**2 + 3 * QUALITY.max_features * 152
_LOG = logging.getLogger(__name__)

# COLMAP logs every step to stderr; the library never prints.
pycolmap.logging.minloglevel = int(pycolmap.logging.Level.FATAL)


def working_size(width_px: int, height_px: int) -> tuple[int, int]:
    """Return (width, height) in pixels at which features of such a photograph are extracted."""
    factor = min(1.0, WORKING_EDGE_PX / max(width_px, height_px))
    return max(1, round(width_px * factor)), max(1, round(height_px * factor))


def image_name(number: int) -> str:
    """Return the name under which the database knows photograph ``number`` (from 1)."""
    return f"{number:06d}.bmp"


def read_grey(path: Path, photo: Photo) -> NDArray[np.uint8]:
    """Return the photograph in grey at its working size, shape (height, width); EXIF rotation is ignored.

    Raises:
        OSError: the file is damaged, cut off, or not of the size that its record says.
    """
    width, height = working_size(photo.width_px, photo.height_px)
    with Image.open(path) as image:
        if image.size != (photo.width_px, photo.height_px):
            raise OSError(f"is {image.size[0]}x{image.size[1]} px, not as its record says")
        # The JPEG decoder halves while it decodes, which is most of the speed on large photographs.
        image.draft("L", (width, height))
        grey_HW = np.asarray(image.convert("L"))
    if grey_HW.shape != (height, width):
        grey_HW = cv2.resize(grey_HW, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(grey_HW, np.uint8)


def extract(
    database: Path,
    folder: Path,
    photos: Sequence[tuple[int, Photo]],
    effort: Effort,
    progress: Progress,
) -> dict[str, str]:
    """Extract the features of ``photos`` (number, record) that ``database`` has none of yet.

    The database must hold the photographs' rows already (``matching.open_database``). It is
    committed photograph by photograph: a killed run goes on where it stood.

    Returns:
        For each file that cannot be used, the reason.

    Raises:
        PhotoError: a photograph is not there.
        StitchError: the disk is full.
    """
    unusable: dict[str, str] = {}
    progress.phase("Finding features", len(photos))
    with TemporaryDirectory(dir=database.parent, prefix=".grey-") as scratch:
        for start in range(0, len(photos), _AT_ONCE):
            some = photos[start : start + _AT_ONCE]
            with pycolmap.Database.open(database) as opened:
                todo = [(n, p) for n, p in some if not opened.exists_descriptors(n)]
            # COLMAP ends the whole process where it finds the disk full.
            room.require_free(database.parent, len(todo) * _MOST_BYTES, "finding features")
            reasons = list(in_order(lambda item: _stage(folder, Path(scratch), *item), todo))
            unusable |= {p.file: why for (_, p), why in zip(todo, reasons, strict=True) if why}
            good = [(n, p) for (n, p), why in zip(todo, reasons, strict=True) if not why]
            for octave in sorted({first_octave(p, effort) for _, p in good}):
                names = [image_name(n) for n, p in good if first_octave(p, effort) == octave]
                _extract(database, Path(scratch), names, octave, effort.max_features)
            for number, _ in good:
                (Path(scratch) / image_name(number)).unlink()
            seal.seal(database)
            progress.advance(len(some))
    return unusable


def first_octave(photo: Photo, effort: Effort) -> int:
    """Return the octave at which the search starts: -1 doubles the working size, 1 halves it.

    Positions count in pixels of the working size whatever the octave.
    """
    width, height = working_size(photo.width_px, photo.height_px)
    return max(-1, min(1, math.floor(math.log(width * height / effort.least_px, 4))))


def _stage(folder: Path, scratch: Path, number: int, photo: Photo) -> str:
    try:
        grey_HW = read_grey(folder / photo.file, photo)
    except FileNotFoundError as exc:
        raise PhotoError(
            f"{folder / photo.file} is not there any more.",
            hint="Put the originals back (the memory card, the share), then run the same command again: it "
            "goes on where it stopped.",
        ) from exc
    except (OSError, SyntaxError, ValueError) as exc:
        _LOG.info("%s: %s", photo.file, exc)
        return f"cannot be read: {exc}"
    # Not cv2.imwrite: it cannot open Chinese paths on Windows. Nor tofile: neither says "disk full".
    (scratch / image_name(number)).write_bytes(cv2.imencode(".bmp", grey_HW)[1].data)
    return ""


def _extract(database: Path, scratch: Path, names: list[str], octave: int, max_features: int) -> None:
    options = pycolmap.FeatureExtractionOptions()
    options.use_gpu = False
    options.num_threads = THREADS
    options.sift.first_octave = octave
    options.sift.max_num_features = max_features
    pycolmap.extract_features(
        database, scratch, image_names=names, extraction_options=options, device=pycolmap.Device.cpu
    )
