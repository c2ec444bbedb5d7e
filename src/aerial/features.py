"""Outlines and cases as GeoJSON (RFC 7946) speaks of them, and the way there; for reports and destinations.

Lon, lat with 8 decimals (1 mm), exterior rings counter-clockwise, no ``crs`` member. The property names of
a case are a frozen contract (docs/formats.md): add, never rename.
"""

from typing import Any
from urllib.parse import quote

import numpy as np
from shapely import set_precision
from shapely.geometry import Polygon, mapping
from shapely.geometry.polygon import orient

from aerial.codec import to_plain
from aerial.geo import LonLat, to_gcj02
from aerial.records import Case

DECIMALS = 8  # of a degree: 1.1 mm on the ground
KINDS_ZH = {
    "new": "新增建筑",
    "extended": "扩建",
    "rooftop": "楼顶加建",
    "demolished": "拆除",
    "excavation": "开挖",
    "unknown": "待判",
}


def outline_geometry(outline: Polygon) -> dict[str, Any]:
    """Return a polygon as an RFC 7946 geometry, rounded without making it invalid."""
    rounded = set_precision(outline, 10.0**-DECIMALS)
    if not isinstance(rounded, Polygon) or rounded.is_empty:
        # A sliver thinner than a millimetre collapses; the unrounded ring is still right.
        rounded = outline
    plain = mapping(orient(rounded, 1.0))
    return {
        "type": "Polygon",
        "coordinates": [
            [[round(x, DECIMALS), round(y, DECIMALS)] for x, y, *_ in ring] for ring in plain["coordinates"]
        ],
    }


def case_properties(case: Case) -> dict[str, Any]:
    """Return a case as flat properties of plain text, numbers and None; what a field map refers to.

    ``lon_deg`` and ``lat_deg`` are CGCS2000. The six mandatory fields of GB/T 47678.5 table 3 carry its
    abbreviations beside.
    """
    suspect, matter, authority = case.suspect, case.matter, case.authority
    return {
        "external_key": case.external_key,
        "identity": case.identity,
        "episode": case.episode,
        "previous": case.previous,
        "title": f"疑似新增违建 {case.external_key}",
        "kind": suspect.kind,
        "kind_zh": KINDS_ZH[suspect.kind],
        "source": "无人机巡查",
        "matter_table": matter.table if matter else None,
        "matter_code": matter.code if matter else None,
        "matter_name": matter.name if matter else None,
        "authority_code": authority.code if authority else None,
        "authority_name": authority.name if authority else None,
        "address": case.address,
        "unit_grid": case.unit_grid,
        "community": case.community,
        "cell": case.cell,
        "lon_deg": round(case.at.lon_deg, DECIMALS),
        "lat_deg": round(case.at.lat_deg, DECIMALS),
        "crs": "EPSG:4490",
        "error_m": case.error_m,
        "area_m2": suspect.area_m2,
        "height_change_m": suspect.height_change_m,
        "score": suspect.score,
        "before_on": case.before_on.isoformat(),
        "after_on": case.after_on.isoformat(),
        "found_at": case.found_at.isoformat(),
        "stage": case.stage,
        "deadline": case.deadline.isoformat() if case.deadline else None,
        "secrecy": case.secrecy,
        "suspect_key": suspect.key,
        "model_sha256": suspect.model_sha256,
        "params_sha256": case.params_sha256,
        # What a sensitive zone is called says where it is.
        "zones": "; ".join(dict.fromkeys(_label(zone) for zone in suspect.zones)),
        "evidence": to_plain(case.evidence),
        "SXDM": matter.code if matter else None,
        "SXMC": matter.name if matter else None,
        "ZGBMDM": authority.code if authority else None,
        "ZGBMMC": authority.name if authority else None,
        "SFWZ": case.address,
        "SZDYWGBSM": case.unit_grid,
    }


def _label(zone: str) -> str:
    return "sensitive" if zone.split(":", 1)[0] == "sensitive" else zone


def case_feature(case: Case) -> dict[str, Any]:
    """Return a case as a GeoJSON Feature: the outline, with ``case_properties``."""
    return {
        "type": "Feature",
        "id": case.external_key,
        "geometry": outline_geometry(case.suspect.outline),
        "properties": case_properties(case),
    }


def navigation_link(at: LonLat, name: str) -> str:
    """Return a link that opens the way to ``at`` (WGS 84 or CGCS2000) in AMap on a phone.

    The one place where GCJ-02 is written: AMap takes nothing else in this link. 6 decimals are 0.1 m.
    """
    lon_N, lat_N = to_gcj02(np.array([at.lon_deg]), np.array([at.lat_deg]))
    # A comma would begin another part of the destination.
    called = quote(" ".join(name.replace(",", " ").split())[:64], safe="")
    return (
        f"https://uri.amap.com/navigation?to={lon_N[0]:.6f},{lat_N[0]:.6f},{called}"
        "&mode=car&policy=0&src=aerial&callnative=1"
    )
