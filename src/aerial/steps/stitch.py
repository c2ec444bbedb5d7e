"""A folder of photographs in, a mosaic out: whole or not there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from errno import EDQUOT, EFBIG, ENOSPC
from pathlib import Path

from aerial import plugins
from aerial.codec import read_record, sha256_file, sha256_json
from aerial.errors import InputError, StitchError
from aerial.ortho.engine import StitchEngine
from aerial.ortho.odm import OdmEngine
from aerial.ortho.originals import Originals
from aerial.ortho.page import write_page
from aerial.photos import check_photos, usable_photos
from aerial.progress import SILENT, Progress
from aerial.records import Preset, StitchJob, StitchQuality
from aerial.steps import stitched
from aerial.steps.stitched import JOURNAL
from aerial.workspace import locked

_FULL = (ENOSPC, EDQUOT, EFBIG)


def stitch_folder(
    folder: Path,
    out: Path,
    *,
    engine: str = "local",
    nodes: tuple[str, ...] = (),
    previous: Path | None = None,
    preset: Preset = "quality",
    gcp: Path | None = None,
    reference_ortho: Path | None = None,
    positions: Path | None = None,
    calibration: Path | None = None,
    options: tuple[tuple[str, str], ...] = (),
    progress: Progress = SILENT,
) -> StitchQuality:
    """Stitch the usable photographs below ``folder`` into the mosaic folder ``out``.

    Photographs that the check finds bad are left out and named in ``quality.json``. The rest as in
    ``StitchJob``.

    Raises:
        PhotoError: fewer than three photographs are usable, or they are of two places.
        StitchError: those that are usable do not make one block.
        The rest as ``stitch``.
    """
    # Looked at first: photographs take minutes.
    made = not out.exists()
    _require_folder(out)
    if made:
        out.rmdir()
    checks = check_photos(folder, progress, positions)
    photos = usable_photos(checks)
    used = {photo.file for photo in photos}
    bad = {c.file: "; ".join(c.reasons) for c in checks if c.file not in used}
    job = StitchJob(
        folder=folder,
        photos=photos,
        previous=previous,
        nodes=nodes,
        preset=preset,
        gcp=gcp,
        reference_ortho=reference_ortho,
        positions=positions,
        calibration=calibration,
        options=options,
    )
    return stitch(job, out, engine=engine, bad=bad, progress=progress)


def stitch(
    job: StitchJob,
    out: Path,
    *,
    engine: str = "local",
    bad: dict[str, str] | None = None,
    progress: Progress = SILENT,
) -> StitchQuality:
    """Run an engine on ``job`` and put its mosaic into ``out``.

    ``out`` gets ``ortho.tif``, ``dsm.tif``, ``quality.json``, ``quality.html``, ``block/`` (where the
    engine makes one) and, last, ``mosaic.json``. Until all of it is whole it lies in ``out/.work``,
    the engine's journal, and what ``out`` held before stays: killed at any moment and called again it
    goes on. The same job again is not done twice. ``bad`` are photographs that were left out of the
    job, with the reason.

    Raises:
        StitchError: the engine refuses or fails, or the disk is full.
        PhotoError: a photograph vanished or changed while it was stitched.
        InputError: ``out`` is the reference itself, or cannot be written.
        WorkspaceError: another process stitches into ``out``.
    """
    if job.previous and job.previous.resolve() == out.resolve():
        raise InputError(
            f"{out} is the reference itself, which is never rewritten.", hint="Give another folder as --out."
        )
    chosen: StitchEngine = plugins.load("aerial.stitch_engines", engine)()
    fresh = not stitched.begun(out)
    if fresh:
        # Before anything is made: what is refused leaves no trace.
        _refuse(chosen, job, progress)
    _require_folder(out)
    with locked(out), _room_told(out):
        stitched.sweep(out)
        # What a killed run had whole comes first, whatever it was made of: half of it may lie in
        # ``out`` already, in the place of the mosaic before.
        stitched.hand_over(out)
        return _stitch(chosen, job, out, bad or {}, progress, checked=fresh)


def _stitch(
    chosen: StitchEngine, job: StitchJob, out: Path, bad: dict[str, str], progress: Progress, *, checked: bool
) -> StitchQuality:
    originals = Originals(job.folder, job.photos)
    inputs = _inputs(chosen, job)
    done = stitched.known(out, inputs)
    if done:
        stitched.clear(out)
        progress.say(f"{out} holds this very mosaic already.")
        return done
    if not checked:
        _refuse(chosen, job, progress)
    work = out / JOURNAL
    work.mkdir(exist_ok=True)
    mosaic = chosen.stitch(job, work, progress)
    originals.require()
    quality = read_record(StitchQuality, work / "quality.json")
    quality = replace(quality, photos=len(job.photos) + len(bad), rejected=bad | quality.rejected)
    progress.phase("Writing the quality page", 1)
    write_page(work / stitched.PAGE, work, job, mosaic, quality)
    progress.advance()
    stitched.prepare(out, inputs, mosaic, quality)
    if not stitched.hand_over(out):
        raise StitchError(
            f"What was written to {work} is not what it reads now.",
            hint="Check the disk, then run the same command again.",
        )
    return quality


def cancel(out: Path, nodes: tuple[str, ...], progress: Progress = SILENT) -> None:
    """Cancel at its node the task that an interrupted ``stitch`` into ``out`` left there, and forget it.

    Raises:
        NodeError: there is none, its node is not among ``nodes``, or cannot be reached.
    """
    OdmEngine().cancel(out / JOURNAL, nodes, progress)


def _inputs(engine: StitchEngine, job: StitchJob) -> str:
    reference = job.previous / "mosaic.json" if job.previous else None
    return sha256_json(
        {
            "engine": [engine.name, engine.version],
            "photos": job.photos,
            "files": [sha256_file(job.folder / photo.file) for photo in job.photos],
            "gsd_m": job.gsd_m,
            "crs": job.crs,
            "reference": sha256_file(reference) if reference and reference.is_file() else None,
            "preset": job.preset,
            "beside": [
                sha256_file(path) if path and path.is_file() else None
                for path in (job.gcp, job.reference_ortho, job.positions, job.calibration)
            ],
            "options": job.options,
        }
    )


def _refuse(engine: StitchEngine, job: StitchJob, progress: Progress) -> None:
    for finding in engine.check(job):
        if finding.level == "fail":
            raise StitchError(finding.message, hint=finding.hint)
        if finding.level == "warn":
            progress.say(f"{finding.message} {finding.hint}")


def _require_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise InputError(
            f"{out} cannot be made: {exc.strerror or exc}.",
            hint="Give a folder as --out that can be written.",
        ) from exc


@contextmanager
def _room_told(out: Path) -> Iterator[None]:
    """Say what a full disk means here: nothing is lost."""
    try:
        yield
    except OSError as exc:
        if exc.errno not in _FULL:
            raise
        raise StitchError(
            f"The disk that holds {out} is full.",
            hint="Free some space and run the same command again: it goes on where it stopped.",
        ) from exc
