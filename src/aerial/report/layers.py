"""A report for maps: GeoJSON (RFC 7946, WGS 84) and a GeoPackage (CGCS2000), the same properties in both."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import geopandas  # type: ignore[import-untyped]
import pandas as pd  # type: ignore[import-untyped]
from shapely.geometry import Point
from shapely.geometry.base import BaseGeometry

from aerial.codec import to_plain
from aerial.features import case_feature
from aerial.report.properties import LAYER, NUMBERS, WHOLE, report_properties
from aerial.report.record import CaseEntry, CycleReport
from aerial.report.text import storable
from aerial.report.words import Words

Advance = Callable[[], None]
CGCS2000 = "EPSG:4490"
_AT_ONCE = 2000  # cases in memory as rows


def write_geojson(report: CycleReport, entries: Sequence[CaseEntry], path: Path, advance: Advance) -> None:
    """Write the outlines of ``entries`` as a FeatureCollection, one feature a line.

    The member ``report`` says what it is of, with the heads of the audit chains. ``advance`` is called
    once a case.
    """
    words = Words(report.language)
    with path.open("w", encoding="utf-8") as file:
        file.write('{"type": "FeatureCollection", "report": ' + _json(_about(report)) + ', "features": [')
        for number, entry in enumerate(entries, start=1):
            known = report_properties(entry, number, report, words)
            feature = case_feature(entry.case)
            # In the order of the headings, so that two reports can be laid beside each other.
            feature["properties"] = {name: known[name] for name in LAYER}
            file.write((",\n" if number > 1 else "\n") + _json(feature))
            advance()
        file.write("\n]}\n")


def write_geopackage(report: CycleReport, entries: Sequence[CaseEntry], path: Path, advance: Advance) -> None:
    """Write a GeoPackage in EPSG:4490 with the layers ``cases`` (outlines) and ``points`` (places).

    x is longitude, as the GeoPackage standard has it whatever the axis order of the CRS. ``advance`` is
    called once a case.
    """
    words = Words(report.language)
    about = {
        name: value if isinstance(value, str) else _json(value) for name, value in _about(report).items()
    }
    for start in range(0, max(len(entries), 1), _AT_ONCE):
        some = entries[start : start + _AT_ONCE]
        rows = _columns(
            [report_properties(entry, start + n, report, words) for n, entry in enumerate(some, start=1)]
        )
        outlines: list[BaseGeometry] = [entry.case.suspect.outline for entry in some]
        places: list[BaseGeometry] = [Point(entry.case.at.lon_deg, entry.case.at.lat_deg) for entry in some]
        for layer, shapes, kind in (("cases", outlines, "Polygon"), ("points", places, "Point")):
            geopandas.GeoDataFrame(rows, geometry=shapes, crs=CGCS2000).to_file(
                path,
                driver="GPKG",
                layer=layer,
                engine="pyogrio",
                geometry_type=kind,
                append=start > 0,
                dataset_metadata=about if start == 0 and layer == "cases" else None,
            )
        for _ in some:
            advance()


def _about(report: CycleReport) -> dict[str, Any]:
    return {
        "title": storable(report.title),
        "town": storable(report.town),
        "starts_on": report.starts_on.isoformat() if report.starts_on else None,
        "ends_on": report.ends_on.isoformat() if report.ends_on else None,
        "generated_at": report.generated_at.isoformat(),
        "software": report.software,
        "settings_sha256": report.settings_sha256,
        "audit": to_plain(report.audit),
    }


def _columns(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {name: pd.Series(list(_column(name, rows)), dtype=_type(name)) for name in LAYER}


def _column(name: str, rows: Sequence[dict[str, Any]]) -> Iterator[Any]:
    for row in rows:
        value = row[name]
        if value is None or name in NUMBERS:
            yield value
        else:
            yield storable(value if isinstance(value, str) else _json(value))


def _type(name: str) -> Any:
    # Said, so that a column that is empty in one report is of the same type as in the next.
    return "int64" if name in WHOLE else "float64" if name in NUMBERS else "string"


def _json(value: Any) -> str:
    return storable(json.dumps(value, ensure_ascii=False, allow_nan=False))
