"""A polygon with a name that the city gave it."""

from shapely.geometry import MultiPolygon, Polygon

from aerial.records.record import record


@record
class Place:
    """A community (社区) by its name, or a unit grid (单元网格) by its code; lon, lat on WGS 84."""

    name: str
    outline: Polygon | MultiPolygon
