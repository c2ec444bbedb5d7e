"""A named person's accept or reject of a suspect."""

from datetime import datetime
from typing import Literal

from aerial.records.record import record

Decision = Literal["accept", "reject"]


@record
class Verdict:
    """One human act: ``id`` is a ULID; verdicts are added, never changed; the newest counts.

    ``key`` is the suspect's that was looked at.
    """

    id: str
    key: str
    identity: str
    episode: int
    decision: Decision
    reason: str
    by: str
    at: datetime
    device: str
