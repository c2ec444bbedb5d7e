"""One web page of a folder of photographs: a map with every thumbnail in its place, and a card for each.

The page needs nothing but itself: no scripts, no tiles, no fonts, no network; it can be printed. Each
thumbnail is in it once. Names and reasons come from files of unknown origin and are escaped.
"""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from aerial import geo
from aerial.camera import Camera, Pose, footprint, nadir_rotation
from aerial.codec import replacing
from aerial.geo import LonLat, in_frame
from aerial.photos.places import group_places
from aerial.records import Finding, Photo, PhotoCheck, Plan
from aerial.records.record import record

Floats = NDArray[np.float64]

# However many photographs: the page stays one that a telephone opens.
_MOST_BYTES = 9_000_000
_MAP_PX = 1100.0
_TILE_SHARE = 0.85
_LEAST_TILE_M = 0.5
_AROUND = 0.04
_BARS_M = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


@record
class Marked:
    """A piece of ground to mark (lon, lat) and what to say of it."""

    outline: Polygon
    text: str


@record
class _Chart:
    """The map: pixels from the frame's metres, north up."""

    frame: str
    low_2: Floats
    high_2: Floats

    @property
    def scale(self) -> float:
        return _MAP_PX / float(max(self.high_2 - self.low_2))

    @property
    def size(self) -> tuple[float, float]:
        wide, high = ((self.high_2 - self.low_2) * self.scale).tolist()
        return wide, high

    def path(self, xy_N2: Floats) -> str:
        at_N2 = (np.column_stack([xy_N2[:, 0] - self.low_2[0], self.high_2[1] - xy_N2[:, 1]])) * self.scale
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in at_N2.tolist())


def write_page(
    path: Path,
    title: str,
    checks: Sequence[PhotoCheck],
    pictures: Mapping[str, bytes],
    findings: Sequence[Finding],
    *,
    outlines: Mapping[str, Polygon] | None = None,
    plan: Plan | None = None,
    gaps: Sequence[Marked] = (),
) -> None:
    """Write the page to ``path``.

    ``pictures``: a small JPEG by file; those of unusable photographs are taken first, others while they
    fit into 9 MB. ``outlines``: what photographs show (lon, lat) by file; without it, level ground below
    the take-off point's height is taken.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("aerial.photos", "."), autoescape=True, undefined=jinja2.StrictUndefined
    )
    chart = _chart(checks, plan)
    shown = _budget(checks, pictures)
    text = environment.get_template("page.html.j2").render(
        title=title,
        usable=sum(check.ok for check in checks),
        total=len(checks),
        findings=findings,
        cards=_cards(checks, shown, outlines or {}, chart),
        chart=None if chart is None else _drawn(chart, plan, gaps),
        left_out=len(pictures) - len(shown),
    )
    with replacing(path) as part:
        # Names may hold bytes that are no text at all.
        part.write_bytes(text.encode("utf-8", "backslashreplace"))


def _budget(checks: Sequence[PhotoCheck], pictures: Mapping[str, bytes]) -> dict[str, str]:
    """Return the thumbnails that fit, in base 64, by file."""
    left = _MOST_BYTES
    shown = {}
    for check in sorted(checks, key=lambda check: (check.ok, check.file)):
        picture = pictures.get(check.file)
        if picture is None or len(picture) * 4 / 3 > left:
            continue
        left -= len(picture) * 4 // 3
        shown[check.file] = base64.b64encode(picture).decode("ascii")
    return shown


def _chart(checks: Sequence[PhotoCheck], plan: Plan | None) -> _Chart | None:
    """Return a map that holds the plan and the largest place; a position far off would squash it."""
    groups = group_places([check.photo for check in checks if check.photo is not None])
    places = [photo.at for photo in (groups[0] if groups else ()) if photo.at is not None]
    if plan is not None:
        corners = [corner for part in plan.area for corner in part.exterior.coords]
        places = [LonLat(lon_deg=lon, lat_deg=lat) for lon, lat, *_ in corners] + [
            point.at for sortie in plan.sorties for leg in sortie.legs for point in leg.path
        ]
    if not places:
        return None
    frame = geo.local_frame(
        LonLat(
            lon_deg=float(np.median([place.lon_deg for place in places])),
            lat_deg=float(np.median([place.lat_deg for place in places])),
        )
    )
    xy_N2 = in_frame(frame, places)
    low_2, high_2 = xy_N2.min(axis=0), xy_N2.max(axis=0)
    heights = [check.photo.relative_height_m or 0.0 for check in checks if check.ok and check.photo]
    # A photograph shows ground beside itself too, about two thirds of its height to either side.
    around = max(_AROUND * float(max(high_2 - low_2)), 0.6 * float(np.median(heights or [0.0])), 20.0)
    return _Chart(frame=frame, low_2=low_2 - around, high_2=high_2 + around)


def _cards(
    checks: Sequence[PhotoCheck],
    shown: Mapping[str, str],
    outlines: Mapping[str, Polygon],
    chart: _Chart | None,
) -> list[dict[str, object]]:
    tile_m = _tile_m(checks, chart)
    places = _places(checks, chart)
    rings = _outlines(outlines, chart)
    cards = []
    for number, check in enumerate(checks, start=1):
        card: dict[str, object] = {
            "number": number,
            "check": check,
            "picture": shown.get(check.file),
            "taken": check.photo.taken_at.strftime("%Y-%m-%d %H:%M:%S")
            if check.photo and check.photo.taken_at
            else "",
            "tile": None,
            "ring": "",
        }
        xy = places.get(check.file)
        if chart is not None and xy is not None and check.photo is not None:
            card["tile"] = _tile(chart, xy, check.photo, tile_m)
            card["ring"] = rings.get(check.file) or _level_ring(chart, xy, check.photo)
        cards.append(card)
    return cards


def _places(checks: Sequence[PhotoCheck], chart: _Chart | None) -> dict[str, Floats]:
    """Return where photographs on the map are, by file; all at once, for one at a time is slow."""
    located = [check.photo for check in checks if check.photo is not None and check.photo.at is not None]
    if chart is None:
        return {}
    xy_N2 = in_frame(chart.frame, [photo.at for photo in located if photo.at is not None])
    inside_N = np.all((xy_N2 >= chart.low_2) & (xy_N2 <= chart.high_2), axis=1)
    return {p.file: xy for p, xy, inside in zip(located, xy_N2, inside_N.tolist(), strict=True) if inside}


def _outlines(outlines: Mapping[str, Polygon], chart: _Chart | None) -> dict[str, str]:
    if chart is None or not outlines:
        return {}
    whole = geo.reproject(shapely.GeometryCollection(list(outlines.values())), geo.WGS84, chart.frame)
    parts = shapely.simplify(np.asarray(shapely.get_parts(whole), object), 0.2).tolist()
    return {
        file: chart.path(np.asarray(part.exterior.coords)[:, :2])
        for file, part in zip(outlines, parts, strict=True)
        if not part.is_empty
    }


def _tile_m(checks: Sequence[PhotoCheck], chart: _Chart | None) -> float:
    """Return the width of thumbnails on the map: as wide as photographs are usually apart."""
    places = [check.photo.at for check in checks if check.photo and check.photo.at]
    if chart is None or len(places) < 2:
        return _LEAST_TILE_M if chart is None else 0.08 * _MAP_PX / chart.scale
    xy_N2 = in_frame(chart.frame, places)
    apart_m = float(np.median(cKDTree(xy_N2).query(xy_N2, k=2)[0][:, 1]))
    return float(np.clip(_TILE_SHARE * apart_m, 10 / chart.scale, 0.08 * _MAP_PX / chart.scale))


def _tile(chart: _Chart, xy: Floats, photo: Photo, tile_m: float) -> dict[str, str]:
    wide = tile_m * chart.scale
    high = wide * photo.height_px / photo.width_px
    x, y = (xy[0] - chart.low_2[0]) * chart.scale, (chart.high_2[1] - xy[1]) * chart.scale
    box = {"x": x - wide / 2, "y": y - high / 2, "width": wide, "height": high}
    return {name: f"{value:.1f}" for name, value in box.items()}


def _level_ring(chart: _Chart, xy: Floats, photo: Photo) -> str:
    """Return what a photograph shows of level ground at the take-off point's height, if it tells enough."""
    height_m, focal, yaw = photo.relative_height_m, photo.focal_px, photo.gimbal_yaw_deg
    if not height_m or height_m < 5 or not focal or yaw is None:
        return ""
    camera = Camera(
        width_px=photo.width_px,
        height_px=photo.height_px,
        focal_x_px=focal,
        focal_y_px=focal,
        centre_x_px=photo.width_px / 2,
        centre_y_px=photo.height_px / 2,
    )
    pitch = -90.0 if photo.gimbal_pitch_deg is None else photo.gimbal_pitch_deg
    pose = Pose(rotation_33=nadir_rotation(yaw, pitch), centre_3=np.array([*xy, height_m]))
    corners_42 = footprint(camera, pose, 0.0)
    return "" if corners_42 is None else chart.path(corners_42)


def _drawn(chart: _Chart, plan: Plan | None, gaps: Sequence[Marked]) -> dict[str, object]:
    """Return what is drawn beside the photographs."""
    wide, high = chart.size
    lines = []
    areas = []
    if plan is not None:
        for sortie in plan.sorties:
            for leg in sortie.legs:
                xy_M2 = in_frame(chart.frame, [point.at for point in leg.path])
                lines.append({"kind": leg.kind, "points": chart.path(xy_M2)})
        areas = [ring for part in plan.area for ring in _rings(chart, part)]
    bar_m = max((m for m in _BARS_M if m * chart.scale <= 0.25 * _MAP_PX), default=_BARS_M[0])
    return {
        "width": f"{wide:.0f}",
        "height": f"{high:.0f}",
        "lines": lines,
        "areas": areas,
        "gaps": [{"points": ring, "text": gap.text} for gap in gaps for ring in _rings(chart, gap.outline)],
        "bar_m": bar_m,
        "bar_px": f"{bar_m * chart.scale:.1f}",
    }


def _rings(chart: _Chart, shape: BaseGeometry) -> list[str]:
    local = geo.reproject(shape, geo.WGS84, chart.frame)
    parts = [part for part in shapely.get_parts(local).tolist() if isinstance(part, Polygon)]
    return [chart.path(np.asarray(part.exterior.coords)[:, :2]) for part in parts if not part.is_empty]
