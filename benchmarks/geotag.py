"""Claim: a photograph gets the position of its own shot or the folder is refused; never another's.

    python -m benchmarks.geotag [--flights 2000] [--seed 51000]

Seeded flights of one to eight lines, equal or unequal intervals, one or two sorties, stamps of 1, 0.1
or 0.01 s from a clock that is off, drifts and jumps (by hours, by 37 s, by any amount, by whole
intervals), shots that the camera dropped (at the start, the end, anywhere, several in a row), test
photographs on the ground and in flight, logs that are whole or lost records on a radio.

Truth is known. *Wrong*: any photograph with another's shot, with a shot it has none of, or without its
own. Beside it two usual rules on the same flights: the k-th photograph is the k-th shot, where the
counts agree; and one constant offset, taken from the first photograph, with the nearest shot within 1 s.

Not made, since no one could tell: a photograph by hand within 2 s of a shot that the camera dropped (nor
within 0.8 s of another photograph: the camera is busy), and a clock that jumps by one to five intervals
(within 1 s) on a flight with dropped shots. The latter may give the very stamps of a shot that was dropped
inside a line and no jump; the simpler is taken.
"""

import argparse
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from aerial.errors import PhotoError
from aerial.geo import LonLat
from aerial.photos.geotag import match_photos
from aerial.records import Photo, ShotRecord
from benchmarks.machine import emit

START = datetime(2026, 11, 28, 3, 0, 0, tzinfo=UTC)
Truth = dict[str, int | None]


@dataclass
class Flight:
    """Photographs in the order of their names, the log, and which shot each photograph is."""

    photos: list[Photo]
    shots: list[ShotRecord]
    truth: Truth
    lossy: bool
    kinds: frozenset[str]


def photo(name: str, stamp_s: float, at: LonLat | None = None) -> Photo:
    """Return what a camera without GPS says."""
    return Photo(
        file=name, width_px=6000, height_px=4000, taken_at=START + timedelta(seconds=stamp_s), at=at,
        altitude_m=None, relative_height_m=None, gimbal_pitch_deg=None, gimbal_yaw_deg=None, focal_px=None,
        make="SONY", model="ILCE-6000", rtk_std_m=None,
    )  # fmt: skip


def shot(index: int, time_s: float, *, source: Any = "bin") -> ShotRecord:
    """Return a record of the log, every shot at a place of its own."""
    return ShotRecord(
        index=index, time_s=time_s, at=LonLat(lon_deg=113.8 + 1e-4 * index, lat_deg=22.8),
        altitude_amsl_m=110.0, height_above_home_m=100.0, roll_deg=0.0, pitch_deg=-5.0, yaw_deg=90.0,
        source=source,
    )  # fmt: skip


def shutter_times(rng: random.Random, most_lines: int, most_shots: int) -> tuple[list[float], float]:
    """Return when the shutter is fired, and the usual interval."""
    lines = rng.choice([1, *range(2, most_lines + 1)])
    interval = rng.uniform(1.0, 4.0)
    wander = rng.choice([0.0, 0.0, 0.03, 0.15])
    equal = rng.random() < 0.4
    count, gap = rng.randint(5, most_shots), rng.uniform(3.0, 20.0)
    times, clock = [], 100.0
    for line in range(lines):
        for _ in range(count):
            times.append(clock + rng.gauss(0, wander))
            clock += interval
        if not equal:
            count, gap = rng.randint(5, most_shots), rng.uniform(3.0, 20.0)
        clock += gap
        if lines > 2 and line == lines // 2 and rng.random() < 0.25:
            clock += rng.uniform(300.0, 1500.0)
    return times, interval


def dropped_shots(rng: random.Random, count: int) -> set[int]:
    """Return the shots that the camera did not take."""
    kind = rng.choice(["none", "none", "any", "start", "end", "run", "many"])
    if kind == "any":
        return {rng.randrange(count)}
    if kind == "start":
        return set(range(rng.randint(1, 2)))
    if kind == "end":
        return set(range(count - rng.randint(1, 2), count))
    if kind == "run":
        first = rng.randrange(count - 3)
        return set(range(first, first + rng.randint(2, 4)))
    return set(rng.sample(range(count), rng.randint(2, 5))) if kind == "many" else set()


def hand_photographs(rng: random.Random, times: Sequence[float], dropped: set[int]) -> list[float]:
    """Return when somebody took a photograph by hand."""
    extra: list[float] = []
    kind = rng.choice(["none", "none", "before", "after", "both", "flight"])
    if kind in ("before", "both"):
        clock = times[0] - rng.uniform(15.0, 300.0)
        for _ in range(rng.randint(1, 3)):
            extra.append(clock)
            clock -= rng.uniform(1.0, 20.0)
    if kind in ("after", "both"):
        clock = times[-1] + rng.uniform(15.0, 300.0)
        for _ in range(rng.randint(1, 3)):
            extra.append(clock)
            clock += rng.uniform(1.0, 20.0)
    if kind == "flight":
        moment = rng.uniform(times[0], times[-1])
        if all(abs(moment - one) > (2.0 if n in dropped else 0.8) for n, one in enumerate(times)):
            extra.append(moment)
    return extra


def clock_jumps(rng: random.Random, photos: int, interval: float, *, whole: bool) -> dict[int, float]:
    """Return before which photographs the clock jumps, and by how much; by intervals too if ``whole``."""
    amounts: list[Callable[[], float]] = [
        lambda: 3600.0,
        lambda: -3600.0,
        lambda: rng.choice([37.0, -37.0]),
        lambda: rng.uniform(-600.0, 600.0),
        lambda: rng.uniform(-5.0, 5.0),
        lambda: 86400.0 * 3,
    ]
    if whole:
        amounts.append(lambda: interval * rng.choice([-3, -2, -1, 1, 2, 3]))
    count = rng.choice([0, 0, 0, 1, 1, 2])
    jumps = {rng.randrange(1, max(photos, 2)): rng.choice(amounts)() for _ in range(count)}
    near = {at: any(abs(abs(by) - n * interval) < 1.0 for n in range(1, 6)) for at, by in jumps.items()}
    return {at: by for at, by in jumps.items() if whole or not near[at]}


def flight(seed: int, *, most_lines: int = 8, most_shots: int = 25) -> Flight:
    """Make one flight."""
    rng = random.Random(seed)
    times, interval = shutter_times(rng, most_lines, most_shots)
    dropped = dropped_shots(rng, len(times))
    extra = hand_photographs(rng, times, dropped)
    taken: list[tuple[float, int | None]] = [(t, n) for n, t in enumerate(times) if n not in dropped]
    taken = sorted(taken + [(t, None) for t in extra], key=lambda one: one[0])
    jumps = clock_jumps(rng, len(taken), interval, whole=not dropped)
    resolution = rng.choice([1.0, 1.0, 0.1, 0.01])
    jitter, drift = rng.uniform(0.005, 0.08), rng.uniform(-50e-6, 50e-6)
    ahead = rng.uniform(-40_000, 40_000)
    lossy = rng.random() < 0.35
    lost = {n for n in range(len(times)) if lossy and rng.random() < rng.choice([0.01, 0.05])}
    photos, truth = [], {}
    for number, (moment, which) in enumerate(taken):
        ahead += jumps.get(number, 0.0)
        stamp = moment * (1 + drift) + ahead + rng.gauss(0, jitter)
        name = f"DSC{number + 1:05d}.JPG"
        photos.append(photo(name, int(stamp // resolution) * resolution))
        truth[name] = None if which is None or which in lost else which + 1
    source = "feedback" if lossy else "bin"
    shots = [shot(n + 1, t, source=source) for n, t in enumerate(times) if n not in lost]
    kinds = {name for name, on in (("dropped", dropped), ("extra", extra), ("jump", jumps), ("lossy", lossy),
                                   ("1 s stamps", resolution == 1.0)) if on}  # fmt: skip
    return Flight(photos=photos, shots=shots, truth=truth, lossy=lossy, kinds=frozenset(kinds))


def ours(made: Flight) -> Truth | None:
    """Return what ``match_photos`` says; None: refused."""
    try:
        tags = match_photos(made.photos, made.shots, lossy=made.lossy)
    except PhotoError:
        return None
    return dict.fromkeys(made.truth) | {tag.file: tag.shot.index for tag in tags.tagged}


def by_count(made: Flight) -> Truth | None:
    """Return the k-th shot for the k-th photograph; refused where the counts differ."""
    if len(made.photos) != len(made.shots):
        return None
    return {one.file: two.index for one, two in zip(made.photos, made.shots, strict=True)}


def by_offset(made: Flight) -> Truth | None:
    """Return the nearest shot within 1 s, by the offset of the first photograph to the first shot."""
    stamps = {one.file: one.taken_at.timestamp() for one in made.photos if one.taken_at}
    ahead = stamps[made.photos[0].file] - made.shots[0].time_s
    found: Truth = {}
    for name, stamp in stamps.items():
        near = min(made.shots, key=lambda one: abs(one.time_s + ahead - stamp))
        found[name] = near.index if abs(near.time_s + ahead - stamp) <= 1.0 else None
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--flights", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=51_000)
    given = parser.parse_args()
    rules = {"aerial": ours, "k-th to k-th": by_count, "one offset": by_offset}
    counts = {name: Counter[str]() for name in rules}
    refused_of, flights_of = Counter[str](), Counter[str]()
    refused_by, flights_by = Counter[int](), Counter[int]()
    wrong: list[int] = []
    took = 0.0
    for seed in range(given.seed, given.seed + given.flights):
        made = flight(seed)
        flights_of.update(made.kinds)
        troubles = len(made.kinds - {"1 s stamps"})
        flights_by[troubles] += 1
        for name, rule in rules.items():
            begun = time.perf_counter()
            said = rule(made)
            verdict = "refused" if said is None else "right" if said == made.truth else "wrong"
            counts[name][verdict] += 1
            if name == "aerial":
                took += time.perf_counter() - begun
                if verdict == "wrong":
                    wrong.append(seed)
                if verdict == "refused":
                    refused_of.update(made.kinds)
                    refused_by[troubles] += 1
    figures = {
        "flights": given.flights,
        "first_seed": given.seed,
        "rules": {
            name: {verdict: count[verdict] for verdict in ("right", "refused", "wrong")}
            for name, count in counts.items()
        },
        "refused_share": round(counts["aerial"]["refused"] / given.flights, 4),
        "refused_share_of": {
            kind: round(refused_of[kind] / flights_of[kind], 4) for kind in sorted(flights_of)
        },
        "refused_share_by_troubles": {
            str(count): round(refused_by[count] / flights_by[count], 4) for count in sorted(flights_by)
        },
        "wrong_seeds": wrong,
        "seconds_a_flight": round(took / given.flights, 3),
    }
    failed = [f"{len(wrong)} flights were matched wrongly"] if wrong else []
    return emit("geotag", figures, failed=failed)


if __name__ == "__main__":
    raise SystemExit(main())
