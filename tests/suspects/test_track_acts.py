"""What verdicts and officers make of a structure."""

from dataclasses import replace

import pytest
from tests.suspects.town import HOUSE, day, one, seen

from aerial.records import Result, State
from aerial.suspects.track import decided, told, track, waits

FIRST = seen("first", 0, 14)
FLOOR = seen("floor", 14, 28, kind="rooftop", height_m=3.0)


def test_a_verdict_keeps_what_was_decided_upon() -> None:
    """State, day, extent and height of the verdict are kept; accepting names the case."""
    structure = one(FIRST, [])
    accepted = decided(structure, "accept", FIRST)
    assert (accepted.state, accepted.decided_on, accepted.case) == (
        "accepted",
        day(14),
        f"{structure.identity}-1",
    )
    assert (accepted.decided_outline, accepted.decided_height_m) == (structure.outline, 6.0)
    rejected = decided(structure, "reject", FIRST)
    assert (rejected.state, rejected.case) == ("rejected", None)


def test_a_changed_verdict_counts() -> None:
    """The same suspect, first accepted and then rejected, is rejected."""
    structure = decided(one(FIRST, []), "accept", FIRST)
    assert decided(structure, "reject", FIRST).state == "rejected"


def test_rejecting_a_later_change_leaves_the_accepted_case() -> None:
    """The new floor is no case; the house still is, and the floor is not shown again."""
    grown = one(FLOOR, [decided(one(FIRST, []), "accept", FIRST)])
    after = decided(grown, "reject", FLOOR)
    assert (after.state, after.case, after.decided_on) == ("accepted", grown.case, day(28))
    assert not track([seen("base", -90, 42, height_m=9.0)], [after], ())[0].shown


def test_accepting_a_change_of_a_rejected_structure_makes_a_case() -> None:
    """What was permitted grew, and the growth is accepted."""
    grown = one(FLOOR, [decided(one(FIRST, []), "reject", FIRST)])
    after = decided(grown, "accept", FLOOR)
    assert (after.state, after.case) == ("accepted", f"{after.identity}-1")


def test_a_verdict_on_an_older_picture_leaves_later_growth_open() -> None:
    """The growth of the day after waits on; a suspect of the decided day does not."""
    first = track([FIRST], [], ())[0]
    floor = track([FLOOR], [first.structure], ())[0]
    after = decided(floor.structure, "accept", FIRST)
    assert waits(floor, FLOOR, after)
    assert not waits(first, FIRST, after)
    assert not waits(first, FIRST, decided(floor.structure, "accept", FLOOR))


def test_the_case_of_several_structures_is_the_one_given() -> None:
    """One outline, two structures, one case."""
    assert decided(one(FIRST, []), "accept", FIRST, case="S-other-1").case == "S-other-1"


@pytest.mark.parametrize(
    ("result", "state"),
    [
        ("confirmed", "accepted"),
        ("unfounded", "rejected"),
        ("permitted", "rejected"),
        ("demolished", "gone"),
        ("rebuilt", "gone"),
        ("no_access", "accepted"),
    ],
)
def test_what_an_officer_found(result: Result, state: State) -> None:
    """属实 不属实 已批 已拆 复建 无法进入: each leaves the structure in its state, and its case known."""
    structure = decided(one(FIRST, []), "accept", FIRST)
    after = told(structure, result, day(20))
    assert (after.state, after.case, after.decided_on) == (state, structure.case, day(14))
    assert after.gone_on == {"demolished": day(20), "rebuilt": day(14)}.get(result)


@pytest.mark.parametrize("result", ["unfounded", "permitted"])
def test_what_an_officer_cleared_is_not_shown_again(result: Result) -> None:
    """The baseline pair shows the permitted house again: hidden."""
    structure = told(decided(one(FIRST, []), "accept", FIRST), result, day(20))
    sighting = track([seen("base", -90, 28)], [structure], ())[0]
    assert (sighting.relation, sighting.shown) == ("decided", False)


def test_told_to_be_taken_down_and_seen_again_is_rebuilt() -> None:
    """已拆 on day 20, and a later pair shows a building: 复建, linked to the old case."""
    structure = told(decided(one(FIRST, []), "accept", FIRST), "demolished", day(20))
    sighting = track([seen("again", 28, 42)], [structure], ())[0]
    assert (sighting.relation, sighting.structure.previous) == ("rebuilt", structure.case)


def test_told_to_be_built_again_begins_an_episode_with_the_next_acceptance() -> None:
    """复建 told after its suspect was shown: accepting that suspect begins episode 2."""
    grown = one(FLOOR, [decided(one(FIRST, []), "accept", FIRST)])
    again = told(grown, "rebuilt", day(30))
    after = decided(again, "accept", FLOOR)
    assert (after.episode, after.state) == (2, "accepted")
    assert (after.previous, after.case) == (grown.case, f"{after.identity}-2")
    assert track([seen("next", -90, 42, HOUSE)], [again], ())[0].relation == "rebuilt"


def test_a_late_result_does_not_reach_the_next_episode() -> None:
    """A visit before the new episode began says nothing of it."""
    gone = told(decided(one(FIRST, []), "accept", FIRST), "demolished", day(20))
    rebuilt = one(seen("again", 28, 42), [gone])
    assert told(rebuilt, "permitted", day(18)) == rebuilt


def test_a_verdict_on_a_demolition_says_nothing_of_the_building() -> None:
    """Rejecting a demolition (no case) leaves the structure gone, so that building again is 复建."""
    down = seen("down", 14, 28, kind="demolished", height_m=-6.0)
    gone = one(down, [decided(one(FIRST, []), "accept", FIRST)])
    after = decided(gone, "reject", down)
    assert replace(after, decided_on=None) != after
    assert (after.state, after.gone_on) == ("gone", day(28))
    assert track([seen("again", 28, 42)], [after], ())[0].relation == "rebuilt"
