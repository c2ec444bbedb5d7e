"""A case in words: what HTML and PDF both show of it, so that they cannot tell two stories."""

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache

from aerial import geo
from aerial.codec import sha256_json
from aerial.features import navigation_link
from aerial.geo import LonLat
from aerial.records import Case, SiteResult
from aerial.report.record import CaseEntry, CycleReport
from aerial.report.text import shown
from aerial.report.words import KINDS, REASONS, RESULTS, STAGES, ZONES, Words

_SAME_DEG = 5e-9  # half of the last digit that is written


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One line of a case page; ``link`` is a URL behind the value, ``known`` False where nothing is known."""

    label: str
    value: str
    link: str | None = None
    known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """The text of one case page, every value fit to be shown but not escaped."""

    number: int
    key: str
    kind: str
    stage: str
    held: tuple[str, ...]
    community: str
    cell: str
    area: str
    error: str
    due_on: str
    result: str
    before_on: str
    after_on: str
    place: tuple[Fact, ...]
    what: tuple[Fact, ...]
    when: tuple[Fact, ...]
    file: tuple[Fact, ...]
    proof: tuple[Fact, ...]


def ordered(report: CycleReport) -> tuple[CaseEntry, ...]:
    """Return the cases as reports list them: by community, cell and key; without a community last."""
    return tuple(
        sorted(
            report.cases,
            key=lambda entry: (
                entry.case.community is None,
                entry.case.community or "",
                entry.case.cell,
                entry.case.external_key,
            ),
        )
    )


def site_result(entry: CaseEntry) -> SiteResult | None:
    """Return the newest word of an officer on a case, None where there is none yet."""
    told = [result for result in entry.results if result.result is not None]
    return max(told, key=lambda result: result.at) if told else None


def local_time(at: datetime, utc_offset_h: float) -> str:
    """Return a moment in local time, to the minute, with the offset that it is told in."""
    zone = timezone(timedelta(hours=utc_offset_h))
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M} (UTC{utc_offset_h:+g})"


def case_view(entry: CaseEntry, number: int, report: CycleReport, words: Words) -> CaseView:
    """Return what the page of a case says; ``number`` counts the cases of the report from 1."""
    case, suspect = entry.case, entry.case.suspect
    unknown = words("unknown")
    result = site_result(entry)
    result_text = words("no_result")
    if result is not None:
        parts = [
            words.of(RESULTS, result.result or ""),
            result.by,
            local_time(result.at, report.utc_offset_h),
        ]
        result_text = words("comma").join(shown(part) for part in [*parts, result.note] if part)
    deadline = local_time(case.deadline, report.utc_offset_h) if case.deadline else words("not_set")
    return CaseView(
        number=number,
        key=shown(case.external_key, longest=64),
        kind=words.of(KINDS, suspect.kind),
        stage=words.of(STAGES, case.stage),
        held=tuple(shown(reason) for reason in case.held),
        community=shown(case.community) if case.community else unknown,
        cell=shown(case.cell),
        area=f"{suspect.area_m2:.1f} m²",
        error=words("unknown") if case.error_m is None else words.accuracy(case.error_m).split("m")[0] + "m",
        due_on=deadline[:10] if case.deadline else deadline,
        result=words.of(RESULTS, result.result) if result and result.result else words("no_result"),
        before_on=case.before_on.isoformat(),
        after_on=case.after_on.isoformat(),
        place=_place(case, words),
        what=_what(case, words),
        when=(
            Fact(label=words("before_on"), value=case.before_on.isoformat()),
            Fact(label=words("after_on"), value=case.after_on.isoformat()),
            Fact(label=words("found_at"), value=local_time(case.found_at, report.utc_offset_h)),
            Fact(label=words("deadline"), value=deadline, known=case.deadline is not None),
            _named(words, "secrecy", case.secrecy, absent="not_set"),
            Fact(label=words("receipts"), value=_receipts(entry, report, words) or words("none")),
        ),
        file=_file(entry, report, words, result_text),
        proof=_proof(case, words),
    )


def _place(case: Case, words: Words) -> tuple[Fact, ...]:
    crs, east_m, north_m = metric_position(case.at)
    at, measured = case.at, case.suspect.at
    if (
        abs(at.lon_deg - measured.lon_deg) < _SAME_DEG and abs(at.lat_deg - measured.lat_deg) < _SAME_DEG
    ):  # what the datum leaves open is in the error
        positions = [Fact(label="WGS 84 / CGCS2000", value=_degrees(at, words))]
    else:
        positions = [
            Fact(label="CGCS2000", value=_degrees(at, words)),
            Fact(label="WGS 84", value=_degrees(measured, words)),
        ]
    kind = words("utm" if crs.startswith("EPSG:32") else "gauss")
    return (
        *positions,
        Fact(label=f"{kind} ({crs})", value=f"E {east_m:.2f} m, N {north_m:.2f} m"),
        Fact(label=words("error"), value=words.accuracy(case.error_m), known=case.error_m is not None),
        _named(words, "community", case.community),
        _named(words, "unit_grid", case.unit_grid),
        _named(words, "cell", case.cell),
        _named(words, "address", case.address),
        Fact(label=words("navigate"), value=words("amap"), link=navigation_link(case.at, case.external_key)),
    )


def _what(case: Case, words: Words) -> tuple[Fact, ...]:
    suspect = case.suspect
    height = words("unknown")
    if suspect.height_change_m is not None:
        noise = suspect.height_noise_m
        height = f"{suspect.height_change_m:+.1f}" + (f" ± {noise:.1f} m" if noise is not None else " m")
    score = f"{suspect.score:.2f}"
    if suspect.reason in REASONS:
        score += f"{words('comma')}{words('by')} {words.of(REASONS, suspect.reason)}"
    return (
        Fact(label=words("kind"), value=words.of(KINDS, suspect.kind)),
        Fact(label=words("area"), value=f"{suspect.area_m2:.1f} m²"),
        Fact(label=words("height_change"), value=height, known=suspect.height_change_m is not None),
        Fact(label=words("score"), value=score),
        Fact(label=words("zones"), value=_zones(suspect.zones, words) or words("none")),
    )


def _zones(zones: tuple[str, ...], words: Words) -> str:
    told = []
    for zone in zones:
        kind, _, name = zone.partition(":")
        # What a sensitive zone is called says where it is.
        name = "" if kind == "sensitive" else shown(name, longest=60)
        told.append(f"{words.of(ZONES, kind)} {name}".strip())
    return "; ".join(told)


def _file(entry: CaseEntry, report: CycleReport, words: Words, result: str) -> tuple[Fact, ...]:
    case = entry.case
    accepted = None
    if case.accepted:
        at = local_time(case.accepted.at, report.utc_offset_h)
        accepted = f"{case.accepted.by}{words('comma')}{at}{words('comma')}{case.accepted.reason}"
    return (
        Fact(label=words("stage"), value=words.of(STAGES, case.stage)),
        Fact(label=words("site_result"), value=result, known=result != words("no_result")),
        Fact(label=words("previous"), value=shown(case.previous) if case.previous else words("none")),
        _named(words, "matter", f"{case.matter.code} {case.matter.name}" if case.matter else None),
        _named(
            words, "authority", f"{case.authority.name} {case.authority.code}" if case.authority else None
        ),
        _named(words, "accepted", accepted),
    )


def _receipts(entry: CaseEntry, report: CycleReport, words: Words) -> str:
    return "; ".join(
        shown(f"{sink} {receipt.remote_id}{words('comma')}{local_time(receipt.read_at, report.utc_offset_h)}")
        for sink, receipt in entry.receipts
    )


def _proof(case: Case, words: Words) -> tuple[Fact, ...]:
    files = words("none")
    if case.evidence:
        files = f"{sha256_json(case.evidence)} ({len(case.evidence)} {words('files')})"
    return (
        Fact(label=words("suspect_key"), value=shown(case.suspect.key)),
        Fact(label=words("model"), value=shown(case.suspect.model_sha256)),
        Fact(label=words("params"), value=shown(case.params_sha256)),
        Fact(label=words("evidence"), value=files),
    )


def _named(words: Words, name: str, value: str | None, *, absent: str = "unknown") -> Fact:
    text = shown(value) if value else ""
    return Fact(label=words(name), value=text or words(absent), known=bool(text))


def metric_position(at: LonLat) -> tuple[str, float, float]:
    """Return the CRS for metric work around ``at`` as a code, and east and north in it, metres."""
    crs = geo.metric_crs_at(at)
    east_m, north_m = geo.from_lonlat(crs, at)
    return _short(crs), east_m, north_m


@lru_cache(maxsize=16)
def _short(crs: str) -> str:
    return geo.short_name(crs)


def _degrees(at: LonLat, words: Words) -> str:
    east_west = words("east" if at.lon_deg >= 0 else "west")
    north_south = words("north" if at.lat_deg >= 0 else "south")
    return words("lon_lat").format(ew=east_west, lon=abs(at.lon_deg), ns=north_south, lat=abs(at.lat_deg))
