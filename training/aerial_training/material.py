"""What a training run learns from: pictures to synthesise from, labelled pairs, reviewed suspects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from aerial.errors import InputError, PluginError
from aerial.progress import SILENT, Progress
from aerial.resources import data_folder
from aerial_training.layouts import Direction, LabelledSamples, open_pairs

if TYPE_CHECKING:
    from aerial_training.batches import Source
    from aerial_training.recipes import Recipe

# Added to the seed for what is checked on, which must not be what is trained on.
CHECK_SEED = 10_007


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledFolder:
    """A folder of labelled pairs and what its layout does not say (``layouts``)."""

    root: Path
    gsd_m: float
    direction: Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What was given to learn from; every kind that is given makes the same share of the samples.

    ``pictures``: the folder that the synthesiser takes its grounds and roofs from; ``cache``: where
    it keeps them decoded.
    """

    pictures: Path | None
    cache: Path
    pairs: tuple[LabelledFolder, ...] = ()
    reviewed: tuple[Path, ...] = ()


def require_extra() -> None:
    """Refuse where the libraries of training are not installed.

    Raises:
        PluginError: one of them is absent; the hint says how to install them.
    """
    missing = [name for name in ("torch", "safetensors", "tensorboard", "onnx") if find_spec(name) is None]
    if missing:
        raise PluginError(
            f"Training needs {', '.join(missing)}, which a field laptop does without.",
            hint="Install the extra: python -m pip install 'aerial[train]'.",
        )


def shipped_weights() -> Path:
    """Return the weights that ship with aerial, which fine-tuning begins from.

    Raises:
        InputError: none ship with this copy.
    """
    path = data_folder() / "models" / "siamese" / "model.safetensors"
    if not path.is_file():
        raise InputError("No weights ship with this copy of aerial.", hint="Name some with --start-from.")
    return path


def sources(material: Material, recipe: Recipe, progress: Progress = SILENT) -> tuple[Source, Source]:
    """Return what ``recipe`` trains on and is checked on, as sources of samples (``batches.Source``).

    Raises:
        InputError: nothing was given, or what was given cannot be read.
    """
    from aerial_training.batches import Mixture
    from aerial_training.reviewed import ReviewedSamples, read_reviewed
    from aerial_training.synthesis import PairSynthesiser

    side_px, gsd_m, seed = recipe.size_px, recipe.gsd_m, recipe.seed
    reviewed = [pair for path in material.reviewed for pair in read_reviewed(path, gsd_m, progress)]

    def made(with_seed: int) -> Source:
        kinds: list[Source] = []
        if material.pictures is not None:
            kinds.append(
                PairSynthesiser(
                    material.pictures,
                    with_seed,
                    cache=material.cache,
                    size_px=side_px,
                    gsd_m=gsd_m,
                    towns=recipe.towns,
                )
            )
        labelled = [_labelled(folder, side_px, gsd_m, with_seed) for folder in material.pairs]
        if labelled:
            kinds.append(_even(labelled, with_seed))
        if reviewed:
            kinds.append(ReviewedSamples(pairs=tuple(reviewed), side_px=side_px, gsd_m=gsd_m, seed=with_seed))
        if not kinds:
            raise InputError(
                "There is nothing to learn from.",
                hint="Give --data (pictures to synthesise from), --pairs or --reviewed.",
            )
        return _even(kinds, with_seed)

    def _even(kinds: Sequence[Source], with_seed: int) -> Source:
        if len(kinds) == 1:
            return kinds[0]
        return Mixture(sources=tuple(kinds), weights=(1.0,) * len(kinds), seed=with_seed)

    return made(seed), made(seed + CHECK_SEED)


def _labelled(folder: LabelledFolder, side_px: int, gsd_m: float, seed: int) -> LabelledSamples:
    split = "train" if (folder.root / "train" / "A").is_dir() else None
    pairs = open_pairs(folder.root, folder.gsd_m, split)  # type: ignore[arg-type]
    return LabelledSamples(pairs=pairs, side_px=side_px, gsd_m=gsd_m, seed=seed, direction=folder.direction)
