"""Records to JSON and back; files that are whole or not there."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aerial import codec
from aerial.errors import InputError
from aerial.records import FileRef, Georef, Grid, Mosaic, Survey

finite = st.floats(-1e7, 1e7)
file_refs = st.builds(FileRef, path=st.text(max_size=20), sha256=st.text("0123456789abcdef", min_size=64))
grids = st.builds(
    Grid,
    crs=st.just("EPSG:4547"),
    affine=st.tuples(*[finite] * 6),
    width_px=st.integers(1, 10**6),
    height_px=st.integers(1, 10**6),
)
mosaics = st.builds(
    Mosaic,
    ortho=file_refs,
    dsm=st.none() | file_refs,
    grid=grids,
    georef=st.builds(Georef, how=st.sampled_from(["gps", "reference"]), ce95_m=st.none() | finite),
    block=st.none() | file_refs,
)
surveys = st.builds(
    Survey,
    cell=st.text(max_size=8),
    survey=st.text(max_size=8),
    started_at=st.datetimes(timezones=st.just(UTC)),
    photos=st.lists(file_refs, max_size=3).map(tuple),
    mosaic=st.none() | mosaics,
)


@given(surveys)
def test_a_nested_record_survives_json(survey: Survey) -> None:
    """Records, optional records, tuples, numbers and times come back equal."""
    assert survey == codec.from_plain(Survey, json.loads(codec.dumps(survey)), source="test")


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({"path": "a", "sha256": "b", "sha265": "c"}, "sha265"),
        ({"path": "a"}, "sha256"),
        ({"path": 3, "sha256": "b"}, "path"),
        ([], "FileRef"),
        (None, "FileRef"),
    ],
)
def test_unknown_missing_and_mistyped_keys_are_refused_by_name(data: object, named: str) -> None:
    """The message names the key that is wrong, and there is a hint."""
    with pytest.raises(InputError, match=named) as caught:
        codec.from_plain(FileRef, data, source="file.json")
    assert "file.json" in str(caught.value)
    assert caught.value.hint


def test_a_time_without_offset_is_refused() -> None:
    """A local time of an unknown place is not a time."""
    data = {"cell": "a", "survey": "b", "started_at": "2026-01-01T10:00:00", "photos": [], "mosaic": None}
    with pytest.raises(InputError, match="UTC offset"):
        codec.from_plain(Survey, data, source="survey.json")


def test_a_failed_write_leaves_the_old_file_and_no_leftover(tmp_path: Path) -> None:
    """An exception while writing changes nothing on disk."""
    path = tmp_path / "a.json"
    codec.write_json(path, {"old": 1})
    with pytest.raises(RuntimeError), codec.replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert [path] == list(tmp_path.iterdir())
    assert codec.read_json(path) == {"old": 1}


def test_the_canonical_hash_ignores_key_order_and_sees_every_value() -> None:
    """Two orders of one dict hash alike; another value hashes otherwise."""
    assert codec.sha256_json({"a": 1, "b": 2}) == codec.sha256_json({"b": 2, "a": 1})
    assert codec.sha256_json({"a": 1, "b": 2}) != codec.sha256_json({"a": 1, "b": 3})


def test_not_a_number_is_never_written() -> None:
    """NaN is not JSON; it is refused rather than written as a word that parsers reject."""
    with pytest.raises(ValueError, match="JSON compliant"):
        codec.dumps({"height_change_m": float("nan")})


def test_times_keep_their_offset() -> None:
    """The offset that a time was given with is written."""
    assert codec.dumps(datetime(2026, 1, 1, 10, tzinfo=UTC)) == '"2026-01-01T10:00:00+00:00"\n'
