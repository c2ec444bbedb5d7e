"""Every path of a town's folder, in one place.

    <town>/
      aerial.toml  area.geojson  cells.geojson  zones/*.geojson  crews.toml
      plans/<cell>/                     plan.json lines.geojson checks.json filing.md and exports,
                                        flights/*.jsonl before-upload.json resumed/ rehearsed/
      cycles/<YYYY-MM-DD>/              cycle.json events.jsonl <crew>.md <crew>.csv
      surveys/<cell>/<YYYY-MM-DD>-<n>/  survey.json photos.json check.json photos/ ortho.tif dsm.tif ...
      pairs/<cell>/<before>__<after>/   align.json change.tif suspects.geojson chips/
      reports/<cell>/<after>/           report.geojson report.html
      reports/<cycle, case or all>/     report.geojson report.gpkg report.xlsx report.pdf html/
      outward/<case>/                   what leaves with a case: pictures of at least 5 cm a pixel
      evidence/<suspect>/               what supports a case, as it was when it was accepted
      ledger.sqlite                     what people decided and what was sent

Names that start with a dot are leftovers of work in progress and can be deleted at any time.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from aerial.areas import CELL_ID
from aerial.codec import read_record, write_json
from aerial.errors import InputError, WorkspaceError
from aerial.records import Survey, SurveyPhoto
from aerial.records.record import record

MARKER = "aerial.toml"
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_SURVEY = re.compile(r"(\d{4}-\d{2}-\d{2})-(\d+)")


@record
class Town:
    """The folder of one town; ``root`` holds ``aerial.toml``."""

    root: Path

    @property
    def settings_file(self) -> Path:
        """``aerial.toml``: what makes a folder a town."""
        return self.root / MARKER

    @property
    def area_file(self) -> Path:
        """The outer boundary."""
        return self.root / "area.geojson"

    @property
    def cells_file(self) -> Path:
        """The flight cells."""
        return self.root / "cells.geojson"

    @property
    def zones_folder(self) -> Path:
        """GeoJSON files of zones."""
        return self.root / "zones"

    @property
    def crews_file(self) -> Path:
        """Crews, their homes and hours."""
        return self.root / "crews.toml"

    @property
    def cycles_folder(self) -> Path:
        """Schedules, a folder each, named by the first day."""
        return self.root / "cycles"

    def cycle_folder(self, start: date) -> Path:
        """Return the folder of the cycle that begins on ``start``."""
        return self.cycles_folder / start.isoformat()

    def plan_file(self, cell: str) -> Path:
        """Return the plan of a cell's flight."""
        return self.root / "plans" / _safe(cell) / "plan.json"

    def zone_files(self) -> tuple[Path, ...]:
        """Return the files of zones, sorted by name."""
        return tuple(sorted(self.zones_folder.glob("*.geojson")))

    def cell_folder(self, cell: str) -> Path:
        """Return the folder of a cell's surveys."""
        return self.root / "surveys" / _safe(cell)

    def survey_folder(self, cell: str, survey: str) -> Path:
        """Return the folder of one survey."""
        if not _SURVEY.fullmatch(survey):
            raise InputError(
                f"{survey!r} is not a survey.", hint="Surveys are called <YYYY-MM-DD>-<n>, as in the folder."
            )
        return self.cell_folder(cell) / survey

    def plan_folder(self, cell: str) -> Path:
        """Return the folder of a cell's plan."""
        return self.root / "plans" / _safe(cell)

    def pairs_folder(self, cell: str) -> Path:
        """Return the folder of a cell's compared pairs."""
        return self.root / "pairs" / _safe(cell)

    def pair_folder(self, cell: str, before: str, after: str) -> Path:
        """Return the folder of one compared pair."""
        return self.root / "pairs" / _safe(cell) / f"{before}__{after}"

    @property
    def ledger_file(self) -> Path:
        """The ledger, where the settings name no other."""
        return self.root / "ledger.sqlite"

    @property
    def workers_folder(self) -> Path:
        """A folder for each process that delivers cases now, locked while it runs."""
        return self.root / ".workers"

    @property
    def reviewed_file(self) -> Path:
        """Suspects with verdicts, for training."""
        return self.root / "reviewed.geojson"

    def case_report_folder(self, name: str) -> Path:
        """Return the folder of the report on a cycle (its first day), on one case (its key), or on all."""
        return self.root / "reports" / _safe_key(name)

    def outward_folder(self, external_key: str) -> Path:
        """Return the folder of what leaves with a case."""
        return self.root / "outward" / _safe_key(external_key)

    def evidence_folder(self, suspect: str) -> Path:
        """Return the folder of what supports an accepted suspect, as it was when it was accepted."""
        return self.root / "evidence" / _safe_key(suspect)

    def report_folder(self, cell: str, after: str) -> Path:
        """Return the folder of the report on one survey."""
        return self.root / "reports" / _safe(cell) / after


def open_town(given: Path | None, start: Path) -> Town:
    """Return the town ``given``, or the nearest one from ``start`` upwards.

    Raises:
        WorkspaceError: no ``aerial.toml`` is there.
    """
    if given is not None:
        if not (given / MARKER).is_file():
            raise WorkspaceError(
                f"{given} is not a town: it holds no {MARKER}.",
                hint="Give the town's folder, or make one with aerial init.",
            )
        return Town(root=given)
    for folder in (start, *start.parents):
        if (folder / MARKER).is_file():
            return Town(root=folder)
    raise WorkspaceError(
        f"Neither {start} nor a folder above it holds {MARKER}.",
        hint="Go into the town's folder, name it with -C DIR or AERIAL_TOWN, or make one with aerial init.",
    )


def surveys_of(town: Town, cell: str) -> tuple[Survey, ...]:
    """Return the imported surveys of a cell in order of time; unfinished imports are left out."""
    folder = town.cell_folder(cell)
    names = [path.parent.name for path in folder.glob("*/survey.json")]
    return tuple(
        read_record(Survey, folder / name / "survey.json") for name in sorted(names, key=survey_order)
    )


def survey_order(survey: str) -> tuple[date, int]:
    """Return what surveys sort by: the day, then the number on that day."""
    found = _SURVEY.fullmatch(survey)
    if found is None:
        raise WorkspaceError(
            f"The folder {survey!r} among the surveys is not one.",
            hint="Surveys are called <YYYY-MM-DD>-<n>; move other folders away.",
        )
    return date.fromisoformat(found[1]), int(found[2])


def survey_photos(folder: Path) -> tuple[SurveyPhoto, ...]:
    """Return the imported photographs of the survey in ``folder``."""
    return read_record(tuple[SurveyPhoto, ...], folder / "photos.json")


def record_survey(town: Town, survey: Survey) -> None:
    """Write a survey's ``survey.json``, the last file of an import and of a mosaic."""
    write_json(town.survey_folder(survey.cell, survey.survey) / "survey.json", survey)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the only right to change ``folder``; the system frees it when the process ends, however.

    Raises:
        WorkspaceError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a+b") as file:
        try:
            _lock(file.fileno())
        except OSError as exc:
            raise WorkspaceError(
                f"Another aerial is at work in {folder}.", hint="Wait until it has finished, then try again."
            ) from exc
        yield


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _safe_key(external_key: str) -> str:
    if not _KEY.fullmatch(external_key):
        raise InputError(
            f"{external_key!r} is not the key of a case.",
            hint="List them with aerial report or aerial status.",
        )
    return external_key


def _safe(cell: str) -> str:
    if not CELL_ID.fullmatch(cell):
        raise InputError(
            f"{cell!r} is not the id of a cell.", hint="Ids have 1 to 32 letters, digits, _ or -."
        )
    return cell
