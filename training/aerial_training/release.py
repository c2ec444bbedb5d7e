"""From a checkpoint to a model that may ship: int8, calibration, threshold, and what was measured.

All of it on samples that training never saw (another seed of its own source), never on the data
that scores the model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from aerial.change.model import Precision, load_model
from aerial.change.siamese import score_arrays
from aerial.progress import SILENT, Progress
from aerial_training.batches import Source
from aerial_training.calibration import fit_platt, unchanged_weight
from aerial_training.export import export_model, write_toml
from aerial_training.metrics import count
from aerial_training.quantise import quantise
from aerial_training.recipes import Recipe
from aerial_training.sample import EITHER, UNKNOWN

SAMPLES = 300
# Percent of F1 that a precision may lose against fp32 and still be preferred.
MAX_LOSS_F1 = 0.5
# Share of the pixels that changed where the network is to work. Published survey pairs, years apart and
# chosen for their changes, hold 1 to 5 % (S2Looking, LEVIR-CD); flights repeated every two weeks less.
CHANGED_SHARE = 0.03
# What an officer's time allows, and what must not be given up for it: large buildings, and of F1 (percent,
# which is flat around its best) so much.
FALSE_PER_KM2, RECALL, LOST_F1 = 30.0, 0.80, 2.0
# Pixels of each sample that calibration looks at: neighbours say the same.
_EVERY = 37
# Eight bits gain a tenth over bf16, but swapping the dates then moves scores by up to 41/255 and up to a
# point of F1 is lost (benchmarks/exactness.py): measured, shipped for who asks for them, never chosen.
_PREFERRED: tuple[Precision, ...] = ("bf16", "fp32")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answers:
    """Probabilities of change (2, H, W) with their truth, sample by sample."""

    chance: list[NDArray[np.float32]]
    truth: list[NDArray[np.uint8]]


def release(
    checkpoint: Path, out: Path, recipe: Recipe, source: Source, *, progress: Progress = SILENT
) -> Mapping[str, Any]:
    """Write a whole model folder to ``out`` and return what was measured.

    ``source``: the training source with a seed of its own. The threshold is the probability of best
    F1 there, were ``CHANGED_SHARE`` of it changed, and higher where false alarms ask for it
    (``wary_threshold``); a precision is preferred that loses at most ``MAX_LOSS_F1`` against fp32.
    """
    export_model(checkpoint, out, recipe)
    quantise(out, recipe, source)
    write_toml(out, recipe, threshold=0.5, calibration=(1.0, 0.0))
    progress.phase("Measuring the precisions", len(get_args(Precision)) + 1)
    answers = {}
    for precision in get_args(Precision):
        answers[precision] = _answers(out, precision, source, careful=False)
        progress.advance()
    # With the second look, as the product answers.
    whole = _answers(out, "fp32", source, careful=True)
    progress.advance()
    logit, truth = _thinned(whole)
    unchanged = unchanged_weight(float(truth.mean()), CHANGED_SHARE)
    slope, offset = fit_platt(logit, truth, unchanged)
    best = best_threshold(whole, slope, offset, unchanged)
    threshold = wary_threshold(whole, slope, offset, best, recipe.gsd_m, unchanged)
    figures = {f"f1_{name}": _f1(found, _raw(threshold, slope, offset)) for name, found in answers.items()}
    prefer = [name for name in _PREFERRED if figures["f1_fp32"] - figures[f"f1_{name}"] <= MAX_LOSS_F1]
    write_toml(out, recipe, threshold=threshold, calibration=(slope, offset), prefer=prefer, measured=figures)
    return {"threshold": threshold, "slope": slope, "offset": offset, "prefer": prefer, **figures}


def best_threshold(answers: _Answers, slope: float, offset: float, unchanged: float) -> float:
    """Return the calibrated probability (of 0.05, 0.07, ... 0.95) at which F1 of change is best.

    ``unchanged``: what each unchanged pixel counts.
    """
    candidates = np.arange(0.05, 0.951, 0.02)
    return float(max(candidates, key=lambda t: _f1(answers, _raw(float(t), slope, offset), unchanged)))


def wary_threshold(
    answers: _Answers, slope: float, offset: float, best: float, gsd_m: float, unchanged: float = 1.0
) -> float:
    """Return the least probability from ``best`` on with at most ``FALSE_PER_KM2`` false objects a km2.

    But never one that finds less than ``RECALL`` of the buildings of at least 50 m2, or whose F1 is more
    than ``LOST_F1`` below that of ``best``, unless ``best`` itself does. Samples crowd together what
    is rare on the ground: few reach that few false objects.
    """
    threshold = best
    least_f1 = _f1(answers, _raw(best, slope, offset), unchanged) - LOST_F1
    for candidate in np.arange(best, 0.951, 0.02):
        counts = [
            count(
                np.asarray((chance >= _raw(float(candidate), slope, offset)).any(axis=0)),
                _either(truth),
                gsd_m,
            )
            for chance, truth in zip(answers.chance, answers.truth, strict=True)
        ]
        large, found = (sum(getattr(c, name)[2] for c in counts) for name in ("true_3", "found_3"))
        f1 = _f1(answers, _raw(float(candidate), slope, offset), unchanged)
        if found < RECALL * large or f1 < least_f1:
            break
        threshold = float(candidate)
        if sum(c.false for c in counts) <= FALSE_PER_KM2 * sum(c.km2 for c in counts):
            break
    return threshold


def _either(truth_2HW: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return 1 where anything changed, ``UNKNOWN`` where nobody can say, else 0."""
    changed = ((truth_2HW == 1) | (truth_2HW == EITHER)).any(axis=0)
    return np.where(changed, 1, np.where((truth_2HW == UNKNOWN).any(axis=0), UNKNOWN, 0)).astype(np.uint8)


def _raw(threshold: float, slope: float, offset: float) -> float:
    """Return the network's own probability at a calibrated one."""
    logit = (np.log(threshold / (1 - threshold)) - offset) / slope
    return float(1 / (1 + np.exp(-logit)))


def _f1(answers: _Answers, raw_threshold: float, unchanged: float = 1.0) -> float:
    hit = false = missed = 0
    for chance, truth in zip(answers.chance, answers.truth, strict=True):
        known = (truth != UNKNOWN).all(axis=0)
        said = (chance >= raw_threshold).any(axis=0) & known
        true = ((truth == 1) | (truth == EITHER)).any(axis=0) & known
        hit, false, missed = (
            hit + (said & true).sum(),
            false + (said & ~true).sum(),
            missed + (~said & true).sum(),
        )
    return float(200 * hit / max(2 * hit + unchanged * false + missed, 1))


def _answers(folder: Path, precision: Precision, source: Source, *, careful: bool) -> _Answers:
    model = load_model(folder)
    chance, truth = [], []
    for index in range(SAMPLES):
        sample = source.sample(index)
        change = sample.height_change_HW if index % 2 else None
        scores_4HW = score_arrays(
            model, sample.before_3HW, sample.after_3HW, None, sample.gsd_m, change,
            precision=precision, careful=careful,
        )  # fmt: skip
        chance.append(scores_4HW[:2])
        truth.append(np.stack([sample.appeared_HW, sample.gone_HW]))
    return _Answers(chance=chance, truth=truth)


def _thinned(answers: _Answers) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    chance = np.concatenate([c.ravel()[::_EVERY] for c in answers.chance]).astype(np.float64)
    truth = np.concatenate([t.ravel()[::_EVERY] for t in answers.truth])
    known = truth < EITHER
    clipped = np.clip(chance[known], 1e-6, 1 - 1e-6)
    return np.log(clipped / (1 - clipped)), truth[known] == 1
