"""What one mission decides for itself."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.suspects import maps

from aerial.codec import read_json
from aerial.errors import InputError
from aerial.report.geojson import read_suspects, write_suspects
from aerial.steps.mission import (
    Mission,
    confirm,
    find_on_mission,
    previous_suspects,
    told,
    write_mission,
)
from aerial.suspects.find import Context, compared_m2, find_suspects

CONTEXT = Context(pair="march__april", model_sha256="0" * 64, error_m=None)


def noisy(path: Path, side: int = 1500) -> Path:
    """Write 2.25 ha with 64 middling pieces, mostly weak, and two that are sure."""
    rng = np.random.default_rng(3)
    appeared = maps.blank(side)
    odds = np.log(0.1 / 0.9) + rng.exponential(0.7, 64)
    for k, score in enumerate(1 / (1 + np.exp(-odds))):
        row, column = 60 + 170 * (k // 8), 60 + 170 * (k % 8)
        appeared[row : row + 40, column : column + 40] = score
    appeared[1440:1490, 20:80] = appeared[1440:1490, 220:280] = 0.995
    return maps.write(path, {"appeared": appeared})


def test_the_threshold_follows_the_rate_that_is_asked_for(tmp_path: Path) -> None:
    """One false piece allowed on this ground: fewer suspects than at the model's own, never the sure ones."""
    change = noisy(tmp_path / "change.tif")
    stored = find_suspects(change, replace(CONTEXT, threshold=0.3))
    area_km2 = compared_m2(change) / 1e6
    assert area_km2 == pytest.approx(0.0225, rel=1e-6)
    found, chosen = find_on_mission(change, replace(CONTEXT, threshold=0.3), 1.0 / area_km2)
    assert chosen is not None
    assert chosen.measured
    assert chosen.threshold > 0.3
    assert 2 <= len(found) <= 2 + 3 < len(stored)
    assert sum(item.suspect.score > 0.99 for item in found) == 2
    assert all(item.suspect.score >= chosen.threshold for item in found)
    assert find_on_mission(change, CONTEXT, None)[1] is None
    (line,) = told(Mission(threshold=chosen))
    assert line.startswith(f"Threshold {chosen.threshold:.2f} for")
    assert "stays" in told(Mission(threshold=replace(chosen, measured=False)))[0]


def test_two_flights_confirm_each_other_and_the_rest_waits(tmp_path: Path) -> None:
    """What the flight before shows is kept; the other is written aside, and confirms the flight after."""
    change = noisy(tmp_path / "change.tif")
    found = find_suspects(change, replace(CONTEXT, threshold=0.95))
    earlier = tmp_path / "before"
    write_suspects(earlier / "suspects.geojson", [found[0].suspect])
    kept, outcome = confirm(found, previous_suspects(earlier, "march"), earlier, tmp_path)
    assert [found[0]] == list(kept)
    assert (outcome.confirmed, outcome.waiting, outcome.previous) == (1, 1, "before")
    waiting = read_suspects(tmp_path / "unconfirmed.geojson")
    assert [found[1].suspect.key] == [suspect.key for suspect in waiting]
    write_suspects(tmp_path / "suspects.geojson", [item.suspect for item in kept])
    assert {item.suspect.key for item in found} == {s.key for s in previous_suspects(tmp_path, "march")}
    write_mission(tmp_path, Mission(persistence=outcome))
    assert [line.split()[0] for line in told(Mission(persistence=outcome))] == ["1"]
    assert read_json(tmp_path / "mission.json")["persistence"]["waiting"] == 1


def test_a_result_of_another_baseline_confirms_nothing(tmp_path: Path) -> None:
    """A folder that compares with another BEFORE, or holds no result, is refused with a hint."""
    change = noisy(tmp_path / "change.tif")
    found = find_suspects(change, replace(CONTEXT, threshold=0.95))
    write_suspects(tmp_path / "suspects.geojson", [item.suspect for item in found])
    for folder, baseline in ((tmp_path, "january"), (tmp_path / "nowhere", "march")):
        with pytest.raises(InputError) as caught:
            previous_suspects(folder, baseline)
        assert caught.value.hint


def test_nothing_asked_for_writes_no_file(tmp_path: Path) -> None:
    """mission.json tells of requests only."""
    write_mission(tmp_path, Mission())
    assert list(tmp_path.iterdir()) == []
