"""Training: exact, resumable, and able to learn."""

import csv
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.training.conftest import FourPairs

from aerial.errors import InputError, WorkspaceError
from aerial.workspace import locked
from aerial_training import loop, recipes, state
from aerial_training.batches import Mixture, batches
from aerial_training.objective import counts, f1

TINY = replace(
    recipes.debug(), steps=12, size_px=64, save_every=4, check_every=6, height_share=0.5, warmup_steps=2
)


def _losses(out: Path) -> list[list[str]]:
    with (out / loop.LOSSES).open(newline="") as file:
        return list(csv.reader(file))


def test_same_seed_same_losses(tmp_path: Path) -> None:
    """Two runs of one recipe write the same table of losses to the last digit, whatever makes the batches."""
    for name, workers in (("a", 0), ("b", 1)):
        loop.train(TINY, FourPairs(64), tmp_path / name, workers=workers)
    assert len(_losses(tmp_path / "a")) == 13
    assert _losses(tmp_path / "a") == _losses(tmp_path / "b")


def test_another_seed_gives_other_losses(tmp_path: Path) -> None:
    """The seed is used: another one gives other losses."""
    loop.train(TINY, FourPairs(64), tmp_path / "a", workers=0)
    loop.train(replace(TINY, seed=2), FourPairs(64), tmp_path / "b", workers=0)
    assert _losses(tmp_path / "a") != _losses(tmp_path / "b")


def test_two_trainings_do_not_share_a_folder(tmp_path: Path) -> None:
    """The second is refused while the first is at work: its losses and checkpoint stay one run's."""
    with locked(tmp_path), pytest.raises(WorkspaceError, match="Another aerial is at work"):
        loop.train(TINY, FourPairs(64), tmp_path, workers=0)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_killed_run_resumes_exactly(tmp_path: Path) -> None:
    """A run killed by SIGKILL and started again ends with the losses and weights of an undisturbed one."""
    whole = loop.train(TINY, FourPairs(64), tmp_path / "whole", checks=FourPairs(64), workers=0)
    broken = tmp_path / "broken"
    code = (
        "import time, torch; torch.set_num_threads(1)\n"
        "from pathlib import Path\n"
        "from aerial_training import loop\n"
        "from tests.training.conftest import FourPairs\n"
        "from tests.training.test_loop import TINY\n"
        "class Slow(FourPairs):\n"
        "    def sample(self, index):\n"
        "        time.sleep(0.05 if index < 24 else 60)\n"
        "        return super().sample(index)\n"
        f"loop.train(TINY, Slow(64), Path({str(broken)!r}), checks=FourPairs(64), workers=0)\n"
    )
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], cwd=Path(__file__).parents[2])
    end = time.monotonic() + 300
    while not (broken / loop.CHECKPOINT).exists() and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert state.read(broken / loop.CHECKPOINT)[1]["step"] == "4"
    again = loop.train(TINY, FourPairs(64), broken, checks=FourPairs(64), workers=0)
    assert _losses(tmp_path / "whole") == _losses(broken)
    expected, found = state.read(whole)[0], state.read(again)[0]
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_run_that_goes_on_ends_between_its_start_and_what_it_learnt(tmp_path: Path) -> None:
    """With ``keep_start`` 0.25 the weights that count are a quarter of the start and the rest of its own."""
    start = loop.train(TINY, FourPairs(64), tmp_path / "start", workers=0)
    on = replace(TINY, seed=5)
    own = loop.train(on, FourPairs(64), tmp_path / "own", workers=0, start_from=start)
    mixed = loop.train(
        replace(on, keep_start=0.25), FourPairs(64), tmp_path / "mixed", workers=0, start_from=start
    )
    tensors = [state.read(path)[0] for path in (start, own, mixed)]
    names = [n for n, v in tensors[0].items() if n.startswith("average.") and v.is_floating_point()]
    moved = 0.0
    for name in names:
        first, last, between = (each[name] for each in tensors)
        torch.testing.assert_close(between, 0.25 * first + 0.75 * last)
        moved = max(moved, float((first - last).abs().max()))
    assert moved > 1e-3


def test_other_recipe_is_refused(tmp_path: Path) -> None:
    """A folder that holds a run of other numbers is not continued, and is left as it was."""
    path = loop.train(TINY, FourPairs(64), tmp_path, workers=0)
    kept = path.read_bytes()
    with pytest.raises(InputError, match="other numbers"):
        loop.train(replace(TINY, learning_rate=1e-4), FourPairs(64), tmp_path, workers=0)
    assert kept == path.read_bytes()


def test_truncated_checkpoint_is_named(tmp_path: Path) -> None:
    """A checkpoint cut short is refused with its name."""
    path = loop.train(TINY, FourPairs(64), tmp_path, workers=0)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot be read"):
        loop.train(TINY, FourPairs(64), tmp_path, workers=0)


def test_debug_recipe_learns_four_pairs(tmp_path: Path) -> None:
    """``debug`` learns four pairs by heart: F1 of change above 95 with the weights that would ship."""
    recipe = recipes.debug()
    path = loop.train(recipe, FourPairs(), tmp_path, workers=0)
    network = recipes.build_network(recipe)
    state.load_weights(network, path)
    network.eval()
    made = batches(FourPairs(), first=0, count=1, size=4, workers=0, options=loop.sample_options(recipe))
    batch = next(made)
    with torch.no_grad():
        assert f1(counts(loop.predict(network, batch, bf16=False), batch.truth)) > 95


def test_pictures_and_losses_reach_tensorboard(tmp_path: Path) -> None:
    """The event file holds the losses, the F1 of the check samples and a contact sheet."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    loop.train(replace(TINY, steps=50), FourPairs(64), tmp_path, checks=FourPairs(64), workers=0)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert {"loss", "check_f1"} <= set(events.Tags()["scalars"])
    assert events.Tags()["images"] == ["before_after_truth_answer"]


def test_learning_rate_rises_and_falls() -> None:
    """The rate reaches the recipe's at the end of the warm-up and a hundredth of it at the last step."""
    recipe = recipes.cpu_default()
    rates = [loop.learning_rate(recipe, step) for step in range(recipe.steps)]
    assert rates[recipe.warmup_steps - 1] == pytest.approx(recipe.learning_rate)
    assert max(rates) == pytest.approx(recipe.learning_rate)
    assert rates[-1] == pytest.approx(0.01 * recipe.learning_rate, rel=0.01)


def test_mixture_draws_by_weight() -> None:
    """A mixture takes each source as often as its weight says, and the same one for the same index."""
    mixture = Mixture(sources=(FourPairs(64), FourPairs(128)), weights=(1.0, 3.0), seed=5)
    sides = [mixture.sample(index).before_3HW.shape[1] for index in range(400)]
    assert 0.68 < np.mean(np.array(sides) == 128) < 0.82
    assert sides[:20] == [mixture.sample(index).before_3HW.shape[1] for index in range(20)]
