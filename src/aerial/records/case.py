"""What leaves for the city's case system, and the proof that it arrived."""

from datetime import datetime

from aerial.geo import LonLat
from aerial.records.file import FileRef
from aerial.records.record import record
from aerial.records.suspect import Suspect


@record
class Case:
    """An accepted suspect. ``cell``, ``unit_grid`` (单元网格) and ``community`` are three things."""

    external_key: str
    suspect: Suspect
    cell: str
    unit_grid: str | None
    community: str | None
    secrecy: str | None
    previous: str | None
    evidence: tuple[FileRef, ...]


@record
class Receipt:
    """What a sink was read back to hold."""

    external_key: str
    remote_id: str
    at: LonLat
    stage: str
    read_at: datetime
