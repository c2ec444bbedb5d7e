"""Logs of a flight to shots: what the vehicle says of each photograph that it had taken.

jsonl       our own flight.jsonl
dataflash   ArduPilot's .BIN
telemetry   a ground station's .tlog

The kind is told by the content, never by the name.
"""

from pathlib import Path

from aerial.errors import InputError
from aerial.flight.logs.dataflash import HEAD, read_dataflash
from aerial.flight.logs.jsonl import read_jsonl
from aerial.flight.logs.log import Log, LogKind, require_shots
from aerial.flight.logs.telemetry import STAMP, read_telemetry

__all__ = ["Log", "LogKind", "read_log"]

_ULOG = b"ULog\x01\x12\x35"
_MARKERS = (0xFE, 0xFD)


def read_log(path: Path) -> Log:
    """Return the shots of a log, in order of time, each once.

    A log that was cut or damaged gives what it holds, and a finding says so.

    Raises:
        InputError: the file is absent, no log that is known, or tells of no photograph.
    """
    try:
        with path.open("rb") as file:
            head = file.read(512)
        return require_shots(_read(path, head), path)
    except OSError as exc:
        raise InputError(
            f"{path} cannot be read: {exc.strerror or exc}", hint="Check the path to the log."
        ) from exc


def _read(path: Path, head: bytes) -> Log:
    if head.startswith(HEAD):
        return read_dataflash(path)
    if head.lstrip().startswith(b"{"):
        return read_jsonl(path)
    if len(head) > STAMP and head[STAMP] in _MARKERS:
        return read_telemetry(path)
    if not head:
        raise InputError(f"{path.name} is empty.", hint="Copy the log of the flight again.")
    if head.startswith(_ULOG):
        raise InputError(
            f"{path.name} is a log of PX4 (ULog), which is not read.",
            hint="Give flight.jsonl of aerial fly watch, or the .tlog of the ground station.",
        )
    if head.startswith(b"FMT,"):
        raise InputError(
            f"{path.name} is a log that was turned into text.", hint="Give the .BIN from the vehicle's card."
        )
    raise InputError(
        f"{path.name} is no log of a flight that is known.",
        hint="Give flight.jsonl of aerial fly watch, ArduPilot's .BIN, or a ground station's .tlog.",
    )
