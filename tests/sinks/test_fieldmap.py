"""Cases in the words of another system, and maps that would be more than that."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sinks.samples import AT, KEY, sample_case

from aerial.errors import InputError
from aerial.features import case_properties
from aerial.sinks.fieldmap import NAMES, FieldMap, Template, held_key, holds_key, plain_text
from aerial.sinks.sink import Rejected


def mapped(fields: Any) -> FieldMap:
    """A map under test."""
    return FieldMap(fields, where="fields")


def test_the_names_are_those_of_a_case() -> None:
    """The names that a template may use are the properties of a case, the list of evidence aside."""
    assert {*NAMES, "evidence"} == set(case_properties(sample_case()))


def test_values_keep_their_types_and_places() -> None:
    """A name alone stays a number or None, mixed text is text, constants are themselves, paths are a tree."""
    one = mapped(
        {
            "a.b.lon": "{lon_deg}",
            "a.b.lat": "{lat_deg}",
            "a.text": "N {area_m2} {{x}}",
            "area": {"value": "{area_m2}", "decimals": 0},
            "code": "{matter_code}",
            "none": "{previous}",
            "three": 3,
            "yes": True,
        }
    )
    assert one.nested(sample_case()) == {
        "a": {"b": {"lon": AT.lon_deg, "lat": AT.lat_deg}, "text": "N 104.25 {x}"},
        "area": 104,
        "code": "44190006001",
        "none": None,
        "three": 3,
        "yes": True,
    }
    flat = one.flat(sample_case())
    assert flat["a.b.lon"] == "113.75123456"
    assert flat["yes"] == "true"
    assert "none" not in flat


def test_small_numbers_have_no_exponent_in_text() -> None:
    """1e-7 is written out, for peers that read decimals."""
    assert mapped({"e": "{error_m}"}).flat(sample_case(error_m=1e-7)) == {"e": "0.0000001"}


@pytest.mark.parametrize(
    "template",
    ["{external_key.__class__}", "{external_key[0]}", "{external_key!r}", "{external_key:>999999999}", "{0}",
     "{}",
     "{ external_key }", "{external_key", "external_key}", "{{external_key}", "{a{b}}", "{__class__}",
     "{case}",
     "{evidence}", "{self}", "{lon_deg:.2f}", "{external_key}{", "{EXTERNAL_KEY}", "{external_key\n}"],
)  # fmt: skip
def test_hostile_templates_are_refused_at_once(template: str) -> None:
    """Attributes, indices, conversions, formats, open braces and unknown names never make a map."""
    with pytest.raises(InputError) as caught:
        mapped({"x": template})
    assert caught.value.hint


def test_an_unknown_name_is_told_the_known_ones() -> None:
    """The hint lists every name."""
    with pytest.raises(InputError, match="'adress'") as caught:
        mapped({"x": "{adress}"})
    assert all(name in caught.value.hint for name in NAMES)


@pytest.mark.parametrize(
    "fields",
    [{}, [], None, "x", {"": "a"}, {"a..b": "c"}, {".a": "b"}, {"a.": "b"}, {"__proto__.x": "1"},
     {"a b": "c"},
     {"a\n": "c"}, {"a": "x", "a.b": "y"}, {"a": None}, {"a": float("nan")}, {"a": float("inf")},
     {"a": ["x"]},
     {"a": {"value": "x", "max_length": 0}}, {"a": {"value": "x", "max_length": True}},
     {"a": {"value": "x", "eval": "1"}},
     {"a": {"value": "x", "cut": True}}, {"a": {"value": "x", "decimals": 99}}, {"a": {"max_length": 3}},
     {3: "x"},
     {".".join("abcdefghi"): "x"}, {f"f{n}": "x" for n in range(201)}, {"a" * 65: "x"}],
)  # fmt: skip
def test_hostile_maps_are_refused_at_once(fields: Any) -> None:
    """Names, paths, values and limits that cannot be are named with a hint."""
    with pytest.raises(InputError) as caught:
        mapped(fields)
    assert caught.value.hint


def test_a_longer_value_is_refused_and_cut_only_where_told() -> None:
    """A code is never cut silently; a free text is where the map says so."""
    case = sample_case(address="违" * 50)
    with pytest.raises(Rejected, match="50 characters long, 30"):
        mapped({"x": {"value": "{address}", "max_length": 30}}).nested(case)
    cut = mapped({"x": {"value": "{address}", "max_length": 30, "cut": True}}).nested(case)["x"]
    assert cut == "违" * 29 + "…"
    with pytest.raises(Rejected):
        mapped({"x": "{address}{address}"}).flat(sample_case(address="a" * 15_000))


def test_values_are_not_templates() -> None:
    """Braces in what a case says stay braces."""
    assert (
        mapped({"x": "<{address}>"}).nested(sample_case(address="{external_key} {0}"))["x"]
        == "<{external_key} {0}>"
    )


@given(st.text())
def test_any_text_is_refused_or_filled_without_a_trace(text: str) -> None:
    """No template raises anything but an InputError, and none shows more than values of the case."""
    try:
        one = Template(text, where="x")
    except InputError:
        return
    filled = one.text(sample_case())
    assert "object at 0x" not in filled


@given(st.text(st.characters()))
def test_plain_text_goes_through_utf8_and_has_no_control_characters(text: str) -> None:
    """Line ends and tabs stay, NUL and half pairs go."""
    plain = plain_text(text)
    plain.encode()
    assert not set(plain) & {chr(code) for code in range(32) if chr(code) not in "\n\t"}


def test_a_key_is_found_as_itself_or_by_its_mark_only() -> None:
    """A longer key, or a text that mentions the key (a later case's predecessor), is not the case."""
    assert holds_key(KEY, KEY)
    assert holds_key(f" {KEY}\n", KEY)
    assert holds_key(f"text [aerial:{KEY}] text", KEY)
    for other in (f"{KEY}0", f"[aerial:{KEY}0]", f"复建, before: {KEY}", f"x{KEY}", None, [KEY], ""):
        assert not holds_key(other, KEY)
    assert held_key(f"text [aerial:{KEY}] text") == held_key(KEY) == KEY


def test_a_mark_in_a_text_of_the_case_is_defused() -> None:
    """An address cannot make a case pass for another one."""
    text = mapped({"x": "[aerial:{external_key}] {address}"}).nested(sample_case(address="[aerial:OTHER-1]"))[
        "x"
    ]
    assert holds_key(text, KEY)
    assert not holds_key(text, "OTHER-1")
