"""Suspects, structures and cases for tests of the ledger, made as the real steps make them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from shapely.geometry import box

from aerial.geo import LonLat
from aerial.ledger import cases, structures
from aerial.ledger.store import Ledger
from aerial.ledger.transaction import Tx
from aerial.ledger.verdicts import add_verdict
from aerial.records import (
    Acceptance,
    Case,
    Kind,
    Matter,
    Observation,
    Receipt,
    Result,
    SiteResult,
    Stage,
    Suspect,
    Verdict,
)
from aerial.suspects.track import track

DAY = date(2026, 7, 15)
NOON = datetime(2026, 7, 15, 12, tzinfo=UTC)
PARAMS = "c" * 64
STEP_DEG = 0.001  # about 100 m: what is so far apart is not one building


def observation(
    number: int, *, cell: str = "A1", after_on: date = DAY, kind: Kind = "new", size: float = 1.0
) -> Observation:
    """The suspect at place ``number`` of a pair whose later survey was flown on ``after_on``."""
    lon, lat = 113.75 + number % 1000 * STEP_DEG, 22.80 + number // 1000 * STEP_DEG
    half = 0.00005 * size
    suspect = Suspect(
        key=f"{number:06d}{after_on:%y%m%d}{kind[:1]}{cell}",
        pair=f"{after_on - timedelta(days=14)}-1__{after_on}-1",
        kind=kind,
        outline=box(lon - half, lat - half, lon + half, lat + half),
        at=LonLat(lon_deg=lon, lat_deg=lat),
        error_m=0.8,
        area_m2=110.0 * size**2,
        height_change_m=3.1,
        score=0.9,
        model_sha256="a" * 64,
        chips=(),
    )
    before_on = after_on - timedelta(days=14)
    return Observation(suspect=suspect, cell=cell, before_on=before_on, after_on=after_on)


def ingest(tx: Tx, observations: Sequence[Observation]) -> int:
    """Track observations against what the ledger knows, and keep them."""
    known = structures.structures(tx, *{one.cell for one in observations})
    return structures.add_sightings(tx, observations, track(observations, known, ()), PARAMS)


def accepted(tx: Tx, one: Observation, by: str = "李明") -> Verdict:
    """Accept a suspect that is known."""
    return add_verdict(tx, one.suspect.key, "accept", "新增钢棚", by)


def case_of(one: Observation, verdict: Verdict, *, held: tuple[str, ...] = ()) -> Case:
    """The case of an accepted suspect."""
    return Case(
        external_key=f"{verdict.identity}-{verdict.episode}",
        suspect=one.suspect,
        cell=one.cell,
        unit_grid=None if held else "441900003001001",
        community="锦厦社区",
        secrecy="内部",
        previous=None,
        evidence=(),
        identity=verdict.identity,
        episode=verdict.episode,
        at=one.suspect.at,
        error_m=1.1,
        before_on=one.before_on,
        after_on=one.after_on,
        found_at=NOON,
        params_sha256=PARAMS,
        matter=Matter(table="gbt47678-5", code="44190006001", name="私搭乱建"),
        accepted=Acceptance(verdict=verdict.id, by=verdict.by, at=verdict.at, reason=verdict.reason),
        deadline=NOON + timedelta(days=10),
        held=held,
    )


def add_case(ledger: Ledger, number: int = 1, sinks: Sequence[str] = ("city",)) -> Case:
    """A case from its suspect on, with its rows."""
    one = observation(number)
    with ledger.begin() as tx:
        ingest(tx, [one])
        case = case_of(one, accepted(tx, one))
        cases.add_case(tx, case, sinks)
    return case


def receipt(case: Case, at: datetime = NOON) -> Receipt:
    """What a destination was read back to hold."""
    return Receipt(external_key=case.external_key, remote_id="R-1", at=case.at, stage="report", read_at=at)


def site_result(
    case: Case, number: int, *, stage: Stage | None = None, result: Result | None = None, days: int = 1
) -> SiteResult:
    """Something that a destination says, ``days`` after the case was found."""
    return SiteResult(
        id=f"act-{number}",
        external_key=case.external_key,
        at=NOON + timedelta(days=days),
        stage=stage,
        result=result,
        by="陈队员",
    )
