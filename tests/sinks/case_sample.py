"""Cases for the tests of destinations."""

from dataclasses import replace
from datetime import UTC, date, datetime

from shapely.geometry import Polygon

from aerial.geo import LonLat
from aerial.records import Acceptance, Authority, Case, Matter, Suspect

LON, LAT = 113.7512345678, 22.8012345678


def sample_case(key: str = "a1b2c3-1", *, lon: float = LON, lat: float = LAT, **changes: object) -> Case:
    """Return a whole case in Chang'an, 12 m wide."""
    ring = [
        (lon - 6e-5, lat - 6e-5),
        (lon + 6e-5, lat - 6e-5),
        (lon + 6e-5, lat + 6e-5),
        (lon - 6e-5, lat + 6e-5),
    ]
    suspect = Suspect(
        key="a1b2c3d4", pair="2026-05-01-1__2026-05-15-1", kind="new", outline=Polygon(ring),
        at=LonLat(lon_deg=lon, lat_deg=lat), error_m=0.6, area_m2=151.3, height_change_m=3.1, score=0.91,
        model_sha256="m" * 64, chips=(),
    )  # fmt: skip
    case = Case(
        external_key=key, suspect=suspect, cell="C-017", unit_grid="441900123001007", community="马务社区",
        secrecy="internal", previous=None, evidence=(), identity=key.rpartition("-")[0] or key, episode=1,
        at=LonLat(lon_deg=lon, lat_deg=lat), error_m=1.0,
        before_on=date(2026, 5, 1), after_on=date(2026, 5, 15), found_at=datetime(2026, 5, 15, 9, 30, tzinfo=UTC), params_sha256="p" * 64,
        matter=Matter(table="gbt47678", code="44190006001", name="私搭乱建"),
        authority=Authority(code="114419000073", name="长安镇城管分局"),
        address="长安镇马务社区'; DROP TABLE cases; -- <b>&\"", accepted=Acceptance(
            verdict="01J", by="李雷", at=datetime(2026, 5, 15, 10, tzinfo=UTC), reason="新建铁皮棚"
        ),
        deadline=datetime(2026, 6, 12, 10, tzinfo=UTC),
    )  # fmt: skip
    return replace(case, **changes)  # type: ignore[arg-type]
