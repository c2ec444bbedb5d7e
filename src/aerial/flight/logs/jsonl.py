"""Our own flight.jsonl: one JSON object a line; the lines with ``"event": "shot"`` are shots.

A last line that was cut (the program was killed) is left out; other events are not looked at.
"""

import json
from pathlib import Path
from typing import Any

from aerial.errors import InputError
from aerial.flight.log import shot_of
from aerial.flight.logs import log as shared
from aerial.flight.logs.log import Log
from aerial.records import Finding, ShotRecord

_LONGEST_LINE = 1 << 16


def read_jsonl(path: Path) -> Log:
    """Return the shots of a flight log; see ``read_log``."""
    shots: list[ShotRecord] = []
    findings: list[Finding] = []
    broken, cut = 0, False
    with path.open("rb") as file:
        while line := file.readline(_LONGEST_LINE):
            whole = line.endswith(b"\n")
            if not whole and len(line) == _LONGEST_LINE:
                broken += 1
                _skip_line(file)
                continue
            try:
                shot = _shot(line)
            except (ValueError, InputError, RecursionError):
                cut, broken = not whole, broken + whole
                continue
            if shot is not None:
                shots.append(shot)
            if len(shots) > shared.MOST_SHOTS:
                raise shared.refuse_flood(path)
    if cut:
        findings.append(shared.cut_short(path))
    if broken:
        findings.append(shared.damaged(path, broken))
    return Log(kind="flight.jsonl", shots=tuple(shots), lossy=True, utc=False, findings=tuple(findings))


def _skip_line(file: Any) -> None:
    while (more := file.readline(_LONGEST_LINE)) and not more.endswith(b"\n"):
        pass


def _shot(line: bytes) -> ShotRecord | None:
    if not line.strip():
        return None
    told = json.loads(line)
    if not isinstance(told, dict):
        raise ValueError("a line that is no object")  # noqa: TRY004  # of the file, not of a caller
    if told.get("event") != "shot":
        return None
    return shot_of(told)
