"""Values that several commands take as text: positions, wind, overlaps."""

from typing import Any

import click


class _LonLat(click.ParamType[Any]):
    name = "LON,LAT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a ``LonLat``."""
        from aerial.errors import InputError
        from aerial.geo import LonLat

        lon, lat = _pair(self, value, param, ctx)
        try:
            return LonLat(lon_deg=lon, lat_deg=lat)
        except InputError as error:
            self.fail(f"{error} {error.hint}", param, ctx)


class _Wind(click.ParamType[Any]):
    name = "M/S,FROM"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a ``Wind``."""
        from aerial.records import Wind

        speed, from_deg = _pair(self, value, param, ctx)
        return Wind(speed_m_s=speed, from_deg=from_deg % 360)


class _Overlap(click.ParamType[Any]):
    name = "SHARE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return a share 0-1: a number above 1 is percent."""
        try:
            number = float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number / 100 if number > 1 else number


def _pair(
    kind: click.ParamType[Any], value: Any, param: click.Parameter | None, ctx: click.Context | None
) -> tuple[float, float]:
    try:
        first, second = (float(part) for part in str(value).split(","))
    except ValueError:
        kind.fail(f"{value!r} is not {kind.name}: two numbers with a comma between.", param, ctx)
    return first, second


LON_LAT, WIND, OVERLAP = _LonLat(), _Wind(), _Overlap()
