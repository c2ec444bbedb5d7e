"""Findings in one line."""

from typing import Literal

from aerial.records.finding import Finding


def found(level: Literal["pass", "warn", "fail"], code: str, message: str, hint: str = "") -> Finding:
    """Return a finding."""
    return Finding(level=level, code=code, message=message, hint=hint)
