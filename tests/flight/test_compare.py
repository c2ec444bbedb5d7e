"""What counts as another mission: every field, and nothing that the firmware rounds."""

from dataclasses import replace

import pytest
from tests.plan.samples import sample_plan

from aerial.autopilots.ardupilot import ArduPilot
from aerial.flight.mission.compare import differences, same_held
from aerial.records import MissionItem

SENT = ArduPilot().encode(sample_plan(lines=3, sorties=1).sorties[0])
HELD = ArduPilot().as_stored(SENT)
PLACE = next(n for n, item in enumerate(SENT) if item.command == 16 and n)


def changed(number: int, param: int, by: float) -> tuple[MissionItem, ...]:
    """Return what is held with one parameter of one item moved."""
    params = list(HELD[number].params)
    params[param] += by
    return (*HELD[:number], replace(HELD[number], params=tuple(params)), *HELD[number + 1 :])  # type: ignore[arg-type]


def told(held: tuple[MissionItem, ...]) -> tuple[str, ...]:
    """Return the differences."""
    return differences(ArduPilot(), SENT, held, "mission")


def test_equal() -> None:
    """What the firmware makes of a mission is equal to it."""
    assert told(HELD) == ()


@pytest.mark.parametrize(("param", "by"), [(4, 1e-7), (5, -1e-7), (6, 0.02), (0, 1.0), (1, 0.001), (3, 0.5)])
def test_smallest_changes_are_seen(param: int, by: float) -> None:
    """1e-7 degrees, 2 cm, a second of hold, any other parameter: another mission, named by its item."""
    (only,) = told(changed(PLACE, param, by))
    assert only.startswith(f"item {HELD[PLACE].seq}: ")


def test_trigger_distance_is_seen() -> None:
    """A trigger distance that differs by a millimetre is seen."""
    number = next(n for n, item in enumerate(SENT) if item.command == 206)
    assert "param1" in told(changed(number, 0, 0.001))[0]


def test_frames_commands_and_numbers_are_seen() -> None:
    """Another frame, another command, and items that changed places are seen."""
    assert "frame" in told((*HELD[:PLACE], replace(HELD[PLACE], frame=0), *HELD[PLACE + 1 :]))[0]
    assert "command" in told((*HELD[:PLACE], replace(HELD[PLACE], command=82), *HELD[PLACE + 1 :]))[0]
    swapped = (*HELD[:PLACE], HELD[PLACE + 1], HELD[PLACE], *HELD[PLACE + 2 :])
    assert told(swapped)


@pytest.mark.parametrize("held", [HELD[:-1], (*HELD, HELD[-1]), HELD[:1], ()])
def test_counts_are_seen(held: tuple[MissionItem, ...]) -> None:
    """A mission that is shorter, longer or empty is another."""
    assert "instead of" in told(held)[0]


def test_home_is_the_vehicles_own() -> None:
    """Item 0 of an ArduPilot mission is not compared; of a fence it is."""
    elsewhere = replace(HELD[0], params=(0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0))
    assert told((elsewhere, *HELD[1:])) == ()
    corner = MissionItem(seq=0, frame=3, command=5001, params=(3.0, 0, 0, 0, 22.8, 113.8, 0))
    ring = tuple(
        replace(corner, seq=n, params=(3.0, 0, 0, 0, 22.8 + n * 1e-3, 113.8 + n % 2 * 1e-3, 0))
        for n in range(3)
    )
    moved = ArduPilot().as_stored((replace(ring[0], params=(3.0, 0, 0, 0, 22.7, 113.8, 0)), *ring[1:]))
    assert differences(ArduPilot(), ring, moved, "fence")


def test_same_held() -> None:
    """Two downloads are the same by every bit, home aside."""
    assert same_held(HELD, HELD, has_home_item=True)
    assert not same_held(HELD, changed(PLACE, 4, 1e-7), has_home_item=True)
