"""All that the reports of a cycle, or of one case, are made of: one record, and no hand edit after it."""

from collections.abc import Mapping
from dataclasses import field
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from shapely.geometry import MultiPolygon, Polygon

from aerial.raster.grid import Grid
from aerial.records import Case, FileRef, Receipt, SiteResult, Zone
from aerial.records.record import record

Language = Literal["zh", "en"]
Outline = Polygon | MultiPolygon


@record
class AuditHead:
    """The newest row of one device's audit chain: its number and hash anchor the chain on paper."""

    device: str
    seq: int
    sha256: str


@record
class CaseEntry:
    """One case as it is reported.

    ``before``, ``after`` and ``change`` are its pictures (JPEG; None: there is none). A picture whose
    bytes are not those that the case names (``suspect.chips``) is not shown, unless it is one of
    ``copies``, which were made of them to hide what is sensitive.
    ``receipts``: the name of a destination and what it was read back to hold. ``results``: what came
    back, oldest first.
    """

    case: Case
    before: Path | None = None
    after: Path | None = None
    change: Path | None = None
    receipts: tuple[tuple[str, Receipt], ...] = ()
    results: tuple[SiteResult, ...] = ()
    copies: tuple[FileRef, ...] = ()


@record
class CellMap:
    """What the location map of a cell shows: its outline (lon, lat) and the overview of its newest ortho.

    ``overview`` is a JPEG on ``overview_grid`` as ``write_overview`` makes it; both or neither.
    """

    outline: Outline
    overview: Path | None = None
    overview_grid: Grid | None = None


@record
class CycleReport:
    """The cases of a cycle, or one case.

    ``starts_on`` and ``ends_on``: first and last local day of the cycle (None: not of one cycle).
    ``utc_offset_h``: of the local time that is shown. ``software``: name and version.
    ``settings_sha256``: of the town's settings. ``audit``: one head a device.
    ``cells`` and ``communities`` (by id and by name) and ``zones`` draw the location maps; ``sensitive``
    zones are never drawn and are blank in the overviews.
    ``columns``: of the table (XLSX), each a property name or ``name=heading``; empty: the default.
    """

    title: str
    town: str
    generated_at: datetime
    software: str
    cases: tuple[CaseEntry, ...]
    starts_on: date | None = None
    ends_on: date | None = None
    language: Language = "zh"
    utc_offset_h: float = 8.0
    settings_sha256: str | None = None
    audit: tuple[AuditHead, ...] = ()
    cells: Mapping[str, CellMap] = field(default_factory=dict)
    communities: Mapping[str, Outline] = field(default_factory=dict)
    zones: tuple[Zone, ...] = ()
    columns: tuple[str, ...] = ()
