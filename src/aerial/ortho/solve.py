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
from aerial.camera import Pose
from aerial.codec import read_json, sha256_file, sha256_json, write_json
from aerial.errors import StitchError
from aerial.ortho import adjust, features, georef, matching
from aerial.ortho.block import Block, BlockPhoto
from aerial.progress import Progress
from aerial.records import Georef, Photo, StitchJob

Floats = NDArray[np.float64]

VERSION = "1"
MIN_PHOTOS = 3
# A block below this share of its photographs is tried again incrementally.
POOR_SHARE = 0.9
# Positions that err by more than this share of the flight's own extent place nothing.
MAX_RESIDUAL_SHARE = 0.35
MAX_RESIDUAL_M = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """A block, how it was placed, and what ``quality.json`` tells of it.

    ``numbers``: photograph number in the database of each of ``block.photos``.
    """

    block: Block
    georef: Georef
    numbers: tuple[int, ...]
    rejected: dict[str, str]
    residual_median_m: float | None
    residual_p95_m: float | None
    reprojection_px: float
    height_check: float | None
    remarks: tuple[str, ...]
    seconds_by_stage: dict[str, float]


@dataclass(slots=True)
class _Clock:
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - started, 3)


def solve(job: StitchJob, work: Path, progress: Progress) -> Solved:
    """Return the block of the job's photographs; ``work`` is the journal.

    Raises:
        StitchError: fewer than three photographs, no positions, no overlap, or a geometry that
            contradicts the positions.
    """
    _require_positions(job)
    clock = _Clock()
    work.mkdir(parents=True, exist_ok=True)
    database = work / "block.db"
    rejected = _open(job, database)
    numbered = [(n, p) for n, p in enumerate(job.photos, 1)]
    with clock.stage("features"):
        rejected |= features.extract(database, job.folder, numbered, progress)
    crs = job.crs or geo.metric_crs_at(_middle(job.photos))
    gps_N3 = positions(job.photos, crs)
    usable = [n for n, p in numbered if p.file not in rejected]
    with clock.stage("matching"):
        order = sorted(range(len(usable)), key=lambda i: _when(job.photos[usable[i] - 1]))
        pairs = matching.choose_pairs(gps_N3[np.array(usable, int) - 1, :2], order)
        matching.match(database, [(usable[a], usable[b]) for a, b in pairs], progress)
    with clock.stage("adjustment"):
        progress.phase("Adjusting the block", 1)
        chosen = _best_model(job, database, work, gps_N3)
        progress.advance()
    return _finish(job, chosen, crs, rejected, clock.seconds)


def positions(photos: tuple[Photo, ...], crs: str) -> Floats:
    """Return (east, north, altitude) in ``crs``, shape (N, 3), NaN where unknown."""
    gps_N3 = np.full((len(photos), 3), np.nan)
    for row, photo in zip(gps_N3, photos, strict=True):
        if photo.at is not None:
            row[:2] = geo.from_lonlat(crs, photo.at)
        height = photo.altitude_m if photo.altitude_m is not None else photo.relative_height_m
        row[2] = np.nan if height is None else height
    return gps_N3


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


def _when(photo: Photo) -> tuple[str, str]:
    return (photo.taken_at.isoformat() if photo.taken_at else "", photo.file)


def _open(job: StitchJob, database: Path) -> dict[str, str]:
    """Open the journal of this very job, or begin a new one; return the files that are not there."""
    absent = {p.file: "is not there" for p in job.photos if not (job.folder / p.file).is_file()}
    key = sha256_json(
        {
            "version": VERSION,
            "pycolmap": pycolmap.__version__,
            "photos": job.photos,
            "files": [sha256_file(job.folder / p.file) for p in job.photos if p.file not in absent],
        }
    )
    stamp = database.with_suffix(".json")
    if database.exists() and stamp.exists() and read_json(stamp) == {"inputs": key}:
        return absent
    stamp.unlink(missing_ok=True)
    for leftover in database.parent.glob(f"{database.name}*"):
        leftover.unlink()
    found = matching.lenses(job.photos)
    distinct = sorted(set(found), key=found.index)
    cameras = [matching.working_camera(lens, i) for i, lens in enumerate(distinct, 1)]
    matching.create_database(database, cameras, [distinct.index(lens) + 1 for lens in found])
    write_json(stamp, {"inputs": key})
    return absent


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    model: adjust.Model
    placement: georef.Placement
    why_not: str


def _best_model(job: StitchJob, database: Path, work: Path, gps_N3: Floats) -> _Candidate:
    free_focal = all(p.focal_px is None for p in job.photos)
    candidates: list[_Candidate] = []
    for mapper in (adjust.map_globally, adjust.map_incrementally):
        models = mapper(database, work / ".mapping", free_focal=free_focal)
        candidates += [c for c in (_judge(job, model, gps_N3) for model in models) if c is not None]
        sound = [c for c in candidates if not c.why_not]
        if sound:
            best = max(sound, key=lambda c: (_held(c), -c.model.reprojection_px))
            if _held(best) >= POOR_SHARE * len(job.photos):
                break
    shutil.rmtree(work / ".mapping", ignore_errors=True)
    sound = [c for c in candidates if not c.why_not]
    if sound:
        return max(sound, key=lambda c: (_held(c), -c.model.reprojection_px))
    if candidates:
        raise StitchError(
            f"The photographs do not make one block: {max(candidates, key=_held).why_not}.",
            hint="Fly again with at least 70 % overlap in both directions, in one flight, straight down.",
        )
    raise StitchError(
        "The photographs do not overlap: no three of them show the same ground.",
        hint="Check that they are of one place and one flight, with at least 70 % overlap.",
    )


def _held(candidate: _Candidate) -> int:
    return int(candidate.placement.agrees_N.sum())


def _judge(job: StitchJob, model: adjust.Model, gps_N3: Floats) -> _Candidate | None:
    centres_N3, axes_N3 = adjust.centres_and_axes(model)
    rows = np.array(model.numbers) - 1
    relative_N = np.array([_number(job.photos[row].relative_height_m) for row in rows])
    # A barometer drifts less than a receiver's altitude errs; one of them for all, never a mix.
    level_N = relative_N if np.isfinite(relative_N).all() else gps_N3[rows, 2]
    placement = georef.place(centres_N3, axes_N3, gps_N3[rows], level_N)
    if placement is None:
        return None
    return _Candidate(model=model, placement=placement, why_not=_why_not(model, placement, gps_N3[rows]))


def _why_not(model: adjust.Model, placement: georef.Placement, gps_N3: Floats) -> str:
    known_N = np.isfinite(placement.residual_N)
    median_m = float(np.median(placement.residual_N[known_N]))
    middle_2 = np.median(gps_N3[known_N, :2], axis=0)
    extent_m = float(np.median(np.hypot(*(gps_N3[known_N, :2] - middle_2).T)))
    if model.reprojection_px > adjust.MAX_REPROJECTION_PX:
        return f"tie points miss by {model.reprojection_px:.1f} px"
    if median_m > MAX_RESIDUAL_M or median_m > MAX_RESIDUAL_SHARE * extent_m:
        return (
            f"{len(model.numbers)} of them fit together only {median_m:.0f} m away from where they were taken"
        )
    return ""


def _finish(
    job: StitchJob,
    chosen: _Candidate,
    crs: str,
    rejected: dict[str, str],
    seconds: dict[str, float],
) -> Solved:
    model, placement = chosen.model, chosen.placement
    reconstruction = model.reconstruction
    rejected = dict(rejected)
    for number, agrees, residual in zip(model.numbers, placement.agrees_N, placement.residual_N, strict=True):
        if not agrees:
            rejected[job.photos[number - 1].file] = (
                f"stands {residual:.0f} m away from its own GPS position in the block"
            )
    held = tuple(n for n, agrees in zip(model.numbers, placement.agrees_N, strict=True) if agrees)
    for photo in job.photos:
        if photo.file not in rejected and job.photos.index(photo) + 1 not in held:
            rejected[photo.file] = "does not overlap the block enough to be tied to it"
    world = placement.similarity
    origin_3 = np.round(world.apply(adjust.centres_and_axes(model)[0]).mean(axis=0))
    photos = []
    for number in held:
        photo = job.photos[number - 1]
        pose = adjust.pose_of(reconstruction, number)
        photos.append(
            BlockPhoto(
                file=photo.file,
                camera=adjust.full_camera(
                    reconstruction.image(number).camera, photo.width_px, photo.height_px
                ),
                pose=Pose(
                    rotation_33=pose.rotation_33 @ world.rotation_33.T,
                    centre_3=world.apply(pose.centre_3[None])[0] - origin_3,
                ),
            )
        )
    block = Block(
        crs=crs,
        origin_3=origin_3,
        photos=tuple(photos),
        points_N3=world.apply(adjust.points_of(reconstruction)) - origin_3,
    )
    residual_N = placement.residual_N[placement.agrees_N & np.isfinite(placement.residual_N)]
    rtk = [p.rtk_std_m for p in job.photos]
    rtk_std_m = float(np.median(np.array(rtk, float))) if all(v is not None for v in rtk) else None
    return Solved(
        block=block,
        georef=Georef(
            how="rtk" if rtk_std_m is not None else "gps",
            ce95_m=round(georef.ce95_m(placement.sigma_m, len(residual_N), rtk_std_m), 3),
        ),
        numbers=held,
        rejected=rejected,
        residual_median_m=round(float(np.median(residual_N)), 3),
        residual_p95_m=round(float(np.percentile(residual_N, 95)), 3),
        reprojection_px=round(model.reprojection_px, 3),
        height_check=height_check(block, job),
        remarks=(),
        seconds_by_stage=seconds,
    )


def height_check(block: Block, job: StitchJob) -> float | None:
    """Return the block's height over ground as a ratio of the photographs' own relative height."""
    relative = {p.file: p.relative_height_m for p in job.photos}
    above = np.array([_number(relative.get(p.file)) for p in block.photos])
    if not np.isfinite(above).any() or len(block.points_N3) == 0:
        return None
    ground_m = float(np.median(block.points_N3[:, 2]))
    height_N = np.array([p.pose.centre_3[2] for p in block.photos]) - ground_m
    usual = float(np.nanmedian(above))
    return round(float(np.median(height_N)) / usual, 4) if usual > 1 else None


def _number(value: float | None) -> float:
    return np.nan if value is None else value
