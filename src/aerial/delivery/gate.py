"""What may leave: the one place that is asked before a case, a report or a package goes out.

Pure: it takes what is to go, what went before, the sensitive zones and the sign-offs as values, and either
refuses or returns the sign-offs that it leant on, for the audit log.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from shapely import STRtree, union_all
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from aerial.errors import SecrecyError
from aerial.geo import WGS84, LonLat, area_m2, local_frame, reproject, to_gcj02
from aerial.records import Case, Secrecy, Signoff, SignoffKind, Zone
from aerial.records.record import record
from aerial.suspects.shares import distance_m

# Full-element results of more contiguous ground than this are 秘密, whatever the parts are.
CONTIGUOUS_KM2 = 25.0
FINEST_M = 0.05
# Pictures with a thinner gap than this between them show one ground.
_GAP_M = 5.0
# A pixel size that went through degrees and back is not exact.
_ROUNDING = 1e-3
# The shift of GCJ-02 is 0.3 to 0.8 km: what is this near to the shifted place is the shifted place.
_SHIFTED_M = 20.0
# CGCS2000 has the numbers of WGS 84; a place that differs by more went through something else.
_SAME_M = 1.0

Shape = Polygon | MultiPolygon


@record
class Outgoing:
    """One file that is to leave.

    ``what``: "text" holds no picture; "picture" is an ortho, a chip, or a report with some in it;
    "photograph" is an original. ``footprint``: the ground that it shows, lon, lat on WGS 84. ``gsd_m``: of
    its finest pixel. Both None: not known. ``cut``: the sensitive zones were made unreadable in it.
    """

    path: str
    what: Literal["text", "picture", "photograph"]
    footprint: Shape | None = None
    gsd_m: float | None = None
    cut: bool = False


def require_may_leave(
    subject: str,
    secrecy: str | None,
    files: Sequence[Outgoing],
    *,
    zones: Sequence[Zone] = (),
    signoffs: Sequence[Signoff] = (),
    gone_before: Sequence[Shape] = (),
) -> tuple[Signoff, ...]:
    """Refuse to let ``files`` leave as ``subject``, or return the sign-offs that allow it.

    ``subject``: what a sign-off must name, such as a case's external key or a report's name.
    ``gone_before``: footprints of pictures that the same receiver has already; together with new ones
    they may be contiguous. Of ``zones`` the ``sensitive`` ones count.

    Raises:
        SecrecyError: with the first reason why not; nothing may go then, not even a part.
    """
    used = list(_secrecy(subject, secrecy, signoffs))
    photographs = [file for file in files if file.what == "photograph"]
    if photographs:
        used.append(
            _signed(
                "raw_photographs",
                subject,
                signoffs,
                f"{len(photographs)} original photographs would leave with {subject}, the first one "
                f"{photographs[0].path}.",
                "Leave them out, or let a named person sign raw_photographs for it.",
            )
        )
    pictures = [file for file in files if file.what != "text"]
    for file in pictures:
        if file.what == "picture":
            _require_known_and_coarse(file)
        _require_cut(file, zones)
    shown = [file.footprint for file in pictures if file.footprint is not None]
    largest = largest_contiguous_km2(shown, gone_before)
    if largest > CONTIGUOUS_KM2:
        used.append(
            _signed(
                "contiguous_25km2",
                subject,
                signoffs,
                f"With {subject}, {largest:.1f} km² of contiguous pictures would be outside; more than "
                f"{CONTIGUOUS_KM2:.0f} km² are classified.",
                "Send fewer or smaller pictures, or let a named person sign contiguous_25km2 for it.",
            )
        )
    return tuple(used)


def require_true_place(case: Case) -> None:
    """Refuse a case whose position is not its suspect's, as one in GCJ-02 is.

    Raises:
        SecrecyError: the place went through another coordinate system on its way.
    """
    away_m = distance_m(case.suspect.at, case.at)
    if away_m <= _SAME_M:
        return
    lon_N, lat_N = to_gcj02(np.array([case.suspect.at.lon_deg]), np.array([case.suspect.at.lat_deg]))
    shifted = LonLat(lon_deg=float(lon_N[0]), lat_deg=float(lat_N[0]))
    if distance_m(shifted, case.at) <= _SHIFTED_M:
        raise SecrecyError(
            f"The position of case {case.external_key} is in GCJ-02, {away_m:.0f} m from the true one.",
            hint="GCJ-02 belongs into navigation links only: make the case again.",
        )
    raise SecrecyError(
        f"The position of case {case.external_key} is {away_m:.1f} m away from its suspect's.",
        hint="CGCS2000 and WGS 84 have the same numbers here: make the case again.",
    )


def largest_contiguous_km2(new: Sequence[Shape], before: Sequence[Shape] = ()) -> float:
    """Return the area of the largest connected ground that footprints (lon, lat) show together.

    Pictures less than 5 m apart are connected; ground that several show counts once. Ground that only
    those ``before`` show does not count.
    """
    if not new:
        return 0.0
    parts = _parts(union_all([*new, *before]))
    middle = parts[0].representative_point()
    frame = local_frame(LonLat(lon_deg=middle.x, lat_deg=middle.y))
    placed = [reproject(part, WGS84, frame) for part in parts]
    # Grown by half a gap each, neighbours meet; the area is that of the ground itself.
    groups = _parts(union_all([part.buffer(_GAP_M / 2) for part in placed]))
    tree = STRtree(groups)
    total_m2 = [0.0] * len(groups)
    for part, there in zip(parts, placed, strict=True):
        (group,) = tree.query(there.representative_point(), predicate="within")
        total_m2[group] += area_m2(part)
    points = [reproject(shape.representative_point(), WGS84, frame) for shape in new]
    return max(total_m2[int(group)] for group in tree.query(points, predicate="within")[1]) / 1e6


def _secrecy(subject: str, secrecy: str | None, signoffs: Sequence[Signoff]) -> tuple[Signoff, ...]:
    allowed = ", ".join(get_args(Secrecy))
    if secrecy is None or not secrecy.strip():
        raise SecrecyError(
            f"No secrecy (密级) is set for {subject}, so nothing of it leaves.",
            hint=f"Ask who decides it, then set secrecy in [cases] to one of: {allowed}.",
        )
    if secrecy not in get_args(Secrecy):
        raise SecrecyError(
            f"The secrecy {secrecy!r} of {subject} is none that is known.",
            hint=f"Set secrecy in [cases] to one of: {allowed}.",
        )
    if secrecy == "secret":
        return (
            _signed(
                "secrecy",
                subject,
                signoffs,
                f"{subject} is secret (秘密).",
                "Let a named person who may decide it sign secrecy for it.",
            ),
        )
    return ()


def _signed(kind: SignoffKind, subject: str, signoffs: Sequence[Signoff], reason: str, hint: str) -> Signoff:
    for signoff in signoffs:
        if signoff.kind == kind and signoff.subject == subject and signoff.by.strip():
            return signoff
    raise SecrecyError(reason, hint=hint)


def _require_known_and_coarse(file: Outgoing) -> None:
    if file.gsd_m is None:
        raise SecrecyError(
            f"Nobody knows how fine the pixels of {file.path} are.",
            hint="Make the picture again with aerial; pictures that leave have 5 cm a pixel or more.",
        )
    if file.footprint is None:
        raise SecrecyError(
            f"Nobody knows what ground {file.path} shows.",
            hint="Make the picture again with aerial; contiguous ground is counted before it leaves.",
        )
    # Written so that NaN is refused.
    if not file.gsd_m >= FINEST_M * (1 - _ROUNDING):
        raise SecrecyError(
            f"The pixels of {file.path} are {file.gsd_m * 100:.1f} cm; those that leave have 5 cm or more.",
            hint="Send the outward copy, which is made coarser.",
        )


def _require_cut(file: Outgoing, zones: Sequence[Zone]) -> None:
    for zone in zones:
        if zone.kind != "sensitive" or file.cut:
            continue
        if file.footprint is None or file.footprint.intersects(zone.outline):
            where = f"the sensitive zone {zone.name}" if zone.name else "a sensitive zone"
            raise SecrecyError(
                f"{file.path} {'may show' if file.footprint is None else 'shows'} {where}.",
                hint="Send the outward copy, from which sensitive zones are cut.",
            )


def _parts(shape: BaseGeometry) -> list[BaseGeometry]:
    return [part for part in getattr(shape, "geoms", [shape]) if not part.is_empty]
