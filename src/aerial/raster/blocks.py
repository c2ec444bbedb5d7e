"""Whether the blocks of a GeoTIFF are the ones that were written.

A full disk is no error to GDAL while it closes a file: what was written is looked at again. A DEFLATE
block ends in a checksum of its pixels (Adler-32, RFC 1950). libtiff stops before it once it
has as many pixels as it wants: damaged bytes that decode to more than was written fill the block with
noise, and noise is no picture. The other compressions fail to decode (ZSTD, LZW, JPEG, nearly always)
or have nothing to compare (none).
"""

import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO
from weakref import WeakKeyDictionary

import numpy as np
import rasterio
from numpy.typing import NDArray

from aerial.errors import RasterError

# What one call of zlib takes and gives: a strip may be as large as the picture.
_CHUNK = 1 << 20


class BlockCheck(threading.local):
    """Compares each block of the datasets that a thread has open once."""

    def __init__(self) -> None:
        self._sound: WeakKeyDictionary[Any, NDArray[np.bool_]] = WeakKeyDictionary()

    def require_sound(self, path: Path, dataset: Any, window: tuple[int, int, int, int]) -> None:
        """Compare the blocks under a window (column, row, width, height) of an open dataset.

        Raises:
            RasterError: one of them is not what its checksum says.
        """
        if dataset.tags(ns="IMAGE_STRUCTURE").get("COMPRESSION") != "DEFLATE":
            return
        height, width = dataset.block_shapes[0]
        shape = -(-dataset.height // height), -(-dataset.width // width)
        sound_HW = self._sound.setdefault(dataset, np.zeros(shape, bool))
        left, top, across, down = window
        rows = slice(top // height, -(-(top + down) // height))
        columns = slice(left // width, -(-(left + across) // width))
        if sound_HW[rows, columns].all():
            return
        with path.open("rb") as file:
            first = np.array([rows.start, columns.start])
            for row, column in (np.argwhere(~sound_HW[rows, columns]) + first).tolist():
                for place in _places(dataset, column, row):
                    if not _is_sound(file, *place):
                        raise RasterError(
                            f"{path} is damaged: its block in column {column + 1}, row {row + 1} is not "
                            "what was written.",
                            hint="Copy it again, from the machine that made it.",
                        )
                sound_HW[row, column] = True


def require_whole(path: Path) -> None:
    """Look whether every block of a raster just written, overviews included, lies in its file.

    Raises:
        RasterioError: not even its head can be read.
        RasterError: a block is absent, or reaches beyond the end of the file.
    """
    size = path.stat().st_size
    with rasterio.open(path) as dataset:
        overviews = len(dataset.overviews(1))
    for options in ({}, *({"overview_level": number} for number in range(overviews))):
        with rasterio.open(path, **options) as dataset:
            height, width = dataset.block_shapes[0]
            for row in range(-(-dataset.height // height)):
                for column in range(-(-dataset.width // width)):
                    places = list(_places(dataset, column, row))
                    if len(places) < _parts(dataset) or any(sum(place) > size for place in places):
                        raise RasterError(
                            f"{path} was not written whole.", hint="Check that the disk is not full."
                        )


def _parts(dataset: Any) -> int:
    """Return how many parts a block is stored in: one for all bands, or one for each."""
    together = dataset.tags(ns="IMAGE_STRUCTURE").get("INTERLEAVE") == "PIXEL"
    return 1 if together else int(dataset.count)


def _places(dataset: Any, column: int, row: int) -> Iterator[tuple[int, int]]:
    """Yield where the parts of a block lie in the file, as (offset, size)."""
    for band in range(1, _parts(dataset) + 1):
        offset, size = (
            dataset.get_tag_item(f"BLOCK_{what}_{column}_{row}", "TIFF", bidx=band)
            for what in ("OFFSET", "SIZE")
        )
        # An empty block is not stored.
        if offset and size:
            yield int(offset), int(size)


def _is_sound(file: BinaryIO, offset: int, size: int) -> bool:
    engine = zlib.decompressobj()
    file.seek(offset)
    left = size
    try:
        while left > 0 and not engine.eof and (raw := file.read(min(left, _CHUNK))):
            left -= len(raw)
            while raw and not engine.eof:
                engine.decompress(raw, _CHUNK)
                raw = engine.unconsumed_tail
        engine.flush()
    except zlib.error:
        return False
    return True
