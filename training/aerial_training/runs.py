"""A recipe by its name, from what there is to learn from to a model folder: what the commands call."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aerial.codec import from_plain, read_json
from aerial.errors import InputError
from aerial.progress import SILENT, Progress
from aerial_training import loop
from aerial_training.export import export_model
from aerial_training.material import Material, shipped_weights, sources
from aerial_training.recipes import GO_ON, RECIPES, Recipe


def train_recipe(
    name: str,
    material: Material,
    out: Path,
    *,
    start_from: Path | None = None,
    workers: int = 2,
    progress: Progress = SILENT,
) -> Path:
    """Train by the recipe called ``name`` and return the checkpoint; goes on where it was stopped.

    Recipes that go on (``GO_ON``) begin from the shipped weights unless ``start_from`` names others.

    Raises:
        InputError: there is nothing to learn from, or the folder holds another run.
    """
    recipe = RECIPES[name]()
    if start_from is None and name in GO_ON:
        start_from = shipped_weights()
    source, checks = sources(material, recipe, progress)
    return loop.train(
        recipe, source, out, checks=checks, start_from=start_from, workers=workers, progress=progress
    )


def export_run(
    checkpoint: Path, out: Path, material: Material | None, progress: Progress = SILENT
) -> Mapping[str, Any]:
    """Write the model folder of a run; return what was measured on the way.

    With ``material`` the probabilities are calibrated, the threshold set and int8 made on samples of
    it that training did not see; without, the threshold is 0.5 of the network's own probability.

    Raises:
        InputError: the checkpoint is broken, or its run says not what it was made by.
    """
    recipe = _recipe_of(checkpoint)
    if material is None:
        export_model(checkpoint, out, recipe)
        return {"threshold": 0.5}
    from aerial_training.release import release

    _, checks = sources(material, recipe)
    return release(checkpoint, out, recipe, checks, progress=progress)


def _recipe_of(checkpoint: Path) -> Recipe:
    notes = checkpoint.with_name("recipe.json")
    if not checkpoint.is_file():
        raise InputError(f"{checkpoint} is not there.", hint="Name the checkpoint that aerial train wrote.")
    if not notes.is_file():
        raise InputError(
            f"{notes}, which says what made the checkpoint, is not there.",
            hint="Export from the folder that aerial train wrote.",
        )
    return from_plain(Recipe, read_json(notes), source=str(notes))
