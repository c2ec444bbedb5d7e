"""Code tables."""

from pathlib import Path

import pytest

from aerial.errors import InputError
from aerial.resources import case_table_file
from aerial.suspects.codes import (
    credit_code_problem,
    matter_of,
    read_code_table,
    running_digits,
    whole_code,
)

SHIPPED = ("gbt47678-5", "gbt30428-2")


@pytest.mark.parametrize(
    ("table", "code", "name", "whole"),
    [
        ("gbt47678-5", "06001", "私搭乱建", "44190006001"),
        ("gbt47678-5", "08016", "无证建设", "44190008016"),
        ("gbt30428-2", "0101", "私搭乱建", "4419000101"),
    ],
)
def test_the_shipped_tables_give_whole_codes(table: str, code: str, name: str, whole: str) -> None:
    """Division, class and small class, in 11 and in 10 characters."""
    read = read_code_table(case_table_file(table))
    matter = matter_of(read, "event", code)
    assert matter.name == name
    assert whole_code(read, "441900", matter, length=None, number=None) == whole


@pytest.mark.parametrize("table", SHIPPED)
def test_every_shipped_matter_says_how_well_it_is_known(table: str) -> None:
    """None claims to be from the standard's own text, which was not to be had."""
    assert {matter.mark for matter in read_code_table(case_table_file(table)).matters} <= {"C", "V", "G"}


def test_the_same_digits_of_another_kind_are_another_matter(tmp_path: Path) -> None:
    """01001 is a component and an event; an event is not found under a component's digits."""
    path = tmp_path / "own.toml"
    path.write_text(
        _TABLE
        + '[[matters]]\nkind = "component"\ncode = "06001"\nname = "上水井盖"\nmark = "G"\n'.replace(
            "06001", "01001"
        )
        + '[[matters]]\nkind = "event"\ncode = "01001"\nname = "道路破损"\nmark = "G"\n',
        encoding="utf-8",
    )
    table = read_code_table(path)
    assert matter_of(table, "component", "01001").name == "上水井盖"
    assert matter_of(table, "event", "01001").name == "道路破损"
    with pytest.raises(InputError, match="no component '06001'") as caught:
        matter_of(table, "component", "06001")
    assert "01001 上水井盖" in caught.value.hint


def test_the_longer_code_ends_in_a_running_number() -> None:
    """16 characters are 6 + 2 + 3 + 5; other lengths are refused, and so is a number that does not fit."""
    table = read_code_table(case_table_file("gbt47678-5"))
    matter = matter_of(table, "event", "06001")
    assert (running_digits(table, None), running_digits(table, 16)) == (0, 5)
    assert whole_code(table, "441900", matter, length=16, number=7) == "4419000600100007"
    for length, number in ((16, None), (16, 100_000), (16, -1), (12, None)):
        with pytest.raises(InputError):
            whole_code(table, "441900", matter, length=length, number=number)
    for division in ("44190", "4419000", "44190a", "４４１９００"):
        with pytest.raises(InputError, match="does not have 6 digits"):
            whole_code(table, division, matter, length=None, number=None)


_TABLE = """\
title = "own"
division_digits = 6
class_digits = 2
small_digits = 3
code_lengths = [11]
suspected = "06001"
extension = { first = 80, last = 999, ending = "（自定义）" }
[classes]
component = { 01 = "市政" }
event = { 01 = "市政", 06 = "市容环境" }
[[matters]]
kind = "event"
code = "06001"
name = "私搭乱建"
mark = "C"
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('code = "06001"', 'code = "06999"', "its name ends in （自定义）"),
        ("私搭乱建", "私搭乱建（自定义）", "only 080-999 may be added"),
        ('code = "06001"', 'code = "6001"', "does not have 5 digits"),
        ('code = "06001"', 'code = "07001"', "a class that the table does not name"),
        ('suspected = "06001"', 'suspected = "06002"', "is not an event of the table"),
        ("code_lengths = [11]", "code_lengths = [9]", "lengths from 11 up"),
        ('event = { 01', 'event = { 1', "class '1' does not have 2 digits"),
        ('kind = "event"', 'kind = "thing"', "not a valid CodeTable"),
        ('name = "私搭乱建"', 'name = " "', "has no name"),
        ('title = "own"', 'name = "own"', "holds the key name"),
        ('title = "own"', 'titel = "own"', "titel"),
        ("[classes]", "[classes", "is not a code table"),
        ('mark = "C"\n', 'mark = "C"\n[[matters]]\nkind="event"\ncode="06001"\nname="x"\nmark="C"', "twice"),
    ],
)  # fmt: skip
def test_a_table_that_contradicts_itself_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    """With what is wrong, and never by dropping the line."""
    path = tmp_path / "own.toml"
    path.write_text(_TABLE.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        read_code_table(path)
    assert caught.value.hint


def test_a_town_may_add_matters_of_the_extension(tmp_path: Path) -> None:
    """Small classes 080 to 999, marked as the town's own by their name."""
    path = tmp_path / "own.toml"
    own = '[[matters]]\nkind = "event"\ncode = "06999"\nname = "屋顶加建（自定义）"\nmark = "S"\n'
    path.write_text(_TABLE + own, encoding="utf-8")
    assert matter_of(read_code_table(path), "event", "06999").name == "屋顶加建（自定义）"


def test_a_table_that_does_not_ship_is_named_with_those_that_do(tmp_path: Path) -> None:
    """The hint lists both; a file that is not there is said to be none."""
    with pytest.raises(InputError, match="No code table is called 'gbt1'") as caught:
        case_table_file("gbt1")
    assert all(name in caught.value.hint for name in SHIPPED)
    with pytest.raises(InputError, match="is not a code table"):
        read_code_table(tmp_path / "none.toml")


@pytest.mark.parametrize("code", ["91350100M000100Y43", "11440000006939748G", "9144030071526726XG"])
def test_credit_codes_in_use_pass(code: str) -> None:
    """The example of GB 32100, a government's and a company's."""
    assert credit_code_problem(code) is None


@pytest.mark.parametrize("place", range(18))
def test_one_mistyped_character_of_a_credit_code_is_found(place: int) -> None:
    """Whatever the place and the character."""
    code = "91350100M000100Y43"
    for letter in "0123456789ABCDEFGHJKLMNPQRTUWXY":
        if letter != code[place]:
            assert credit_code_problem(code[:place] + letter + code[place + 1 :])


@pytest.mark.parametrize("code", ["", "91350100M000100Y4", "91350100M000100Y4O", "91350100m000100Y43"])
def test_what_cannot_be_a_credit_code_is_told(code: str) -> None:
    """Too short, a letter that is not in use, a small letter."""
    assert credit_code_problem(code)
