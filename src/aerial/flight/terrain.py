"""Serves terrain heights to a vehicle that asks for them.

Source: MAVLink guide, terrain protocol: a request names the south-west corner of a block, the spacing of
its grid, and which of 8 x 7 tiles of 4 x 4 heights are wanted, eastward first.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from aerial.flight.exchange import NOTHING, Outgoing, Peer
from aerial.flight.mavlink import Message, dialect

Floats = NDArray[np.float64]
# Longitudes and latitudes in degrees to metres over sea level; NaN where it is not known.
Heights = Callable[[Floats, Floats], Floats]
_TILES, _TILES_EAST, _SIDE = 56, 8, 4
_METRES_PER_DEGREE = 111_319.49
_LEAST_M, _MOST_M = -1000.0, 9000.0
# So many tiles a tick: a slow radio is not flooded.
_AT_ONCE = 4


class TerrainServer:
    """A listener that answers TERRAIN_REQUEST; tiles without a height everywhere are not answered."""

    def __init__(self, heights: Heights, peer: Peer) -> None:
        self.served = self.refused = 0
        self._heights, self._peer = heights, peer
        self._left: list[tuple[int, int, int, int]] = []

    def hear(self, message: Message, now_s: float) -> Outgoing:
        """Note what is asked for; a new request replaces the one before."""
        if message.get_type() == "TERRAIN_REQUEST" and message.get_srcSystem() == self._peer.system:
            self._left = [
                (message.lat, message.lon, message.grid_spacing, tile)
                for tile in range(_TILES)
                if message.mask >> tile & 1
            ]
        return NOTHING

    def tick(self, now_s: float) -> Outgoing:
        """Answer some of it."""
        now, self._left = self._left[:_AT_ONCE], self._left[_AT_ONCE:]
        said = []
        for lat_e7, lon_e7, spacing_m, tile in now:
            heights = self._tile(lat_e7 / 1e7, lon_e7 / 1e7, spacing_m, tile)
            if heights is None:
                self.refused += 1
                continue
            self.served += 1
            said.append(dialect.MAVLink_terrain_data_message(lat_e7, lon_e7, spacing_m, tile, heights))
        return said

    def _tile(self, lat_deg: float, lon_deg: float, spacing_m: int, tile: int) -> list[int] | None:
        row, column = np.divmod(np.arange(_SIDE * _SIDE), _SIDE)
        north_m = (tile // _TILES_EAST * _SIDE + row) * float(spacing_m)
        east_m = (tile % _TILES_EAST * _SIDE + column) * float(spacing_m)
        lat_N = lat_deg + north_m / _METRES_PER_DEGREE
        lon_N = lon_deg + east_m / (_METRES_PER_DEGREE * max(math.cos(math.radians(lat_deg)), 0.01))
        if np.abs(lat_N).max() > 90 or np.abs(lon_N).max() > 180:
            return None
        height_N = self._heights(lon_N, lat_N)
        if not np.isfinite(height_N).all() or height_N.min() < _LEAST_M or height_N.max() > _MOST_M:
            return None
        return [round(float(height)) for height in height_N]
