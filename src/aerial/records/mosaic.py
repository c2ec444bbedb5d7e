"""An orthomosaic with its surface model and georeference."""

from typing import Literal

from aerial.raster.grid import Grid
from aerial.records.file import FileRef
from aerial.records.record import record


@record
class Georef:
    """How positions became known, and how well.

    ``reference``: in one block with an earlier survey of the cell; ``ortho``: laid on a georeferenced
    orthomosaic from elsewhere; ``gcp``: on ground control points; ``rtk``: on camera positions of
    centimetre class; ``gps``: of metre class;
    ``declared``: the file says so and nothing else is known. ``ce95_m``: 95 % of positions err
    less, horizontally, in metres; None where nobody knows.
    """

    how: Literal["reference", "ortho", "rtk", "gcp", "gps", "declared"]
    ce95_m: float | None


@record
class Mosaic:
    """The picture of one survey: ortho (uint8 RGB + alpha), DSM (float32 metres) and their origin.

    The DSM's heights are above the WGS 84 ellipsoid or above take-off as the photographs'
    altitudes were: only differences between surveys of one block mean anything. A second band of the
    DSM, where there is one, is the spread of the heights (metres; 5 where none was measured).
    ``block`` is the archive of features and poses that later surveys join.
    """

    ortho: FileRef
    dsm: FileRef | None
    grid: Grid
    georef: Georef
    block: FileRef | None
