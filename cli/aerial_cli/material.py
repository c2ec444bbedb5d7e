"""The options that say what to learn from, and what to score on."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from aerial_training.material import Material

F = TypeVar("F", bound=Callable[..., Any])

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)

PAIRS = click.option(
    "--pairs", type=FOLDER, multiple=True, help="Labelled pairs: A, B, label; or LEVIR-CD's layout."
)
GSD_M = click.option(
    "--gsd-m", type=float, multiple=True, help="Pixel size of --pairs, once for all or for each."
)
REVIEWED = click.option(
    "--reviewed", type=FILE, multiple=True, help="reviewed.geojson: suspects with verdicts."
)
DATA = click.option("--data", type=FOLDER, help="Pictures to synthesise pairs from (docs/training.md).")
DIRECTION = click.option(
    "--direction",
    type=click.Choice(["appeared", "gone", "either"]),
    default="either",
    show_default=True,
    help="What the labels of --pairs mark.",
)


def learnt_from(command: F) -> F:
    """Add every option that ``material`` takes."""
    for option in (REVIEWED, DIRECTION, GSD_M, PAIRS, DATA):
        command = option(command)
    return command


def material(
    cache: Path,
    data: Path | None,
    pairs: Sequence[Path],
    gsd_m: Sequence[float],
    direction: Any,
    reviewed: Sequence[Path],
) -> "Material":
    """Return what was given to learn from; ``cache`` is where decoded pictures are kept."""
    from aerial_training.material import LabelledFolder, Material

    folders = tuple(LabelledFolder(root=p, gsd_m=g, direction=direction) for p, g in with_gsd(pairs, gsd_m))
    return Material(pictures=data, cache=cache, pairs=folders, reviewed=tuple(reviewed))


def with_gsd(pairs: Sequence[Path], gsd_m: Sequence[float]) -> list[tuple[Path, float]]:
    """Return each folder with its pixel size: one for all, or one for each in their order."""
    if len(gsd_m) not in (1, len(pairs)) and pairs:
        raise click.UsageError(
            f"{len(pairs)} --pairs need one --gsd-m for all or one for each; {len(gsd_m)} were given."
        )
    return [(path, gsd_m[number % len(gsd_m)]) for number, path in enumerate(pairs)]
