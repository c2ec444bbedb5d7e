"""From a suspect that a person accepted to a case that may leave, or that is held and says why."""

import math
import string
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from shapely import intersection

from aerial.errors import InputError
from aerial.geo import WGS84, LonLat, local_frame, reproject
from aerial.records import (
    Acceptance,
    Authority,
    Case,
    CaseSettings,
    FileRef,
    Matter,
    Observation,
    Place,
    Sighting,
    Suspect,
    Verdict,
)
from aerial.records.record import record
from aerial.suspects.codes import CodeTable, credit_code_problem, matter_of, whole_code
from aerial.suspects.deadline import WorkCalendar, due_at
from aerial.suspects.shares import CLEAR, distance_m, shares

# WGS 84 of today and CGCS2000 differ by about this; no public parameters relate them.
DATUM_M = 0.8
ADDRESS_PARTS = ("community", "unit_grid", "cell")
# A position of unknown error may be as far off as the coarsest class of components, C (10 m).
_UNKNOWN_M = 10.0
# Outlines that share this much of the smaller one are of one building.
_SHARED = 0.5
_OVER = ("close", "cancel")


@record
class Surroundings:
    """What a town knows that its cases need: read once, for all of them.

    ``communities`` and ``unit_grids`` are None where the town has no such layer.
    """

    table: CodeTable
    calendar: WorkCalendar = WorkCalendar()
    communities: tuple[Place, ...] | None = None
    unit_grids: tuple[Place, ...] | None = None


def make_case(
    observation: Observation,
    sighting: Sighting,
    verdict: Verdict,
    settings: CaseSettings,
    town: Surroundings,
    *,
    found_at: datetime,
    params_sha256: str,
    evidence: Sequence[FileRef],
    others: Sequence[Case] = (),
    unit_grid: str | None = None,
    community: str | None = None,
    distinct: Collection[str] = (),
    number: int | None = None,
) -> Case:
    """Return the case of an accepted suspect; ``held`` says in sentences what is missing.

    ``found_at``: when the comparison found it. ``others``: the cases that may be the same one.
    What a person says to release a held case: ``unit_grid`` and ``community`` where a border is near or
    there is no layer; ``distinct``, the external keys of cases near by that are other buildings;
    ``number``, the running number where the code ends in one.

    Raises:
        ValueError: the verdict does not accept, or is of another structure or suspect.
    """
    suspect, structure = observation.suspect, sighting.structure
    _require_one_thing(observation, sighting, verdict)
    held: list[str] = []
    error_m = _error_m(suspect.error_m, settings)
    if error_m is None and unit_grid is None:
        held.append(
            "The error of the position is not known: give the survey a georeference with ce95_m, or name the "
            "unit grid (单元网格)."
        )
    unit_grid, reasons = _placed("unit grid (单元网格)", suspect.at, error_m, town.unit_grids, unit_grid)
    held += reasons
    if unit_grid is None and town.unit_grids is None:
        held.append("The unit grid (SZDYWGBSM, 所在单元网格标识码) is missing: set unit_grids in [cases].")
    if unit_grid is not None and not _is_unit_grid(unit_grid, settings):
        held.append(f"The unit grid code {unit_grid!r} does not have {settings.unit_grid_digits} digits.")
    community, reasons = _placed("community (社区)", suspect.at, error_m, town.communities, community)
    held += reasons
    matter, reasons = _matter(suspect, settings, town.table, number)
    held += reasons
    authority, reasons = _authority(settings)
    held += reasons
    address, reasons = _address(
        settings, {"community": community, "unit_grid": unit_grid, "cell": observation.cell}
    )
    held += reasons
    if settings.secrecy is None:
        held.append("No secrecy (密级) is set: ask who decides it, then set secrecy in [cases].")
    try:
        deadline = due_at(verdict.at, settings, town.calendar)
    except InputError as exc:
        deadline = None
        held.append(f"{exc} {exc.hint}")
    case = Case(
        external_key=f"{structure.identity}-{structure.episode}",
        suspect=suspect,
        cell=observation.cell,
        unit_grid=unit_grid,
        community=community,
        secrecy=settings.secrecy,
        previous=structure.previous,
        evidence=tuple(evidence),
        identity=structure.identity,
        episode=structure.episode,
        at=suspect.at,  # CGCS2000 has the same numbers; what it differs by is in error_m
        error_m=error_m,
        before_on=observation.before_on,
        after_on=observation.after_on,
        found_at=found_at,
        params_sha256=params_sha256,
        matter=matter,
        authority=authority,
        address=address,
        accepted=Acceptance(verdict=verdict.id, by=verdict.by, at=verdict.at, reason=verdict.reason),
        deadline=deadline,
    )
    held += [
        f"It may be the same as {other.external_key}, of the same matter and "
        f"{distance_m(case.at, other.at):.1f} m away: look at both, then name it distinct, or reject one."
        for other in near_duplicates(case, others, settings.near_m)
        if other.external_key not in distinct
    ]
    return replace(case, held=tuple(held))


def near_duplicates(case: Case, others: Sequence[Case], metres: float) -> tuple[Case, ...]:
    """Return those of ``others`` that may be the same building under another identity.

    Of the same matter, and nearer than ``metres`` or the error of both positions, or with half of the
    smaller outline in common. Cases that identity links (of the same structure, or one the episode
    before the other) are not doubles, nor are those that are closed or cancelled.
    """
    return tuple(
        other
        for other in others
        if not _far(case.at, other.at)
        and not _linked(case, other)
        and other.stage not in _OVER
        and _of_one_matter(case, other)
        and (
            distance_m(case.at, other.at) <= max(metres, math.hypot(case.error_m or 0, other.error_m or 0))
            or _share_ground(case.suspect, other.suspect)
        )
    )


def address_problem(template: str) -> str | None:
    """Return why a template of addresses cannot be used, or None.

    Coordinates are no part of an address: it is copied into messages that leave the intranet.
    """
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as exc:
        return str(exc)
    for _, name, form, conversion in parts:
        if name is not None and (name not in ADDRESS_PARTS or form or conversion):
            return f"{{{name}}} is none of {', '.join(f'{{{part}}}' for part in ADDRESS_PARTS)}"
    return None


def gb_length(text: str) -> int:
    """Return the length of a text as the fields of the standard count it: a Chinese character is two."""
    return len(text.encode("gb18030"))


def _require_one_thing(observation: Observation, sighting: Sighting, verdict: Verdict) -> None:
    structure = sighting.structure
    if verdict.decision != "accept":
        raise ValueError("only an accepted suspect becomes a case")
    if (verdict.identity, verdict.episode) != (structure.identity, structure.episode):
        raise ValueError("the verdict is of another structure, or of another episode of it")
    if not observation.suspect.key == sighting.key == verdict.key:
        raise ValueError("observation, sighting and verdict are not of one suspect")
    if not observation.cell == structure.cell:
        raise ValueError("the observation is of another cell than the structure")


def _error_m(measured_m: float | None, settings: CaseSettings) -> float | None:
    if measured_m is None:
        return None
    return measured_m if settings.gnss_datum == "cgcs2000" else math.hypot(measured_m, DATUM_M)


def _placed(
    what: str, at: LonLat, error_m: float | None, layer: Sequence[Place] | None, told: str | None
) -> tuple[str | None, list[str]]:
    """Return the name of the place and why it is not sure."""
    if layer is None:
        return told, []
    found = shares(at, _UNKNOWN_M if error_m is None else error_m, layer)
    named = " and ".join(f"{name} ({share:.0%})" for name, share in found)
    if told is not None:
        if told in dict(found):
            return told, []
        return None, [
            f"The {what} {told} was named, but the position lies in {named or 'none of the layer'}."
        ]
    if error_m is None:
        return None, []
    clear = [name for name, share in found if share >= CLEAR]
    if len(clear) == 1:
        return clear[0], []
    if len(clear) > 1:
        return None, [f"Each {what} of {' and '.join(clear)} holds the position: the layer overlaps itself."]
    if not found:
        return None, [f"The position lies in no {what} of the layer."]
    outside = max(0.0, 1 - sum(share for _, share in found))
    beyond = f" and outside of all ({outside:.0%})" if outside >= 0.005 else ""
    return None, [
        f"The position errs by {error_m:.1f} m and a border of the {what} is near: {named}{beyond}. Name the "
        "right one."
    ]


def _is_unit_grid(code: str, settings: CaseSettings) -> bool:
    return len(code) == settings.unit_grid_digits and code.isascii() and code.isdecimal()


def _matter(
    suspect: Suspect, settings: CaseSettings, table: CodeTable, number: int | None
) -> tuple[Matter | None, list[str]]:
    code = settings.matters.get(suspect.kind)
    if code is None and suspect.kind == "demolished":
        return None, [
            "Something was demolished, which is no suspected new building: reject it, or set the matter of "
            "demolished in [cases] matters."
        ]
    reasons = []
    try:
        listed = matter_of(table, "event", code or settings.matter or table.suspected)
    except InputError as exc:
        return None, [f"The matter (SXDM, 事项代码) is missing: {exc} {exc.hint}"]
    if settings.division is None:
        return None, ["The matter's code (SXDM, 事项代码) is missing: set division (行政区划) in [cases]."]
    try:
        whole = whole_code(table, settings.division, listed, length=settings.code_length, number=number)
    except InputError as exc:
        return None, [f"The matter's code (SXDM, 事项代码) is missing: {exc} {exc.hint}"]
    if gb_length(listed.name) > settings.matter_name_max:
        reasons.append(f"The matter's name (SXMC, 事项名称) is longer than {settings.matter_name_max}.")
    return Matter(table=table.name, code=whole, name=listed.name), reasons


def _authority(settings: CaseSettings) -> tuple[Authority | None, list[str]]:
    reasons = []
    if not settings.authority_code:
        reasons.append(
            "The authority's code (ZGBMDM, 主管部门代码) is missing: set authority_code in [cases]."
        )
    elif problem := credit_code_problem(settings.authority_code):
        reasons.append(f"The code of who is in charge (ZGBMDM, 主管部门代码) {problem}.")
    if not settings.authority_name:
        reasons.append(
            "The authority's name (ZGBMMC, 主管部门名称) is missing: set authority_name in [cases]."
        )
    elif gb_length(settings.authority_name) > settings.authority_name_max:
        reasons.append(f"The name (ZGBMMC, 主管部门名称) is longer than {settings.authority_name_max}.")
    if not settings.authority_code or not settings.authority_name:
        return None, reasons
    return Authority(code=settings.authority_code, name=settings.authority_name), reasons


def _address(settings: CaseSettings, parts: dict[str, str | None]) -> tuple[str | None, list[str]]:
    problem = address_problem(settings.address)
    if problem:
        return None, [f"The address (SFWZ, 事发位置) is missing: in the template, {problem}."]
    used = {name for _, name, _, _ in string.Formatter().parse(settings.address) if name}
    unknown = [name for name in ADDRESS_PARTS if name in used and not parts[name]]
    if unknown:
        return None, [
            f"The address (SFWZ, 事发位置) is missing: its template needs the {' and the '.join(unknown)}."
        ]
    address = settings.address.format(**parts).strip()
    if not address:
        return None, ["The address (SFWZ, 事发位置) is missing: set address in [cases]."]
    if gb_length(address) > settings.address_max:
        return address, [f"The address (SFWZ, 事发位置) is longer than {settings.address_max}."]
    return address, []


def _far(a: LonLat, b: LonLat) -> bool:
    # A kilometre; ten thousand cases are passed over without geodesy.
    return abs(a.lat_deg - b.lat_deg) > 0.01 or abs(a.lon_deg - b.lon_deg) > 0.02


def _linked(a: Case, b: Case) -> bool:
    return a.identity == b.identity or a.previous == b.external_key or b.previous == a.external_key


def _of_one_matter(a: Case, b: Case) -> bool:
    if a.matter is None or b.matter is None:
        return a.suspect.kind == b.suspect.kind
    return a.matter.name == b.matter.name


def _share_ground(a: Suspect, b: Suspect) -> bool:
    if not a.outline.intersects(b.outline):
        return False
    frame = local_frame(a.at)
    first, second = (reproject(each.outline, WGS84, frame) for each in (a, b))
    return bool(intersection(first, second).area >= _SHARED * min(first.area, second.area))
