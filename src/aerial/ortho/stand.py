"""What a block stands on: the reference survey; else control points, an orthomosaic, its positions.

The first that is given wins. Nothing is guessed: photographs that nothing places are refused.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aerial import geo
from aerial.errors import StitchError
from aerial.ortho import across, adjust, basis
from aerial.ortho.archive import StoredBlock
from aerial.ortho.control import control, measured
from aerial.ortho.gcp import ControlFile, ControlPoint, read_control
from aerial.ortho.judge import Candidate
from aerial.ortho.laid import lay
from aerial.progress import Progress
from aerial.raster.grid import centre
from aerial.raster.read import open_raster
from aerial.records import Basis, Georef, Photo, StitchJob

Floats = NDArray[np.float64]

MIN_PHOTOS = 3
# Receivers differ by 3-5 m between days; by this much, one of the surveys has wrong positions.
ODD_SHIFT_M = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """A block in its place; ``remarks`` in words."""

    candidate: Candidate
    georef: Georef
    basis: Basis
    remarks: tuple[str, ...]


def why_not(job: StitchJob) -> tuple[str, str] | None:
    """Return (message, hint) where nothing can place the photographs of ``job``, else None."""
    if len(job.photos) < MIN_PHOTOS:
        return (
            f"{len(job.photos)} photograph(s) do not make a block.",
            "Give at least three photographs that overlap.",
        )
    placed = sum(p.at is not None for p in job.photos)
    if placed < MIN_PHOTOS and not (job.previous or job.gcp or job.reference_ortho):
        return (
            f"{placed} of {len(job.photos)} photographs say where they were taken; three are needed.",
            "Give photographs with GPS in their EXIF (copies from messengers and editors lose it), or what "
            "places them: --positions, --gcp, --reference or --previous.",
        )
    return None


def require_placeable(job: StitchJob) -> None:
    """Refuse photographs that nothing can place.

    Raises:
        StitchError: fewer than three photographs, or too few positions and nothing in their stead.
    """
    refused = why_not(job)
    if refused:
        raise StitchError(refused[0], hint=refused[1])


def crs_of(job: StitchJob) -> str:
    """Return the metric CRS of a first survey: the job's, else that where its photographs are.

    Raises:
        InputError, CrsError: nothing but a file says where they are, and it cannot be read.
    """
    if job.crs:
        return job.crs
    if any(p.at is not None for p in job.photos):
        return geo.metric_crs_at(middle(job.photos))
    if job.gcp:
        told = read_control(job.gcp, job.photos)
        if geo.is_metric(told.crs):
            return told.crs
        x, y = np.median([point.xyz_3[:2] for point in told.points], axis=0)
        return geo.metric_crs_at(geo.to_lonlat(told.crs, float(x), float(y)))
    if job.reference_ortho:
        own = open_raster(job.reference_ortho).grid
        return own.crs if geo.is_metric(own.crs) else geo.metric_crs_at(centre(own))
    raise StitchError(
        "Nothing says where the photographs were taken.", hint="Give --positions, --gcp or --reference."
    )


def middle(photos: tuple[Photo, ...]) -> geo.LonLat:
    """Return the median position of the photographs that have one."""
    known = np.array([[p.at.lon_deg, p.at.lat_deg] for p in photos if p.at is not None])
    lon, lat = np.median(known, axis=0)
    return geo.LonLat(lon_deg=float(lon), lat_deg=float(lat))


def first(job: StitchJob, placed: Candidate, gps_N3: Floats, crs: str, progress: Progress) -> Stand:
    """Return the block of a first survey, placed by its positions where it has them, on what is given.

    Raises:
        StitchError: the control points or the orthomosaic do not fit the photographs.
        InputError: they cannot be read.
    """
    if job.gcp:
        told = read_control(job.gcp, job.photos)
        found = control(job.photos, placed, _in(told, crs), gps_N3)
        georef, stands = basis.on_control(job.gcp, found)
        wrong = [
            f"Control point {name} misses by {miss_m:.2f} m: it is wrong and not used."
            for name, miss_m in found.wrong
        ]
        remarks = (*wrong, *found.remarks, *_unknown(told))
        if job.reference_ortho:
            remarks += ("The orthomosaic is not used: the block stands on the control points.",)
        return Stand(candidate=found.candidate, georef=georef, basis=stands, remarks=remarks)
    if job.reference_ortho:
        laid = lay(job.photos, job.folder, placed, job.reference_ortho, crs, gps_N3, progress)
        georef, stands = basis.on_ortho(job.reference_ortho, laid)
        return Stand(candidate=laid.candidate, georef=georef, basis=stands, remarks=())
    georef, stands = basis.on_positions(job.photos, placed)
    return Stand(candidate=placed, georef=georef, basis=stands, remarks=basis.doubts(job.photos, placed))


def again(
    job: StitchJob, joined: Candidate, gps_N3: Floats, reference: StoredBlock, first_number: int
) -> Stand:
    """Return the block of a repeat, which stands on its reference; control points only check it.

    ``gps_N3`` in the reference's frame; its photographs have the numbers from ``first_number`` on.

    Raises:
        StitchError: the two share too little.
    """
    seen = across.look_across(joined.model, first_number, reference)
    checked_N3, remarks = np.zeros((0, 3)), list(across.remarks(seen))
    if job.gcp:
        told = read_control(job.gcp, job.photos)
        points = [_moved(point, -reference.origin_3) for point in _in(told, reference.crs)]
        names, checked_N3 = measured(job.photos, joined, points)
        remarks += [
            f"{len(names)} control points check the repeat; it keeps the reference's frame.",
            *_unknown(told),
        ]
    if job.reference_ortho:
        remarks.append("The orthomosaic is not used: a repeat keeps the reference's frame.")
    centres_N3, _ = adjust.centres_and_axes(joined.model)
    away_N2 = (gps_N3[np.array(joined.model.numbers) - 1] - centres_N3)[:, :2]
    away_2 = np.nanmedian(away_N2, axis=0) if np.isfinite(away_N2).any() else np.zeros(2)
    if np.hypot(*away_2) > ODD_SHIFT_M:
        remarks.append(
            f"The positions of these photographs lie {np.hypot(*away_2):.0f} m from the reference's frame: "
            "one of the two surveys was badly placed."
        )
    name = job.previous.name if job.previous else ""
    georef, stands = basis.on_reference(name, reference, seen, checked_N3)
    return Stand(candidate=joined, georef=georef, basis=stands, remarks=tuple(remarks))


def _in(told: ControlFile, crs: str) -> list[ControlPoint]:
    """Return the points of a file in another CRS; heights keep their own datum."""
    xyz_N3 = np.array([point.xyz_3 for point in told.points])
    x, y = geo.transform(told.crs, crs, xyz_N3[:, 0], xyz_N3[:, 1])
    return [
        ControlPoint(name=point.name, xyz_3=np.array([x[i], y[i], point.xyz_3[2]]), marks=point.marks)
        for i, point in enumerate(told.points)
    ]


def _moved(point: ControlPoint, by_3: Floats) -> ControlPoint:
    return ControlPoint(name=point.name, xyz_3=point.xyz_3 + by_3, marks=point.marks)


def _unknown(told: ControlFile) -> tuple[str, ...]:
    if not told.unknown:
        return ()
    more = f" and {len(told.unknown) - 1} more" if len(told.unknown) > 1 else ""
    return (f"The control points are marked on photographs that are not here: {told.unknown[0]}{more}.",)
