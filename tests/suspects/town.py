"""Observations of made-up buildings, in metres around one place."""

from datetime import date, timedelta

from shapely.geometry import Polygon, box

from aerial import geo
from aerial.records import Kind, LonLat, Observation, Structure, Suspect, Zone, ZoneKind
from aerial.suspects.track import track

FRAME = geo.local_frame(LonLat(lon_deg=113.8, lat_deg=22.8))
HOUSE = (0.0, 0.0, 10.0, 10.0)
Box = tuple[float, float, float, float]


def day(number: int) -> date:
    """Return the day so many days after the first survey."""
    return date(2026, 3, 2) + timedelta(days=number)


def ground(x0: float, y0: float, x1: float, y1: float) -> Polygon:
    """Return a rectangle given in metres, as lon, lat."""
    return geo.reproject(box(x0, y0, x1, y1), FRAME, geo.WGS84)


def seen(
    key: str,
    before: int,
    after: int,
    where: Box | Polygon = HOUSE,
    *,
    kind: Kind = "new",
    height_m: float | None = 6.0,
    error_m: float | None = 0.5,
    score: float = 0.9,
    cell: str = "A1",
) -> Observation:
    """Return a suspect between two days; ``where`` in metres, or an outline as lon, lat."""
    outline = where if isinstance(where, Polygon) else ground(*where)
    at = outline.representative_point() if not outline.is_empty else ground(*HOUSE).centroid
    suspect = Suspect(
        key=key,
        pair=f"{before}__{after}",
        kind=kind,
        outline=outline,
        at=LonLat(lon_deg=at.x, lat_deg=at.y),
        error_m=error_m,
        area_m2=round(geo.area_m2(outline), 2) if not outline.is_empty else 0.0,
        height_change_m=height_m,
        score=score,
        model_sha256="0" * 64,
        chips=(),
        height_noise_m=0.2,
    )
    return Observation(suspect=suspect, cell=cell, before_on=day(before), after_on=day(after))


def one(observation: Observation, known: list[Structure]) -> Structure:
    """Return the structure after one observation of it."""
    return track([observation], known, ())[0].structure


def zone(kind: ZoneKind, x0: float, y0: float, x1: float, y1: float, name: str = "") -> Zone:
    """Return a zone given in metres."""
    return Zone(kind=kind, outline=ground(x0, y0, x1, y1), name=name)
