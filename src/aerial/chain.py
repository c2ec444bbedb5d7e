"""The audit chain: rows that each hold the hash of the one before, so that a changed bit is found.

A row is one JSON object in one canonical form, one line of an exported log::

    {"at":…,"device":…,"hash":…,"payload":{…},"prev":…,"seq":…,"subject":…,"what":…}

Keys are sorted, there is no white space, text is UTF-8 and not escaped. ``hash`` is the SHA-256 of ``prev``
(64 hexadecimal digits; zeros before the first row) followed by the same object without ``hash`` and ``prev``.
Each device has a chain of its own, counted from 1. A chain that was cut at its end verifies by itself: only
a head that was recorded elsewhere tells. What is pure lives here; the table is ``aerial.ledger.audit``'s.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

GENESIS = "0" * 64  # what stands for the hash before the first row

Head = tuple[int, str]  # seq and hash of a chain's last row


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainRow:
    """One row as it is stored. ``at``: ISO 8601, UTC; ``payload``: canonical JSON of an object."""

    device: str
    seq: int
    at: str
    what: str
    subject: str
    payload: str
    prev: str
    hash: str


def canonical(data: object) -> str:
    """Return plain ``data`` as canonical JSON: sorted keys, no white space, no escapes, no NaN.

    Raises:
        ValueError: a number is not finite, or a text cannot be written as UTF-8.
    """
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    text.encode()  # half a surrogate pair has no UTF-8: it would break the log much later
    return text


def chained(
    device: str, after: Head | None, at: str, what: str, subject: str, payload: Mapping[str, Any]
) -> ChainRow:
    """Return the row that follows the head ``after`` (None: the first one) of a device's chain.

    Raises:
        ValueError: ``payload`` has no canonical JSON.
    """
    seq, prev = (after[0] + 1, after[1]) if after else (1, GENESIS)
    body = {
        "device": device,
        "seq": seq,
        "at": at,
        "what": what,
        "subject": subject,
        "payload": dict(payload),
    }
    return ChainRow(
        device=device,
        seq=seq,
        at=at,
        what=what,
        subject=subject,
        payload=canonical(body["payload"]),
        prev=prev,
        hash=_digest(prev, body),
    )


def to_line(row: ChainRow) -> str:
    """Return a row as one line of an exported log, without the newline.

    Raises:
        ValueError: the stored payload is no JSON.
    """
    return canonical({**_body(row), "prev": row.prev, "hash": row.hash})


def verify_rows(rows: Iterable[ChainRow], head: Mapping[str, Head] | None = None) -> tuple[str, ...]:
    """Return what is wrong with the rows, in sentences; empty: every chain is whole.

    ``rows`` come in the order of each device's ``seq``; chains of several devices may be mixed.
    ``head`` is what was recorded elsewhere, by device: a chain may have grown since, but must hold that
    row. Rows are read once, and none is kept.
    """
    findings: list[str] = []
    last: dict[str, Head] = {}
    recorded = dict(head or {})
    seen: dict[str, str] = {}
    for row in rows:
        findings += _row_findings(row, last.get(row.device))
        last[row.device] = (row.seq, row.hash)
        if row.device in recorded and row.seq == recorded[row.device][0]:
            seen[row.device] = row.hash
    for device, (seq, expected) in sorted(recorded.items()):
        if device not in seen:
            ends = last[device][0] if device in last else 0
            findings.append(
                f"The chain of device {device} ends at row {ends}, but row {seq} was recorded: "
                "rows were removed."
            )
        elif seen[device] != expected:
            findings.append(
                f"Row {seq} of device {device} is not the one that was recorded: "
                "the chain was written anew, or forked."
            )
    return tuple(findings)


def verify_lines(data: bytes, head: Mapping[str, Head] | None = None) -> tuple[str, ...]:
    """Return what is wrong with an exported log, as ``verify_rows`` does, and every line that is no row."""
    rows, findings = read_lines(data)
    return (*findings, *verify_rows(rows, head))


def read_lines(data: bytes) -> tuple[tuple[ChainRow, ...], tuple[str, ...]]:
    """Return the rows of an exported log, and a finding for every line that is not one in canonical form."""
    rows: list[ChainRow] = []
    findings: list[str] = []
    # Split at the newline byte alone: str.splitlines takes a dozen other characters for one.
    *lines, rest = data.split(b"\n")
    if rest:
        findings.append("The last line of the log is not ended: it was cut or changed.")
        lines.append(rest)
    for number, line in enumerate(lines, start=1):
        row = _parsed(line)
        if row is None:
            findings.append(f"Line {number} of the log is not a row in canonical form: it was changed.")
        else:
            rows.append(row)
    return tuple(rows), tuple(findings)


def heads(rows: Sequence[ChainRow]) -> dict[str, Head]:
    """Return the last row's seq and hash of every device in ``rows``."""
    return {row.device: (row.seq, row.hash) for row in sorted(rows, key=lambda row: row.seq)}


def _parsed(line: bytes) -> ChainRow | None:
    try:
        text = line.decode()
        data = json.loads(text)
        row = ChainRow(**{**data, "payload": canonical(data["payload"])})
        typed = all(isinstance(getattr(row, name), str) for name in ("device", "at", "what", "subject"))
        if typed and isinstance(row.prev, str) and isinstance(row.hash, str) and type(row.seq) is int:
            return row if to_line(row) == text else None
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    return None


def _row_findings(row: ChainRow, before: Head | None) -> list[str]:
    name = f"row {row.seq} of device {row.device}"
    findings = []
    expected_seq, expected_prev = (before[0] + 1, before[1]) if before else (1, GENESIS)
    if row.seq != expected_seq:
        findings.append(
            f"Device {row.device}: row {expected_seq} was expected and {row.seq} found: "
            "rows were removed, added or moved."
        )
    elif row.prev != expected_prev:
        findings.append(f"The {name} does not follow the one before it: one of them was replaced.")
    try:
        body = _body(row)
        whole = canonical(body["payload"]) == row.payload and _digest(row.prev, body) == row.hash
    except (ValueError, TypeError, RecursionError):
        whole = False
    if not whole:
        findings.append(f"The {name} ({row.what}, {row.subject}, {row.at}) was changed after it was written.")
    return findings


def _body(row: ChainRow) -> dict[str, Any]:
    return {
        "device": row.device,
        "seq": row.seq,
        "at": row.at,
        "what": row.what,
        "subject": row.subject,
        "payload": json.loads(row.payload),
    }


def _digest(prev: str, body: Mapping[str, Any]) -> str:
    return hashlib.sha256((prev + canonical(body)).encode()).hexdigest()
