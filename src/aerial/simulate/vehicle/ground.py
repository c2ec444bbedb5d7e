"""The terrain that a vehicle knows: what a ground station has served, asked for tile by tile."""

import math
from collections.abc import Callable

from aerial.flight.mavlink import Message, dialect
from aerial.simulate.vehicle.place import Place

_TILES, _SIDE = 56, 4
_ALL = (1 << _TILES) - 1
_AGAIN_S = 1.0
_METRES_PER_DEGREE = 111_319.49


class KnownGround:
    """One block of 28 by 32 heights around the home; ``whole`` once every tile of it has come."""

    def __init__(self, place: Place, spacing_m: float) -> None:
        self._spacing_m = max(round(spacing_m), 1)
        lat, lon = place.lat_lon(-16 * self._spacing_m, -14 * self._spacing_m)
        self._corner_e7 = (round(lat * 1e7), round(lon * 1e7))
        self._tiles: dict[int, list[int]] = {}
        self._asked_s = float("-inf")

    @property
    def whole(self) -> bool:
        """Tell whether all tiles are known."""
        return len(self._tiles) == _TILES

    def ask(self, now_s: float, wanted: Callable[[], bool]) -> Message | None:
        """Return the request for what is missing, once a second, if it is wanted."""
        if self.whole or now_s - self._asked_s < _AGAIN_S:
            return None
        self._asked_s = now_s
        if not wanted():
            return None
        mask = _ALL & ~sum(1 << tile for tile in self._tiles)
        return dialect.MAVLink_terrain_request_message(*self._corner_e7, self._spacing_m, mask)

    def hear(self, message: Message) -> None:
        """Take a tile of this block."""
        ours = (message.lat, message.lon) == self._corner_e7 and message.grid_spacing == self._spacing_m
        if ours and message.gridbit < _TILES:
            self._tiles[message.gridbit] = list(message.data)

    def amsl_m(self, lat_deg: float, lon_deg: float) -> float | None:
        """Return the height of the nearest known point; None outside the block."""
        lat0, lon0 = self._corner_e7[0] / 1e7, self._corner_e7[1] / 1e7
        row = round((lat_deg - lat0) * _METRES_PER_DEGREE / self._spacing_m)
        scale = _METRES_PER_DEGREE * math.cos(math.radians(lat0))
        column = round((lon_deg - lon0) * scale / self._spacing_m)
        if not (0 <= row < 7 * _SIDE and 0 <= column < 8 * _SIDE):
            return None
        tile = self._tiles.get(row // _SIDE * 8 + column // _SIDE)
        return None if tile is None else float(tile[row % _SIDE * _SIDE + column % _SIDE])
