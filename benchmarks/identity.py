"""Claim: over the cycles nothing decided is shown again, and every 复建 is linked to its old case.

    python -m benchmarks.identity [--seeds 9401 … 9412] [--cycles 6 13] [--lots 160]

Made-up towns (``aerial.simulate.cycles``): wall-to-wall lots in two cells, each compared every fortnight with
the survey before and with one at least 90 days old, some surveys left out; a detector that misses, moves,
splits, merges and invents. A reviewer accepts or rejects most of what waits, officers come back with what
they found. Judged by the town's own history, never by what was tracked:

    decided_again    observations of nothing but what was decided, and how many of them were shown
    changed          changes after a decision that a detector saw at all, and how many were shown
    rebuilt          复建 of structures that were known: linked to the old identity; as a new episode with
                     the old case where that it was gone was seen, told, or can be told by bare ground
    split, merged    sites with several identities, identities of several sites

Beside it, on the same observations: a suspect is known where an earlier one has IoU > 0.5 with it, and where
one has its centre within 5 m; what matches a decided one is hidden.
"""

import argparse
import math
import random
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Protocol

from shapely import STRtree, union_all
from shapely.affinity import translate

from aerial.records import Decision, Observation, Result, Sighting, Structure
from aerial.simulate.cycles import BASELINE_DAYS, CYCLE_DAYS, LEAST_M2, CyclesTown, Glimpse, changes, day_on
from aerial.suspects.track import decided, external_key, identity_of, told, track, waits
from benchmarks.machine import emit

Key = tuple[str, str]  # cell and key: two cells may give one key


@dataclass
class World:
    """A town's history and what the detector saw of it: one batch a survey, in order of time."""

    town: CyclesTown
    batches: list[tuple[int, list[Glimpse]]]


def world(seed: int, cycles: int, lots: int, error_m: float) -> World:
    """Let the cycles happen and compare every survey with the last one and the baseline."""
    town = CyclesTown(seed, lots=lots, error_m=error_m)
    rng = random.Random(seed + 1)
    surveys = {"W": [-98, 0], "E": [-101, -3]}
    batches = []
    for cycle in range(1, cycles + 1):
        town.advance(cycle)
        for cell, shift in (("E", -3), ("W", 0)):
            day = cycle * CYCLE_DAYS + shift
            if rng.random() < 0.06:
                continue
            last = surveys[cell][-1]
            old = max((d for d in surveys[cell] if day - d >= BASELINE_DAYS), default=last)
            seen = [g for before in dict.fromkeys((last, old)) for g in town.pair(cell, before, day)]
            surveys[cell].append(day)
            batches.append((day, seen))
    return World(town=town, batches=batches)


@dataclass
class Related:
    """How an engine relates an observation: whether it began an episode, and its old case."""

    new_episode: bool = False
    old_case_linked: bool = True
    was_gone: bool = False


Seen = dict[Key, list[tuple[str, bool, Related]]]


class Engine(Protocol):
    """What decides which suspects a reviewer sees."""

    def see(self, observations: Sequence[Observation]) -> Seen:
        """Take a batch; return of each key the identities, whether it is shown, and how it relates."""

    def waiting(self, key: Key) -> bool:
        """Tell whether a shown suspect still waits for a verdict."""

    def decide(self, key: Key, decision: Decision) -> None:
        """Take a verdict."""

    def told(self, key: Key, result: Result, day: int) -> None:
        """Take what an officer found on a day."""


class Tracked:
    """``suspects.track`` with a ledger of two dictionaries."""

    def __init__(self) -> None:
        self.structures: dict[str, Structure] = {}
        self.of: dict[Key, list[Sighting]] = {}
        self.seen: dict[Key, Observation] = {}
        self.cases: dict[Key, tuple[str, int]] = {}
        self.unstable = 0
        self.seconds = 0.0

    def see(self, observations: Sequence[Observation]) -> Seen:
        """Track a batch; count where order or repetition change anything."""
        before = dict(self.structures)
        cells = {one.cell for one in observations}
        if len(cells) > 1:
            raise ValueError("a batch is of one cell")
        began = time.perf_counter()
        sightings = track(observations, tuple(before.values()), ())
        self.seconds += time.perf_counter() - began
        shuffled = random.Random(len(before)).sample(list(observations), len(observations))
        self.unstable += track(shuffled, tuple(reversed(before.values())), ()) != sightings
        told_of: Seen = defaultdict(list)
        for one in sightings:
            key = (next(iter(cells)), one.key)
            old = before.get(one.structure.identity)
            case = (old.case or old.previous) if old else None
            relation = Related(
                new_episode=one.relation == "rebuilt",
                old_case_linked=case is None or one.structure.previous == case,
                was_gone=old is not None and old.state == "gone",
            )
            told_of[key].append((one.structure.identity, one.shown, relation))
            self.of.setdefault(key, []).append(one)
            self.structures[one.structure.identity] = one.structure
        self.seen |= {(one.cell, one.suspect.key): one for one in observations}
        again = track(observations, tuple(self.structures.values()), ())
        known = {one.structure.identity: one.structure for one in again}
        self.unstable += any(self.structures.get(name) != now for name, now in known.items())
        return told_of

    def waiting(self, key: Key) -> bool:
        """Ask the structure as it is now."""
        first = self.of[key][0]
        return waits(first, self.seen[key], self.structures[first.structure.identity])

    def decide(self, key: Key, decision: Decision) -> None:
        """Decide every structure that the key shows."""
        main = self.structures[self.of[key][0].structure.identity]
        case = None
        for one in self.of[key]:
            now = self.structures[one.structure.identity]
            after = decided(now, decision, self.seen[key], case=case)
            self.structures[now.identity] = after
            case = case or after.case or external_key(main)
        now = self.structures[main.identity]
        self.cases[key] = (now.identity, now.episode)

    def told(self, key: Key, result: Result, day: int) -> None:
        """Tell the structure of the case."""
        identity, episode = self.cases[key]
        now = self.structures[identity]
        # A result is of its case's episode; what came of an earlier one is known already.
        if now.episode == episode:
            self.structures[identity] = told(now, result, day_on(day))


class Peer:
    """Earlier suspects are compared one by one: by IoU, or by the distance of centres."""

    def __init__(self, within_m: float | None) -> None:
        self.within_m = within_m
        self.past: list[tuple[Observation, str]] = []
        self.settled: set[Key] = set()
        self.identity: dict[Key, str] = {}

    def see(self, observations: Sequence[Observation]) -> Seen:
        """Compare a batch with all earlier suspects."""
        tree = STRtree([one.suspect.outline for one, _ in self.past])
        settled_names = {self.identity[key] for key in self.settled}
        out: Seen = {}
        for one in observations:
            key = (one.cell, one.suspect.key)
            zone = one.suspect.outline.buffer(6 / 100_000)
            hits = [self.past[int(k)] for k in tree.query(zone)]
            found = max(((self._alike(one, old), name) for old, name in hits), default=(0.0, ""))
            name = found[1] if found[0] > 0 else identity_of(one)
            self.identity[key] = name
            out[key] = [(name, name not in settled_names, Related(new_episode=False))]
        self.past += [(one, self.identity[(one.cell, one.suspect.key)]) for one in observations]
        return out

    def _alike(self, a: Observation, b: Observation) -> float:
        p, q = a.suspect.outline, b.suspect.outline
        if self.within_m is None:
            iou = p.intersection(q).area / p.union(q).area
            return iou if iou > 0.5 else 0.0
        c, d = p.centroid, q.centroid
        apart = 111_200 * math.hypot((c.x - d.x) * math.cos(math.radians(c.y)), c.y - d.y)
        return self.within_m - apart if apart <= self.within_m else 0.0

    def waiting(self, key: Key) -> bool:
        """Tell whether nothing alike was decided."""
        return self.identity[key] not in {self.identity[k] for k in self.settled}

    def decide(self, key: Key, decision: Decision) -> None:
        """Settle all that is alike."""
        self.settled.add(key)

    def told(self, key: Key, result: Result, day: int) -> None:
        """It keeps no structures that a result could change."""


@dataclass
class Judge:
    """What the town's history says of what an engine showed."""

    town: CyclesTown
    count: Counter[str] = field(default_factory=Counter)
    # Of each site: (day, ground) of what was shown, the day decided upon, identities, the day last seen.
    shown: dict[int, list[tuple[int, Any]]] = field(default_factory=lambda: defaultdict(list))
    settled: dict[int, int] = field(default_factory=dict)
    names: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    led: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    last_rise: dict[int, int] = field(default_factory=dict)
    risen: dict[int, list[Any]] = field(default_factory=lambda: defaultdict(list))
    fell: dict[int, int] = field(default_factory=dict)
    events: dict[tuple[str, int, int], dict[str, bool]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    flown: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))

    def batch(self, glimpses: Sequence[Glimpse], out: Seen) -> None:
        """Judge one batch; then remember it."""
        for g in glimpses:
            self.flown[g.observation.cell] |= {g.before, g.after}
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
        if fresh or not all(s in self.settled for s in g.sites):
            return
        known = [ground for s in g.sites for day, ground in self.shown[s] if day <= self.settled[s]]
        if g.ground.difference(union_all(known).buffer(1.0)).area >= LEAST_M2:
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
        rose = [piece[0] for piece in changes(own.on(day), own.on(g.after), rises=True)]
        return bool(rose) and union_all(rose).intersection(g.ground).area >= LEAST_M2

    def _version(self, site: int, day: int) -> int:
        return sum(since <= day for since, _ in self.town.sites[site].history)

    def _fall(self, g: Glimpse, shown: bool) -> None:
        for s in g.sites:
            if s not in self.fell:
                return
            own = self.town.sites[s]
            fell = [p[0] for p in changes(own.on(self.fell[s]), own.on(g.after), rises=False)]
            if fell and union_all(fell).intersection(g.ground).area >= LEAST_M2:
                return
        self.count["demolition_again"] += 1
        self.count["demolition_again_shown"] += shown

    def _rebuilt(self, g: Glimpse, seen: list[tuple[str, bool, Related]]) -> None:
        for s in g.sites:
            own = self.town.sites[s]
            since = self.last_rise.get(s)
            if own.clutter or since is None or not own.bare_between(since, g.after) or not own.on(g.after):
                continue
            if union_all(self.risen[s]).intersection(g.ground).area < LEAST_M2:
                # What was known stood elsewhere on the lot.
                continue
            number = sum(not state for day, state in own.history if day <= g.after)
            mine = [one for one in seen if one[0] in self.names[s]]
            gone = any(one[2].was_gone for one in seen if one[0] in self.names[s])
            bare = [d for d in self.flown[g.observation.cell] if since <= d < g.after and not own.on(d)]
            # A pair that began with the old building there, while nobody saw or told that it went, shows
            # the new one only as far as it is higher: no record can tell.
            evident = gone or (g.before >= since and not own.on(g.before))
            kind = "rebuilt" if evident and bare else "rebuilt_unseen"
            event = self.events.setdefault((kind, s, number), {"linked": False, "episode": False})
            event["linked"] |= bool(mine) and any(one[1] for one in seen)
            event["episode"] |= any(one[2].new_episode and one[2].old_case_linked for one in mine)
            event["gone"] = event.get("gone", False) or any(one[2].was_gone for one in mine)

    def _remember(self, g: Glimpse, seen: list[tuple[str, bool, Related]]) -> None:
        shown = any(one[1] for one in seen)
        for s in g.sites:
            if shown and g.rises:
                self.shown[s].append((g.after, g.ground))
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

    def figures(self) -> Counter[str]:
        """Return the counts, events included."""
        total = Counter(self.count)
        for (kind, _, _), event in self.events.items():
            total[kind] += 1
            if kind == "changed":
                total["changed_shown"] += event["shown"]
                total["changed_by_newest_pair"] += event["last_pair"]
                total["changed_by_newest_pair_shown"] += event["last_pair"] and event["shown"]
            else:
                total[f"{kind}_linked"] += event["linked"]
                total[f"{kind}_new_episode"] += event["episode"]
                total[f"{kind}_known_gone"] += event["gone"]
                total[f"{kind}_known_gone_new_episode"] += event["gone"] and event["episode"]
        leaders: dict[int, set[str]] = defaultdict(set)
        for name, sites in self.led.items():
            total["identities"] += 1
            total["merged"] += len(sites) > 1
            for s in sites:
                leaders[s].add(name)
        total["sites"] = len(leaders)
        total["split"] = sum(len(names) > 1 for names in leaders.values())
        return total


def key_of(g: Glimpse) -> Key:
    return (g.observation.cell, g.observation.suspect.key)


def run(seen: World, engine: Engine, seed: int) -> Judge:
    """Let an engine, a reviewer and officers live through a world."""
    rng, judge = random.Random(seed), Judge(town=seen.town)
    queue: dict[Key, Glimpse] = {}
    visits: list[tuple[int, Key, Glimpse]] = []
    for day, glimpses in seen.batches:
        out = engine.see([g.observation for g in glimpses])
        judge.batch(glimpses, out)
        queue |= {key_of(g): g for g in glimpses if any(one[1] for one in out[key_of(g)])}
        for key, g in sorted(queue.items(), key=lambda _: rng.random()):
            if not engine.waiting(key):
                del queue[key]
            elif rng.random() < 0.85:
                real = bool(g.sites) and not seen.town.sites[g.sites[0]].clutter
                # A demolition is no new building: people reject it as a case as often as not.
                accepted = real and rng.random() < (0.7 if g.rises else 0.3)
                engine.decide(key, "accept" if accepted else "reject")
                judge.decide(g)
                del queue[key]
                if accepted and g.rises:
                    visits.append((day + rng.choice((5, 12, 26)), key, g))
        for when, key, g in [visit for visit in visits if visit[0] <= day]:
            visits.remove((when, key, g))
            engine.told(key, _found(seen.town, g, when, rng), when)
    return judge


def _found(town: CyclesTown, g: Glimpse, day: int, rng: random.Random) -> Result:
    sites = [town.sites[s] for s in g.sites]
    if not any(site.on(day) for site in sites):
        return "demolished"
    if any(site.bare_between(g.after, day) and site.on(day) for site in sites):
        return "rebuilt"
    return rng.choices(("confirmed", "unfounded", "permitted", "no_access"), (70, 8, 8, 14))[0]  # type: ignore[return-value]


def speed(known_count: int = 10_000, new_count: int = 1_000) -> float:
    """Return the median seconds of three to track new observations among known structures."""
    town = CyclesTown(77, lots=200)
    town.advance(1)
    model = next(g.observation for g in town.pair("W", 0, 14) if g.rises)
    rng = random.Random(5)

    def placed(number: int, spots: Sequence[tuple[float, float]], day: int) -> Observation:
        x, y = spots[number % len(spots)]
        outline = translate(model.suspect.outline, x + rng.gauss(0, 3e-6), y + rng.gauss(0, 3e-6))
        at = replace(model.suspect.at, lon_deg=outline.centroid.x, lat_deg=outline.centroid.y)
        suspect = replace(model.suspect, key=f"{day}-{number}", outline=outline, at=at)
        after = model.after_on + timedelta(days=day)
        return replace(model, suspect=suspect, before_on=after - timedelta(days=14 + day), after_on=after)

    spots = [(n % 100 * 2e-4, n // 100 * 2e-4) for n in range(known_count)]
    first = track([placed(n, spots, 0) for n in range(known_count)], (), ())
    known = tuple(one.structure for one in first)
    some = rng.sample(spots, new_count)
    times = []
    for _ in range(3):
        new = [placed(n, some, 14) for n in range(new_count)]
        began = time.perf_counter()
        track(new, known, ())
        times.append(time.perf_counter() - began)
    return sorted(times)[1]


def main() -> int:
    """Run all towns with ours and the peers, and print their figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="*", default=list(range(9401, 9413)))
    parser.add_argument("--cycles", type=int, nargs="*", default=[6, 13])
    parser.add_argument("--lots", type=int, default=160)
    given = parser.parse_args()
    figures: dict[str, Any] = {}
    failed: list[str] = []
    for cycles in given.cycles:
        totals: dict[str, Counter[str]] = defaultdict(Counter)
        notes: list[str] = []
        for number, seed in enumerate(given.seeds):
            seen = world(seed, cycles, given.lots, error_m=(0.3, 0.5, 1.0)[number % 3])
            for name, engine in (("track", Tracked()), ("iou", Peer(None)), ("centre_5m", Peer(5.0))):
                judge = run(seen, engine, seed)
                totals[name] += judge.figures()
                if isinstance(engine, Tracked):
                    totals[name]["unstable"] += engine.unstable
                    notes += [f"seed {seed}: {note}" for note in judge.notes]
        ours = totals["track"]
        figures[f"{cycles}_cycles"] = {name: dict(sorted(one.items())) for name, one in totals.items()}
        failed += [f"{cycles} cycles: {ours['decided_again_shown']} decided shown again", *notes[:10]] * bool(
            ours["decided_again_shown"]
        )
        failed += [f"{cycles} cycles: {ours['unstable']} batches depend on order or repetition"] * bool(
            ours["unstable"]
        )
        if ours["rebuilt_linked"] < ours["rebuilt"]:
            failed.append(f"{cycles} cycles: {ours['rebuilt'] - ours['rebuilt_linked']} rebuilt not linked")
        if ours["rebuilt_known_gone_new_episode"] < ours["rebuilt_known_gone"]:
            failed.append(f"{cycles} cycles: a rebuilt structure known to be gone began no episode")
    seconds = speed()
    figures["speed_s"] = round(seconds, 2)
    failed += [f"10 000 known, 1 000 new: {seconds:.1f} s"] * (seconds > 2)
    return emit("identity", figures, failed=failed)


if __name__ == "__main__":
    raise SystemExit(main())
