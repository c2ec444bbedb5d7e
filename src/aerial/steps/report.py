"""Compared pairs to a report: ``report.geojson``, ``report.html`` and its pictures."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aerial.codec import read_record, replacing, write_json
from aerial.errors import InputError
from aerial.progress import SILENT, Progress
from aerial.records import Alignment
from aerial.report.geojson import read_suspects, suspects_to_collection
from aerial.report.overview import write_overview
from aerial.report.page import PairReport, write_page


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedPair:
    """Where one compared pair lies, and its names: ``before`` and ``after`` are survey ids or files.

    ``cell`` is None for files that were compared outside a town.
    """

    folder: Path
    after_ortho: Path
    cell: str | None
    before: str
    after: str


def write_report(
    pairs: Sequence[ComparedPair], out: Path, *, title: str, progress: Progress = SILENT
) -> Path:
    """Write the report of ``pairs`` into ``out`` and return the page's path.

    Each feature of ``report.geojson`` carries ``cell``, ``before`` and ``after``. The folder is whole
    in itself: chips are copied, so that it can be carried away.

    Raises:
        InputError: a pair's folder lacks its suspects or its alignment.
    """
    progress.phase("Report", len(pairs))
    features: list[object] = []
    sections = []
    for pair in pairs:
        # Two cells may have been flown on the same two days.
        prefix = f"{pair.cell or ''}_{pair.folder.name}/" if len(pairs) > 1 else ""
        suspects = []
        for suspect in read_suspects(pair.folder / "suspects.geojson"):
            for chip in suspect.chips:
                _require_inside(chip.path, pair.folder)
                _copy(pair.folder / chip.path, out / prefix / chip.path)
            chips = tuple(replace(chip, path=prefix + chip.path) for chip in suspect.chips)
            suspects.append(replace(suspect, chips=chips))
        context = {"before": pair.before, "after": pair.after} | ({"cell": pair.cell} if pair.cell else {})
        features += suspects_to_collection(suspects, context)["features"]
        grid = write_overview(pair.after_ortho, out / prefix / "overview.jpg")
        sections.append(
            PairReport(
                cell=pair.cell,
                before=pair.before,
                after=pair.after,
                alignment=read_record(Alignment, pair.folder / "align.json"),
                suspects=tuple(suspects),
                overview=f"{prefix}overview.jpg",
                overview_grid=grid,
            )
        )
        progress.advance()
    write_json(out / "report.geojson", {"type": "FeatureCollection", "features": features})
    write_page(out / "report.html", title, sections)
    return out / "report.html"


def _require_inside(path: str, folder: Path) -> None:
    if not (folder / path).resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"{folder / 'suspects.geojson'} names a picture outside its folder: {path}",
            hint="Do not use this file; run aerial detect again.",
        )


def _copy(source: Path, target: Path) -> None:
    if source.resolve() == target.resolve():
        return
    with replacing(target) as part:
        shutil.copyfile(source, part)
