"""A small town made by code."""

import json
from pathlib import Path

from shapely.geometry import box, mapping

from aerial.steps.init import init_town
from aerial.workspace import Town

ORIGIN = (113.83, 22.81)


def make_town(folder: Path, *cells: str) -> Town:
    """Return a town whose cells (default A1) lie side by side from ``ORIGIN``, 1 km each."""
    names = cells or ("A1",)
    shapes = {
        name: box(
            ORIGIN[0] - 0.001 + 0.01 * i, ORIGIN[1] - 0.001, ORIGIN[0] + 0.009 + 0.01 * i, ORIGIN[1] + 0.009
        )
        for i, name in enumerate(names)
    }
    given = folder.parent / f"{folder.name}-given"
    given.mkdir()
    (given / "area.geojson").write_text(
        json.dumps(mapping(box(ORIGIN[0] - 0.01, ORIGIN[1] - 0.01, ORIGIN[0] + 0.1, ORIGIN[1] + 0.02)))
    )
    features = [
        {"type": "Feature", "geometry": mapping(shape), "properties": {"id": name}}
        for name, shape in shapes.items()
    ]
    (given / "cells.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return init_town(folder, given / "area.geojson", given / "cells.geojson")
