"""The audit chain: whatever is changed, removed, moved or cut is found."""

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aerial.chain import (
    ChainRow,
    canonical,
    chained,
    heads,
    read_lines,
    to_line,
    verify_lines,
    verify_rows,
)

NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("a违\x0b\u2028\n", max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
PAYLOADS = st.dictionaries(st.text("abc违建", max_size=4), VALUES, max_size=3)


def chain_of(payloads: list[dict[str, Any]], device: str = "D1") -> list[ChainRow]:
    """A chain with one row a payload."""
    rows: list[ChainRow] = []
    for number, payload in enumerate(payloads):
        after = (rows[-1].seq, rows[-1].hash) if rows else None
        at = f"2026-07-01T00:00:{number:02d}.000000+00:00"
        rows.append(chained(device, after, at, "case.added", f"疑似-{number}", payload))
    return rows


def exported(rows: list[ChainRow]) -> bytes:
    """The rows as a log."""
    return "".join(to_line(row) + "\n" for row in rows).encode()


ROWS = chain_of(
    [{"n": 1, "名": "东莞", "area_m2": 10.25}, {"list": [1, None, True]}, {}, {"quote": 'a"b\\c\x1f'}]
)


@given(st.lists(PAYLOADS, max_size=5))
def test_a_chain_that_nobody_touched_verifies(payloads: list[dict[str, Any]]) -> None:
    """Any payload makes rows that verify, in memory and exported, and come back as they were."""
    rows = chain_of(payloads)
    assert verify_rows(rows, heads(rows)) == ()
    assert verify_lines(exported(rows), heads(rows)) == ()
    assert read_lines(exported(rows)) == (tuple(rows), ())


def test_every_flipped_bit_of_an_exported_log_is_found() -> None:
    """Each single bit of the log, flipped alone, is found: all of them are tried."""
    data = exported(ROWS)
    head = heads(ROWS)
    for place in range(len(data) * 8):
        changed = bytearray(data)
        changed[place // 8] ^= 1 << place % 8
        assert verify_lines(bytes(changed), head), f"bit {place}"


def test_every_flipped_bit_of_a_stored_row_is_found() -> None:
    """Each single bit of each column of a row, flipped alone, is found, and the finding names the row."""
    for number, row in enumerate(ROWS):
        for column in ("device", "at", "what", "subject", "payload", "prev", "hash"):
            raw = getattr(row, column).encode()
            for place in range(len(raw) * 8):
                changed = bytearray(raw)
                changed[place // 8] ^= 1 << place % 8
                other = replace(row, **{column: changed.decode(errors="replace")})
                rows = [*ROWS[:number], other, *ROWS[number + 1 :]]
                findings = verify_rows(rows)
                assert findings, f"{column} bit {place} of row {row.seq}"
                assert any(f"{row.seq}" in finding for finding in findings)
        for bit in range(31):
            rows = [*ROWS[:number], replace(row, seq=row.seq ^ 1 << bit), *ROWS[number + 1 :]]
            assert verify_rows(rows), f"seq bit {bit}"


def test_a_row_that_was_changed_and_hashed_anew_is_found() -> None:
    """Who changes a row and repairs its hash is found at the row behind it."""
    forged = chained("D1", (1, ROWS[0].hash), ROWS[1].at, "case.added", "another", {})
    assert verify_rows([ROWS[0], forged, *ROWS[2:]]) == (
        "The row 3 of device D1 does not follow the one before it: one of them was replaced.",
    )


def test_rows_that_were_removed_moved_or_doubled_are_found() -> None:
    """A hole, a changed order, a doubled row and a chain that does not begin at 1 are found."""
    for order in ([0, 2, 3], [0, 2, 1, 3], [0, 1, 1, 2, 3], [1, 2, 3]):
        assert verify_rows([ROWS[n] for n in order]), order


def test_a_chain_that_was_cut_is_found_against_a_recorded_head() -> None:
    """Without a head a shorter chain is whole; with one it is not, and neither is one that vanished."""
    head = heads(ROWS)
    assert verify_rows(ROWS[:3]) == ()
    assert verify_rows(ROWS[:3], head) == (
        "The chain of device D1 ends at row 3, but row 4 was recorded: rows were removed.",
    )
    assert "ends at row 0" in verify_rows([], head)[0]


def test_a_chain_that_was_written_anew_is_found_against_a_recorded_head() -> None:
    """Another whole chain of the same length is not the recorded one; one that only grew is."""
    other = chain_of([{"n": 2}, {}, {}, {}])
    assert verify_rows(other) == ()
    assert "written anew" in verify_rows(other, heads(ROWS))[0]
    assert verify_rows(ROWS, heads(ROWS[:2])) == ()


def test_chains_of_several_devices_are_told_apart() -> None:
    """Rows of two devices mixed are two chains; a fault is named with its device."""
    second = chain_of([{}, {}], "D2")
    mixed = [ROWS[0], second[0], ROWS[1], second[1], *ROWS[2:]]
    assert verify_rows(mixed, heads(mixed)) == ()
    findings = verify_rows([ROWS[0], second[1], *ROWS[1:]])
    assert len(findings) == 1
    assert "D2" in findings[0]


@pytest.mark.parametrize(
    "line", [b"", b"[]", b"null", b'{"seq":1}', b"\xff", b"[" * 100_000, b'{"payload":NaN}']
)
def test_a_line_that_is_no_row_is_named(line: bytes) -> None:
    """Whatever stands in a line, the answer is a finding with its number and no exception."""
    findings = verify_lines(exported(ROWS[:1]) + line + b"\n")
    assert findings == ("Line 2 of the log is not a row in canonical form: it was changed.",)


def test_a_line_in_another_spelling_is_named() -> None:
    """JSON that means the same but is written otherwise was changed all the same."""
    line = json.dumps(json.loads(to_line(ROWS[0])))
    assert verify_lines(line.encode() + b"\n")


def test_what_has_no_canonical_form_is_refused() -> None:
    """NaN, infinity and half a surrogate pair are refused before they are written."""
    for value in (float("nan"), float("inf"), "\ud800"):
        with pytest.raises(ValueError):
            canonical({"a": value})


def test_fuzzed_logs_raise_nothing() -> None:
    """Logs with random bytes in random places give findings, never an exception."""
    rng = random.Random(6)
    data = exported(ROWS)
    for _ in range(300):
        changed = bytearray(data)
        for _ in range(rng.randint(1, 20)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        assert verify_lines(bytes(changed)) or bytes(changed) == data
