"""Between metres around the place of power-up and degrees, without pyproj: asked at every message.

The first terms of the transverse Mercator projection of the WGS 84 ellipsoid: within a millimetre of
``geo.local_frame`` up to 5 km away.
"""

import math

from aerial.geo import LonLat

_AXIS_M, _E2 = 6378137.0, 6.69437999014e-3


class Place:
    """``origin``: where the vehicle was powered up, ``amsl_m`` high; home is set later, and may move."""

    def __init__(self, origin: LonLat, amsl_m: float) -> None:
        self.origin, self.amsl_m = origin, amsl_m
        self.home_east_m = self.home_north_m = self.home_up_m = 0.0
        self._lat, self._lon = math.radians(origin.lat_deg), math.radians(origin.lon_deg)

    def lat_lon(self, east_m: float, north_m: float) -> tuple[float, float]:
        """Return latitude and longitude in degrees."""
        lat, turn = self._lat, 0.0
        # Each round gains four digits or more within 20 km.
        for _ in range(3):
            across, flat = _parallel(lat, turn)
            turn = east_m / (across * flat)
            rest = north_m - across * math.sin(lat) * turn * turn / 2
            lat = self._lat + rest / _meridian((self._lat + lat) / 2)
        # A hair beyond the date line is the date line.
        return _within(math.degrees(lat), 90.0), _within(math.degrees(self._lon + turn), 180.0)

    def lat_lon_e7(self, east_m: float, north_m: float) -> tuple[int, int]:
        """Return latitude and longitude as integers of 1e-7 degrees."""
        lat, lon = self.lat_lon(east_m, north_m)
        return round(lat * 1e7), round(lon * 1e7)

    def home_lat_lon_e7(self) -> tuple[int, int]:
        """Return home as integers of 1e-7 degrees."""
        return self.lat_lon_e7(self.home_east_m, self.home_north_m)

    def metres(self, lat_deg: float, lon_deg: float) -> tuple[float, float]:
        """Return (east, north) of a position."""
        lat, turn = math.radians(lat_deg), math.radians(lon_deg) - self._lon
        across, flat = _parallel(lat, turn)
        north = (lat - self._lat) * _meridian((self._lat + lat) / 2)
        return across * turn * flat, north + across * math.sin(lat) * turn * turn / 2


def _within(value: float, limit: float) -> float:
    return max(-limit, min(value, limit))


def _parallel(lat: float, turn: float) -> tuple[float, float]:
    """Return the radius of the parallel, and what the projection stretches along it by."""
    sin, cos = math.sin(lat), math.cos(lat)
    radius = _AXIS_M / math.sqrt(1 - _E2 * sin * sin) * cos
    return radius, 1 + turn * turn * (cos * cos - sin * sin + _E2 * cos**4) / 6


def _meridian(lat: float) -> float:
    """Return the radius of curvature along the meridian."""
    w2 = 1 - _E2 * math.sin(lat) ** 2
    return _AXIS_M * (1 - _E2) / (w2 * math.sqrt(w2))
