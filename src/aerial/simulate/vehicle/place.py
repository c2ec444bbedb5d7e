"""Metres around a vehicle's home to degrees and back, without pyproj: called at every photograph.

The first terms of the transverse Mercator projection of the WGS 84 ellipsoid: within a millimetre of
``geo.local_frame`` up to 5 km from home.
"""

import math

from aerial.geo import LonLat

_AXIS_M, _E2 = 6378137.0, 6.69437999014e-3


class Place:
    """The frame of one home; x east, y north."""

    def __init__(self, home: LonLat) -> None:
        self.home = home
        self._lat, self._lon = math.radians(home.lat_deg), math.radians(home.lon_deg)

    def local(self, lon_deg: float, lat_deg: float) -> tuple[float, float]:
        """Return metres east and north of home."""
        lat, turn = math.radians(lat_deg), math.radians(lon_deg) - self._lon
        sin, cos = math.sin(lat), math.cos(lat)
        across = _AXIS_M / math.sqrt(1 - _E2 * sin * sin)
        east = across * cos * turn
        # The third-order term of the projection.
        flat = 1 + turn * turn * (cos * cos - sin * sin + _E2 * cos**4) / 6
        return east * flat, self._along(lat) + east * sin * turn / 2

    def lonlat(self, east_m: float, north_m: float) -> tuple[float, float]:
        """Return longitude and latitude in degrees."""
        lat, turn = self._lat, 0.0
        # Each round gains four digits or more within 20 km.
        for _ in range(3):
            sin, cos = math.sin(lat), math.cos(lat)
            across = _AXIS_M / math.sqrt(1 - _E2 * sin * sin)
            flat = 1 + turn * turn * (cos * cos - sin * sin + _E2 * cos**4) / 6
            turn = east_m / (across * cos * flat)
            rest = north_m - across * cos * sin * turn * turn / 2
            lat = self._lat + rest / _meridian((self._lat + lat) / 2)
        return math.degrees(self._lon + turn), math.degrees(lat)

    def _along(self, lat: float) -> float:
        return (lat - self._lat) * _meridian((self._lat + lat) / 2)


def _meridian(lat: float) -> float:
    """Return the radius of curvature along the meridian."""
    w2 = 1 - _E2 * math.sin(lat) ** 2
    return _AXIS_M * (1 - _E2) / (w2 * math.sqrt(w2))
