"""When the sun rises and sets."""

from datetime import date, timedelta

import pytest

from aerial.geo import LonLat
from aerial.schedule.sun import daylight


@pytest.mark.parametrize(
    ("lon", "lat", "offset", "day", "rise", "set_"),
    [
        # Greenwich at the equinox and the solstices; times of HM Nautical Almanac Office, UTC.
        (0.0, 51.48, 0.0, date(2024, 3, 20), "06:03", "18:14"),
        (0.0, 51.48, 0.0, date(2024, 6, 20), "03:43", "20:21"),
        (0.0, 51.48, 0.0, date(2024, 12, 21), "08:04", "15:53"),
        # Hong Kong Observatory's almanac.
        (114.17, 22.30, 8.0, date(2024, 1, 1), "07:02", "17:50"),
        (114.17, 22.30, 8.0, date(2024, 7, 1), "05:42", "19:11"),
    ],
)
def test_sunrise_and_sunset_agree_with_almanacs(
    lon: float, lat: float, offset: float, day: date, rise: str, set_: str
) -> None:
    """Within two minutes, north and in the tropics, winter and summer."""
    light = daylight(LonLat(lon_deg=lon, lat_deg=lat), day, offset)
    assert light is not None
    for moment, text in zip(light, (rise, set_), strict=True):
        hours, minutes = map(int, text.split(":"))
        assert moment.date() == day
        assert abs(moment.hour * 60 + moment.minute + moment.second / 60 - hours * 60 - minutes) <= 2


def test_polar_night_has_no_light_and_polar_day_has_all() -> None:
    """Where the sun does not rise nobody flies; where it does not set the whole day is light."""
    north = LonLat(lon_deg=25.0, lat_deg=78.0)
    assert daylight(north, date(2024, 12, 21), 2.0) is None
    light = daylight(north, date(2024, 6, 21), 2.0)
    assert light is not None
    assert light[1] - light[0] == timedelta(days=1)
