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
from aerial.ortho import adjust, features, georef, join, mapped, matching
from aerial.ortho.anchor import anchor
from aerial.ortho.archive import StoredBlock, read_archive
from aerial.ortho.block import Block, BlockPhoto
from aerial.ortho.judge import Candidate
from aerial.ortho.keep import keep
from aerial.ortho.presets import effort_of
from aerial.progress import Progress
from aerial.records import Basis, BlockPart, Georef, Photo, PhotoResidual, StitchJob
from aerial.records.record import record

Floats = NDArray[np.float64]

VERSION = "2"
MIN_PHOTOS = 3


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
    _require_positions(job)
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
    crs = reference.crs if reference else job.crs or geo.metric_crs_at(_middle(job.photos))
    clock = _Clock()
    effort = effort_of(job.preset)
    database = work / "block.db"
    rejected = {p.file: "is not there" for p in job.photos if not (job.folder / p.file).is_file()}
    _open(job, database, inputs, reference)
    numbered = [(n, p) for n, p in enumerate(job.photos, 1) if p.file not in rejected]
    with clock.stage("features"):
        rejected |= features.extract(database, job.folder, numbered, effort, progress)
    gps_N3 = positions(job.photos, crs)
    with clock.stage("matching"):
        usable = [n for n, p in numbered if p.file not in rejected]
        matching.match(database, _pairs(job, usable, gps_N3, effort.neighbours, reference), progress)
    with clock.stage("adjustment"):
        progress.phase("Adjusting the block", 1)
        if reference:
            joined = _joined(job, database, work, gps_N3 - reference.origin_3, reference)
            candidate, doubts = mapped.without_doubtful(
                job.photos, joined, database, gps_N3 - reference.origin_3
            )
            others: tuple[Candidate, ...] = ()
        else:
            found = mapped.map_photos(job.photos, database, work / ".mapping", gps_N3, effort)
            candidate = anchor(job.photos, found.main, gps_N3)
            doubts, others = found.doubts, found.others
        progress.advance()
    rejected |= _left_out(job, candidate, others, doubts, rejected)
    placed = _georef(job, candidate, reference)
    stored = keep(job.photos, candidate, database, work / "block", crs, reference, placed.ce95_m)
    block = block_of(stored)
    residual_N = candidate.residuals_m
    solution = Solution(
        inputs=inputs,
        georef=placed,
        rejected=rejected,
        residual_median_m=round(float(np.median(residual_N)), 3) if residual_N.size else None,
        residual_p95_m=round(float(np.percentile(residual_N, 95)), 3) if residual_N.size else None,
        reprojection_px=round(candidate.model.reprojection_px, 3),
        height_check=height_check(block, job),
        remarks=_remarks(job),
        seconds_by_stage=clock.seconds,
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


def height_check(block: Block, job: StitchJob) -> float | None:
    """Return the block's height over ground as a ratio of the photographs' own relative height."""
    relative = {p.file: p.relative_height_m for p in job.photos}
    above = [v for v in (relative.get(p.file) for p in block.photos) if v is not None]
    if not above or len(block.points_N3) == 0 or np.median(above) < 1:
        return None
    ground_m = float(np.median(block.points_N3[:, 2]))
    height_m = float(np.median([p.pose.centre_3[2] for p in block.photos])) - ground_m
    return round(height_m / float(np.median(above)), 4)


def _require_positions(job: StitchJob) -> None:
    if len(job.photos) < MIN_PHOTOS:
        raise StitchError(
            f"{len(job.photos)} photograph(s) do not make a block.",
            hint="Give at least three photographs that overlap.",
        )
    if sum(p.at is not None for p in job.photos) < MIN_PHOTOS:
        raise StitchError(
            "Fewer than three photographs say where they were taken.",
            hint="Give photographs with GPS in their EXIF; copies from messengers and editors lose it.",
        )


def _middle(photos: tuple[Photo, ...]) -> geo.LonLat:
    known = np.array([[p.at.lon_deg, p.at.lat_deg] for p in photos if p.at is not None])
    lon, lat = np.median(known, axis=0)
    return geo.LonLat(lon_deg=float(lon), lat_deg=float(lat))


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
    job: StitchJob, usable: list[int], gps_N3: Floats, neighbours: int, reference: StoredBlock | None
) -> list[tuple[int, int]]:
    """Return the pairs of photograph numbers to match."""
    xy_N2 = gps_N3[np.array(usable, int) - 1, :2]

    def when(index: int) -> tuple[str, str]:
        photo = job.photos[usable[index] - 1]
        return (photo.taken_at.isoformat() if photo.taken_at else "", photo.file)

    order = sorted(range(len(usable)), key=when)
    pairs = [(usable[a], usable[b]) for a, b in matching.choose_pairs(xy_N2, order, neighbours)]
    if reference:
        across = join.pairs_with(xy_N2 - reference.origin_3[:2], reference, len(job.photos) + 1)
        pairs += [(usable[a], number) for a, number in across]
    return pairs


def _joined(job: StitchJob, database: Path, work: Path, gps_N3: Floats, reference: StoredBlock) -> Candidate:
    model = join.map_onto(database, reference, len(job.photos) + 1, work / ".mapping")
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


def _georef(job: StitchJob, candidate: Candidate, reference: StoredBlock | None) -> Georef:
    if reference:
        return Georef(how="reference", ce95_m=reference.ce95_m)
    stated = [p.rtk_std_m for p in job.photos if p.rtk_std_m is not None]
    rtk_std_m = float(np.median(stated)) if len(stated) == len(job.photos) else None
    ce95_m = georef.ce95_m(candidate.placement.sigma_m, len(candidate.residuals_m), rtk_std_m)
    return Georef(how="gps" if rtk_std_m is None else "rtk", ce95_m=round(ce95_m, 3))


def _remarks(job: StitchJob) -> tuple[str, ...]:
    if any(p.focal_px is not None for p in job.photos):
        return ()
    return (
        "No photograph states its focal length; it was estimated, and heights may err by a tenth or more.",
    )
