"""A named person's word that something may leave which else would not."""

from datetime import datetime
from typing import Literal

from aerial.records.record import record

SignoffKind = Literal["raw_photographs", "contiguous_25km2", "secrecy"]


@record
class Signoff:
    """One human act: ``id`` is a ULID. ``subject``: what it is for, such as a case's external key."""

    id: str
    kind: SignoffKind
    subject: str
    by: str
    reason: str
    at: datetime
    device: str
