"""The score: what counts as found, as missed, as false, and as neither."""

from typing import Any

from shapely.affinity import translate
from shapely.geometry import Polygon, box, mapping

from aerial import geo
from aerial.simulate.score import TrueChange, Truth, by_kind, overlaps, score

CRS = "EPSG:4547"
X, Y = geo.from_lonlat(CRS, geo.LonLat(lon_deg=113.8, lat_deg=22.8))


def at(x0: float, y0: float, x1: float, y1: float) -> Polygon:
    """Return a rectangle in the metric CRS, metres from the cell's corner."""
    return translate(box(x0, y0, x1, y1), X, Y)


def change(number: int, outline: Polygon, *, permit: bool = False) -> TrueChange:
    """Return a true change with an outline."""
    return TrueChange(
        id=f"T{number}",
        kind="new",
        what="house",
        outline=outline,
        area_m2=outline.area,
        height_change_m=9.0,
        permit=permit,
    )


def truth() -> Truth:
    """Return a cell of 100 m with two changes, a permitted one, a lorry and a roof."""
    return Truth(
        crs=CRS,
        cell=at(0, 0, 100, 100),
        changes=(
            change(1, at(10, 10, 16, 16)),
            change(2, at(40, 40, 60, 60)),
            change(3, at(80, 10, 90, 20), permit=True),
        ),
        permits=(at(78, 8, 92, 22),),
        causes=(("vehicle", at(70, 70, 78, 73)), ("shadow of epoch 1", at(20, 70, 40, 90))),
        roofs=(at(20, 20, 30, 30),),
        gps_shift_m=((2.0, -1.0), (0.0, 0.0)),
    )


def suspect(outline: Polygon, kind: str = "new") -> dict[str, Any]:
    """Return a suspect as the report has it."""
    lonlat = geo.reproject(outline, CRS, geo.WGS84)
    return {"type": "Feature", "properties": {"key": "k", "kind": kind}, "geometry": mapping(lonlat)}


def test_a_quarter_of_the_smaller_area_is_enough_and_less_is_not() -> None:
    """The rule counts the smaller area: a small suspect inside a large change finds it."""
    large = at(40, 40, 60, 60)
    assert overlaps(at(41, 41, 43, 43), large)
    assert overlaps(at(57.4, 40, 67.4, 50), large)
    assert not overlaps(at(57.6, 40, 67.6, 50), large)


def test_found_missed_and_false_are_told_apart() -> None:
    """One suspect on a change, one on a lorry: one found, one missed, one false by its cause."""
    result = score([suspect(at(11, 11, 16, 15)), suspect(at(70, 70, 77, 73))], truth())
    assert [(f.change.id, len(f.by)) for f in result.changes] == [("T1", 1), ("T2", 0)]
    assert [f.cause for f in result.false] == ["vehicle"]
    assert by_kind(result)[-1] == {
        "changes": "all",
        "true": 2,
        "found": 1,
        "missed": 1,
        "kind right": 1,
        "false": 1,
    }


def test_a_permitted_change_counts_neither_way() -> None:
    """Found or not, construction inside a permit zone is no find, no miss and no false alarm."""
    result = score([suspect(at(80, 10, 90, 20)), suspect(at(79, 9, 82, 11))], truth())
    assert result.false == ()
    assert [f.change.id for f in result.changes] == ["T1", "T2"]
    assert result.permitted == 1


def test_the_shift_of_the_frame_is_taken_off() -> None:
    """A suspect 4 m off finds nothing, and finds its change once the frame's shift is named."""
    moved = suspect(at(14, 14, 20, 20))
    assert score([moved], truth()).false[0].cause == "beside house T1"
    assert score([moved], truth(), shift_m=(4.0, 4.0)).changes[0].by == ("k",)


def test_suspects_outside_the_cell_are_left_out() -> None:
    """What lies beyond the cell is neither found nor false."""
    result = score([suspect(at(110, 10, 120, 20))], truth())
    assert (result.outside, result.false) == (1, ())


def test_causes_are_named() -> None:
    """A false suspect on a wall is a facade, on a roof a roof, in a shadow a shadow, at the rim a border."""
    places = [
        at(19.5, 20, 20.5, 30),
        at(22, 22, 28, 28),
        at(25, 75, 30, 80),
        at(0.5, 50, 3, 53),
        at(60, 80, 64, 84),
    ]
    result = score([suspect(place) for place in places], truth())
    assert [f.cause for f in result.false] == ["facade", "roof", "shadow of epoch 1", "border", "unexplained"]
