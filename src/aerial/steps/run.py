"""The surveys of a cell to a report: what is new is stitched, compared, reported; the rest is kept."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from shapely.geometry import mapping

from aerial import __version__
from aerial.change.model import FILE as MODEL_FILE
from aerial.codec import read_record
from aerial.errors import AlignError, StitchError, WorkspaceError
from aerial.photos import check_photos, usable_photos
from aerial.progress import Progress
from aerial.records import FileRef, Mosaic, StitchJob, Survey
from aerial.records.record import record
from aerial.settings import Settings
from aerial.steps.detect import MosaicSource, detect_pair, detectors_for, model_settings
from aerial.steps.fresh import is_intact, once
from aerial.steps.photos import find_cell
from aerial.steps.report import ComparedPair, write_report
from aerial.steps.stitch import stitch
from aerial.workspace import Town, locked, record_survey, survey_order, surveys_of


@record
class CellRun:
    """What a run left: the pairs of the newest survey, and its report (None after a first survey)."""

    survey: Survey
    pairs: tuple[ComparedPair, ...]
    report: Path | None


def run_cell(town: Town, cell: str, settings: Settings, progress: Progress) -> CellRun:
    """Stitch the cell's surveys that have no mosaic, compare the newest, and write its report.

    The first survey is stitched freely; later ones join its block, so that all share one frame. The
    newest is compared with the one before and with one at least ``baseline_days`` old. Killed at any
    moment and called again, it goes on and ends with the same suspects.

    Raises:
        WorkspaceError: no survey, a file changed since it was recorded, or another run is at work.
        StitchError, AlignError, InputError: the newest survey cannot be stitched or compared.
    """
    find_cell(town, cell)
    with locked(town.cell_folder(cell)):
        surveys = surveys_of(town, cell)
        if not surveys:
            raise WorkspaceError(
                f"Cell {cell} has no survey.", hint=f"Import one: aerial photos import DIR --cell {cell}."
            )
        stitched = _stitch_missing(town, surveys, settings, progress)
        pairs = _compare_missing(town, stitched, settings, progress)
        newest = stitched[-1]
        report = _report(town, newest, pairs, progress) if pairs else None
        return CellRun(survey=newest, pairs=pairs, report=report)


def reference_of(surveys: Sequence[Survey]) -> Survey | None:
    """Return the survey whose frame the cell's mosaics share: the first that was stitched freely."""
    with_mosaic = [survey for survey in surveys if survey.mosaic is not None]
    free = [s for s in with_mosaic if s.mosaic is not None and s.mosaic.georef.how != "reference"]
    return next(iter(free or with_mosaic), None)


def earlier_surveys(surveys: Sequence[Survey], baseline_days: int) -> tuple[Survey, ...]:
    """Return what the last of ``surveys`` is compared with: the one before it, and the baseline.

    The baseline is the newest that is at least ``baseline_days`` older; slow growth shows there.
    """
    *before, after = surveys
    day = survey_order(after.survey)[0]
    old = [s for s in before if (day - survey_order(s.survey)[0]).days >= baseline_days]
    chosen = {survey.survey: survey for survey in (*before[-1:], *old[-1:])}
    return tuple(chosen.values())


def _stitch_missing(
    town: Town, surveys: Sequence[Survey], settings: Settings, progress: Progress
) -> tuple[Survey, ...]:
    """Return the surveys that have a mosaic, after stitching those that had none, in order of time.

    Recorded mosaics are never made anew, whatever the version: evidence rests on them.
    """
    current = {survey.survey: survey for survey in surveys}
    for survey in surveys:
        if survey.mosaic is not None:
            continue
        try:
            current[survey.survey] = _stitch(
                town, survey, reference_of(list(current.values())), settings, progress
            )
        except StitchError as error:
            if survey is surveys[-1]:
                raise
            progress.say(f"Survey {survey.survey} is left out: {error}")
    return tuple(survey for survey in current.values() if survey.mosaic is not None)


def _stitch(
    town: Town, survey: Survey, reference: Survey | None, settings: Settings, progress: Progress
) -> Survey:
    folder = town.survey_folder(survey.cell, survey.survey)
    _require_intact(folder, survey.photos)
    previous = None
    if reference is not None and reference.mosaic is not None:
        previous = town.survey_folder(reference.cell, reference.survey)
        _require_intact(previous, [reference.mosaic.ortho])
    checks = check_photos(folder / "photos", progress)
    usable = usable_photos(checks)
    # What somebody put into the folder by hand was never imported and has no hash.
    recorded = {ref.path for ref in survey.photos}
    job = StitchJob(
        folder=folder / "photos",
        photos=tuple(photo for photo in usable if f"photos/{photo.file}" in recorded),
        gsd_m=settings.gsd_m,
        crs=settings.crs,
        previous=previous,
        # A town may name its nodes and stitch here nevertheless.
        nodes=settings.nodes if settings.engine == "odm" else (),
    )
    used = {photo.file for photo in usable}
    bad = {check.file: "; ".join(check.reasons) for check in checks if check.file not in used}
    stitch(job, folder, engine=settings.engine, bad=bad, progress=progress)
    done = Survey(
        cell=survey.cell,
        survey=survey.survey,
        started_at=survey.started_at,
        photos=survey.photos,
        mosaic=read_record(Mosaic, folder / "mosaic.json"),
    )
    record_survey(town, done)
    return done


def _compare_missing(
    town: Town, surveys: Sequence[Survey], settings: Settings, progress: Progress
) -> tuple[ComparedPair, ...]:
    """Compare every survey that never was, and return the pairs of the newest."""
    pairs: tuple[ComparedPair, ...] = ()
    for count in range(2, len(surveys) + 1):
        after, newest = surveys[count - 1], count == len(surveys)
        pairs = ()
        for before in earlier_surveys(surveys[:count], settings.baseline_days):
            folder = town.pair_folder(after.cell, before.survey, after.survey)
            if not newest and (folder / "detect.json").is_file():
                continue
            try:
                _compare(town, before, after, folder, own_model(town, settings), progress)
            except AlignError as error:
                if newest and before is surveys[count - 2]:
                    raise
                progress.say(f"{after.survey} is not compared with {before.survey}: {error}")
                continue
            pairs += (_compared(town, before, after, folder),)
    return pairs


def _compared(town: Town, before: Survey, after: Survey, folder: Path) -> ComparedPair:
    return ComparedPair(
        folder=folder,
        after_ortho=_source(town, after).ortho,
        cell=after.cell,
        before=before.survey,
        after=after.survey,
    )


def own_model(town: Town, settings: Settings) -> str | Path | None:
    """Return the town's own model: a folder in the town's, another folder, or the name of a shipped one."""
    if settings.model is not None and (own := town.root / settings.model / MODEL_FILE).is_file():
        return own.parent
    return settings.model


def _compare(
    town: Town, before: Survey, after: Survey, folder: Path, model: str | Path | None, progress: Progress
) -> None:
    cell = find_cell(town, after.cell).outline
    sources = (_source(town, before), _source(town, after))
    inputs = {f"zones/{path.name}": path for path in town.zone_files()}
    for name, source in zip(("before", "after"), sources, strict=True):
        inputs[f"{name}/ortho"] = source.ortho
        if source.dsm is not None:
            inputs[f"{name}/dsm"] = source.dsm
    once(
        folder / "detect.json",
        version=__version__,
        settings={
            "surveys": [before.survey, after.survey],
            "georef": [source.georef for source in sources],
            "model": model_settings(detectors_for(model)),
            "cell": mapping(cell),
            # Results of before the pictures' ground was recorded cannot leave: they are made anew.
            "pictures": "with their ground",
        },
        inputs=inputs,
        work=lambda: _in_new_folder(
            folder,
            lambda out: detect_pair(
                sources[0],
                sources[1],
                out,
                model=model,
                zones=town.zone_files(),
                within=cell,
                context={"cell": after.cell, "before": before.survey, "after": after.survey},
                progress=progress,
            ),
            resume=True,
        ),
    )


def _report(town: Town, newest: Survey, pairs: Sequence[ComparedPair], progress: Progress) -> Path:
    folder = town.report_folder(newest.cell, newest.survey)
    inputs = {"ortho": pairs[0].after_ortho}
    for pair in pairs:
        inputs |= {
            f"{pair.folder.name}/{name}": pair.folder / name for name in ("suspects.geojson", "align.json")
        }
    title = f"Cell {newest.cell}, survey {newest.survey}"
    once(
        folder / "report.json",
        version=__version__,
        settings={"title": title},
        inputs=inputs,
        work=lambda: _in_new_folder(
            folder, lambda out: write_report(pairs, out, title=title, progress=progress)
        ),
    )
    return folder / "report.html"


def _in_new_folder(folder: Path, work: Callable[[Path], object], *, resume: bool = False) -> tuple[Path, ...]:
    """Let ``work`` fill a folder beside ``folder`` and put it in its place; return its files.

    ``resume``: what a killed run left beside is handed to ``work``, which knows what of it is its own.
    What an older version left there goes with it. Between the two renames ``folder`` is absent, and
    the step is done again.
    """
    part, old = (folder.with_name(f".{folder.name}.{kind}") for kind in ("part", "old"))
    for leftover in (old,) if resume else (part, old):
        if leftover.exists():
            shutil.rmtree(leftover)
    work(part)
    if folder.exists():
        folder.rename(old)
    part.rename(folder)
    if old.exists():
        shutil.rmtree(old)
    # Names with a dot are leftovers of the work, not its outputs.
    return tuple(sorted(path for path in folder.rglob("*") if path.is_file() and path.name[0] != "."))


def _source(town: Town, survey: Survey) -> MosaicSource:
    """Return a survey's mosaic as files, unchanged since they were recorded."""
    mosaic = survey.mosaic
    if mosaic is None:
        raise ValueError(f"{survey.survey} has no mosaic")
    folder = town.survey_folder(survey.cell, survey.survey)
    _require_intact(folder, [mosaic.ortho, *([mosaic.dsm] if mosaic.dsm else [])])
    return MosaicSource(
        ortho=folder / mosaic.ortho.path,
        dsm=folder / mosaic.dsm.path if mosaic.dsm else None,
        survey=survey.survey,
        georef=mosaic.georef,
    )


def _require_intact(folder: Path, refs: Sequence[FileRef]) -> None:
    for ref in refs:
        if not is_intact(folder, ref):
            raise WorkspaceError(
                f"{folder / ref.path} is not there, or changed since it was recorded.",
                hint="Restore it from the backup or the memory card; nothing was overwritten.",
            )
