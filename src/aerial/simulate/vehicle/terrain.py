"""Heights of the ground that a ground station serves, in the blocks that ArduPilot asks for.

A block has 28 posts northwards and 32 eastwards, in 4 by 4 pieces; blocks overlap by four posts. Source:
MAVLink terrain protocol (mavlink.io).
"""

import math
from collections.abc import Sequence

from aerial.flight.mavlink import Message, dialect
from aerial.simulate.vehicle.place import Place

# ArduPilot's metres in a degree of latitude.
_DEGREE_M = 111_318.845
_NORTH, _EAST, _PIECE = 24, 28, 4
_BITS = 56
_MOST_SPACING_M = 1000.0
# A leg round the world is not looked at post by post.
_MOST_PARTS = 1000
_Block = tuple[int, int]  # latitude and longitude of its south-western post, 1e-7 degrees


class Terrain:
    """What has been served so far, and what is still wanted."""

    def __init__(self, place: Place) -> None:
        self.spacing_m = 100
        self._place = place
        self._blocks: dict[_Block, dict[int, Sequence[int]]] = {}
        self._wanted: list[tuple[float, float]] = []

    def want(self, points: Sequence[tuple[float, float]], spacing_m: float) -> None:
        """Need the heights along a path, metres east and north; nothing: none."""
        spacing = int(min(max(spacing_m, 1.0), _MOST_SPACING_M))
        if spacing != self.spacing_m:
            self._blocks.clear()
        self.spacing_m = spacing
        self._wanted = []
        for number, (east, north) in enumerate(points):
            before = points[max(number - 1, 0)]
            parts = 1 + int(math.hypot(east - before[0], north - before[1]) / self.spacing_m)
            parts = min(parts, _MOST_PARTS)
            self._wanted += [
                (
                    before[0] + (east - before[0]) * part / parts,
                    before[1] + (north - before[1]) * part / parts,
                )
                for part in range(1, parts + 1)
            ]

    def request(self) -> Message | None:
        """Return what to ask for next; None when all that is wanted is there."""
        while self._wanted:
            east, north = self._wanted[0]
            if self.at(east, north) is None:
                block, _, _ = self._post(east, north)
                have = self._blocks.get(block, {})
                mask = sum(1 << bit for bit in range(_BITS) if bit not in have)
                return dialect.MAVLink_terrain_request_message(block[0], block[1], self.spacing_m, mask)
            self._wanted.pop(0)
        return None

    @property
    def pending(self) -> int:
        """Return how many of the wanted points are not known to be there."""
        return len(self._wanted)

    def hear(self, message: Message) -> None:
        """Take TERRAIN_DATA in."""
        if message.grid_spacing == self.spacing_m and message.gridbit < _BITS:
            self._blocks.setdefault((message.lat, message.lon), {})[message.gridbit] = list(message.data)

    def at(self, east_m: float, north_m: float) -> float | None:
        """Return the height of the ground over sea level, in metres; None where none was served."""
        if not self._blocks:
            return None
        block, x, y = self._post(east_m, north_m)
        pieces = self._blocks.get(block)
        if pieces is None:
            return None
        column, row = int(x), int(y)
        corners = [_height(pieces, row + up, column + right) for up in (0, 1) for right in (0, 1)]
        if None in corners:
            return None
        a, b, c, d = (float(corner or 0) for corner in corners)
        right, up = x - column, y - row
        return (a * (1 - right) + b * right) * (1 - up) + (c * (1 - right) + d * right) * up

    def _post(self, east_m: float, north_m: float) -> tuple[_Block, float, float]:
        """Return the block of a point, and how many posts east and north in it the point is."""
        lat, lon = self._place.lat_lon(east_m, north_m)
        lat_deg, lon_deg = math.floor(lat), math.floor(lon)
        narrow = math.cos(math.radians(lat_deg))
        north = (lat - lat_deg) * _DEGREE_M / self.spacing_m
        east = (lon - lon_deg) * _DEGREE_M * narrow / self.spacing_m
        row, column = int(north // _NORTH), int(east // _EAST)
        block = (
            lat_deg * 10_000_000 + round(row * _NORTH * self.spacing_m / _DEGREE_M * 1e7),
            lon_deg * 10_000_000 + round(column * _EAST * self.spacing_m / (_DEGREE_M * narrow) * 1e7),
        )
        return block, east - column * _EAST, north - row * _NORTH


def _height(pieces: dict[int, Sequence[int]], row: int, column: int) -> int | None:
    piece = pieces.get(row // _PIECE * 8 + column // _PIECE)
    return None if piece is None else piece[row % _PIECE * _PIECE + column % _PIECE]
