"""The engine that needs nothing but this machine: COLMAP's mapper, our own surface and ortho."""

from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from shapely.geometry import Point, box

from aerial import geo
from aerial.codec import read_record, sha256_file, write_json
from aerial.errors import InputError, PhotoError, StitchError
from aerial.ortho import room, seal
from aerial.ortho.block import Block
from aerial.ortho.calibration import calibrated
from aerial.ortho.cover import grid_for, photo_gsd_m
from aerial.ortho.gcp import read_control
from aerial.ortho.originals import Originals
from aerial.ortho.presets import effort_of
from aerial.ortho.rectify import OrthoResult, build_ortho
from aerial.ortho.solve import Solution, solve
from aerial.ortho.stand import why_not
from aerial.ortho.surface import SurfaceResult, build_surface
from aerial.progress import Progress
from aerial.raster.grid import Grid, bounds
from aerial.raster.read import open_raster
from aerial.records import FileRef, Finding, HeightsQuality, Mosaic, StitchJob, StitchQuality

# What may leave the bureau.
FINEST_GSD_M = 0.05
# A repeat survey takes the reference's pixel size unless its photographs are this much coarser.
SAME_GSD = 1.25
# Receivers err by metres, rarely by tens; a mosaic farther away is not of the same cell.
OTHER_PLACE_M = 500.0


class LocalEngine:
    """Stitches on this machine; see ``StitchEngine`` for the contract."""

    name = "local"
    version = "1"

    def check(self, job: StitchJob) -> Sequence[Finding]:
        """Return what speaks against the job, without doing it."""
        findings = [
            Finding(
                level="fail",
                code="not_used",
                message=f"The local engine has no use for {what}.",
                hint="Leave it out, or choose --engine odm.",
            )
            for what, given in (("a node", job.nodes), ("options of a node", job.options))
            if given
        ]
        refused = why_not(job)
        if refused:
            findings.append(Finding(level="fail", code="positions", message=refused[0], hint=refused[1]))
        if job.photos and all(p.focal_px is None for p in job.photos):
            findings.append(
                Finding(
                    level="warn",
                    code="focal",
                    message="No photograph states its focal length: heights may err by a tenth or more.",
                    hint="Give the original files with their EXIF.",
                )
            )
        if job.previous and not (job.previous / "block" / "block.json").is_file():
            findings.append(
                Finding(
                    level="fail",
                    code="previous",
                    message=f"{job.previous} holds no block/.",
                    hint="Give the output folder of `aerial stitch --engine local` as --previous.",
                )
            )
        findings += _beside(job)
        return findings

    def stitch(self, job: StitchJob, work: Path, progress: Progress) -> Mosaic:
        """Stitch the photographs of ``job``; ``work`` is the journal.

        Raises:
            StitchError: the photographs do not make one block, or the disk has no room for it.
            PhotoError: a photograph vanished or changed meanwhile.
        """
        effort = effort_of(job.preset)
        work.mkdir(parents=True, exist_ok=True)
        room.require_room(job, effort, work)
        originals = Originals(job.folder, job.photos)
        block, solution = _solved(job, work, originals, progress)
        gsd = _gsd_m(job, block)
        grid = grid_for(block, gsd)
        started = monotonic()
        surface = build_surface(block, job.folder, grid, work, progress, effort=effort)
        originals.require()
        between = monotonic()
        ortho = build_ortho(
            block, job.folder, surface.path, grid, work / "ortho.tif", progress, effort=effort
        )
        originals.require()
        seconds = solution.seconds_by_stage | {
            "surface": round(between - started, 3),
            "ortho": round(monotonic() - between, 3),
        }
        write_json(work / "quality.json", _quality(job, block, solution, gsd, seconds, surface, ortho))
        return Mosaic(
            ortho=_ref(work, ortho.path),
            dsm=_ref(work, surface.path),
            grid=grid,
            georef=solution.georef,
            block=_ref(work, work / "block" / "block.json"),
        )


def _solved(job: StitchJob, work: Path, originals: Originals, progress: Progress) -> tuple[Block, Solution]:
    """Return the block of photographs that stayed what they were while it was made."""
    try:
        solved = solve(job, work, progress)
    except (StitchError, PhotoError):
        _forget_changed(job, work, originals)
        raise
    except RuntimeError:
        # COLMAP does not say that the disk is full.
        room.require_free(work, 0, "the block")
        raise
    _forget_changed(job, work, originals)
    return solved


def _forget_changed(job: StitchJob, work: Path, originals: Originals) -> None:
    """Drop what may have been made of other photographs than the job's, and name those."""
    changed = set(originals.changed())
    if not changed:
        return
    (work / "solution.json").unlink(missing_ok=True)
    if (work / "block.db").exists():
        seal.forget(work / "block.db", (n for n, p in enumerate(job.photos, 1) if p.file in changed))
    originals.require()


def _beside(job: StitchJob) -> list[Finding]:
    """Return what is wrong with the files that a job names beside its photographs: unreadable, elsewhere."""
    findings, grids = [], []
    try:
        calibrated(job)
        if job.gcp:
            read_control(job.gcp, job.photos)
        if job.reference_ortho:
            grids.append((job.reference_ortho, open_raster(job.reference_ortho).grid))
    except InputError as error:
        findings.append(Finding(level="fail", code="beside", message=str(error), hint=error.hint))
    if job.previous and (job.previous / "mosaic.json").is_file():
        grids.append((job.previous, read_record(Mosaic, job.previous / "mosaic.json").grid))
    for path, grid in grids:
        away_m = _away_m(job, grid)
        if away_m > OTHER_PLACE_M:
            findings.append(
                Finding(
                    level="fail",
                    code="other_place",
                    message=f"{path} is of another place: the nearest photograph is {away_m / 1000:.1f} km "
                    "away from it.",
                    hint="Give the one of the same place, or leave it out.",
                )
            )
    return findings


def _away_m(job: StitchJob, grid: Grid) -> float:
    """Return how far the nearest photograph is from the extent of a mosaic, 0 where nobody can tell."""
    outline = box(*bounds(grid)).segmentize(max(grid.width_px, grid.height_px) * abs(grid.affine[0]) / 10)
    distances = []
    for at in (photo.at for photo in job.photos if photo.at is not None):
        crs = geo.metric_crs_at(at)
        distances.append(geo.reproject(outline, grid.crs, crs).distance(Point(geo.from_lonlat(crs, at))))
        if distances[-1] == 0:
            break
    return min(distances, default=0.0)


def _gsd_m(job: StitchJob, block: Block) -> float:
    own = max(FINEST_GSD_M, round(photo_gsd_m(block), 3))
    if job.gsd_m is not None:
        return job.gsd_m
    if job.previous is not None:
        try:
            reference = read_record(StitchQuality, job.previous / "quality.json").gsd_m
        except InputError:
            return own
        # The same pixels in every epoch, so that comparing them resamples neither.
        return reference if own <= SAME_GSD * reference else own
    return own


def _quality(
    job: StitchJob,
    block: Block,
    solution: Solution,
    gsd_m: float,
    seconds: dict[str, float],
    surface: SurfaceResult,
    ortho: OrthoResult,
) -> StitchQuality:
    return StitchQuality(
        engine=LocalEngine.name,
        engine_version=LocalEngine.version,
        photos=len(job.photos),
        registered=len(block.photos),
        rejected=solution.rejected,
        seconds=round(sum(seconds.values()), 3),
        seconds_by_stage=seconds,
        gsd_m=gsd_m,
        georef=solution.georef.how,
        residual_median_m=solution.residual_median_m,
        residual_p95_m=solution.residual_p95_m,
        reprojection_px=solution.reprojection_px,
        coverage=round(ortho.coverage, 4),
        height_check=solution.height_check,
        remarks=solution.remarks,
        preset=job.preset,
        basis=solution.basis,
        by_photo=solution.by_photo,
        parts=solution.parts,
        holes=ortho.holes,
        seam_step=ortho.seam_step,
        heights=HeightsQuality(
            measured=round(surface.measured, 4),
            spread_median_m=surface.spread_median_m,
            spread_p95_m=surface.spread_p95_m,
        ),
    )


def _ref(work: Path, path: Path) -> FileRef:
    return FileRef(path=path.relative_to(work).as_posix(), sha256=sha256_file(path))
