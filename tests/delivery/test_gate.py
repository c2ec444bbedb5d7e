"""What may leave."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from shapely.geometry import MultiPolygon
from tests.suspects.cases import AT, made, rectangle

from aerial import geo
from aerial.delivery.gate import Outgoing, largest_contiguous_km2, require_may_leave, require_true_place
from aerial.errors import SecrecyError
from aerial.geo import LonLat
from aerial.records import Signoff, Zone


def picture(footprint: Any = None, **other: Any) -> Outgoing:
    """Return a chip of 40 m by 40 m that may leave."""
    given: dict[str, Any] = {
        "path": "chips/s1-after.jpg",
        "what": "picture",
        "footprint": rectangle(-20, -20, 20, 20) if footprint is None else footprint,
        "gsd_m": 0.05,
    }
    return Outgoing(**(given | other))


def signed(kind: Any, subject: str = "s1-1", by: str = "王五") -> Signoff:
    """Return a named person's sign-off."""
    return Signoff(
        id="01HX0000000000000000000002",
        kind=kind,
        subject=subject,
        by=by,
        reason="asked",
        at=datetime(2026, 5, 18, tzinfo=UTC),
        device="01HX0000000000000000000001",
    )


TEXT = Outgoing(path="case.geojson", what="text")
PHOTOGRAPH = Outgoing(path="photos/DJI_0001.JPG", what="photograph", gsd_m=0.01)


def test_what_is_coarse_and_small_leaves_without_a_signature() -> None:
    """Records and chips of 5 cm a pixel, public or internal."""
    for secrecy in ("public", "internal"):
        assert require_may_leave("s1-1", secrecy, [TEXT, picture()]) == ()


@pytest.mark.parametrize("secrecy", [None, "", " ", "geheim"])
def test_nothing_leaves_while_secrecy_is_not_set(secrecy: str | None) -> None:
    """Not even a text, and not even with a signature."""
    with pytest.raises(SecrecyError) as caught:
        require_may_leave("s1-1", secrecy, [TEXT], signoffs=[signed("secrecy")])
    assert "et secrecy in [cases]" in caught.value.hint


def test_what_is_secret_leaves_by_a_signature_only() -> None:
    """Which is returned, so that the log can name it."""
    with pytest.raises(SecrecyError, match="is secret"):
        require_may_leave("s1-1", "secret", [TEXT])
    signature = signed("secrecy")
    assert require_may_leave("s1-1", "secret", [TEXT], signoffs=[signature]) == (signature,)


@pytest.mark.parametrize(
    "signature",
    [signed("raw_photographs", "s2-1"), signed("secrecy"), signed("raw_photographs", by=" ")],
)
def test_a_signature_of_another_subject_another_kind_or_nobody_does_not_count(signature: Signoff) -> None:
    """Original photographs need one that is theirs."""
    with pytest.raises(SecrecyError, match=r"original photographs.*DJI_0001"):
        require_may_leave("s1-1", "internal", [PHOTOGRAPH], signoffs=[signature])
    right = signed("raw_photographs")
    assert require_may_leave("s1-1", "internal", [PHOTOGRAPH], signoffs=[signature, right]) == (right,)


@pytest.mark.parametrize("gsd_m", [0.0499, 0.02, 0.0, float("nan"), None])
def test_no_picture_finer_than_5_cm_leaves_whoever_signs(gsd_m: float | None) -> None:
    """Nor one whose pixels nobody knows."""
    everything = [signed(kind) for kind in ("raw_photographs", "contiguous_25km2", "secrecy")]
    with pytest.raises(SecrecyError, match="pixels"):
        require_may_leave("s1-1", "internal", [picture(gsd_m=gsd_m)], signoffs=everything)


def test_a_picture_of_unknown_ground_stays() -> None:
    """It could be any, and any amount."""
    with pytest.raises(SecrecyError, match="what ground"):
        require_may_leave("s1-1", "internal", [replace(picture(), footprint=None)])


def test_more_than_25_km2_of_contiguous_pictures_need_a_signature() -> None:
    """4.9 km by 5 km go, 5.1 km by 5 km do not; two of 4 km by 5 km do when a street lies between."""
    small, large = rectangle(0, 0, 4900, 5000), rectangle(0, 0, 5100, 5000)
    assert require_may_leave("s1-1", "public", [picture(small)]) == ()
    with pytest.raises(SecrecyError, match=r"25\.5 km²"):
        require_may_leave("s1-1", "public", [picture(large)])
    signature = signed("contiguous_25km2")
    assert require_may_leave("s1-1", "public", [picture(large)], signoffs=[signature]) == (signature,)
    west, east = rectangle(-4000, 0, 0, 5000), rectangle(30, 0, 4000, 5000)
    assert require_may_leave("s1-1", "public", [picture(west), picture(east)]) == ()
    touching = rectangle(0, 0, 4000, 5000)
    with pytest.raises(SecrecyError, match=r"40\.0 km²"):
        require_may_leave("s1-1", "public", [picture(west), picture(touching)])


@pytest.mark.parametrize("size_m", [999, 1000, 1003])
def test_cutting_a_town_into_pieces_does_not_help(size_m: int) -> None:
    """64 tiles of 1 km2 that touch, overlap or miss each other by a metre are one ground, counted once."""
    tiles = [
        rectangle(1000 * i, 1000 * j, 1000 * i + size_m, 1000 * j + size_m)
        for i in range(8)
        for j in range(8)
    ]
    assert largest_contiguous_km2(tiles) == pytest.approx(64, rel=3e-3)


def test_pieces_that_went_before_count_and_old_ground_alone_does_not() -> None:
    """The receiver lays them side by side; a chip far from what was signed for needs no new signature."""
    before = [rectangle(0, 0, 4900, 5000)]
    beside = picture(rectangle(4900, 0, 5100, 5000))
    with pytest.raises(SecrecyError, match=r"25\.5 km²"):
        require_may_leave("s1-1", "public", [beside], gone_before=before)
    old = [rectangle(0, 0, 9000, 9000)]
    away = picture(rectangle(-900, -900, -860, -860))
    assert require_may_leave("s1-1", "public", [away], gone_before=old) == ()
    assert require_may_leave("s1-1", "public", [TEXT], gone_before=old) == ()


def test_pictures_of_a_sensitive_zone_leave_cut_only() -> None:
    """Cut copies go; other kinds of zones, and sensitive ones elsewhere, do not matter."""
    barracks = Zone(kind="sensitive", outline=rectangle(10, 10, 400, 400), name="西区")
    with pytest.raises(SecrecyError, match="shows the sensitive zone 西区"):
        require_may_leave("s1-1", "public", [picture()], zones=[barracks])
    assert require_may_leave("s1-1", "public", [picture(cut=True)], zones=[barracks]) == ()
    for harmless in (
        replace(barracks, kind="farmland"),
        replace(barracks, outline=MultiPolygon([rectangle(100, 100, 400, 400)])),
    ):
        assert require_may_leave("s1-1", "public", [picture()], zones=[harmless]) == ()


def test_an_original_photograph_of_unknown_ground_may_show_a_sensitive_zone() -> None:
    """A signature for photographs is none for the zone."""
    barracks = Zone(kind="sensitive", outline=rectangle(10, 10, 400, 400))
    with pytest.raises(SecrecyError, match="may show a sensitive zone"):
        require_may_leave(
            "s1-1", "public", [PHOTOGRAPH], zones=[barracks], signoffs=[signed("raw_photographs")]
        )


def test_a_case_in_gcj02_never_leaves() -> None:
    """A place that is not its suspect's is refused, and called GCJ-02 where it is."""
    case = made()
    require_true_place(case)
    lon_N, lat_N = geo.to_gcj02(np.array([AT.lon_deg]), np.array([AT.lat_deg]))
    shifted = replace(case, at=LonLat(lon_deg=float(lon_N[0]), lat_deg=float(lat_N[0])))
    with pytest.raises(SecrecyError, match="is in GCJ-02"):
        require_true_place(shifted)
    moved = replace(case, at=LonLat(lon_deg=AT.lon_deg + 0.001, lat_deg=AT.lat_deg))
    with pytest.raises(SecrecyError, match=r"102\.\d m away from its suspect's"):
        require_true_place(moved)
