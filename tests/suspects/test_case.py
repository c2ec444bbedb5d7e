"""From an accepted suspect to a case."""

import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.suspects.cases import AT, EVIDENCE, SETTINGS, TOWN, accepted, made, rectangle, suspect

from aerial.features import case_properties
from aerial.records import CaseSettings, Place
from aerial.resources import case_table_file
from aerial.suspects.case import address_problem, near_duplicates
from aerial.suspects.codes import read_code_table


def test_a_complete_case_is_not_held_and_carries_the_six_mandatory_fields() -> None:
    """Table 3 of GB/T 47678.5, under its own abbreviations."""
    case = made()
    assert case.held == ()
    properties = case_properties(case)
    assert {key: properties[key] for key in ("SXDM", "SXMC", "ZGBMDM", "ZGBMMC", "SFWZ", "SZDYWGBSM")} == {
        "SXDM": "44190006001",
        "SXMC": "私搭乱建",
        "ZGBMDM": "91350100M000100Y43",
        "ZGBMMC": "某市城市管理和综合执法局",
        "SFWZ": "锦厦社区，单元网格441900001001001",
        "SZDYWGBSM": "441900001001001",
    }


def test_a_case_is_known_by_identity_and_episode_and_names_who_accepted_it() -> None:
    """A second episode of a structure is another case, linked to the one before."""
    acts = accepted(suspect(), identity="first", episode=2, previous="first-1")
    case = made(accepted_as=acts)
    assert (case.external_key, case.previous, case.cell) == ("first-2", "first-1", "A1")
    assert case.accepted is not None
    assert (case.accepted.by, case.accepted.reason) == ("李四", "a second storey without a permit")
    assert case.evidence == EVIDENCE


@pytest.mark.parametrize(
    ("datum", "expected_m"),
    [("cgcs2000", 1.0), ("wgs84", math.hypot(1.0, 0.8)), (None, math.hypot(1.0, 0.8))],
)
def test_the_datum_of_the_positions_enters_the_error_and_moves_nothing(
    datum: None, expected_m: float
) -> None:
    """Nobody knows by how much WGS 84 of today differs here, so 0.8 m are added by squares."""
    case = made(settings=replace(SETTINGS, gnss_datum=datum))
    assert case.error_m == pytest.approx(expected_m)
    assert case.at == case.suspect.at


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"division": None}, "SXDM"),
        ({"matter": "06999"}, "SXDM"),
        ({"matter_name_max": 7}, "SXMC"),
        ({"authority_code": None}, "ZGBMDM"),
        ({"authority_code": "91350100M000100Y44"}, "ZGBMDM"),
        ({"authority_name": None}, "ZGBMMC"),
        ({"authority_name": "局" * 51}, "ZGBMMC"),
        ({"address": " "}, "SFWZ"),
        ({"address": "{community}" + "路" * 130}, "SFWZ"),
        ({"unit_grid_digits": 20}, "does not have 20 digits"),
        ({"secrecy": None}, "secrecy"),
    ],
)
def test_what_is_missing_or_does_not_fit_holds_the_case_with_a_sentence(
    change: dict[str, object], field: str
) -> None:
    """Exactly one sentence, which names the field; the rest of the case is made all the same."""
    (sentence,) = made(settings=replace(SETTINGS, **change)).held  # type: ignore[arg-type]
    assert field in sentence
    assert sentence.endswith(".")


def maybe(*values: Any) -> st.SearchStrategy[Any]:
    """Return None or one of the values."""
    return st.sampled_from([None, *values])


@given(
    division=maybe("441900"),
    matter=maybe("06001", "08016", "99999"),
    code_length=maybe(11, 16, 12),
    authority_code=maybe("91350100M000100Y43", "91350100M000100Y44"),
    authority_name=maybe("某局", "局" * 60),
    address=st.sampled_from(["{community}", "{unit_grid}{cell}", "", "{lon}", "路" * 200]),
    secrecy=maybe("public", "internal", "secret"),
    east_m=st.floats(-700, 700),
    error_m=maybe(0.1, 3.0, 30.0),
    layers=st.booleans(),
)
def test_whatever_is_set_a_case_that_is_not_held_has_all_six_fields_and_a_secrecy(
    east_m: float, error_m: float | None, layers: bool, **given_settings: Any
) -> None:
    """And one that is held says why; nothing in between, and never an exception."""
    town = TOWN if layers else replace(TOWN, unit_grids=None, communities=None)
    case = made(suspect(east_m=east_m, error_m=error_m), replace(SETTINGS, **given_settings), town)
    properties = case_properties(case)
    six = [properties[name] for name in ("SXDM", "SXMC", "ZGBMDM", "ZGBMMC", "SFWZ", "SZDYWGBSM")]
    whole = all(six) and case.secrecy is not None and case.error_m is not None
    if not case.held:
        assert whole
        assert len(properties["SXDM"]) == 11
        assert len(properties["SZDYWGBSM"]) == 15
        assert len(properties["ZGBMMC"].encode("gb18030")) <= 100
        assert len(properties["SFWZ"].encode("gb18030")) <= 256
    if not whole:
        assert case.held
    assert all(sentence.endswith(".") for sentence in case.held)


def test_an_empty_table_of_settings_names_everything_at_once() -> None:
    """Nobody has to try six times."""
    held = " ".join(made(settings=CaseSettings(), town=replace(TOWN, unit_grids=None, communities=None)).held)
    for field in ("SXDM", "ZGBMDM", "ZGBMMC", "SFWZ", "SZDYWGBSM", "密级"):
        assert held.count(field) == 1


def test_a_position_whose_error_crosses_a_border_names_both_unit_grids_and_is_held() -> None:
    """One metre from the border with an error of 5 m, neither is sure; 1 m away with 0.5 m, one is."""
    unsure = made(suspect(east_m=9.0, error_m=5.0))
    assert unsure.unit_grid is None
    assert any("441900001001001 (" in reason and "441900001001002 (" in reason for reason in unsure.held)
    sure = made(suspect(east_m=9.0, error_m=0.5))
    assert (sure.unit_grid, sure.held) == ("441900001001001", ())


@pytest.mark.parametrize(("east_m", "sure"), [(8.0, False), (6.8, False), (6.5, True), (5.0, True)])
def test_a_unit_grid_is_sure_when_95_of_100_positions_are_in_it(east_m: float, sure: bool) -> None:
    """With a CE95 of 5 m one axis deviates by 2.04 m; 1.645 of those are 3.36 m from the border."""
    case = made(suspect(east_m=east_m, error_m=5.0))
    assert (case.unit_grid == "441900001001001") is sure


def test_a_person_settles_the_border_but_cannot_name_a_grid_that_is_elsewhere() -> None:
    """The named unit grid must be one of those in which the position may lie."""
    near = suspect(east_m=9.0, error_m=5.0)
    settled = made(near, unit_grid="441900001001002")
    assert (settled.unit_grid, settled.held) == ("441900001001002", ())
    wrong = made(near, unit_grid="441900001001009")
    assert wrong.unit_grid is None
    assert any("441900001001009 was named, but" in reason for reason in wrong.held)


def test_outside_of_the_layer_and_where_the_layer_overlaps_itself_is_held() -> None:
    """No polygon, or two that both hold the position, is not an answer."""
    away = made(suspect(east_m=900.0))
    assert any("lies in no unit grid" in reason for reason in away.held)
    assert any("lies in no community" in reason for reason in away.held)
    doubled = replace(
        TOWN,
        unit_grids=(*TOWN.unit_grids, Place(name="441900001001003", outline=rectangle(-50, -50, 5, 50))),  # type: ignore[misc]
    )
    assert any("overlaps itself" in reason for reason in made(suspect(east_m=-10), town=doubled).held)


def test_an_unknown_error_is_held_until_a_person_names_the_unit_grid() -> None:
    """A position without an error is in no grid for sure."""
    blind = suspect(error_m=None)
    first, second = made(blind).held
    assert "error of the position is not known" in first
    assert "needs the community and the unit_grid" in second
    named = made(blind, unit_grid="441900001001001", community="锦厦社区")
    assert (named.error_m, named.held) == (None, ())


def test_a_demolition_is_no_suspected_new_building() -> None:
    """It is held unless the town files demolitions as something."""
    gone = suspect(kind="demolished")
    assert any("demolished" in reason for reason in made(gone).held)
    filed = made(gone, settings=replace(SETTINGS, matters={"demolished": "08007"}))
    assert filed.matter is not None
    assert filed.matter.name == "工地围挡"


def test_the_old_table_gives_ten_digits_and_the_long_one_needs_a_running_number() -> None:
    """01/01 私搭乱建 of GB/T 30428.2; 16 characters end in 5 digits of the case's own."""
    old = replace(TOWN, table=read_code_table(case_table_file("gbt30428-2")))
    assert made(settings=replace(SETTINGS, table="gbt30428-2"), town=old).matter.code == "4419000101"  # type: ignore[union-attr]
    long = replace(SETTINGS, code_length=16)
    assert any("running number of 5 digits" in reason for reason in made(settings=long).held)
    assert made(settings=long, number=42).matter.code == "4419000600100042"  # type: ignore[union-attr]


def test_another_case_of_the_same_place_and_matter_is_named_unless_identity_links_them() -> None:
    """Two metres away is held; the same structure, a linked one, another matter, or a closed case is not."""
    first = made(suspect("s1"))
    second = made(suspect("s2", east_m=2.0), others=[first])
    assert any("the same as s1-1" in reason and "2.0 m" in reason for reason in second.held)
    assert made(suspect("s2", east_m=2.0), others=[first], distinct=["s1-1"]).held == ()
    again = accepted(suspect("s2", east_m=2.0), identity="s1", episode=2)
    rebuilt = accepted(suspect("s2", east_m=2.0), previous="s1-1")
    for acts in (again, rebuilt):
        assert made(accepted_as=acts, others=[first]).held == ()
    other_matter = replace(SETTINGS, matters={"excavation": "08016"})
    dug = suspect("s2", east_m=2.0, kind="excavation")
    assert made(dug, settings=other_matter, others=[first]).held == ()
    assert made(suspect("s2", east_m=2.0), others=[replace(first, stage="close")]).held == ()


@pytest.mark.parametrize(
    ("east_m", "error_m", "near"),
    [(12.0, 1.0, False), (12.0, 9.0, True), (4.0, 1.0, True), (6.0, 1.0, False)],
)
def test_a_double_is_as_near_as_both_errors_or_shares_half_of_the_smaller_outline(
    east_m: float, error_m: float, near: bool
) -> None:
    """Houses of 10 m: 12 m apart they are two unless the error says otherwise, 4 m apart they are one."""
    first = made(suspect("s1", error_m=error_m))
    second = made(suspect("s2", east_m=east_m, error_m=error_m))
    assert bool(near_duplicates(second, [first], 3.0)) is near


def test_the_deadline_counts_working_days_from_the_verdict() -> None:
    """Seven working days after Monday the 18th is Wednesday the 27th, until the office closes."""
    case = made(settings=replace(SETTINGS, deadline_work_days=7))
    assert case.deadline == datetime(2026, 5, 27, 9, 30, tzinfo=UTC)
    assert made().deadline is None


def test_a_deadline_beyond_the_holiday_list_holds_the_case() -> None:
    """Next year's holidays are not guessed."""
    town = replace(TOWN, calendar=replace(TOWN.calendar, until=datetime(2026, 5, 20, tzinfo=UTC).date()))
    (sentence,) = made(settings=replace(SETTINGS, deadline_work_days=7), town=town).held
    assert "holiday list ends on 2026-05-20" in sentence


def test_an_address_has_no_coordinates_and_is_missing_where_its_parts_are() -> None:
    """Addresses are copied into messages; a template with a position, or a part of an object, is refused."""
    for template in ("{lon}", "{community.__class__}", "{community!r}", "{cell:>9}", "{", "{}"):
        assert address_problem(template)
    assert address_problem("{community} {unit_grid} {cell}, {{}}") is None
    address = made().address or ""
    assert str(int(AT.lon_deg)) not in address
    held = made(town=replace(TOWN, communities=None)).held
    assert any("SFWZ" in reason and "community" in reason for reason in held)


def test_a_verdict_of_something_else_is_a_programming_error() -> None:
    """A rejected suspect, or another structure's verdict, never becomes a case."""
    acts = accepted(suspect())
    for change in (
        {"decision": "reject"}, {"identity": "other"}, {"episode": 2}, {"key": "other"},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"verdict|accepted"):
            made(accepted_as=acts | {"verdict": replace(acts["verdict"], **change)})
