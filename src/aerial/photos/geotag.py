"""Which photograph is which shot of the vehicle's log: by counts and time differences, or not at all.

The offset of the camera's clock is not known and may jump. A photograph gets a shot only if every other
way to lay the two series over each other is much less likely; else the whole folder is refused, since a
wrong position is worse than none.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from aerial.errors import PhotoError
from aerial.photos.alignment import Alignment, TooLargeError, align
from aerial.photos.order import in_camera_order
from aerial.records import Finding, Photo, ShotRecord
from aerial.records.record import record

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Worth (log-likelihood) by which the best way must beat every other. A log that came over a radio may
# lack shots at its end, unseen: there, one more coincidence must be ruled out.
LEAD_WHOLE, LEAD_OPEN = 9.0, 17.0
_LEAST_PAIRED = 4
_MOST_LOST = 1000
# A clock that jumps more often than that belongs to another flight.
_JUMPS, _PHOTOS_A_JUMP = 3, 50
_LEAST_SHARE = 0.5
_DRIFT_FROM = 20  # photographs from which a drift is fitted
_CLOCK_FAR_S = 36 * 3600.0
_UNIX_S = 1e9  # clocks of vehicles with a position fix count from 1970
_OWN_GPS_M = 30.0
_EARTH_M = 6371008.8
# Stamps of 1 s do not tell shots apart that follow each other in less than 1.6 s.
_COARSE_SHARE = 0.6
_COARSE = (
    "The camera's stamps are too coarse for so short intervals: have it write fractions of a second, or "
    "fly slower."
)
_UNSURE = (
    "The times alone cannot tell. If test photographs are in the folder, move them out; else see which "
    "shot at the start or end of that line the camera missed, and give positions by hand."
)


@record
class Tagged:
    """A photograph and its shot; ``residual_s``: how far their times differ beside the clock's offset."""

    file: str
    shot: ShotRecord
    residual_s: float


@record
class ClockStretch:
    """Photographs between two jumps of the camera's clock; ``offset_s``: camera minus vehicle."""

    first: str
    last: str
    photos: int
    offset_s: float
    drift_ppm: float | None


@record
class Geotags:
    """Who is who: every shot is in ``tagged`` or ``dropped``, every photograph in ``tagged`` or ``extra``.

    ``dropped``: shots without a photograph. ``extra``: photographs without a shot in the log; those in
    ``unlogged`` lie where the log lacks shots. ``resolution_s``: of the camera's stamps.
    """

    tagged: tuple[Tagged, ...]
    dropped: tuple[ShotRecord, ...]
    extra: tuple[str, ...]
    unlogged: tuple[str, ...]
    stretches: tuple[ClockStretch, ...]
    residual_median_s: float
    residual_p95_s: float
    resolution_s: float
    findings: tuple[Finding, ...]


def match_photos(photos: Sequence[Photo], shots: Sequence[ShotRecord], *, lossy: bool) -> Geotags:
    """Return which of ``photos`` is which of ``shots`` (in order of time).

    ``lossy``: the log may lack shots at its ends, as what came over a radio does; what it lacks between
    is told by the numbers of its shots. Photographs are taken in the order
    of their names; one without a time is left out and named.

    Raises:
        PhotoError: more than one way fits, or none; what to do is in the hint.
    """
    ordered = in_camera_order(photos)
    timed = [photo for photo in ordered if photo.taken_at is not None]
    if len(timed) < _LEAST_PAIRED or len(shots) < _LEAST_PAIRED:
        raise PhotoError(
            f"{len(timed)} photographs with a time and {len(shots)} shots are too few to be told apart.",
            hint="Give the whole flight: all its photographs and its whole log.",
        )
    at_N = np.array([photo.taken_at.timestamp() for photo in timed if photo.taken_at is not None])
    shot_M = np.array([shot.time_s for shot in shots])
    resolution_s = stamp_resolution_s(at_N)
    try:
        found = align(at_N, shot_M, resolution_s, _lost(shots))
    except TooLargeError as exc:
        raise PhotoError(
            f"{len(timed)} photographs and {len(shots)} shots are too unlike to be compared.",
            hint="Give one flight: its photographs in a folder of their own, and its log.",
        ) from exc
    _require_sense(found, timed, shots)
    _require_one_way(found, timed, shots, lossy=lossy, resolution_s=resolution_s)
    tags = _tags(found, timed, shots, at_N, shot_M, resolution_s)
    _require_own_positions(tags, timed)
    findings = (*_untimed(ordered), *_clock_findings(tags))
    return replace(tags, findings=findings)


def stamp_resolution_s(at_N: Floats) -> float:
    """Return the step of the camera's stamps: 2, 1, 0.1 or 0.01 seconds."""
    for step_s in (2.0, 1.0, 0.1):
        counted_N = at_N / step_s
        if np.all(np.abs(counted_N - np.round(counted_N)) < 1e-3) and (step_s != 2.0 or len(at_N) >= 16):
            return step_s
    return 0.01


def missing_indices(shots: Sequence[ShotRecord]) -> tuple[int, ...]:
    """Return the numbers that the vehicle counted and the log lacks, between its first and last shot.

    Numbers are 16 bits wide and wrap; where they start again (a reboot), nothing is known to be missing.
    """
    return tuple(
        (shot.index + more) % 65536
        for shot, count in zip(shots, _lost(shots).tolist(), strict=True)
        for more in range(1, count + 1)
    )


def _lost(shots: Sequence[ShotRecord]) -> Ints:
    """Return how many shots the log is known to lack behind each."""
    index_M = np.array([shot.index for shot in shots])
    gap = np.append(np.diff(index_M), 1)
    wrapped = gap + 65536
    gap = np.where((gap < 0) & (wrapped < _MOST_LOST), wrapped, gap)
    return np.where((gap > 1) & (gap < _MOST_LOST), gap - 1, 0)


def _require_sense(found: Alignment, timed: Sequence[Photo], shots: Sequence[ShotRecord]) -> None:
    paired = int((found.shot_N >= 0).sum())
    jumps = len(found.stretch_leads) - 1
    if paired < max(_LEAST_PAIRED, _LEAST_SHARE * min(len(timed), len(shots))):
        raise PhotoError(
            f"Only {paired} of {len(timed)} photographs fit any of the {len(shots)} shots in the log by "
            "their times.",
            hint="Give the log of the flight on which these photographs were taken.",
        )
    if jumps > max(_JUMPS, paired // _PHOTOS_A_JUMP):
        raise PhotoError(
            f"The camera's clock would have had to jump {jumps} times for these {len(timed)} photographs to "
            "fit the log.",
            hint="Give the log of the flight on which they were taken, and photographs under the names that "
            "the camera gave them.",
        )


def _require_one_way(
    found: Alignment, timed: Sequence[Photo], shots: Sequence[ShotRecord], *, lossy: bool, resolution_s: float
) -> None:
    every_s = float(np.median(np.diff([shot.time_s for shot in shots])))
    n, last = len(timed), len(found.stretch_leads) - 1
    sooner_N, later_N = np.full(n, LEAD_WHOLE), np.full(n, LEAD_WHOLE)
    if lossy:
        later_N[found.stretch_N == last] = LEAD_OPEN
        # CAMERA_FEEDBACK counts from 1, CAMERA_IMAGE_CAPTURED from 0: then none is lost before the first.
        # The numbers of a lossy log of the vehicle's own are its rows'.
        if shots[0].source == "bin" or shots[0].index > (0 if shots[0].source == "captured" else 1):
            sooner_N[found.stretch_N == 0] = LEAD_OPEN
    (unsure,) = np.nonzero((found.sooner_N < sooner_N) | (found.later_N < later_N))
    if len(unsure):
        raise PhotoError(
            _two_ways(found, timed, shots, unsure.tolist()),
            hint=_COARSE if resolution_s > _COARSE_SHARE * every_s else _UNSURE,
        )
    for number, worth in enumerate(found.stretch_leads):
        if worth < LEAD_WHOLE:
            names = [timed[i].file for i in np.flatnonzero(found.stretch_N == number).tolist()]
            raise PhotoError(
                f"{_span(names)} fit the log only if the camera's clock jumped just there, and are too few "
                "to be sure of that.",
                hint="If they are test photographs, move them out of the folder and run this again.",
            )


def _two_ways(
    found: Alignment, timed: Sequence[Photo], shots: Sequence[ShotRecord], unsure: Sequence[int]
) -> str:
    first = unsure[0]
    mine, rival = int(found.shot_N[first]), int(found.rival_N[first])
    this = f"shot {shots[mine].index}" if mine >= 0 else "no shot of the log"
    that = f"shot {shots[rival].index}" if rival >= 0 else "none"
    names = [timed[i].file for i in unsure]
    what = (
        f"{names[0]} may be" if len(names) == 1 else f"{_span(names)} can be laid over the log in two ways: "
    )
    tail = f"{this} or {that}." if len(names) == 1 else f"{names[0]} may be {this} or {that}."
    return f"{what}{' ' if len(names) == 1 else ''}{tail}"


def _span(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} photographs ({names[0]} to {names[-1]})"


def _tags(
    found: Alignment,
    timed: Sequence[Photo],
    shots: Sequence[ShotRecord],
    at_N: Floats,
    shot_M: Floats,
    resolution_s: float,
) -> Geotags:
    residual_N = np.zeros(len(timed))
    stretches = []
    for number in range(len(found.stretch_leads)):
        (mine,) = np.nonzero(found.stretch_N == number)
        apart = at_N[mine] - shot_M[found.shot_N[mine]]
        offset_s, drift = float(np.median(apart)), None
        residual_N[mine] = apart - offset_s
        if len(mine) >= _DRIFT_FROM:
            along = shot_M[found.shot_N[mine]]
            along = along - along.mean()
            slope, level = np.polyfit(along, residual_N[mine], 1)
            residual_N[mine] -= slope * along + level
            drift = round(float(slope) * 1e6, 1)
        stretches.append(
            ClockStretch(
                first=timed[mine[0]].file,
                last=timed[mine[-1]].file,
                photos=len(mine),
                offset_s=round(offset_s, 3),
                drift_ppm=drift,
            )
        )
    tagged = tuple(
        Tagged(file=timed[i].file, shot=shots[j], residual_s=round(float(residual_N[i]), 3))
        for i, j in enumerate(found.shot_N.tolist())
        if j >= 0
    )
    used = set(found.shot_N.tolist())
    size_N = np.abs(residual_N[found.shot_N >= 0])
    extra = tuple(timed[i].file for i in np.flatnonzero(found.shot_N < 0).tolist())
    return Geotags(
        tagged=tagged,
        dropped=tuple(shot for j, shot in enumerate(shots) if j not in used),
        extra=extra,
        unlogged=tuple(timed[i].file for i in np.flatnonzero(found.unlogged_N).tolist()),
        stretches=tuple(stretches),
        residual_median_s=round(float(np.median(size_N)), 3),
        residual_p95_s=round(float(np.percentile(size_N, 95)), 3),
        resolution_s=resolution_s,
        findings=(),
    )


def _require_own_positions(tags: Geotags, timed: Sequence[Photo]) -> None:
    """Refuse a match that the positions in the photographs themselves contradict."""
    own = {photo.file: photo.at for photo in timed if photo.at is not None}
    away_m = []
    for tag in tags.tagged:
        at = own.get(tag.file)
        if at is not None:
            lat = np.radians((at.lat_deg + tag.shot.at.lat_deg) / 2)
            east = np.radians(at.lon_deg - tag.shot.at.lon_deg) * np.cos(lat)
            away_m.append(_EARTH_M * float(np.hypot(east, np.radians(at.lat_deg - tag.shot.at.lat_deg))))
    if away_m and np.median(away_m) > _OWN_GPS_M:
        raise PhotoError(
            f"The positions that {len(away_m)} photographs carry themselves lie {np.median(away_m):.0f} m "
            "(median) from those of the log.",
            hint="Give the log of the flight on which these photographs were taken.",
        )


def _untimed(photos: Sequence[Photo]) -> list[Finding]:
    names = [photo.file for photo in photos if photo.taken_at is None]
    if not names:
        return []
    return [
        Finding(
            level="warn",
            code="untimed",
            message=f"{_span(names)} tell no time and were left out.",
            hint="Copy the camera's own files; programs that edit pictures drop their times.",
        )
    ]


def _clock_findings(tags: Geotags) -> list[Finding]:
    findings = [
        Finding(
            level="warn",
            code="clock_jump",
            message=f"The camera's clock jumped by {after.offset_s - before.offset_s:+.1f} s between "
            f"{before.last} and {after.first}.",
            hint="Set the camera's clock before a flight, and switch off its sync.",
        )
        for before, after in pairwise(tags.stretches)
    ]
    far_s = min((stretch.offset_s for stretch in tags.stretches), key=abs)
    if abs(far_s) > _CLOCK_FAR_S and tags.tagged[0].shot.time_s > _UNIX_S:
        findings.append(
            Finding(
                level="warn",
                code="clock_far",
                message=f"The camera's clock is {abs(far_s) / 86400:.1f} days "
                f"{'ahead of' if far_s > 0 else 'behind'} the vehicle's.",
                hint="Make sure that the log is of this flight, not of an earlier one over the same lines; "
                "set the camera's clock.",
            )
        )
    return findings
