"""A block: photographs with adjusted poses in one metric frame."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aerial.camera import Camera, Pose

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockPhoto:
    """One registered photograph: ``file`` relative to the job's folder, pose relative to the origin."""

    file: str
    camera: Camera
    pose: Pose


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Registered photographs and tie points.

    World coordinates are east, north, up in metres: (x, y) of the metric CRS ``crs`` minus
    ``origin_3[:2]``, height minus ``origin_3[2]``. ``points_N3`` are the tie points.
    """

    crs: str
    origin_3: Floats
    photos: tuple[BlockPhoto, ...]
    points_N3: Floats
