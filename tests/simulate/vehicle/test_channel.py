"""The impaired link: seeded, counted, and in order where it should be."""

import pytest

from aerial.simulate.vehicle.channel import Channel
from aerial.simulate.vehicle.setup import Impairment


def sent(way: Impairment, number: int = 2000, seed: int = 3) -> list[tuple[float, int]]:
    """Send a frame every 10 ms; return (when, which) of what arrived."""
    channel, found = Channel(way, seed), []
    for tick in range(number + 200):
        if tick < number:
            channel.put(tick.to_bytes(2, "big"), tick * 0.01)
        found += [(tick * 0.01, int.from_bytes(frame, "big")) for frame in channel.due(tick * 0.01)]
    assert channel.next_s is None
    return found


def test_good_link() -> None:
    """Without impairment every frame arrives at once, once, in order."""
    assert sent(Impairment()) == [(number * 0.01, number) for number in range(2000)]


@pytest.mark.parametrize("loss", [0.05, 0.3, 1.0])
def test_loss(loss: float) -> None:
    """The share of frames that is lost is the one that was asked for."""
    assert 1 - len(sent(Impairment(loss=loss))) / 2000 == pytest.approx(loss, abs=0.03)


def test_delay_and_jitter() -> None:
    """Each frame is late by the delay and at most the jitter more, and none overtakes another."""
    found = sent(Impairment(delay_s=0.25, jitter_s=0.1))
    late = [at - number * 0.01 for at, number in found]
    assert min(late) >= 0.25 - 1e-9
    assert max(late) <= 0.25 + 0.1 + 0.01 + 1e-9
    assert max(late) - min(late) > 0.05
    assert [number for _, number in found] == list(range(2000))


def test_duplicates() -> None:
    """A share of the frames comes twice; nothing is lost for it."""
    numbers = [number for _, number in sent(Impairment(duplicate=0.1, delay_s=0.1, jitter_s=0.05))]
    assert set(numbers) == set(range(2000))
    assert len(numbers) - 2000 == pytest.approx(200, abs=60)


def test_reordering() -> None:
    """A share of the frames is overtaken by later ones; all arrive."""
    numbers = [number for _, number in sent(Impairment(reorder=0.1, delay_s=0.1))]
    assert sorted(numbers) == list(range(2000))
    overtaken = sum(one > min(numbers[at:]) for at, one in enumerate(numbers[:-1]))
    assert overtaken > 100


def test_same_seed_same_link() -> None:
    """A seed gives the same losses and delays again, another seed others."""
    way = Impairment(loss=0.2, delay_s=0.1, jitter_s=0.05, duplicate=0.05, reorder=0.05)
    assert sent(way) == sent(way)
    assert sent(way) != sent(way, seed=4)


def test_next_tells_when_to_look() -> None:
    """``next_s`` is the moment of the next arrival."""
    channel = Channel(Impairment(delay_s=0.5), 1)
    channel.put(b"a", 2.0)
    assert channel.next_s == 2.5
    assert channel.due(2.49) == []
    assert channel.due(2.5) == [b"a"]
