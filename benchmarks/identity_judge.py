"""What a made-up town's own history says of what an engine showed, never what was tracked.

decided_again   an observation of nothing but what was decided: every site whose rise it shows was decided
upon, on a picture of the same day or a later one than the newest change that it shows.
After an officer told that a place was built again (复建), the next picture of it is due,
whatever was decided before: such are counted apart (``reopened``).
changed         a change after a decision (a rise of 5 m2 and a storey, or a site that was bare in
between) that a detector saw at all.
rebuilt         复建: on a lot, a building was seen to come or to grow; later nothing stood there at all;
then something was built that covers a quarter of the smaller of both, the ground on
which change had been seen and the new outline; and it could be known that the old one was
gone: its demolition was seen or told, or the pair with the new one began on bare ground.
Linked: shown, as the old identity or as ``former`` of it. Where nothing of this could be
known (gone and built again within every pair: an old building and another height),
it is counted apart (``rebuilt_unknowable``).
new             sites whose first change a detector saw: shown on that day, or hidden by anything else; apart
                where the newest pair saw it. Where only the baseline pair did, on ground where something was
                decided without a height (a false alarm), no record tells the one from the other.
split, merged   sites with several identities, identities that are first of several sites.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from shapely import union_all
from shapely.geometry.base import BaseGeometry

from aerial import geo
from aerial.records import Result
from aerial.simulate.cycles import BASELINE_DAYS, FRAME, LEAST_M2, CyclesTown, Glimpse, changes
from benchmarks.identity_engines import Key, Related, Seen

# 复建 covers so much of the smaller of both, the old ground and the new.
SUBSTANTIAL = 0.25


@dataclass
class Judge:
    """What the town's history says of what an engine showed."""

    town: CyclesTown
    count: Counter[str] = field(default_factory=Counter)
    # Of each site: (day, ground) of what was shown, the day decided upon, identities, the day last seen.
    shown: dict[int, list[tuple[int, Any]]] = field(default_factory=lambda: defaultdict(list))
    drawn: dict[int, list[tuple[int, Any]]] = field(default_factory=lambda: defaultdict(list))
    settled: dict[int, int] = field(default_factory=dict)
    ever_settled: set[int] = field(default_factory=set)
    names: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    led: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    last_rise: dict[int, int] = field(default_factory=dict)
    risen: dict[int, list[Any]] = field(default_factory=lambda: defaultdict(list))
    fell: dict[int, int] = field(default_factory=dict)
    events: dict[tuple[str, int, int], dict[str, bool]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    # Sites that an officer told to be built again, and the day until which one is told to be gone.
    reopened: set[int] = field(default_factory=set)
    told_gone: dict[int, int] = field(default_factory=dict)

    def batch(self, glimpses: Sequence[Glimpse], out: Seen) -> None:
        """Judge one batch; then remember it."""
        for g in glimpses:
            seen = out[key_of(g)]
            shown = any(one[1] for one in seen)
            self.count["observations"] += 1
            self.count["shown"] += shown
            if not g.sites:
                self.count["false_alarms"] += 1
                self.count["false_alarms_shown"] += shown
            elif g.rises:
                self._rise(g, shown)
                self._rebuilt(g, seen)
            else:
                self._fall(g, shown)
        for g in glimpses:
            self._remember(g, out[key_of(g)])

    def _rise(self, g: Glimpse, shown: bool) -> None:
        fresh = [s for s in g.sites if s in self.settled and self._changed_since(s, g, self.settled[s])]
        for s in fresh:
            event = self.events.setdefault(("changed", s, self._version(s, g.after)), {"shown": False})
            event["shown"] |= shown
            event["last_pair"] = event.get("last_pair", False) or g.before >= self.settled[s]
        for s in g.sites:
            if s not in self.last_rise and not self.town.sites[s].clutter:
                event = self.events.setdefault(("new", s, g.after), {"shown": False, "last_pair": False})
                event["shown"] |= shown
                event["last_pair"] |= g.after - g.before < BASELINE_DAYS
        if any(s in self.reopened for s in g.sites):
            self.count["reopened"] += 1
            self.count["reopened_shown"] += shown
            return
        if fresh or not all(s in self.settled for s in g.sites):
            return
        known = [ground for s in g.sites for day, ground in self.shown[s] if day <= self.settled[s]]
        drawn = [seen for s in g.sites for day, seen in self.drawn[s] if day <= self.settled[s]]
        reach = 1.0 + 2 * (g.observation.suspect.error_m or 0.0)
        if (
            g.ground.difference(union_all(known).buffer(1.0)).area >= LEAST_M2
            or outline_of(g).difference(union_all(drawn).buffer(reach)).area >= LEAST_M2
        ):
            self.count["never_decided_part"] += 1
            return
        self.count["decided_again"] += 1
        self.count["decided_again_shown"] += shown
        if shown:
            self.notes.append(f"{key_of(g)} sites {g.sites} {g.observation.suspect.kind}")

    def _changed_since(self, site: int, g: Glimpse, day: int) -> bool:
        own = self.town.sites[site]
        if g.after <= day:
            return False
        if own.bare_between(day, g.after) and own.on(g.after):
            return True
        rose = self._pieces(site, day, g.after, rises=True)
        return bool(rose) and union_all(rose).intersection(g.ground).area >= LEAST_M2

    def _pieces(self, site: int, first: int, last: int, *, rises: bool) -> list[BaseGeometry]:
        """Return the ground that rose, or fell, at any moment after a day until another."""
        own = self.town.sites[site]
        states = [own.on(first), *(state for day, state in own.history if first < day <= last)]
        return [piece[0] for a, b in pairwise(states) for piece in changes(a, b, rises=rises)]

    def _version(self, site: int, day: int) -> int:
        return sum(since <= day for since, _ in self.town.sites[site].history)

    def _fall(self, g: Glimpse, shown: bool) -> None:
        for s in g.sites:
            if s not in self.fell:
                return
            fell = self._pieces(s, self.fell[s], g.after, rises=False)
            if fell and union_all(fell).intersection(g.ground).area >= LEAST_M2:
                return
        self.count["demolition_again"] += 1
        self.count["demolition_again_shown"] += shown

    def _rebuilt(self, g: Glimpse, seen: list[tuple[str, bool, Related]]) -> None:
        for s in g.sites:
            own, since = self.town.sites[s], self.last_rise.get(s)
            if own.clutter or since is None or not own.bare_between(since, g.after) or not own.on(g.after):
                continue
            old = union_all(self.risen[s])
            whole = union_all([ground for ground, _ in own.on(g.after)])
            if any(
                old.intersection(one).area < SUBSTANTIAL * min(old.area, one.area)
                for one in (whole, g.ground)
            ):
                continue
            number = sum(not state for day, state in own.history if day <= g.after)
            # Its demolition was seen or told, or the pair began when nothing stood there.
            known = max(self.fell.get(s, -999), self.told_gone.get(s, -999)) > since
            known |= g.before >= since and not own.on(g.before)
            mine = [one for one in seen if {one[0], one[2].former} & self.names[s]]
            event = self.events.setdefault(("rebuilt", s, number), {"known": False})
            event["known"] |= known
            event["decided"] = event.get("decided", False) or s in self.ever_settled
            event["linked"] = event.get("linked", False) or (bool(mine) and any(one[1] for one in seen))
            begun = any(one[2].new_episode and one[2].old_case_linked for one in mine)
            event["episode"] = event.get("episode", False) or begun
            event["gone"] = event.get("gone", False) or any(one[2].was_gone for one in mine)

    def _remember(self, g: Glimpse, seen: list[tuple[str, bool, Related]]) -> None:
        shown = any(one[1] for one in seen)
        for s in g.sites:
            if shown and g.rises:
                self.shown[s].append((g.after, g.ground))
                self.drawn[s].append((g.after, outline_of(g)))
            if g.rises:
                self.last_rise[s] = max(self.last_rise.get(s, -999), g.after)
                self.risen[s].append(g.ground)
                self.names[s] |= {one[0] for one in seen}
            else:
                self.fell[s] = max(self.fell.get(s, -999), g.after)
        if g.sites and g.rises and not self.town.sites[g.sites[0]].clutter:
            self.led[seen[0][0]].add(g.sites[0])

    def decide(self, g: Glimpse) -> None:
        """A person decided upon this suspect: of its sites everything shown until that day is settled.

        A verdict on a demolition says nothing of what was built in its place in the same fortnight.
        """
        for s in g.sites if g.rises else ():
            self.settled[s] = max(self.settled.get(s, -999), g.after)
            self.ever_settled.add(s)
            self.reopened.discard(s)

    def told(self, g: Glimpse, result: Result, day: int) -> None:
        """An officer came back: what he told to be built again is due, whatever was decided."""
        for s in g.sites if g.rises else ():
            if result == "demolished":
                self.told_gone[s] = max(self.told_gone.get(s, -999), day)
            if result == "rebuilt":
                self.told_gone[s] = max(self.told_gone.get(s, -999), day)
                self.reopened.add(s)

    def figures(self) -> Counter[str]:
        """Return the counts, events included."""
        total = Counter(self.count)
        for (kind, _, _), event in self.events.items():
            if kind != "rebuilt":
                total[kind] += 1
                total[f"{kind}_shown"] += event["shown"]
            elif not event["known"]:
                total["rebuilt_unknowable"] += 1
                total["rebuilt_unknowable_linked"] += event["linked"]
            else:
                total["rebuilt"] += 1
                total["rebuilt_linked"] += event["linked"]
                total["rebuilt_decided"] += event["decided"]
                total["rebuilt_decided_linked"] += event["decided"] and event["linked"]
                total["rebuilt_new_episode"] += event["episode"]
            if kind != "rebuilt":
                total[f"{kind}_by_newest_pair"] += event["last_pair"]
                total[f"{kind}_by_newest_pair_shown"] += event["last_pair"] and event["shown"]
        leaders: dict[int, set[str]] = defaultdict(set)
        for name, sites in self.led.items():
            total["identities"] += 1
            total["merged"] += len(sites) > 1
            for s in sites:
                leaders[s].add(name)
        total["sites"] = len(leaders)
        total["split"] = sum(len(names) > 1 for names in leaders.values())
        return total


def outline_of(g: Glimpse) -> BaseGeometry:
    """Return the outline that a reviewer saw, in metres."""
    return geo.reproject(g.observation.suspect.outline, geo.WGS84, FRAME)


def key_of(g: Glimpse) -> Key:
    return (g.observation.cell, g.observation.suspect.key)
