"""The first page of a report: what it is of, how many of what, and what anchors it."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aerial.records import Case
from aerial.report.record import CaseEntry, CycleReport
from aerial.report.text import shown
from aerial.report.view import Fact, local_time
from aerial.report.words import KINDS, STAGES, Words

PART = 300  # case pages in one file


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts under one heading, most frequent first."""

    heading: str
    rows: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The text of the first page."""

    title: str
    facts: tuple[Fact, ...]
    tallies: tuple[Tally, ...]
    audit: tuple[Fact, ...]


def summary(report: CycleReport, words: Words) -> Summary:
    """Return what the first page of ``report`` says."""
    cycle = words("unknown")
    if report.starts_on and report.ends_on:
        cycle = f"{report.starts_on.isoformat()} – {report.ends_on.isoformat()}"
    cases = [entry.case for entry in report.cases]
    held = sum(bool(case.held) for case in cases)
    return Summary(
        title=shown(report.title),
        facts=(
            Fact(label=words("town"), value=shown(report.town)),
            Fact(label=words("cycle"), value=cycle),
            Fact(label=words("cases"), value=str(len(cases))),
            Fact(label=words("held_cases"), value=str(held)),
            Fact(label=words("generated"), value=local_time(report.generated_at, report.utc_offset_h)),
            Fact(label=words("software"), value=shown(report.software)),
            Fact(label=words("settings"), value=shown(report.settings_sha256 or words("unknown"))),
        ),
        tallies=(
            _tally(words("by_stage"), cases, lambda case: words.of(STAGES, case.stage)),
            _tally(words("by_community"), cases, lambda case: _community(case, words)),
            _tally(words("by_kind"), cases, lambda case: words.of(KINDS, case.suspect.kind)),
        ),
        audit=tuple(
            Fact(
                label=f"{shown(head.device, longest=40)} · {head.seq} {words('row')}",
                value=shown(head.sha256),
            )
            for head in report.audit
        ),
    )


def parts(entries: Sequence[CaseEntry]) -> list[range]:
    """Return the cases of each file of case pages, as ranges of their positions from 0."""
    return [range(start, min(start + PART, len(entries))) for start in range(0, len(entries), PART)]


def _community(case: Case, words: Words) -> str:
    return shown(case.community, longest=60) if case.community else words("unknown")


def _tally(heading: str, cases: Sequence[Case], of: Callable[[Case], str]) -> Tally:
    counts = Counter(of(case) for case in cases)
    return Tally(heading=heading, rows=tuple(sorted(counts.items(), key=lambda row: (-row[1], row[0]))))
