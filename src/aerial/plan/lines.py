"""Survey lines as coverage lays them and terrain following changes them.

Coordinates are metres of one ``geo.local_frame``, x east, y north.
"""

from aerial.records.record import record

XY = tuple[float, float]


@record
class Line:
    """A straight stretch that is photographed, from ``start`` to ``end``."""

    start: XY
    end: XY


@record
class Piece:
    """One piece of an area, its parallel lines ordered across.

    ``direction_rad``: of the lines, counter-clockwise from east, 0 to pi.
    """

    direction_rad: float
    lines: tuple[Line, ...]
