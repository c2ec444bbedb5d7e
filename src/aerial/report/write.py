"""One record to all of the reports, each of them whole or not there."""

import secrets
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from aerial.codec import replacing
from aerial.errors import InputError
from aerial.progress import SILENT, Progress
from aerial.records.record import record
from aerial.report.html import write_html
from aerial.report.layers import write_geojson, write_geopackage
from aerial.report.pdf import PdfReport
from aerial.report.record import CaseEntry, CycleReport
from aerial.report.summary import PART
from aerial.report.table import columns, write_table
from aerial.report.view import ordered

Format = Literal["geojson", "gpkg", "xlsx", "html", "pdf"]
FORMATS: tuple[Format, ...] = ("geojson", "gpkg", "xlsx", "html", "pdf")


@record
class Written:
    """The files to open first, one a format, and how many characters the PDF's font lacked."""

    files: tuple[Path, ...]
    missing_characters: int = 0


def write_reports(
    report: CycleReport, out: Path, formats: Sequence[Format] = FORMATS, progress: Progress = SILENT
) -> Written:
    """Write ``report`` into the folder ``out``, each format over the one that was there.

    ``report.geojson``, ``report.gpkg``, ``report.xlsx``; ``html/index.html`` with its folder;
    ``report.pdf`` and, of more than 300 cases, the case pages in ``pdf/``. Other files of ``out``
    stay. The same record gives the same text, in the order of community, cell and case number.

    Raises:
        InputError: a format or a column is not known, or two cases have the same number.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise InputError(f"There is no report as {unknown[0]!r}.", hint=f"Use some of: {', '.join(FORMATS)}.")
    columns(report)
    _require_distinct(report)
    entries = ordered(report)
    out.mkdir(parents=True, exist_ok=True)
    # Volumes of pages are written by other processes, while this one writes the rest.
    with ThreadPoolExecutor(1) as beside:
        many = "pdf" in formats and len(entries) > PART
        volumes = beside.submit(_write_pdf, report, entries, out, SILENT) if many else None
        files, missing = _write_each(report, entries, out, formats, volumes, progress)
    if missing:
        progress.say(f"The font lacks {missing} character(s) of the PDF; each is shown as 〓.")
    return Written(files=tuple(files), missing_characters=missing)


def _write_each(
    report: CycleReport,
    entries: Sequence[CaseEntry],
    out: Path,
    formats: Sequence[Format],
    volumes: Future[int] | None,
    progress: Progress,
) -> tuple[list[Path], int]:
    files: list[Path] = []
    missing = 0
    for name in FORMATS:
        if name not in formats:
            continue
        progress.phase(f"Report {name}", len(entries))
        if name == "html":
            with _new_folder(out / "html") as folder:
                write_html(report, entries, folder, progress.advance)
            files.append(out / "html" / "index.html")
            continue
        path = out / f"report.{name}"
        files.append(path)
        if name == "pdf":
            missing = volumes.result() if volumes else _write_pdf(report, entries, out, progress)
            continue
        write = {"geojson": write_geojson, "gpkg": write_geopackage, "xlsx": write_table}[name]
        with replacing(path) as part:
            # GDAL and the spreadsheet's writer go by the name's ending.
            whole = part.with_name(f"{part.name}.{name}")
            try:
                write(report, entries, whole, progress.advance)
                whole.replace(part)
            finally:
                whole.unlink(missing_ok=True)
    return files, missing


def _write_pdf(report: CycleReport, entries: Sequence[CaseEntry], out: Path, progress: Progress) -> int:
    with TemporaryDirectory(prefix="aerial-report-") as scratch:
        pdf = PdfReport(report, entries, Path(scratch))
        if pdf.whole:
            pdf.write(out / "report.pdf", progress.advance)
            shutil.rmtree(out / "pdf", ignore_errors=True)
        else:
            with _new_folder(out / "pdf") as folder:
                pdf.write_volumes(folder, progress.advance)
            pdf.write(out / "report.pdf", progress.advance)
        return pdf.missing


def _require_distinct(report: CycleReport) -> None:
    seen: set[str] = set()
    for entry in report.cases:
        key = entry.case.external_key
        if key in seen:
            raise InputError(
                f"Two cases of the report have the number {key}.",
                hint="List each case once; merge the ledger if two laptops made it.",
            )
        seen.add(key)


@contextmanager
def _new_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``target``; on success it takes ``target``'s place.

    On an exception ``target`` stays as it was. A kill between the two renames leaves the old folder
    beside it, named ``.<name>.<hex>.old``.
    """
    tag = secrets.token_hex(4)
    part, old = target.with_name(f".{target.name}.{tag}.part"), target.with_name(f".{target.name}.{tag}.old")
    part.mkdir()
    try:
        yield part
        if target.exists():
            target.rename(old)
        part.rename(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)
