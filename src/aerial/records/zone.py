"""A zone: a polygon that says what may be flown or built there."""

from typing import Literal

from shapely.geometry import MultiPolygon, Polygon

from aerial.records.record import record

ZoneKind = Literal[
    "no_fly", "fence", "controlled", "obstacle", "permit", "known_building", "farmland", "sensitive"
]


@record
class Zone:
    """One zone; ``outline`` is lon, lat on WGS 84.

    ``height_agl_m``: how high an obstacle stands over the ground below it; None: not known.
    ``floor_agl_m``: a controlled zone binds from this true height upward; None: from the ground.
    ``approval``: number of the permission to fly in a controlled zone; None: there is none.
    """

    kind: ZoneKind
    outline: Polygon | MultiPolygon
    name: str = ""
    height_agl_m: float | None = None
    floor_agl_m: float | None = None
    approval: str | None = None
