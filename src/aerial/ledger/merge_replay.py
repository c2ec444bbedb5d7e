"""One structure out of what several ledgers know of it: suspects, verdicts and results in order of time.

Identities that turned out to be one structure may each have counted episodes of their own. An *era* is an
episode of the whole: a stint (one ledger's episode) begins a new era when the structure is known to have
been gone between the stint before and it, whoever saw that.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from aerial.geo import area_m2
from aerial.ledger.merge_facts import CaseFacts, Facts, Stint, Version, by_standing
from aerial.records import SiteResult, Structure, Verdict
from aerial.suspects.overlap import joined
from aerial.suspects.track import decided, told

# A verdict on a structure: whose identity, the verdict, and the key of the case it speaks of.
_Word = tuple[str, Verdict, str]
# What happened, with its place in time.
_Event = tuple[tuple[Any, ...], Version | _Word | SiteResult]


@dataclass(slots=True)
class Whole:
    """A structure as all ledgers together know it.

    ``members``: its identities, the one it keeps first. ``eras``: the era of every stint. ``rejected``: the
    verdict by which what was seen in an era is rejected.
    """

    members: tuple[str, ...]
    structure: Structure
    eras: dict[Stint, int]
    rejected: dict[int, Verdict]

    def cases(self, facts: Facts) -> dict[int, list[CaseFacts]]:
        """Return its cases by era."""
        found: dict[int, list[CaseFacts]] = {}
        for case in sorted(facts.cases.values(), key=lambda one: one.key):
            if case.stint in self.eras:
                found.setdefault(self.eras[case.stint], []).append(case)
        return found


def first_seen(identities: Sequence[str], facts: Facts) -> tuple[str, ...]:
    """Return identities in the order in which one of them is kept: first seen, then by name."""
    return tuple(sorted(identities, key=lambda one: (_first_on(facts.versions[one]), one)))


def replayed(members: Sequence[str], facts: Facts) -> Whole:
    """Return what the members (raw identities, at least one suspect each) are together."""
    ordered = first_seen(members, facts)
    versions = [version for identity in ordered for version in facts.versions[identity]]
    verdicts = _verdicts(ordered, versions, facts)
    cases = [case for case in facts.cases.values() if case.stint[0] in ordered]
    eras = _eras(ordered, versions, verdicts, cases, facts)
    structures: dict[int, Structure] = {}
    rejected: dict[int, Verdict] = {}
    for era in sorted(set(eras.values())):
        now = _begun(ordered, era, eras, versions, cases, facts)
        events = _events(era, eras, versions, verdicts, cases)
        structures[era], last = _after(now, events, ordered, facts)
        if last is not None and last.decision == "reject" and structures[era].state == "rejected":
            rejected[era] = last
    return Whole(members=ordered, structure=structures[max(structures)], eras=eras, rejected=rejected)


def _after(
    now: Structure, events: Sequence[_Event], members: Sequence[str], facts: Facts
) -> tuple[Structure, Verdict | None]:
    """Return a structure after what happened in an era, and the verdict that counts."""
    extents: dict[str, Structure] = {}
    decided_by: set[str] = set()
    last: Verdict | None = None
    for _, what in sorted(events, key=lambda event: event[0]):
        if isinstance(what, Version):
            extents[what.structure.identity] = what.structure
            now = _with_extents(now, extents, members)
            if what.structure.state == "gone":
                now = replace(now, state="gone", gone_on=what.structure.gone_on)
        elif isinstance(what, SiteResult):
            now = told(now, what.result, what.at.date()) if what.result else now
        else:
            identity, verdict, case = what
            now = _decided(now, identity, verdict, case, extents, decided_by, facts)
            decided_by.add(identity)
            last = verdict
    return now, last


def _first_on(versions: Sequence[Version]) -> date:
    return min(version.structure.first_on for version in versions)


def _verdicts(members: Sequence[str], versions: Sequence[Version], facts: Facts) -> list[tuple[Stint, _Word]]:
    found = []
    for verdicts in facts.verdicts.values():
        for verdict in verdicts:
            case = f"{verdict.identity}-{verdict.episode}"
            if verdict.identity in members:
                stint = (verdict.identity, verdict.episode)
            else:
                # The suspect shows several structures, and the verdict stands under another one.
                shown = [version for version in versions if version.key == verdict.key]
                if not shown:
                    continue
                stint = min(version.stint for version in shown)
            found.append((stint, (stint[0], verdict, case)))
    return found


def _eras(
    members: Sequence[str],
    versions: Sequence[Version],
    verdicts: Sequence[tuple[Stint, _Word]],
    cases: Sequence[CaseFacts],
    facts: Facts,
) -> dict[Stint, int]:
    starts: dict[Stint, date] = {}

    def begins(stint: Stint, on: date) -> None:
        starts[stint] = min(starts.get(stint, on), on)

    for version in versions:
        now = version.structure
        begins(version.stint, min(now.first_on, now.last_on) if now.episode == 1 else now.last_on)
    for stint, (_, verdict, _) in verdicts:
        if stint not in starts:
            begins(stint, facts.observations[verdict.key].after_on)
    for case in cases:
        if case.stint not in starts:
            begins(case.stint, case.row["after_on"])
    if len(members) == 1:
        return {stint: stint[1] for stint in starts}
    gone = {v.structure.gone_on for v in versions if v.structure.gone_on is not None}
    for case in cases:
        for _, result in case.results:
            if result.result == "demolished":
                gone.add(result.at.date())
            elif result.result == "rebuilt":
                gone.add(starts[case.stint])
    after = {
        stint: sum(on < start or (on == start and stint[1] > 1) for on in gone)
        for stint, start in starts.items()
    }
    return _numbered(members, after)


def _numbered(members: Sequence[str], after: dict[Stint, int]) -> dict[Stint, int]:
    """Number eras from 1; the identity that is kept keeps its own numbers, for its cases bear them."""
    eras: dict[Stint, int] = {}
    number = 0
    for level in sorted(set(after.values())):
        stints = [stint for stint, seen in after.items() if seen == level]
        own = [episode for identity, episode in stints if identity == members[0]]
        number = max([number + 1, *own])
        eras.update(dict.fromkeys(stints, number))
    return eras


def _begun(
    members: Sequence[str],
    era: int,
    eras: dict[Stint, int],
    versions: Sequence[Version],
    cases: Sequence[CaseFacts],
    facts: Facts,
) -> Structure:
    """Return the structure at the beginning of its present era, before anybody decided."""
    of_era = [version for version in versions if eras[version.stint] == era]
    base = min(of_era, key=lambda version: version.order) if of_era else max(versions, key=lambda v: v.order)
    before = max((eras[case.stint] for case in cases if eras[case.stint] < era), default=0)
    earlier = by_standing((case for case in cases if eras[case.stint] == before), members[0])
    previous = earlier[0].key if earlier else None
    now = base.structure
    ended = now.gone_on if era > 1 or now.state == "gone" else None
    if era > 1 and ended is None:
        ended = max((v.structure.gone_on for v in versions if v.structure.gone_on is not None), default=None)
    return replace(
        now,
        identity=members[0],
        episode=era,
        cell=facts.versions[members[0]][0].structure.cell,
        state="gone" if of_era and now.state == "gone" else "open",
        first_on=_first_on(versions),
        decided_on=None,
        decided_outline=None,
        decided_area_m2=None,
        decided_height_m=None,
        gone_on=ended,
        case=None,
        previous=previous or (now.previous if era > 1 else None),
    )


def _events(
    era: int,
    eras: dict[Stint, int],
    versions: Sequence[Version],
    verdicts: Sequence[tuple[Stint, _Word]],
    cases: Sequence[CaseFacts],
) -> list[_Event]:
    found: list[_Event] = [
        ((version.seen_at, 0, version.order, version.structure.identity), version)
        for version in versions
        if eras[version.stint] == era
    ]
    for stint, word in verdicts:
        if eras[stint] == era:
            found.append(((word[1].at, 1, (word[1].id,), word[0]), word))
    for case in cases:
        if eras[case.stint] == era:
            found += [((r.at, 2, (sink, r.id), case.key), r) for sink, r in case.results]
    return found


def _with_extents(now: Structure, extents: dict[str, Structure], members: Sequence[str]) -> Structure:
    """Return the structure with the newest extents of all of its identities."""
    known = [extents[identity] for identity in members if identity in extents]
    last_on = max(one.last_on for one in known)
    if len(known) == 1:
        one = known[0]
        return replace(now, outline=one.outline, area_m2=one.area_m2, height_m=one.height_m, last_on=last_on)
    outline = joined([one.outline for one in known])
    height_m = max((one.height_m for one in known if one.height_m is not None), default=None)
    return replace(
        now, outline=outline, area_m2=round(area_m2(outline), 2), height_m=height_m, last_on=last_on
    )


def _decided(
    now: Structure,
    identity: str,
    verdict: Verdict,
    case: str,
    extents: dict[str, Structure],
    decided_by: set[str],
    facts: Facts,
) -> Structure:
    """Return the structure after a verdict on one of its identities, of which alone its ledger knew."""
    seen = extents.get(identity)
    then = now
    if seen is not None:
        then = replace(
            now, outline=seen.outline, area_m2=seen.area_m2, height_m=seen.height_m, last_on=seen.last_on
        )
    after = decided(then, verdict.decision, facts.observations[verdict.key], case=case)
    if after.episode != now.episode:
        after = replace(after, episode=now.episode, previous=now.previous)
    before, outline = now.decided_outline, after.decided_outline
    if decided_by - {identity} and before is not None and outline is not None and outline != before:
        outline = joined([before, outline])
        days = [day for day in (now.decided_on, after.decided_on) if day is not None]
        after = replace(
            after,
            decided_on=max(days),
            decided_outline=outline,
            decided_area_m2=round(area_m2(outline), 2),
        )
    return replace(
        after, outline=now.outline, area_m2=now.area_m2, height_m=now.height_m, last_on=now.last_on
    )
