"""The page for people: suspects with before and after pictures, opened from disk, no network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import numpy as np

from aerial import geo
from aerial.codec import replacing
from aerial.raster.grid import Grid, world_to_pixel
from aerial.records import Alignment, Suspect

KIND_NAMES = {
    "new": "新增建筑 new building",
    "extended": "扩建 extended",
    "rooftop": "楼顶加建 rooftop addition",
    "demolished": "拆除 demolished",
    "excavation": "开挖 excavation",
    "unknown": "待判 kind unknown",
}
REASONS = {
    "height": "高差 height",
    "pictures": "影像 pictures",
    "height and pictures": "高差和影像 height and pictures",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PairReport:
    """One compared pair as the page shows it.

    ``overview`` is the picture's path relative to the page, as the suspects' chips are, and
    ``overview_grid`` its grid.
    """

    cell: str | None
    before: str
    after: str
    alignment: Alignment
    suspects: tuple[Suspect, ...]
    overview: str
    overview_grid: Grid


def write_page(path: Path, title: str, pairs: Sequence[PairReport]) -> None:
    """Write the page to ``path``, whole or not there; pictures are referred to, not embedded."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("aerial.report", "."), autoescape=True, undefined=jinja2.StrictUndefined
    )
    text = environment.get_template("page.html.j2").render(
        title=title, sections=[_section(pair) for pair in pairs], total=sum(len(p.suspects) for p in pairs)
    )
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def _section(pair: PairReport) -> dict[str, object]:
    ranked = sorted(pair.suspects, key=lambda suspect: (-suspect.score, suspect.key))
    return {
        "pair": pair,
        "width": pair.overview_grid.width_px,
        "height": pair.overview_grid.height_px,
        "cards": [_card(number, suspect, pair) for number, suspect in enumerate(ranked, start=1)],
    }


def _card(number: int, suspect: Suspect, pair: PairReport) -> dict[str, object]:
    crs = geo.metric_crs_at(suspect.at)
    east_m, north_m = geo.from_lonlat(crs, suspect.at)
    outline = geo.reproject(suspect.outline, geo.WGS84, pair.overview_grid.crs)
    ring_N2 = world_to_pixel(pair.overview_grid, np.asarray(outline.exterior.coords)[:, :2])
    return {
        "number": number,
        "suspect": suspect,
        "kind": KIND_NAMES[suspect.kind],
        "reason": REASONS.get(suspect.reason or ""),
        "position": f"{suspect.at.lat_deg:.7f}°, {suspect.at.lon_deg:.7f}°",
        "metric": f"{geo.short_name(crs)}  E {east_m:.2f}  N {north_m:.2f}",
        "points": " ".join(f"{x:.1f},{y:.1f}" for x, y in ring_N2),
        "label": (float(ring_N2[:, 0].max()) + 4, float(ring_N2[:, 1].min())),
        "chips": [chip.path for chip in suspect.chips],
    }
