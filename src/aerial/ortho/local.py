"""The engine that needs nothing but this machine: COLMAP's mapper, our own surface and ortho."""

from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from aerial.codec import read_record, sha256_file, write_json
from aerial.errors import InputError
from aerial.ortho.block import Block
from aerial.ortho.cover import grid_for, photo_gsd_m
from aerial.ortho.presets import effort_of
from aerial.ortho.rectify import OrthoResult, build_ortho
from aerial.ortho.solve import MIN_PHOTOS, Solution, solve
from aerial.ortho.surface import SurfaceResult, build_surface
from aerial.progress import Progress
from aerial.records import FileRef, Finding, HeightsQuality, Mosaic, StitchJob, StitchQuality

# What may leave the bureau.
FINEST_GSD_M = 0.05
# A repeat survey takes the reference's pixel size unless its photographs are this much coarser.
SAME_GSD = 1.25


class LocalEngine:
    """Stitches on this machine; see ``StitchEngine`` for the contract."""

    name = "local"
    version = "1"

    def check(self, job: StitchJob) -> Sequence[Finding]:
        """Return what speaks against the job, without doing it."""
        findings = []
        placed = sum(p.at is not None for p in job.photos)
        if placed < MIN_PHOTOS:
            findings.append(
                Finding(
                    level="fail",
                    code="positions",
                    message=f"{placed} of {len(job.photos)} photographs say where they were taken.",
                    hint="Give at least three photographs with GPS in their EXIF.",
                )
            )
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
        return findings

    def stitch(self, job: StitchJob, work: Path, progress: Progress) -> Mosaic:
        """Stitch the photographs of ``job``; ``work`` is the journal."""
        block, solution = solve(job, work, progress)
        gsd = _gsd_m(job, block)
        grid = grid_for(block, gsd)
        started = monotonic()
        effort = effort_of(job.preset)
        surface = build_surface(block, job.folder, grid, work, progress, effort=effort)
        between = monotonic()
        ortho = build_ortho(
            block, job.folder, surface.path, grid, work / "ortho.tif", progress, effort=effort
        )
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
