"""The town's area, its flight cells and its zones: files of any declared CRS in, lon, lat on WGS 84 out."""

from aerial.areas.cut import area_within, cut_cells
from aerial.areas.files import (
    flight_zones,
    read_area,
    read_cells,
    read_communities,
    read_lines,
    read_unit_grids,
    read_zones,
)
from aerial.areas.models import CELL_ID, Cell, Feature
from aerial.areas.shifted import refuse_gcj02
from aerial.areas.write import write_features
from aerial.records.zone import ZoneKind

__all__ = [
    "CELL_ID",
    "Cell",
    "Feature",
    "ZoneKind",
    "area_within",
    "cut_cells",
    "flight_zones",
    "read_area",
    "read_cells",
    "read_communities",
    "read_lines",
    "read_unit_grids",
    "read_zones",
    "refuse_gcj02",
    "write_features",
]
