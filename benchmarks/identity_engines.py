"""What decides which suspects a reviewer sees: ``suspects.track``, and what others do instead."""

import math
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from shapely import STRtree

from aerial.records import Decision, Observation, Result, Sighting, Structure
from aerial.simulate.cycles import day_on
from aerial.suspects.track import decided, external_key, identity_of, told, track, waits

Key = tuple[str, str]  # cell and key: two cells may give one key


@dataclass
class Related:
    """How an engine relates an observation.

    Whether it began an episode (``new_episode``), holds the case of the one before (``old_case_linked``),
    was known to be gone (``was_gone``), and on whose ground it was built, if another's (``former``).
    """

    new_episode: bool = False
    old_case_linked: bool = True
    was_gone: bool = False
    former: str | None = None


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
        self.by_order = self.by_repetition = 0
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
        self.by_order += track(shuffled, tuple(reversed(before.values())), ()) != sightings
        told_of: Seen = defaultdict(list)
        for one in sightings:
            key = (next(iter(cells)), one.key)
            old = before.get(one.structure.identity)
            case = (old.case or old.previous) if old else None
            relation = Related(
                new_episode=one.relation == "rebuilt",
                old_case_linked=case is None or one.structure.previous == case,
                was_gone=old is not None and old.state == "gone",
                former=one.structure.former,
            )
            told_of[key].append((one.structure.identity, one.shown, relation))
            self.of.setdefault(key, []).append(one)
            self.structures[one.structure.identity] = one.structure
        self.seen |= {(one.cell, one.suspect.key): one for one in observations}
        again = track(observations, tuple(self.structures.values()), ())
        known = {one.structure.identity: one.structure for one in again}
        self.by_repetition += any(self.structures.get(name) != now for name, now in known.items())
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
