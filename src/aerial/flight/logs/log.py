"""What every reader of logs returns, and what they share."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from aerial.errors import InputError
from aerial.records import Finding, ShotRecord
from aerial.records.record import record

LogKind = Literal["flight.jsonl", "dataflash", "tlog"]

# A flight of this project takes a few thousand photographs; a file that claims more is no log.
MOST_SHOTS = 200_000
# The same shot told twice, on two links or asked for again.
_SAME_S = 0.5


@record
class Log:
    """The shots of a log in order of time.

    ``lossy``: it came over a radio, so that shots may be missing at its ends. ``utc``: ``time_s`` counts
    from 1970 in UTC; else only differences count.
    """

    kind: LogKind
    shots: tuple[ShotRecord, ...]
    lossy: bool
    utc: bool
    findings: tuple[Finding, ...]


def in_order(shots: Iterable[ShotRecord]) -> tuple[ShotRecord, ...]:
    """Return shots by time, each once."""
    kept: list[ShotRecord] = []
    seen: dict[int, float] = {}
    for shot in sorted(shots, key=lambda shot: shot.time_s):
        if shot.index in seen and shot.time_s - seen[shot.index] < _SAME_S:
            continue
        seen[shot.index] = shot.time_s
        kept.append(shot)
    return tuple(kept)


def warn(code: str, message: str, hint: str) -> Finding:
    """Return a warning."""
    return Finding(level="warn", code=code, message=message, hint=hint)


def cut_short(path: Path) -> Finding:
    """Return the warning that a log ends in the middle of a message."""
    return warn(
        "log_cut",
        f"{path.name} ends in the middle of a message; what it holds before that is used.",
        "Copy the log again if it is longer on the vehicle.",
    )


def damaged(path: Path, places: int) -> Finding:
    """Return the warning that parts of a log are not readable."""
    return warn(
        "log_damaged",
        f"{path.name} is damaged in {places} place(s); shots may be missing there.",
        "Copy the log again; a vehicle's own log (.BIN) has no gaps.",
    )


def no_fix(path: Path, count: int) -> Finding:
    """Return the warning that shots have no position."""
    return warn(
        "no_fix",
        f"{count} shot(s) in {path.name} have no position and are left out.",
        "Wait for a position fix before the flight.",
    )


def require_shots(log: Log, path: Path) -> Log:
    """Return the log, refused if it holds no shot or too many.

    Raises:
        InputError: see there.
    """
    if not log.shots:
        raise InputError(
            f"{path.name} tells of no photographs.",
            hint="Give the log of the flight; in ArduPilot, CAM1_TYPE must be set for shots to be logged.",
        )
    return replace(log, shots=in_order(log.shots))


def refuse_flood(path: Path) -> InputError:
    """Return the error of a log that claims more shots than any flight has."""
    return InputError(
        f"{path.name} tells of more than {MOST_SHOTS} photographs.", hint="Give the log of one flight."
    )
