"""What a check found."""

from typing import Literal

from aerial.records.record import record


@record
class Finding:
    """One result of a check: ``code`` is for programs, ``message`` and ``hint`` are for people."""

    level: Literal["pass", "warn", "fail"]
    code: str
    message: str
    hint: str = ""
