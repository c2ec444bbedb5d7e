"""Photographs that were taken and not told: as many as numbers are missing, where they are missing."""

import random
from collections.abc import Collection

import pytest

from aerial.autopilots.triggers import of_sortie
from aerial.flight.untold import not_taken, untold_of
from aerial.records import ShotRecord, Sortie, TriggerPoint

CYCLE = 65_536


def shot(number: int, point: TriggerPoint) -> ShotRecord:
    """Return a photograph at the place of one that was due."""
    return ShotRecord(
        index=number,
        time_s=float(number),
        at=point.at,
        altitude_amsl_m=110.0,
        height_above_home_m=100.0,
        roll_deg=0.0,
        pitch_deg=0.0,
        yaw_deg=0.0,
        source="feedback",
    )


def flown(sortie: Sortie, untold: Collection[int], untaken: Collection[int] = ()) -> dict[int, ShotRecord]:
    """Return the photographs that were told; ``untold`` were taken too, ``untaken`` not."""
    shots, number = {}, 0
    for place, point in enumerate(of_sortie(sortie)):
        if place not in untaken:
            number += 1
            if place not in untold:
                shots[number] = shot(number, point)
    return shots


def photos(sortie: Sortie, places: Collection[int]) -> tuple[TriggerPoint, ...]:
    """Return the photographs that are due at some places in the order."""
    return tuple(of_sortie(sortie)[place] for place in sorted(places))


def test_numbers(sortie: Sortie) -> None:
    """Numbers missing within a power cycle are counted, not those between two, nor before the first."""
    point = of_sortie(sortie)[0]
    assert untold_of({}) == 0
    for numbers, count in (
        ([5], 0),
        ([5, 6, 7], 0),
        ([5, 8, 10], 3),
        ([8, 5, 10], 3),
        ([5, 6, CYCLE + 1, CYCLE + 3], 1),
        ([60, CYCLE + 1], 0),
    ):
        assert untold_of({number: shot(number, point) for number in numbers}) == count


def test_link_lost_in_flight(sortie: Sortie) -> None:
    """Photographs whose numbers are missing are not flown again, over the turn of a line too."""
    for untold in (range(5, 12), range(15, 30), (3, 4, 50, 51, 52)):
        shots = flown(sortie, untold)
        assert untold_of(shots) == len(untold)
        assert not_taken(sortie, shots, photos(sortie, untold)) == ()


def test_camera_did_not_fire(sortie: Sortie) -> None:
    """Where the numbers go on without a gap nothing was taken: all of it stays missing."""
    untaken = range(40, 60)
    shots = flown(sortie, (), untaken)
    assert untold_of(shots) == 0
    assert not_taken(sortie, shots, photos(sortie, untaken)) == photos(sortie, untaken)


def test_both(sortie: Sortie) -> None:
    """In one gap some were taken and many not: all are doubtful and stay; another gap is still explained."""
    untold, untaken = [5, 6, 80, 81, 82], range(7, 20)
    shots = flown(sortie, untold, untaken)
    left = not_taken(sortie, shots, photos(sortie, {*untold, *untaken}))
    assert left == photos(sortie, {5, 6, *untaken})


def test_nothing_missing(sortie: Sortie) -> None:
    """Where nothing is missing, or nothing was told, what is asked is what comes back."""
    shots = flown(sortie, range(5, 9))
    assert not_taken(sortie, shots, ()) == ()
    everything = photos(sortie, range(126))
    assert not_taken(sortie, {}, everything) == everything


def test_two_power_cycles(sortie: Sortie) -> None:
    """Between two flights nothing is explained: numbers begin anew there."""
    first = {number: one for number, one in flown(sortie, ()).items() if number <= 40}
    second = {CYCLE + number: one for number, one in flown(sortie, ()).items() if number > 60}
    missing = photos(sortie, range(40, 60))
    assert not_taken(sortie, first | second, missing) == missing


@pytest.mark.parametrize("seed", range(20))
def test_any_gaps(sortie: Sortie, seed: int) -> None:
    """However the link drops, what was taken between two told photographs is never flown again."""
    rng = random.Random(seed)
    untold: set[int] = set()
    for _ in range(rng.randrange(1, 6)):
        start = rng.randrange(1, 120)
        untold |= set(range(start, min(start + rng.randrange(1, 15), 125)))
    shots = flown(sortie, untold)
    assert untold_of(shots) == len(untold)
    assert not_taken(sortie, shots, photos(sortie, untold)) == ()
