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
from aerial.camera import Camera
from aerial.codec import read_json, read_record, sha256_file, sha256_json, write_json
from aerial.errors import AerialError, InputError, StitchError
from aerial.ortho import adjust, features, georef, join, mapped, matching, room, seal, stand
from aerial.ortho.alike import alike_pairs
from aerial.ortho.anchor import anchor
from aerial.ortho.archive import StoredBlock, read_archive, read_features
from aerial.ortho.basis import photo_residuals
from aerial.ortho.block import Block, BlockPhoto
from aerial.ortho.calibration import calibrated
from aerial.ortho.heights import height_ratio, height_remarks
from aerial.ortho.judge import Candidate
from aerial.ortho.keep import keep
from aerial.ortho.originals import Originals
from aerial.ortho.presets import Effort, effort_of
from aerial.ortho.stand import MIN_PHOTOS, require_placeable
from aerial.progress import Progress
from aerial.records import Basis, BlockPart, Georef, Photo, PhotoResidual, StitchJob
from aerial.records.record import record

Floats = NDArray[np.float64]

VERSION = "5"


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
            contradicts the positions; or the disk is full.
        PhotoError: a photograph is not there.
        CrsError: ``job.crs`` is not that of the reference.
        InputError: the calibration is not one of these photographs' cameras.
    """
    require_placeable(job)
    Originals(job.folder, job.photos)  # all are there
    work.mkdir(parents=True, exist_ok=True)
    inputs = _inputs(job)
    job, measured = calibrated(job)
    try:
        solution = read_record(Solution, work / "solution.json")
        if solution.inputs == inputs:
            stored = read_archive(work / "block")
            for index in range(len(stored.photos)):
                read_features(work / "block", index)  # refuses what is not whole
            return block_of(stored), solution
    except AerialError:
        pass  # absent or not whole: it is made anew
    reference = read_archive(job.previous / "block") if job.previous else None
    if reference and job.crs:
        geo.require_same_crs(job.crs, reference.crs)
    crs = reference.crs if reference else stand.crs_of(job)
    clock = _Clock()
    effort = effort_of(job.preset)
    database = work / "block.db"
    rejected: dict[str, str] = {}
    _open(job, database, inputs, measured, reference)
    numbered = list(enumerate(job.photos, 1))
    with clock.stage("features"):
        rejected |= features.extract(database, job.folder, numbered, effort, progress)
    gps_N3 = positions(job.photos, crs)
    with clock.stage("matching"):
        usable = [n for n, p in numbered if p.file not in rejected]
        pairs = _pairs(job, database, usable, gps_N3, effort, reference)
        matching.match(database, pairs, progress)
    # COLMAP does not say what is wrong where it finds the disk full.
    room.require_free(work, 0, "adjusting the block")
    with clock.stage("adjustment"):
        progress.phase("Adjusting the block", 1)
        others: tuple[Candidate, ...] = ()
        if reference:
            local_N3 = gps_N3 - reference.origin_3
            joined = _joined(job, database, work, local_N3, reference)
            joined, doubts = mapped.without_doubtful(job.photos, joined, database, local_N3)
            stands = stand.again(job, joined, local_N3, reference, len(job.photos) + 1)
        else:
            fixed = _fixed(job, measured)
            found = mapped.map_photos(job.photos, database, work / ".mapping", gps_N3, effort, fixed)
            doubts, others = found.doubts, found.others
            stands = stand.first(job, anchor(job.photos, found.main, gps_N3), gps_N3, crs, progress)
        progress.advance()
    candidate = stands.candidate
    rejected |= _left_out(job, candidate, others, doubts, rejected)
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
        height_check=height_ratio(block, job.photos),
        remarks=(*_remarks(job), *height_remarks(block, job.photos), *stands.remarks),
        seconds_by_stage=clock.seconds,
        basis=stands.basis,
        by_photo=photo_residuals(job.photos, candidate),
        parts=mapped.told(job.photos, (candidate, *others), gps_N3, crs),
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


def _inputs(job: StitchJob) -> str:
    stored = job.previous / "block" / "block.json" if job.previous else None
    return sha256_json(
        {
            "version": VERSION,
            "pycolmap": pycolmap.__version__,
            "crs": job.crs,
            "photos": job.photos,
            "files": [sha256_file(job.folder / photo.file) for photo in job.photos],
            "reference": sha256_file(stored) if stored and stored.is_file() else None,
            "preset": job.preset,
            "beside": [
                sha256_file(path) if path and path.is_file() else None
                for path in (job.gcp, job.reference_ortho, job.calibration)
            ],
        }
    )


def _open(
    job: StitchJob,
    database: Path,
    inputs: str,
    measured: dict[str, Camera],
    reference: StoredBlock | None,
) -> None:
    """Open the journal of this very job, or begin a new one."""
    stamp = database.with_suffix(".json")
    if database.exists() and _read_or_none(stamp) == {"inputs": inputs} and seal.is_sound(database):
        return
    stamp.unlink(missing_ok=True)
    for leftover in database.parent.glob(f"{database.name}*"):
        leftover.unlink()
    room.require_free(database.parent, 0, "the journal")
    found = matching.lenses(job.photos)
    if reference and job.previous:
        cameras, camera_of = join.cameras_with(found, reference)
        camera_of += [photo.lens + 1 for photo in reference.photos]
        matching.create_database(database, cameras, camera_of)
        join.write_reference_features(database, reference, job.previous / "block", len(job.photos) + 1)
    else:
        distinct = sorted(set(found), key=found.index)
        fixed = _fixed(job, measured)
        cameras = [matching.working_camera(lens, i) for i, lens in enumerate(distinct, 1)]
        for camera in cameras:
            camera.params = list(fixed.get(camera.camera_id, camera.params))
        matching.create_database(database, cameras, [distinct.index(lens) + 1 for lens in found])
    seal.seal(database)
    write_json(stamp, {"inputs": inputs})


def _fixed(job: StitchJob, measured: dict[str, Camera]) -> dict[int, tuple[float, ...]]:
    """Return the working parameters of the measured lenses by camera_id, as ``_open`` numbers lenses."""
    found = matching.lenses(job.photos)
    distinct = sorted(set(found), key=found.index)
    return {
        distinct.index(lens) + 1: adjust.working_parameters(measured[photo.file])
        for photo, lens in zip(job.photos, found, strict=True)
        if photo.file in measured
    }


def _read_or_none(path: Path) -> object:
    try:
        return read_json(path)
    except InputError:
        return None


def _pairs(
    job: StitchJob,
    database: Path,
    usable: list[int],
    gps_N3: Floats,
    effort: Effort,
    reference: StoredBlock | None,
) -> list[tuple[int, int]]:
    """Return the pairs of photograph numbers to match."""
    xy_N2 = gps_N3[np.array(usable, int) - 1, :2]

    def when(index: int) -> tuple[str, str]:
        photo = job.photos[usable[index] - 1]
        return (photo.taken_at.isoformat() if photo.taken_at else "", photo.file)

    order = sorted(range(len(usable)), key=when)
    pairs = [(usable[a], usable[b]) for a, b in matching.choose_pairs(xy_N2, order, effort.neighbours)]
    unplaced = [n for n, xy_2 in zip(usable, xy_N2, strict=True) if not np.isfinite(xy_2).all()]
    pairs += alike_pairs(database, unplaced, usable, effort.neighbours)
    if reference:
        first = len(job.photos) + 1
        across = join.pairs_with(xy_N2 - reference.origin_3[:2], reference, first, effort.references)
        pairs += [(usable[a], number) for a, number in across]
        others = range(first, first + len(reference.photos))
        pairs += alike_pairs(database, unplaced, others, effort.references)
    return sorted(set(pairs))


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


def _left_out(
    job: StitchJob,
    candidate: Candidate,
    others: tuple[Candidate, ...],
    doubts: dict[int, str],
    known: dict[str, str],
) -> dict[str, str]:
    """Return why each photograph is not in the block, but for those that ``known`` explains."""
    reasons = {}
    residuals = dict(zip(candidate.model.numbers, candidate.placement.residual_N, strict=True))
    held = set(candidate.numbers)
    part_of = {n: (i, part.held) for i, part in enumerate(others, 2) for n in part.numbers}
    for number, photo in enumerate(job.photos, 1):
        if number in held or photo.file in known:
            continue
        if number in part_of:
            part, size = part_of[number]
            reasons[photo.file] = (
                f"belongs to part {part} ({size} photographs), which nothing ties to the mosaic"
            )
        elif number in doubts:
            reasons[photo.file] = doubts[number]
        elif number in residuals:
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
