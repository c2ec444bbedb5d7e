"""A report on paper: the summary with the table of all cases, then one page a case.

Up to ``PART`` cases are one file; of more, the case pages are volumes beside it, so that the memory for
pictures stays that of one volume.
"""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from aerial.codec import replacing
from aerial.pool import interruption_held, stay_with_parent
from aerial.report.locate import Locator
from aerial.report.pdf_case import CasePage, draw_case
from aerial.report.pictures import case_pictures, write_small_overview
from aerial.report.record import CaseEntry, CycleReport
from aerial.report.sheet import BOTTOM, INK, MARGIN, MARK, RIGHT, SOFT, Sheet, leading
from aerial.report.summary import PART, parts, summary
from aerial.report.view import CaseView, case_view
from aerial.report.words import Words

Advance = Callable[[], None]
_ROW = 5.2
_TOP, _HEAD = 20.0, 13.0  # of a page of the table: its first base line, and from there to the first row
_TABLE_SIZE = 7.5


# The report that a process of the pool writes volumes of.
_ours: "list[PdfReport]" = []


def _begin(report: CycleReport, entries: Sequence[CaseEntry], scratch: Path) -> None:
    stay_with_parent()
    own = scratch / str(os.getpid())
    own.mkdir()
    _ours[:] = [PdfReport(report, entries, own)]


def _volume(folder: Path, number: int, positions: Sequence[int]) -> int:
    """Write a volume; return how many characters the font lacked."""
    (report,) = _ours
    before = report.missing
    report.write_volume(folder, number, positions)
    return report.missing - before


class Column(NamedTuple):
    """One column of the table of all cases: what it is called, its width, whether it stands right."""

    word: str
    width: float
    right: bool = False


_COLUMNS = (
    Column("#", 9, right=True),
    Column("case", 36),
    Column("community", 27),
    Column("cell", 19),
    Column("kind", 25),
    Column("area", 19, right=True),
    Column("stage", 17),
    Column("deadline", 20),
    Column("page", 14, right=True),
)


class PdfReport:
    """Writes the PDF files of one report; ``missing`` counts the characters that the font lacks."""

    def __init__(self, report: CycleReport, entries: Sequence[CaseEntry], scratch: Path) -> None:
        self._report, self._entries, self._scratch = report, entries, scratch
        self._words = Words(report.language)
        self._summary = summary(report, self._words)
        self._locate = Locator(report)
        self._overviews: dict[str, Path | None] = {}
        self.missing = 0

    @property
    def whole(self) -> bool:
        """Whether everything is in one file."""
        return len(self._entries) <= PART

    def write(self, path: Path, advance: Advance) -> None:
        """Write the summary and, where they are few, the case pages; each calls ``advance``."""
        with self._sheet() as pdf:
            links = self._table(pdf, self._first_page(pdf))
            if self.whole:
                for position in range(len(self._entries)):
                    self._case(pdf, position)
                    pdf.set_link(links[position], page=pdf.page_no())
                    advance()
            self._finish(pdf, path)

    def write_volumes(self, folder: Path, advance: Advance) -> None:
        """Write the case pages into the empty ``folder``, ``PART`` a file, on all cores."""
        chosen = parts(self._entries)
        with TemporaryDirectory(dir=self._scratch) as scratch:
            begin = partial(_begin, self._report, self._entries, Path(scratch))
            workers = min(len(chosen), os.cpu_count() or 1)
            with ProcessPoolExecutor(workers, get_context("spawn"), begin) as pool:
                with interruption_held():
                    missing = pool.map(partial(_volume, folder), range(1, len(chosen) + 1), chosen)
                for count, pages in zip(missing, chosen, strict=True):
                    self.missing += count
                    for _ in pages:
                        advance()

    def write_volume(self, folder: Path, number: int, positions: Sequence[int]) -> None:
        """Write one file of case pages, the ``number``-th from 1."""
        with self._sheet(number) as pdf:
            for position in positions:
                self._case(pdf, position)
            self._finish(pdf, folder / volume_name(number))

    @contextmanager
    def _sheet(self, volume: int | None = None) -> Iterator[Sheet]:
        words = self._words
        foot = self._summary.title
        if volume is not None:
            foot += f" · {words('volume').format(k=volume)}"
        if self._report.audit:
            heads = self._report.audit
            foot += f" · {words('audit_short')} {heads[0].sha256[:16]}"
            foot += f" +{len(heads) - 1}" if len(heads) > 1 else ""
        pdf = Sheet(
            title=self._summary.title,
            foot=foot,
            page_word=words("page_n"),
            language=self._report.language,
            made_at=self._report.generated_at,
        )
        try:
            yield pdf
        finally:
            pdf.close_font()

    def _finish(self, pdf: Sheet, path: Path) -> None:
        missing = pdf.typeset.missing
        if missing:
            # On the first page, where it is read; only now is it known.
            what = ", ".join(f"U+{ord(c):04X}" for c in sorted(missing)[:12])
            note = self._words("missing").format(n=missing.total(), what=what)
            self.missing += missing.total()
            pdf.page = 1
            pdf.write_line(MARGIN, 287.0, pdf.cut(note, RIGHT - MARGIN, 7), 7, MARK)
            pdf.page = pdf.pages_count
        with replacing(path) as part:
            pdf.output(str(part))

    def _first_page(self, pdf: Sheet) -> float:
        words, told = self._words, self._summary
        pdf.add_page()
        pdf.write_line(MARGIN, 20, words("suspected"), 11, MARK, bold=True)
        y = 29.0
        for line in pdf.wrapped(told.title, RIGHT - MARGIN, 18, 3):
            pdf.write_line(MARGIN, y, line, 18, bold=True)
            y += 9
        y = pdf.write_text(
            MARGIN, y, words("only_suspected"), width=RIGHT - MARGIN, size=9, most=3, colour=SOFT
        )
        pdf.rule(y, MARK, 0.5)
        y += 8
        for fact in told.facts:
            pdf.write_line(MARGIN, y, fact.label, 9.5, SOFT)
            y = pdf.write_text(MARGIN + 38, y, fact.value, width=RIGHT - MARGIN - 38, size=9.5, most=2)
            y += 0.8
        y = self._tallies(pdf, y + 3)
        return self._audit(pdf, y + 4)

    def _tallies(self, pdf: Sheet, top: float) -> float:
        lowest, width = top, (RIGHT - MARGIN) / 3
        most = 18
        for index, tally in enumerate(self._summary.tallies):
            x, y = MARGIN + index * width, top + 4
            pdf.write_line(x, y, tally.heading, 10, MARK, bold=True)
            y += 6
            rows = list(tally.rows)
            if len(rows) > most:
                rest = sum(count for _, count in rows[most - 1 :])
                rows = [*rows[: most - 1], (f"… ({len(tally.rows) - most + 1})", rest)]
            for name, count in rows:
                pdf.write_line(x, y, pdf.cut(name, width - 20, 9), 9)
                text = str(count)
                pdf.write_line(x + width - 6 - pdf.width_of(text, 9), y, text, 9)
                y += leading(9)
            lowest = max(lowest, y)
        return lowest

    def _audit(self, pdf: Sheet, y: float) -> float:
        words = self._words
        pdf.write_line(MARGIN, y, words("audit"), 10, MARK, bold=True)
        y += 6
        if not self._summary.audit:
            pdf.write_line(MARGIN, y, words("audit_none"), 9, SOFT)
        for fact in self._summary.audit:
            if y > BOTTOM - 5:
                pdf.add_page()
                y = 20.0
            pdf.write_line(MARGIN, y, pdf.cut(fact.label, 70, 8), 8, SOFT)
            pdf.write_line(MARGIN + 72, y, pdf.cut(fact.value, RIGHT - MARGIN - 72, 8), 8)
            y += leading(8)
        return y + 8

    def _table(self, pdf: Sheet, top: float) -> list[int]:
        words = self._words
        if not self._entries:
            pdf.write_line(MARGIN, top, words("no_cases"), 9, SOFT)
            return []
        links = []
        y = self._table_head(pdf, top)
        pages = 1 + _more_pages(len(self._entries), y)
        first = pdf.page_no() + pages
        for position, entry in enumerate(self._entries):
            if y > BOTTOM:
                pdf.add_page()
                y = self._table_head(pdf, _TOP)
            view = case_view(entry, position + 1, self._report, words)
            if self.whole:
                links.append(pdf.add_link())
                pdf.link(MARGIN, y - _ROW * 0.75, RIGHT - MARGIN, _ROW, links[-1])
            self._row(pdf, y, self._cells(view, position, first), INK)
            pdf.rule(y + _ROW * 0.3)
            y += _ROW
        return links

    def _table_head(self, pdf: Sheet, y: float) -> float:
        words = self._words
        if y > BOTTOM - 3 * _HEAD:
            pdf.add_page()
            y = _TOP
        pdf.write_line(MARGIN, y, words("all_cases"), 10, MARK, bold=True)
        notes = []
        if not self.whole:
            count = len(parts(self._entries))
            notes.append(words("volumes").format(first=volume_name(1), last=volume_name(count), n=count))
        if any(entry.case.held for entry in self._entries):
            notes.append(words("held_mark"))
        note = "  ".join(notes)
        pdf.write_line(RIGHT - pdf.width_of(note, 8), y, note, 8, SOFT)
        y += _HEAD - _ROW - 1
        titles = [words(column.word) if column.word != "#" else "#" for column in _COLUMNS]
        if not self.whole:
            titles[-1] = f"{words('in_volume')} / {words('page')}"
        self._row(pdf, y, titles, SOFT)
        pdf.rule(y + _ROW * 0.3, INK, 0.3)
        return y + _ROW + 1

    def _cells(self, view: CaseView, position: int, first: int) -> list[str]:
        volume, page = divmod(position, PART)
        stage = view.stage + ("*" if view.held else "")
        where = str(first + position) if self.whole else f"{volume + 1} / {page + 1}"
        place = (view.community, view.cell)
        return [str(view.number), view.key, *place, view.kind, view.area, stage, view.due_on, where]

    def _row(self, pdf: Sheet, y: float, cells: Sequence[str], colour: tuple[int, int, int]) -> None:
        x = MARGIN
        for column, text in zip(_COLUMNS, cells, strict=True):
            cut = pdf.cut(text, column.width - 2, _TABLE_SIZE)
            at = x + column.width - 2 - pdf.width_of(cut, _TABLE_SIZE) if column.right else x
            pdf.write_line(at, y, cut, _TABLE_SIZE, colour)
            x += column.width

    def _case(self, pdf: Sheet, position: int) -> None:
        entry = self._entries[position]
        drawing = self._locate(entry.case)
        draw_case(
            pdf,
            CasePage(
                view=case_view(entry, position + 1, self._report, self._words),
                pictures=case_pictures(entry),
                drawing=drawing,
                overview=self._overview(entry.case.cell) if drawing.picture else None,
                qr_text=entry.case.external_key,
            ),
            self._words,
        )

    def _overview(self, cell: str) -> bytes | None:
        if cell not in self._overviews:
            path = self._scratch / f"{len(self._overviews)}.jpg"
            written = write_small_overview(self._report.cells[cell], self._report.zones, path)
            self._overviews[cell] = path if written else None
        kept = self._overviews[cell]
        return kept.read_bytes() if kept else None


def _more_pages(rows: int, y: float) -> int:
    """Return how many pages a table of ``rows`` needs after the one that it begins on at ``y``."""
    rest = rows - (math.floor((BOTTOM - y) / _ROW) + 1)
    a_page = math.floor((BOTTOM - (_TOP + _HEAD)) / _ROW) + 1
    return max(0, math.ceil(rest / a_page))


def volume_name(volume: int) -> str:
    """Return the name of a file of case pages, from 1."""
    return f"cases-{volume:03d}.pdf"
