"""What is trained, with every number: a recipe is a function that returns a frozen record."""

from dataclasses import dataclass, replace
from typing import cast

from aerial.change.network import NetworkSettings, SiameseNet

PLAIN = NetworkSettings()
# Encoders so prefixed make the plain U-Net that benchmarks measure ours against.
CONCAT = "concat-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Every number of a training run.

    ``encoder``: None for the plain one, else a name of segmentation-models-pytorch. ``height_share``:
    in how many of the samples that have a height change it is shown. ``least_spread``,
    ``height_scale_m``: normalisation, stored with the model. ``towns``: simulated ones that take part
    beside synthesised pairs. ``keep_start``: share of the weights that it began from in the mean of both
    that it ends with (Wortsman et al. 2022, robust fine-tuning).
    """

    name: str
    steps: int
    batch: int
    size_px: int
    learning_rate: float
    gsd_m: float = 0.3
    warmup_steps: int = 300
    weight_decay: float = 0.02
    average_decay: float = 0.999
    height_share: float = 0.6
    least_spread: float = 0.10
    height_scale_m: float = 10.0
    bf16: bool = True
    seed: int = 1
    save_every: int = 250
    check_every: int = 1000
    check_samples: int = 64
    network: NetworkSettings = PLAIN
    encoder: str | None = None
    towns: int = 0
    keep_start: float = 0.0


def debug() -> Recipe:
    """A minute on a laptop: shows that the loop learns by heart what it is given."""
    return Recipe(
        name="debug",
        steps=450,
        batch=4,
        size_px=128,
        learning_rate=2e-3,
        warmup_steps=10,
        average_decay=0.9,
        height_share=0.0,
        save_every=50,
        check_every=450,
        check_samples=4,
    )


def cpu_default() -> Recipe:
    """The shipped weights: at most three hours on two cores."""
    return Recipe(name="cpu_default", steps=15_000, batch=16, size_px=256, learning_rate=2e-3, towns=8)


def cpu_longer() -> Recipe:
    """Half an hour and more beyond ``cpu_default``, from its weights, on samples that it never saw."""
    return replace(cpu_default(), name="cpu_longer", steps=5000, learning_rate=1.2e-3, seed=2, keep_start=0.5)


def gpu_large() -> Recipe:
    """A GPU server: the same head on a ResNet-50, larger views, eight times the pairs."""
    return Recipe(
        name="gpu_large",
        steps=40_000,
        batch=64,
        size_px=512,
        learning_rate=5e-4,
        warmup_steps=1000,
        average_decay=0.9995,
        save_every=500,
        encoder="resnet50",
        towns=64,
    )


def finetune_reviewed() -> Recipe:
    """A bureau's own reviewed suspects beside fresh synthetic pairs, from the shipped weights."""
    return Recipe(
        name="finetune_reviewed",
        steps=1500,
        batch=16,
        size_px=256,
        learning_rate=2e-4,
        warmup_steps=100,
        check_every=500,
    )


RECIPES = {
    recipe.__name__: recipe for recipe in (debug, cpu_default, cpu_longer, gpu_large, finetune_reviewed)
}
# These begin from weights that are there.
GO_ON = ("cpu_longer", "finetune_reviewed")


def build_network(recipe: Recipe) -> SiameseNet:
    """Return the recipe's network with random weights."""
    if recipe.encoder is None:
        return SiameseNet(recipe.network)
    if recipe.encoder.startswith(CONCAT):
        from aerial_training.baselines import ConcatUnet

        # Not a relation, but the same interface.
        return cast("SiameseNet", ConcatUnet(recipe.encoder.removeprefix(CONCAT)))
    from aerial_training.large import large_encoder

    return SiameseNet(recipe.network, large_encoder(recipe.encoder))
