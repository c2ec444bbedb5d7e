"""A place where a building seems to have appeared, grown or gone."""

from typing import Literal

from shapely.geometry import Polygon

from aerial.geo import LonLat
from aerial.records.file import FileRef
from aerial.records.record import record

Kind = Literal["new", "extended", "rooftop", "demolished", "excavation", "unknown"]


@record
class Suspect:
    """A polygon with evidence; only ever *suspected* (疑似).

    ``key`` is derived from the survey ids, the model, the settings and the representative pixel:
    a repeated run gives the same key. ``pair`` is ``<before>__<after>``. ``outline`` is in lon, lat
    WGS 84, ``at`` its representative point, ``error_m`` the CE95 of that point (None: unknown).
    ``height_change_m`` is the median over the outline, None without height. ``score`` is 0-1.
    ``zones`` names the zones that the outline touches, as ``kind`` or ``kind:name``: they explain a
    suspect (a permit, a known building) and never remove it.

    What speaks for it: ``reason`` names the witnesses (``height``, ``pictures``, ``height and
    pictures``), ``probability`` is the network's for this change, ``building_before`` and
    ``building_after`` how much of the outline it takes for a building on each date (0-1),
    ``height_noise_m`` what unchanged surfaces like this one differ by; None where unknown.
    """

    key: str
    pair: str
    kind: Kind
    outline: Polygon
    at: LonLat
    error_m: float | None
    area_m2: float
    height_change_m: float | None
    score: float
    model_sha256: str
    chips: tuple[FileRef, ...]
    zones: tuple[str, ...] = ()
    reason: str | None = None
    probability: float | None = None
    building_before: float | None = None
    building_after: float | None = None
    height_noise_m: float | None = None
