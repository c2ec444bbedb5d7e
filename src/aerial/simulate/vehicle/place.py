"""Between metres around the place of power-up and degrees."""

import numpy as np

from aerial import geo
from aerial.geo import LonLat


class Place:
    """``origin``: where the vehicle was powered up, ``amsl_m`` high; home is set later, and may move."""

    def __init__(self, origin: LonLat, amsl_m: float) -> None:
        self.origin, self.amsl_m = origin, amsl_m
        self.home_east_m = self.home_north_m = self.home_up_m = 0.0
        self._frame = geo.local_frame(origin)

    def lat_lon(self, east_m: float, north_m: float) -> tuple[float, float]:
        """Return latitude and longitude in degrees, exact."""
        at = geo.to_lonlat(self._frame, east_m, north_m)
        return at.lat_deg, at.lon_deg

    def lat_lon_e7(self, east_m: float, north_m: float) -> tuple[int, int]:
        """Return latitude and longitude as integers of 1e-7 degrees."""
        lat, lon = self.lat_lon(east_m, north_m)
        return round(lat * 1e7), round(lon * 1e7)

    def home_lat_lon_e7(self) -> tuple[int, int]:
        """Return home as integers of 1e-7 degrees."""
        return self.lat_lon_e7(self.home_east_m, self.home_north_m)

    def metres(self, lat_deg: float, lon_deg: float) -> tuple[float, float]:
        """Return (east, north) of a position, exact."""
        x, y = geo.transform(geo.WGS84, self._frame, np.array([lon_deg]), np.array([lat_deg]))
        return float(x[0]), float(y[0])
