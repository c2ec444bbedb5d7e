"""The one shape of a training sample, whatever it was made from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNKNOWN = 255
# In both maps of change: it changed, but nobody said whether it appeared or is gone.
EITHER = 254


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Two pictures of one place and what is true of them.

    ``before_3HW``, ``after_3HW``: uint8 RGB. ``appeared_HW``, ``gone_HW``, ``building_before_HW``,
    ``building_after_HW``: uint8, 1 yes, 0 no, ``UNKNOWN`` where nobody knows (no loss there);
    ``appeared_HW`` and ``gone_HW`` are both ``EITHER`` where a change has no known direction.
    ``height_change_HW``: float32 metres, after minus before, as a surface model of photographs would
    show it; NaN where unknown; None where the pair has no surface model.
    ``gsd_m``: pixel size.
    """

    before_3HW: NDArray[np.uint8]
    after_3HW: NDArray[np.uint8]
    appeared_HW: NDArray[np.uint8]
    gone_HW: NDArray[np.uint8]
    building_before_HW: NDArray[np.uint8]
    building_after_HW: NDArray[np.uint8]
    height_change_HW: NDArray[np.float32] | None
    gsd_m: float
