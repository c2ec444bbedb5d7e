"""Which photographs show the same ground, where positions do not tell: by their largest features."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pycolmap
from numpy.typing import NDArray

Descriptors = NDArray[np.float32]

# The largest features survive a change of height and light best, and so few are quickly compared.
LARGEST = 192
_RATIO = 0.85
# Fewer matches than this come about by chance.
_CHANCE = 3
_AT_ONCE = 64


def alike_pairs(
    database: Path, wanted: Sequence[int], others: Sequence[int], most: int
) -> list[tuple[int, int]]:
    """Return for each photograph number of ``wanted`` its ``most`` likeliest partners among ``others``.

    Pairs are (low, high), sorted. Memory: ``LARGEST`` descriptors of every photograph, 0.1 MB each.
    """
    with pycolmap.Database.open(database) as opened:
        described = {number: _largest(opened, number) for number in sorted({*wanted, *others})}
    pairs: set[tuple[int, int]] = set()
    partners = [number for number in others if len(described[number]) == LARGEST]
    for number in wanted:
        if len(described[number]) < 2:
            continue
        counts: list[int] = []
        for start in range(0, len(partners), _AT_ONCE):
            some = partners[start : start + _AT_ONCE]
            block_MD = np.vstack([described[other] for other in some])
            alike = (described[number] @ block_MD.T).reshape(-1, len(some), LARGEST)
            best = np.partition(alike, LARGEST - 2, axis=2)[:, :, -2:]
            apart = 2 - 2 * np.minimum(best, 1.0)
            counts += (apart[:, :, 1] < _RATIO**2 * apart[:, :, 0]).sum(axis=0).tolist()
        order = sorted(range(len(partners)), key=lambda i: (-counts[i], partners[i]))
        likely = [partners[i] for i in order if counts[i] > _CHANCE and partners[i] != number][:most]
        pairs |= {(min(number, other), max(number, other)) for other in likely}
    return sorted(pairs)


def _largest(opened: pycolmap.Database, number: int) -> Descriptors:
    if not opened.exists_descriptors(number):
        return np.zeros((0, 128), np.float32)
    # COLMAP writes features in order of their size, the largest last; archives keep that order.
    found = np.asarray(opened.read_descriptors(number).data[-LARGEST:], np.float32)
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9))
