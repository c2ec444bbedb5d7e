"""An accepted suspect in a town whose settings are complete, for the tests of cases."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from shapely.geometry import box

from aerial.geo import WGS84, LonLat, local_frame, reproject
from aerial.records import (
    Case,
    CaseSettings,
    FileRef,
    Observation,
    Place,
    Sighting,
    Structure,
    Suspect,
    Verdict,
)
from aerial.resources import case_table_file
from aerial.suspects.case import Surroundings, make_case
from aerial.suspects.codes import read_code_table

AT = LonLat(lon_deg=113.80, lat_deg=22.81)
FRAME = local_frame(AT)
HASH = "0" * 64
SETTINGS = CaseSettings(
    division="441900",
    authority_code="91350100M000100Y43",  # the example of GB 32100 itself
    authority_name="某市城市管理和综合执法局",
    gnss_datum="cgcs2000",
    secrecy="internal",
)
EVIDENCE = (FileRef(path="chips/s1-after.jpg", sha256=HASH),)


def rectangle(west_m: float, south_m: float, east_m: float, north_m: float) -> Any:
    """Return a rectangle of metres around ``AT`` as lon, lat."""
    return reproject(box(west_m, south_m, east_m, north_m), FRAME, WGS84)


TOWN = Surroundings(
    table=read_code_table(case_table_file("gbt47678-5")),
    communities=(Place(name="锦厦社区", outline=rectangle(-500, -500, 500, 500)),),
    unit_grids=(
        Place(name="441900001001001", outline=rectangle(-500, -500, 10, 500)),
        Place(name="441900001001002", outline=rectangle(10, -500, 500, 500)),
    ),
)


def suspect(key: str = "s1", east_m: float = 0.0, north_m: float = 0.0, **other: Any) -> Suspect:
    """Return a suspect of 10 m by 8 m whose middle lies so many metres from ``AT``."""
    outline = rectangle(east_m - 5, north_m - 4, east_m + 5, north_m + 4)
    middle = outline.centroid
    given: dict[str, Any] = {
        "key": key,
        "pair": "2026-05-01-1__2026-05-15-1",
        "kind": "new",
        "outline": outline,
        "at": LonLat(lon_deg=middle.x, lat_deg=middle.y),
        "error_m": 1.0,
        "area_m2": 80.0,
        "height_change_m": 6.2,
        "score": 0.9,
        "model_sha256": HASH,
        "chips": (),
    }
    return Suspect(**(given | other))


def accepted(seen: Suspect, identity: str | None = None, **other: Any) -> dict[str, Any]:
    """Return the observation, the sighting and the verdict of a suspect that a person accepted."""
    identity = identity or seen.key
    structure = Structure(
        identity=identity,
        episode=1,
        cell="A1",
        state="accepted",
        outline=seen.outline,
        area_m2=seen.area_m2,
        height_m=6.2,
        first_on=date(2026, 5, 15),
        last_on=date(2026, 5, 15),
    )
    structure = replace(structure, **other)
    return {
        "observation": Observation(
            suspect=seen, cell="A1", before_on=date(2026, 5, 1), after_on=date(2026, 5, 15)
        ),
        "sighting": Sighting(
            key=seen.key, structure=structure, relation="first", shown=True, reason="seen first", rank=1.0
        ),
        "verdict": Verdict(
            id="01HX0000000000000000000000",
            key=seen.key,
            identity=identity,
            episode=structure.episode,
            decision="accept",
            reason="a second storey without a permit",
            by="李四",
            at=datetime(2026, 5, 18, 2, 0, tzinfo=UTC),  # a Monday, 10:00 in Dongguan
            device="01HX0000000000000000000001",
        ),
    }


def made(
    seen: Suspect | None = None,
    settings: CaseSettings = SETTINGS,
    town: Surroundings = TOWN,
    *,
    accepted_as: dict[str, Any] | None = None,
    **other: Any,
) -> Case:
    """Return the case of a suspect."""
    acts = accepted_as or accepted(seen or suspect())
    given: dict[str, Any] = {
        "found_at": datetime(2026, 5, 16, tzinfo=UTC),
        "params_sha256": HASH,
        "evidence": EVIDENCE,
    }
    return make_case(
        acts["observation"], acts["sighting"], acts["verdict"], settings, town, **(given | other)
    )
