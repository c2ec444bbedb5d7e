"""From a stitch job to a block: features, pairs, adjustment, georeference, and who was left out."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pycolmap
from numpy.typing import NDArray

from aerial import geo
from aerial.codec import read_json, read_record, sha256_file, sha256_json, write_json
from aerial.errors import AerialError, StitchError
from aerial.ortho import adjust, features, georef, join, matching, stand
from aerial.ortho.alike import alike_pairs
from aerial.ortho.anchor import anchor
from aerial.ortho.archive import StoredBlock, read_archive
from aerial.ortho.basis import photo_residuals
from aerial.ortho.block import Block, BlockPhoto
from aerial.ortho.judge import Candidate, choose, judge
from aerial.ortho.keep import keep
from aerial.ortho.stand import MIN_PHOTOS, require_placeable
from aerial.ortho.unplaced import level
from aerial.progress import Progress
from aerial.records import Basis, BlockPart, Georef, Photo, PhotoResidual, StitchJob
from aerial.records.record import record

Floats = NDArray[np.float64]

VERSION = "2"
# A block below this share of its photographs is tried again incrementally.
POOR_SHARE = 0.9


@record
class Solution:
    """How a block was placed and what ``quality.json`` tells of it; kept beside the block.

    ``inputs``: hash of all that the block was made of.
    """

    inputs: str
    georef: Georef
    rejected: dict[str, str]
    residual_median_m: float | None
    residual_p95_m: float | None
    reprojection_px: float
    height_check: float | None
    remarks: tuple[str, ...]
    seconds_by_stage: dict[str, float]
    basis: Basis | None = None
    by_photo: tuple[PhotoResidual, ...] = ()
    parts: tuple[BlockPart, ...] = ()


@dataclass(slots=True)
class _Clock:
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - started, 3)


def solve(job: StitchJob, work: Path, progress: Progress) -> tuple[Block, Solution]:
    """Return the block of the job's photographs; ``work`` is the journal and gets ``block/``.

    With ``job.previous`` the photographs join the block stored there, whose poses stay as they are.
    Called again with the same job and folder it goes on, and returns the very same block.

    Raises:
        StitchError: fewer than three photographs, no positions, no overlap, or a geometry that
            contradicts the positions.
        CrsError: ``job.crs`` is not that of the reference.
    """
    require_placeable(job)
    work.mkdir(parents=True, exist_ok=True)
    inputs = _inputs(job)
    try:
        solution = read_record(Solution, work / "solution.json")
        if solution.inputs == inputs:
            return block_of(read_archive(work / "block")), solution
    except AerialError:
        pass  # absent or not whole: it is made anew
    reference = read_archive(job.previous / "block") if job.previous else None
    if reference and job.crs:
        geo.require_same_crs(job.crs, reference.crs)
    crs = reference.crs if reference else stand.crs_of(job)
    clock = _Clock()
    database = work / "block.db"
    rejected = {p.file: "is not there" for p in job.photos if not (job.folder / p.file).is_file()}
    _open(job, database, inputs, reference)
    numbered = [(n, p) for n, p in enumerate(job.photos, 1) if p.file not in rejected]
    with clock.stage("features"):
        rejected |= features.extract(database, job.folder, numbered, progress)
    gps_N3 = positions(job.photos, crs)
    with clock.stage("matching"):
        usable = [n for n, p in numbered if p.file not in rejected]
        matching.match(database, _pairs(job, database, usable, gps_N3, reference), progress)
    with clock.stage("adjustment"):
        progress.phase("Adjusting the block", 1)
        if reference:
            local_N3 = gps_N3 - reference.origin_3
            joined = _joined(job, database, work, local_N3, reference)
            stands = stand.again(job, joined, local_N3, reference, len(job.photos) + 1)
        else:
            placed = anchor(job.photos, _best(job, database, work, gps_N3), gps_N3)
            stands = stand.first(job, placed, gps_N3, crs, progress)
        progress.advance()
    candidate = stands.candidate
    rejected |= _left_out(job, candidate, rejected)
    stored = keep(job.photos, candidate, database, work / "block", crs, reference, stands.georef.ce95_m)
    block = block_of(stored)
    residual_N = candidate.residuals_m
    solution = Solution(
        inputs=inputs,
        georef=stands.georef,
        rejected=rejected,
        residual_median_m=round(float(np.median(residual_N)), 3) if residual_N.size else None,
        residual_p95_m=round(float(np.percentile(residual_N, 95)), 3) if residual_N.size else None,
        reprojection_px=round(candidate.model.reprojection_px, 3),
        height_check=height_check(block, job),
        remarks=(*_remarks(job), *stands.remarks),
        seconds_by_stage=clock.seconds,
        basis=stands.basis,
        by_photo=photo_residuals(job.photos, candidate),
    )
    write_json(work / "solution.json", solution)
    return block, solution


def block_of(stored: StoredBlock) -> Block:
    """Return a stored block as the surface and the ortho are made from it."""
    return Block(
        crs=stored.crs,
        origin_3=stored.origin_3,
        photos=tuple(
            BlockPhoto(
                file=photo.file,
                camera=adjust.full_camera(
                    stored.parameters_L8[photo.lens],
                    stored.lenses[photo.lens].width_px,
                    stored.lenses[photo.lens].height_px,
                ),
                pose=photo.pose,
            )
            for photo in stored.photos
        ),
        points_N3=stored.points_N3,
    )


def positions(photos: tuple[Photo, ...], crs: str) -> Floats:
    """Return (east, north, altitude) in ``crs``, shape (N, 3), NaN where unknown."""
    gps_N3 = np.full((len(photos), 3), np.nan)
    for row, photo in zip(gps_N3, photos, strict=True):
        if photo.at is not None:
            row[:2] = geo.from_lonlat(crs, photo.at)
        height = photo.altitude_m if photo.altitude_m is not None else photo.relative_height_m
        row[2] = np.nan if height is None else height
    return gps_N3


def height_check(block: Block, job: StitchJob) -> float | None:
    """Return the block's height over ground as a ratio of the photographs' own relative height."""
    relative = {p.file: p.relative_height_m for p in job.photos}
    above = [v for v in (relative.get(p.file) for p in block.photos) if v is not None]
    if not above or len(block.points_N3) == 0 or np.median(above) < 1:
        return None
    ground_m = float(np.median(block.points_N3[:, 2]))
    height_m = float(np.median([p.pose.centre_3[2] for p in block.photos])) - ground_m
    return round(height_m / float(np.median(above)), 4)


def _inputs(job: StitchJob) -> str:
    present = [job.folder / p.file for p in job.photos if (job.folder / p.file).is_file()]
    stored = job.previous / "block" / "block.json" if job.previous else None
    return sha256_json(
        {
            "version": VERSION,
            "pycolmap": pycolmap.__version__,
            "crs": job.crs,
            "photos": job.photos,
            "files": [sha256_file(path) for path in present],
            "reference": sha256_file(stored) if stored and stored.is_file() else None,
            "preset": job.preset,
            "beside": [
                sha256_file(path) if path and path.is_file() else None
                for path in (job.gcp, job.reference_ortho, job.calibration)
            ],
        }
    )


def _open(job: StitchJob, database: Path, inputs: str, reference: StoredBlock | None) -> None:
    """Open the journal of this very job, or begin a new one."""
    stamp = database.with_suffix(".json")
    if database.exists() and stamp.exists() and read_json(stamp) == {"inputs": inputs}:
        return
    stamp.unlink(missing_ok=True)
    for leftover in database.parent.glob(f"{database.name}*"):
        leftover.unlink()
    found = matching.lenses(job.photos)
    if reference and job.previous:
        cameras, camera_of = join.cameras_with(found, reference)
        camera_of += [photo.lens + 1 for photo in reference.photos]
        matching.create_database(database, cameras, camera_of)
        join.write_reference_features(database, reference, job.previous / "block", len(job.photos) + 1)
    else:
        distinct = sorted(set(found), key=found.index)
        cameras = [matching.working_camera(lens, i) for i, lens in enumerate(distinct, 1)]
        matching.create_database(database, cameras, [distinct.index(lens) + 1 for lens in found])
    write_json(stamp, {"inputs": inputs})


def _pairs(
    job: StitchJob, database: Path, usable: list[int], gps_N3: Floats, reference: StoredBlock | None
) -> list[tuple[int, int]]:
    """Return the pairs of photograph numbers to match."""
    xy_N2 = gps_N3[np.array(usable, int) - 1, :2]

    def when(index: int) -> tuple[str, str]:
        photo = job.photos[usable[index] - 1]
        return (photo.taken_at.isoformat() if photo.taken_at else "", photo.file)

    order = sorted(range(len(usable)), key=when)
    pairs = [(usable[a], usable[b]) for a, b in matching.choose_pairs(xy_N2, order)]
    unplaced = [n for n, xy_2 in zip(usable, xy_N2, strict=True) if not np.isfinite(xy_2).all()]
    pairs += alike_pairs(database, unplaced, usable, matching.NEIGHBOURS)
    if reference:
        first = len(job.photos) + 1
        across = join.pairs_with(xy_N2 - reference.origin_3[:2], reference, first)
        pairs += [(usable[a], number) for a, number in across]
        others = range(first, first + len(reference.photos))
        pairs += alike_pairs(database, unplaced, others, join.REFERENCES)
    return sorted(set(pairs))


def _best(job: StitchJob, database: Path, work: Path, gps_N3: Floats) -> Candidate:
    free_focal = all(p.focal_px is None for p in job.photos)
    candidates: list[Candidate] = []
    for mapper in (adjust.map_globally, adjust.map_incrementally):
        models = mapper(database, work / ".mapping", free_focal=free_focal)
        for model in models:
            adjust.refine(model.reconstruction, free_focal=free_focal)
        candidates += [c for c in (_judged(job, model, gps_N3) for model in models) if c is not None]
        if max((c.held for c in candidates if not c.why_not), default=0) >= POOR_SHARE * len(job.photos):
            break
    shutil.rmtree(work / ".mapping", ignore_errors=True)
    return choose(candidates)


def _judged(job: StitchJob, model: adjust.Model, gps_N3: Floats) -> Candidate | None:
    if np.isfinite(gps_N3[:, 0]).sum() < MIN_PHOTOS:
        # What the job stands on will place it.
        return level(job.photos, model)
    return judge(job.photos, model, gps_N3)


def _joined(job: StitchJob, database: Path, work: Path, gps_N3: Floats, reference: StoredBlock) -> Candidate:
    found = matching.lenses(job.photos)
    model = join.map_onto(database, reference, len(job.photos) + 1, work / ".mapping", found)
    shutil.rmtree(work / ".mapping", ignore_errors=True)
    if model is None or len(model.numbers) < MIN_PHOTOS:
        raise StitchError(
            "The photographs do not show the ground of the reference survey.",
            hint="Check that --previous is the mosaic of the same place, or stitch without it.",
        )
    centres_N3, _ = adjust.centres_and_axes(model)
    placement = georef.compare(centres_N3, gps_N3[np.array(model.numbers) - 1])
    return Candidate(model=model, placement=placement, why_not="")


def _left_out(job: StitchJob, candidate: Candidate, known: dict[str, str]) -> dict[str, str]:
    """Return why each photograph is not in the block, but for those that ``known`` explains."""
    reasons = {}
    residuals = dict(zip(candidate.model.numbers, candidate.placement.residual_N, strict=True))
    held = set(candidate.numbers)
    for number, photo in enumerate(job.photos, 1):
        if number in held or photo.file in known:
            continue
        if number in residuals:
            reasons[photo.file] = f"stands {residuals[number]:.0f} m away from its own GPS position"
        else:
            reasons[photo.file] = "does not overlap the block enough to be tied to it"
    return reasons


def _remarks(job: StitchJob) -> tuple[str, ...]:
    if any(p.focal_px is not None for p in job.photos):
        return ()
    return (
        "No photograph states its focal length; it was estimated, and heights may err by a tenth or more.",
    )
