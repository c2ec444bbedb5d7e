"""A report as a spreadsheet: one row a case, in the columns that the city's import asks for.

Everything that is not a quantity is a cell of text: a code keeps its leading zeros, and what begins like a
formula stays a name. A cell is empty where the value is not known.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from openpyxl import Workbook  # type: ignore[import-untyped]
from openpyxl.cell import WriteOnlyCell  # type: ignore[import-untyped]
from openpyxl.styles import Alignment, Font, PatternFill  # type: ignore[import-untyped]
from openpyxl.utils import get_column_letter  # type: ignore[import-untyped]

from aerial.errors import InputError
from aerial.report.properties import HEADINGS, NUMBERS, report_properties
from aerial.report.record import CaseEntry, CycleReport
from aerial.report.summary import summary
from aerial.report.text import storable
from aerial.report.words import Words

DEFAULT_COLUMNS = (
    "number",
    "external_key",
    "kind_words",
    "stage_words",
    "community",
    "unit_grid",
    "cell",
    "address",
    "lon_deg",
    "lat_deg",
    "metric_crs",
    "east_m",
    "north_m",
    "error_m",
    "accuracy",
    "area_m2",
    "height_change_m",
    "before_on",
    "after_on",
    "found_at",
    "deadline",
    "score",
    "matter_code",
    "matter_name",
    "authority_code",
    "authority_name",
    "previous",
    "site_result_words",
    "site_result_at",
    "site_result_by",
    "held",
    "receipts",
    "secrecy",
    "suspect_key",
    "model_sha256",
    "params_sha256",
    "evidence_sha256",
)
_LONGEST = 32_767  # characters that a cell may hold
_WIDTHS = {"external_key": 24, "address": 32, "held": 32, "receipts": 32}


def columns(report: CycleReport) -> tuple[tuple[str, str], ...]:
    """Return the name and the heading of each column of the table.

    Raises:
        InputError: a column is not a property of a case.
    """
    index = 0 if report.language == "zh" else 1
    chosen = []
    for column in report.columns or DEFAULT_COLUMNS:
        name, given, heading = column.partition("=")
        if name not in HEADINGS:
            raise InputError(
                f"No property of a case is called {name!r}.", hint=f"Use some of: {', '.join(HEADINGS)}."
            )
        chosen.append((name, heading if given else HEADINGS[name][index]))
    return tuple(chosen)


def write_table(
    report: CycleReport, entries: Sequence[CaseEntry], path: Path, advance: Callable[[], None]
) -> None:
    """Write ``entries`` as an XLSX file; ``advance`` is called once a case.

    Raises:
        InputError: a column is not a property of a case.
    """
    words = Words(report.language)
    named = columns(report)
    book = Workbook(write_only=True)
    book.properties.creator = "aerial"
    book.properties.title = storable(report.title)[:200]
    # A spreadsheet's times carry no offset: they are UTC.
    book.properties.created = book.properties.modified = report.generated_at.replace(tzinfo=None)
    sheet = book.create_sheet(words("cases"))
    sheet.freeze_panes = "A2"
    for index, (name, _) in enumerate(named, start=1):
        width = 11 if name in NUMBERS else 18 if not name.endswith("sha256") else 30
        sheet.column_dimensions[get_column_letter(index)].width = _WIDTHS.get(name, width)
    sheet.append([_heading(sheet, heading) for _, heading in named])
    for number, entry in enumerate(entries, start=1):
        row = report_properties(entry, number, report, words)
        sheet.append([_cell(sheet, row[name], number=name in NUMBERS) for name, _ in named])
        advance()
    _about(book, report, words)
    book.save(path)


def _about(book: Workbook, report: CycleReport, words: Words) -> None:
    sheet = book.create_sheet(words("about"))
    sheet.column_dimensions["A"].width, sheet.column_dimensions["B"].width = 30, 80
    told = summary(report, words)
    rows: list[tuple[str, Any]] = [("", told.title), ("", words("only_suspected"))]
    rows += [(fact.label, fact.value) for fact in told.facts]
    rows += [(f"{tally.heading}: {name}", count) for tally in told.tallies for name, count in tally.rows]
    rows += [(f"{words('audit')}: {fact.label}", fact.value) for fact in told.audit]
    for label, value in rows:
        sheet.append([_cell(sheet, label), _cell(sheet, value, number=isinstance(value, int))])


def _cell(sheet: Any, value: Any, *, number: bool = False) -> Any:
    if value is None:
        return None
    if number:
        return WriteOnlyCell(sheet, value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    cell = WriteOnlyCell(sheet, storable(text)[:_LONGEST])
    # Said, not guessed from the first character; the prefix keeps it so when a person edits the cell.
    cell.data_type = "s"
    cell.number_format = "@"
    if text[:1] in ("=", "+", "-", "@", "'"):
        cell.quotePrefix = True
    return cell


def _heading(sheet: Any, text: str) -> Any:
    cell = WriteOnlyCell(sheet, storable(text)[:_LONGEST])
    cell.data_type = "s"
    cell.font = Font(bold=True)
    cell.fill = PatternFill("solid", fgColor="FFE9EDF1")
    cell.alignment = Alignment(wrap_text=True, vertical="center")
    return cell
