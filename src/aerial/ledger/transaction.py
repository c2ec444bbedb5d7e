"""What every act of the ledger is handed, and the small things that all acts share."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from sqlalchemy.engine import Connection

from aerial.codec import from_plain
from aerial.errors import InputError, LedgerError

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True, slots=True)
class Tx:
    """One transaction. ``now`` is when it began, UTC; ``device`` is the ledger's own."""

    connection: Connection
    now: datetime
    device: str


def utc_now() -> datetime:
    """Return the time, aware, in UTC."""
    return datetime.now(UTC)


def new_id(now: datetime) -> str:
    """Return a ULID: 26 characters that sort by time; for what a person did."""
    number = (now - _EPOCH) // timedelta(milliseconds=1) << 80 | secrets.randbits(80)
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def load(cls: type[T], data: object, *, source: str) -> T:
    """Return the record that a row holds; ``source`` names the row.

    Raises:
        LedgerError: the row does not hold such a record.
    """
    try:
        return from_plain(cls, data, source=source)
    except InputError as exc:
        raise LedgerError(
            f"The ledger does not hold what it should: {exc}",
            hint="Restore the ledger from a copy; aerial case verify tells which rows were changed.",
        ) from exc


def clean(value: str, what: str) -> str:
    """Return a text that a person gave, without white space around it.

    Raises:
        LedgerError: nothing is left of it, or no database can hold it.
    """
    text = value.strip()
    if not text:
        raise LedgerError(f"The {what} is empty.", hint=f"Give the {what} in words.")
    if any((ord(sign) < 32 and sign not in "\t\n\r") or 0xD800 <= ord(sign) <= 0xDFFF for sign in text):
        raise LedgerError(
            f"The {what} holds signs that are no text.", hint=f"Type the {what} anew, without control signs."
        )
    return text
