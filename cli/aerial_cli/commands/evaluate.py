"""``aerial evaluate``: how good a model is, and whether it may replace another."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aerial_cli import console
from aerial_cli.material import GSD_M, PAIRS, REVIEWED, with_gsd

if TYPE_CHECKING:
    from aerial_training.evaluation import Evaluation, Pictures
    from aerial_training.metrics import Comparison

_FIGURES = ("f1", "precision", "recall", "recall_lt10", "recall_10_50", "recall_ge50", "object_precision")
_METRES = ("false_per_km2", "centroid_error_m")


@click.command()
@click.argument("model", metavar="NAME|DIR")
@PAIRS
@GSD_M
@REVIEWED
@click.option("--split", type=click.Choice(["train", "val", "test"]), help="Of LEVIR-CD's layout.")
@click.option("--network-only", is_flag=True, help="Leave out aerial detect: no alignment, no polygons.")
@click.option("--against", metavar="NAME|DIR", help="The weights in use: exit with 1 unless MODEL is better.")
@click.option("--json", "as_json", is_flag=True, help="Print every figure with its interval as JSON.")
def command(model: str, network_only: bool, against: str | None, as_json: bool, **given: Any) -> int:
    """Score a model on labelled pairs or reviewed suspects, at its stored threshold.

    With --against MODEL is better when its mean F1, or its false objects a km2, is better in 95 % of
    paired bootstrap draws, and the other is no worse in half of them.

    Example: aerial evaluate model --pairs LEVIR-CD --gsd-m 0.5 --against siamese
    """
    from aerial_training import evaluation

    with console.progress() as progress:
        sets = list(_sets(**given))
        if against is not None:
            return _verdict(evaluation.against(model, against, sets, progress=progress), as_json)
        result = evaluation.evaluate(model, sets, product=not network_only, progress=progress)
    _show(result, as_json)
    return 0


def _sets(
    pairs: Sequence[Path], gsd_m: Sequence[float], reviewed: Sequence[Path], split: Any
) -> "Iterator[Pictures]":
    from aerial.errors import InputError
    from aerial_training import evaluation, layouts
    from aerial_training.reviewed import read_reviewed

    if not pairs and not reviewed:
        raise InputError("There is nothing to score on.", hint="Give --pairs with --gsd-m, or --reviewed.")
    for root, gsd in with_gsd(pairs, gsd_m):
        yield evaluation.labelled(layouts.open_pairs(root, gsd, split))
    for path in reviewed:
        yield evaluation.reviewed(path.stem, read_reviewed(path, evaluation.VIEW_GSD_M))


def _show(result: "Evaluation", as_json: bool) -> None:
    from aerial.codec import to_plain

    if as_json:
        console.data(to_plain(result))
        return
    tables = [(each.name, each.figures) for each in result.sets]
    if len(tables) > 1:
        tables.append(("plain mean", result.mean))
    rows = []
    for name, figures in tables:
        for way, found in figures.items():
            percent = {key: _times(found[key].value, 100) for key in _FIGURES}
            rows.append({"set": name, "answer": way, **percent, **{key: found[key].value for key in _METRES}})
    console.table(rows)
    for each in result.sets:
        for name, reason in each.refused:
            console.say(f"{each.name}: aerial detect refused {name}: {reason}")
    console.say("F1, precision and recall in percent; --json holds the intervals and the matching rule.")


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _verdict(found: "Comparison", as_json: bool) -> int:
    from aerial.codec import to_plain

    if as_json:
        console.data(to_plain(found))
    console.say(
        f"Better: {'yes' if found.better else 'no'}. F1 {_times(found.f1_gain.value, 100):+.1f} points "
        f"(higher in {found.f1_better:.0%} of the draws), false objects a km2 "
        f"{found.false_per_km2_gain.value:+.1f} (fewer in {found.false_fewer:.0%})."
    )
    return 0 if found.better else 1
