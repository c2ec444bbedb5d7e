"""The ground of a structure is remembered: what went down there, a pit, what was built again."""

import warnings
from dataclasses import replace

import pytest
from shapely.geometry import Polygon, box
from tests.suspects.town import HOUSE, day, one, seen

from aerial.records import Decision, Structure
from aerial.suspects.overlap import shrunk, solid
from aerial.suspects.track import decided, told, track


def house(decision: Decision = "accept") -> Structure:
    """The house of 10 x 10 x 6 m that appeared between day 0 and 14, decided upon."""
    first = seen("first", 0, 14)
    return decided(one(first, []), decision, first)


@pytest.mark.parametrize("height_m", [6.0, None])
def test_a_decided_pit_hides_no_house(height_m: float | None) -> None:
    """Only the baseline pair shows the house over a pit that was decided upon: it is shown, then known."""
    dug = seen("pit", 0, 14, kind="excavation", height_m=-2.0)
    pit = decided(one(dug, []), "reject", dug)
    built = seen("house", -90, 28, height_m=height_m)
    sighting = track([built], [pit], ())[0]
    assert (sighting.relation, sighting.shown) == ("grown", True)
    known = decided(sighting.structure, "accept", built)
    assert not track([seen("again", -90, 42)], [known], ())[0].shown


def test_a_decided_pit_is_not_shown_again() -> None:
    """The baseline pair shows the pit once more: it is hidden."""
    dug = seen("pit", 0, 14, kind="excavation", height_m=-2.0)
    pit = decided(one(dug, []), "reject", dug)
    again = seen("again", -90, 28, kind="excavation", height_m=-2.2)
    assert not track([again], [pit], ())[0].shown


def test_a_part_taken_down_is_shown_once() -> None:
    """The verdict on it does not make the baseline pair's demolition a building that was not known."""
    part = seen("part", 14, 28, (0, 6, 10, 10), kind="demolished", height_m=-6.0)
    left = decided(one(part, [house()]), "reject", part)
    again = seen("again", -90, 42, (0.3, 6.2, 10.2, 10.1), kind="demolished", height_m=-6.0)
    assert [(s.relation, s.shown) for s in track([again], [left], ())] == [("demolished", False)]
    assert track([part], [left], ())[0].structure == left


def test_what_is_left_after_a_part_went_is_not_higher() -> None:
    """The median of the rest is another one than that of the whole: no change."""
    part = seen("part", 14, 28, (0, 6, 10, 10), kind="demolished", height_m=-6.0)
    left = decided(one(part, [house()]), "reject", part)
    assert not track([seen("rest", -90, 42, (0, 0, 10, 6), height_m=9.0)], [left], ())[0].shown


def test_the_house_of_a_room_that_went_is_its_place() -> None:
    """复建: a room on a roof went with its house; what is built anywhere on the house's ground is linked."""
    room = seen("room", 0, 14, (0, 0, 4, 4), kind="rooftop", height_m=3.0)
    known = decided(one(room, []), "accept", room)
    gone = one(seen("down", 14, 28, (0, 0, 14, 12), kind="demolished", height_m=-9.0), [known])
    again = track([seen("again", 28, 42, (6, 4, 16, 14))], [gone], ())[0]
    assert (again.relation, again.shown) == ("rebuilt", True)
    assert (again.structure.identity, again.structure.previous) == (known.identity, known.case)


def test_a_false_alarm_does_not_take_the_place_of_what_is_built_again() -> None:
    """What was rejected in a corner of the place is no episode that ends the link to the old case."""
    gone = one(seen("down", 14, 28, kind="demolished", height_m=-6.0), [house()])
    blot = seen("blot", 28, 42, (7, 7, 10, 10), height_m=None)
    rejected = decided(one(blot, [gone]), "reject", blot)
    again = track([seen("again", 42, 56, (-2, -3, 6.5, 6.5))], [rejected], ())[0]
    assert (again.relation, again.shown) == ("rebuilt", True)
    assert (again.structure.former, again.structure.previous) == (house().identity, house().case)


def test_bare_ground_in_a_part_does_not_end_what_stands() -> None:
    """Built on bare ground in a corner of a known house: linked, and the rest of the house stays decided."""
    corner = track([seen("corner", 14, 28, (0, 0, 4, 5))], [house()], ())[0]
    assert (corner.relation, corner.shown, corner.structure.former) == ("rebuilt", True, house().identity)
    known = [house(), decided(corner.structure, "reject", seen("corner", 14, 28, (0, 0, 4, 5)))]
    assert not any(s.shown for s in track([seen("base", -90, 42)], known, ()))


def test_one_outline_over_a_high_and_a_low_structure() -> None:
    """The higher one's height over both says nothing new of the lower one; more than both does, of each."""
    beside = seen("low", 0, 14, (10, 0, 16, 10), height_m=3.0)
    low = decided(one(beside, []), "accept", beside)
    high = replace(house(), height_m=12.0)
    both = (0.0, 0.0, 16.0, 10.0)
    assert not any(s.shown for s in track([seen("b", -90, 28, both, height_m=12.0)], [high, low], ()))
    raised = track([seen("c", -90, 28, both, height_m=15.2)], [high, low], ())
    assert {s.structure.identity for s in raised} == {high.identity, low.identity}
    assert {s.structure.height_m for s in raised} == {15.2}


def test_one_floor_drawn_in_two_pieces_is_one_floor() -> None:
    """After the verdict on both pieces the baseline pair shows the height of all, which is known."""
    pieces = [
        seen("a", 14, 28, (0, 0, 5, 10), kind="rooftop", height_m=3.0),
        seen("b", 14, 28, (5, 0, 10, 10), kind="rooftop", height_m=3.2),
    ]
    now = track(pieces, [house()], ())[-1].structure
    known = decided(now, "accept", pieces[0])
    assert not track([seen("base", -90, 42, height_m=9.2)], [known], ())[0].shown


def test_rejecting_what_stands_after_an_officer_told_it_gone_settles_it() -> None:
    """复建 told, then the next picture rejected: the baseline pair of the same is hidden."""
    gone = told(house(), "rebuilt", day(20))
    again = seen("again", 14, 28)
    shown = track([again], [gone], ())[0]
    assert (shown.relation, shown.shown) == ("rebuilt", True)
    settled = decided(gone, "reject", again)
    assert (settled.state, settled.episode) == ("rejected", 2)
    assert not track([seen("base", -90, 42)], [settled], ())[0].shown


def test_a_lowered_house_given_again_still_stands() -> None:
    """The same loss of storeys twice is one loss."""
    down = seen("down", 14, 28, kind="demolished", height_m=-2.9)
    lowered = one(down, [house()])
    assert lowered.state == "accepted"
    assert one(down, [lowered]) == lowered


def test_pinholes_are_closed() -> None:
    """A hole of no area, as unions of touching outlines leave it, is no hole: nothing warns."""
    hole = [(4, 4), (4.0000001, 4.0000001), (4, 4.0000001)]
    shape = solid(Polygon(box(*HOUSE).exterior, [hole]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert shrunk(shape, 0.5).area == pytest.approx(81.0)
