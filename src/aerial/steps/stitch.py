"""A folder of photographs in, a mosaic out: whole or not there."""

import shutil
from dataclasses import replace
from pathlib import Path

from aerial import plugins
from aerial.codec import read_json, read_record, sha256_file, sha256_json, write_json
from aerial.errors import InputError, StitchError
from aerial.evidence.hashes import note_hashes
from aerial.ortho.engine import StitchEngine
from aerial.ortho.odm import OdmEngine
from aerial.photos import check_photos, usable_photos
from aerial.progress import SILENT, Progress
from aerial.records import Mosaic, Preset, StitchJob, StitchQuality

JOURNAL = ".work"


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
    """
    checks = check_photos(folder, progress)
    photos = usable_photos(checks)
    bad = {c.file: "; ".join(c.reasons) for c in checks if not c.ok}
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

    ``out`` gets ``ortho.tif``, ``dsm.tif``, ``quality.json``, ``block/`` (where the engine makes
    one) and, last, ``mosaic.json``. Until then the engine's journal lies in ``out/.work``: killed at
    any moment and called again it goes on. The same job again is not done twice. ``bad`` are
    photographs that were left out of the job, with the reason.

    Raises:
        StitchError: the engine refuses or fails.
        InputError: ``out`` is the reference itself.
    """
    if job.previous and job.previous.resolve() == out.resolve():
        raise InputError(
            f"{out} is the reference itself, which is never rewritten.", hint="Give another folder as --out."
        )
    chosen: StitchEngine = plugins.load("aerial.stitch_engines", engine)()
    inputs = _inputs(chosen, job)
    done = _done(out, inputs)
    if done:
        progress.say(f"{out} holds this very mosaic already.")
        return done
    _refuse(chosen, job)
    work = out / JOURNAL
    work.mkdir(parents=True, exist_ok=True)
    mosaic = chosen.stitch(job, work, progress)
    quality = read_record(StitchQuality, work / "quality.json")
    quality = replace(
        quality, photos=len(job.photos) + len(bad or {}), rejected=(bad or {}) | quality.rejected
    )
    _hand_over(work, out, mosaic)
    write_json(out / "quality.json", quality)
    write_json(out / "inputs.json", {"inputs": inputs})
    write_json(out / "mosaic.json", mosaic)
    note_hashes(out, {name: out / name for name in ("quality.json", "inputs.json", "mosaic.json")})
    shutil.rmtree(work, ignore_errors=True)
    return quality


def cancel(out: Path, nodes: tuple[str, ...], progress: Progress = SILENT) -> None:
    """Cancel at its node the task that an interrupted ``stitch`` into ``out`` left there, and forget it.

    Raises:
        NodeError: there is none, its node is not among ``nodes``, or cannot be reached.
    """
    OdmEngine().cancel(out / JOURNAL, nodes, progress)


def _inputs(engine: StitchEngine, job: StitchJob) -> str:
    reference = job.previous / "mosaic.json" if job.previous else None
    present = [job.folder / p.file for p in job.photos if (job.folder / p.file).is_file()]
    return sha256_json(
        {
            "engine": [engine.name, engine.version],
            "photos": job.photos,
            "files": [sha256_file(path) for path in present],
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


def _done(out: Path, inputs: str) -> StitchQuality | None:
    if not (out / "mosaic.json").is_file():
        return None
    try:
        mosaic = read_record(Mosaic, out / "mosaic.json")
        quality = read_record(StitchQuality, out / "quality.json")
        known = read_json(out / "inputs.json") == {"inputs": inputs}
    except InputError:
        return None
    there = [ref for ref in (mosaic.ortho, mosaic.dsm, mosaic.block) if ref]
    return quality if known and all((out / ref.path).is_file() for ref in there) else None


def _refuse(engine: StitchEngine, job: StitchJob) -> None:
    for finding in engine.check(job):
        if finding.level == "fail":
            raise StitchError(finding.message, hint=finding.hint)


def _hand_over(work: Path, out: Path, mosaic: Mosaic) -> None:
    """Move the results out of the journal; ``mosaic.json`` of an earlier run goes first."""
    (out / "mosaic.json").unlink(missing_ok=True)
    if mosaic.block:
        # Copied, not moved: killed before the end, the engine must find its block again.
        part = out / ".block.part"
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(work / "block", part)
        shutil.rmtree(out / "block", ignore_errors=True)
        part.rename(out / "block")
    for ref in (mosaic.ortho, mosaic.dsm):
        if ref:
            (work / ref.path).replace(out / ref.path)
