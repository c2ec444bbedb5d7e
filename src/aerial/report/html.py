"""A report as a folder of pages that open from disk: nothing in it asks the network for anything."""

import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from aerial.report.locate import ASPECT, LocationMap, Locator, kinds_drawn, on_paper
from aerial.report.pictures import case_pictures, write_small_overview
from aerial.report.qr import qr_svg
from aerial.report.record import CaseEntry, CycleReport
from aerial.report.summary import PART, parts, summary
from aerial.report.text import FONT, FONT_LICENCE
from aerial.report.view import CaseView, case_view
from aerial.report.words import RESULTS, ZONES, Words

Advance = Callable[[], None]

_MAP_WIDTH = 500.0


def write_html(
    report: CycleReport, entries: Sequence[CaseEntry], folder: Path, advance: Advance = lambda: None
) -> None:
    """Write the pages of ``report`` into the empty ``folder``: ``index.html``, then ``PART`` cases a page.

    ``entries`` are its cases in order; ``advance`` is called once a case.
    """
    words = Words(report.language)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("aerial.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        words=words, report=report, results=[words.of(RESULTS, name) for name in RESULTS]
    )
    (folder / "pictures").mkdir()
    for asset in (FONT, FONT_LICENCE, Path(__file__).with_name("cycle.css")):
        shutil.copyfile(asset, folder / asset.name)
    _Pages(report, entries, folder, environment, words).write(advance)


class _Pages:
    def __init__(
        self,
        report: CycleReport,
        entries: Sequence[CaseEntry],
        folder: Path,
        environment: jinja2.Environment,
        words: Words,
    ) -> None:
        self._report, self._entries, self._folder = report, entries, folder
        self._environment, self._words = environment, words
        self._locate = Locator(report)
        self._overviews: dict[str, str | None] = {}

    def write(self, advance: Advance) -> None:
        index = self._environment.get_template("cycle.html.j2")
        summed = summary(self._report, self._words)
        index.stream(summary=summed, rows=self._rows()).dump(str(self._folder / "index.html"), "utf-8")
        page = self._environment.get_template("cases.html.j2")
        files = parts(self._entries)
        for part, chosen in enumerate(files, start=1):
            around = [(step, part_name(part + step)) for step in (-1, 1) if 1 <= part + step <= len(files)]
            stream = page.stream(
                part=part, title=summed.title, around=dict(around), cards=self._cards(chosen, advance)
            )
            stream.enable_buffering(64)
            stream.dump(str(self._folder / part_name(part)), "utf-8")

    def _rows(self) -> Iterable[tuple[CaseView, str]]:
        for number, entry in enumerate(self._entries, start=1):
            yield self._view(entry, number), f"{part_name((number - 1) // PART + 1)}#case-{number}"

    def _view(self, entry: CaseEntry, number: int) -> CaseView:
        return case_view(entry, number, self._report, self._words)

    def _cards(self, chosen: range, advance: Advance) -> Iterable[dict[str, Any]]:
        for position in chosen:
            entry = self._entries[position]
            drawing = self._locate(entry.case)
            yield {
                "view": self._view(entry, position + 1),
                "pictures": self._pictures(entry, position + 1),
                "map": self._map(drawing, self._overview(entry.case.cell) if drawing.picture else None),
                "qr": qr_svg(entry.case.external_key),
            }
            advance()

    def _pictures(self, entry: CaseEntry, number: int) -> list[tuple[str, str | None, str | None]]:
        shown = []
        for picture in case_pictures(entry):
            name = None
            if picture.path is not None:
                name = f"pictures/{number:05d}_{picture.label}.jpg"
                shutil.copyfile(picture.path, self._folder / name)
            shown.append((picture.label, name, picture.absent))
        return shown

    def _overview(self, cell: str) -> str | None:
        if cell not in self._overviews:
            name = f"pictures/cell_{safe_name(cell)}.jpg"
            written = write_small_overview(self._report.cells[cell], self._report.zones, self._folder / name)
            self._overviews[cell] = name if written else None
        return self._overviews[cell]

    def _map(self, drawing: LocationMap, overview: str | None) -> dict[str, Any]:
        width, height = _MAP_WIDTH, _MAP_WIDTH / ASPECT
        paths = []
        for ring in drawing.rings:
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in on_paper(drawing, ring.xy_N2, width, height))
            paths.append((ring.kind, points, ring.closed))
        picture = None
        if overview and drawing.picture:
            west, south, east, north = drawing.picture
            corners = on_paper(drawing, np.array([[west, north], [east, south]]), width, height)
            picture = (overview, *corners[0], *(corners[1] - corners[0]))
        ((x, y),) = on_paper(drawing, np.array([drawing.at]), width, height)
        return {
            "width": width,
            "height": height,
            "paths": paths,
            "picture": picture,
            "at": (float(x), float(y)),
            "bar": drawing.bar_m / (drawing.window[2] - drawing.window[0]) * width,
            "bar_m": f"{drawing.bar_m:g} m",
            "legend": [(kind, legend(kind, self._words)) for kind in kinds_drawn(drawing)],
            "note": None if drawing.has_cell else self._words("no_outline"),
        }


def legend(kind: str, words: Words) -> str:
    """Return what a kind of line on a location map is called."""
    return words.of(ZONES, kind) if kind in ZONES else words(f"location_{kind}")


def part_name(part: int) -> str:
    """Return the name of a page of cases, from 1."""
    return f"cases-{part:03d}.html"


def safe_name(name: str) -> str:
    """Return a file's name for a name from outside: the name itself where it is plain, else a hash of it."""
    return (
        name
        if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name)
        else sha256(name.encode("utf-8", "replace")).hexdigest()
    )
