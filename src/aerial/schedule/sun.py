"""When the sun rises and sets.

The low-precision formulas of the Astronomical Almanac for the sun's place (0.01 degrees between 1950
and 2050), as in Meeus, Astronomical Algorithms (1998), chapters 15 and 25; the same that NOAA's solar
calculator uses (gml.noaa.gov/grad/solcalc/solareqns.PDF). Rising and setting are for the upper limb
with 34' of refraction, 0.833 degrees below the horizon of the sea: good to a minute or two.
"""

import math
from datetime import UTC, date, datetime, time, timedelta, timezone

from aerial.geo import LonLat

_ZENITH_DEG = 90.833
_J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)


def daylight(at: LonLat, day: date, utc_offset_h: float) -> tuple[datetime, datetime] | None:
    """Return sunrise and sunset of a local day, aware, at the given offset; None: the sun stays down.

    Where it does not set, the whole day.
    """
    zone = timezone(timedelta(hours=utc_offset_h))
    midnight = datetime.combine(day, time(), tzinfo=zone)
    edges = [midnight + timedelta(hours=12)] * 2
    # The sun's place is taken at the event itself; three rounds settle it to a second.
    for _ in range(3):
        for index, side in enumerate((-1, 1)):
            declination_deg, equation_min = _sun(edges[index])
            half_h = _half_day_h(at.lat_deg, declination_deg)
            if half_h == 0:
                return None
            if half_h == 12:
                return midnight, midnight + timedelta(days=1)
            # Where the offset is far from the longitude's own, noon stays on this local day.
            noon_h = (12.0 - at.lon_deg / 15.0 - equation_min / 60.0 + utc_offset_h) % 24.0
            edges[index] = midnight + timedelta(hours=noon_h + side * half_h)
    return edges[0], edges[1]


def _sun(moment: datetime) -> tuple[float, float]:
    """Return declination in degrees and the equation of time in minutes."""
    days = (moment - _J2000).total_seconds() / 86400.0
    mean_deg = (280.460 + 0.9856474 * days) % 360.0
    anomaly = math.radians(357.528 + 0.9856003 * days)
    longitude = math.radians(mean_deg + 1.915 * math.sin(anomaly) + 0.020 * math.sin(2 * anomaly))
    obliquity = math.radians(23.439 - 0.0000004 * days)
    declination = math.degrees(math.asin(math.sin(obliquity) * math.sin(longitude)))
    right_ascension = math.degrees(math.atan2(math.cos(obliquity) * math.sin(longitude), math.cos(longitude)))
    difference = (mean_deg - right_ascension + 180.0) % 360.0 - 180.0
    return declination, 4.0 * difference


def _half_day_h(lat_deg: float, declination_deg: float) -> float:
    """Return hours from sunrise to noon: 0 where the sun stays down, 12 where it stays up."""
    lat, declination = math.radians(lat_deg), math.radians(declination_deg)
    cosine = (math.cos(math.radians(_ZENITH_DEG)) - math.sin(lat) * math.sin(declination)) / max(
        math.cos(lat) * math.cos(declination), 1e-12
    )
    return math.degrees(math.acos(min(max(cosine, -1.0), 1.0))) / 15.0
