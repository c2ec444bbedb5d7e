"""How good a model is: through the product's own runtime, and through the whole product.

Three answers are scored on the same truth, at the threshold stored in ``model.toml``:

* ``network``: what ``score_arrays`` says of two pictures that lie exactly over each other;
* ``change_map``: ``change.tif`` of ``aerial detect`` on GeoTIFFs of the two, alignment included;
* ``suspects``: the polygons that an officer would be sent to. A pair that ``aerial detect`` refuses
  counts as nothing found, and is named.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from shapely import transform

from aerial import geo
from aerial.change.model import Model, load_model
from aerial.change.siamese import score_arrays
from aerial.errors import AerialError
from aerial.progress import SILENT, Progress
from aerial.raster import grid as grids
from aerial.raster.grid import Grid
from aerial.raster.read import open_raster, read_bands
from aerial.raster.shapes import burn
from aerial.raster.write import write_cog
from aerial.records import Suspect
from aerial.steps.detect import detect_pair, source_at
from aerial_training import metrics
from aerial_training.layouts import PairSet, read_pair
from aerial_training.metrics import Comparison, Counts, Estimate
from aerial_training.reviewed import ReviewedPair, around
from aerial_training.sample import EITHER, UNKNOWN, Sample

# Pictures in memory have no place; they are laid somewhere metric for the product to read.
_CRS, _LEFT, _TOP = "EPSG:4547", 500_000.0, 2_522_000.0
# The ground around a reviewed suspect, as training sees it.
VIEW_PX, VIEW_GSD_M = 256, 0.3
WAYS = ("network", "change_map", "suspects")

Bytes = NDArray[np.uint8]
Bits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Two dates of a place and where they differ: ``change_HW`` 1, 0 or ``UNKNOWN``, in any direction.

    ``height_change_HW``: metres, NaN where unknown; None without surface models.
    """

    name: str
    before_3HW: Bytes
    after_3HW: Bytes
    change_HW: Bytes
    gsd_m: float
    height_change_HW: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """A data set to score on; ``picture(n)`` makes or reads picture ``n``, the same each time."""

    name: str
    count: int
    picture: Callable[[int], Picture]

    def __iter__(self) -> Iterator[Picture]:
        return (self.picture(number) for number in range(self.count))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What each way of asking counted, a picture an entry; ``refused``: name and reason."""

    counts: dict[str, tuple[Counts, ...]]
    refused: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFigures:
    """One data set; ``figures`` by way (``WAYS``) and name (``metrics.figures``)."""

    name: str
    totals: dict[str, float]
    figures: dict[str, dict[str, Estimate]]
    refused: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The result of ``evaluate``; ``mean``: plain means over the data sets."""

    model: dict[str, Any]
    rule: dict[str, float]
    sets: tuple[SetFigures, ...]
    mean: dict[str, dict[str, Estimate]]


def labelled(pairs: PairSet) -> Pictures:
    """Return the pictures of a folder of labelled pairs."""

    def picture(number: int) -> Picture:
        before_3HW, after_3HW, change_HW = read_pair(pairs.pairs[number])
        return Picture(
            name=pairs.pairs[number].name,
            before_3HW=before_3HW,
            after_3HW=after_3HW,
            change_HW=change_HW,
            gsd_m=pairs.gsd_m,
        )

    return Pictures(name=pairs.name, count=len(pairs.pairs), picture=picture)


def reviewed(
    name: str, pairs: Sequence[ReviewedPair], side_px: int = VIEW_PX, gsd_m: float = VIEW_GSD_M
) -> Pictures:
    """Return the ground around every reviewed suspect; beyond what the reviewer saw nothing counts."""
    each = [(pair, suspect) for pair in pairs for suspect in pair.suspects]

    def picture(number: int) -> Picture:
        return of_sample(f"suspect {number + 1}", around(*each[number], side_px, gsd_m))

    return Pictures(name=name, count=len(each), picture=picture)


def of_sample(name: str, sample: Sample) -> Picture:
    """Return a training sample as a picture to score on."""
    changed = (sample.appeared_HW == 1) | (sample.gone_HW == 1) | (sample.appeared_HW == EITHER)
    unknown = (sample.appeared_HW == UNKNOWN) | (sample.gone_HW == UNKNOWN)
    return Picture(
        name=name,
        before_3HW=sample.before_3HW,
        after_3HW=sample.after_3HW,
        change_HW=np.where(changed, 1, np.where(unknown, UNKNOWN, 0)).astype(np.uint8),
        gsd_m=sample.gsd_m,
        height_change_HW=sample.height_change_HW,
    )


def evaluate(
    model: str | Path, sets: Sequence[Pictures], *, product: bool = True, progress: Progress = SILENT
) -> Evaluation:
    """Score a model (name or folder) on every set; ``product`` False leaves ``aerial detect`` out.

    Raises:
        ModelError: the model is absent or not whole.
        InputError: a picture of a set cannot be read.
    """
    loaded = load_model(model)
    answers = [ask(loaded, pictures, product=product, progress=progress) for pictures in sets]
    return summary(loaded, [pictures.name for pictures in sets], answers)


def ask(model: Model, pictures: Pictures, *, product: bool = True, progress: Progress = SILENT) -> Answers:
    """Return what the model's answers count to on one set."""
    progress.phase(pictures.name, pictures.count)
    found: dict[str, list[Counts]] = {way: [] for way in (WAYS if product else WAYS[:1])}
    refused: list[tuple[str, str]] = []
    for picture in pictures:
        masks = {"network": network_mask(model, picture)}
        if product:
            try:
                masks |= product_masks(model, picture)
            except AerialError as error:
                refused.append((picture.name, str(error)))
        nothing = np.zeros(picture.change_HW.shape, bool)
        for way, counted in found.items():
            counted.append(metrics.count(masks.get(way, nothing), picture.change_HW, picture.gsd_m))
        progress.advance()
    return Answers(counts={way: tuple(counted) for way, counted in found.items()}, refused=tuple(refused))


def network_mask(model: Model, picture: Picture) -> Bits:
    """Return where the network sees change in any direction."""
    scores_4HW = score_arrays(
        model, picture.before_3HW, picture.after_3HW, None, picture.gsd_m, picture.height_change_HW
    )
    return np.asarray(scores_4HW[:2].max(axis=0) >= model.file.threshold)


def product_masks(model: Model, picture: Picture) -> dict[str, Bits]:
    """Return what ``aerial detect`` makes of a picture: its change map, and its suspects.

    Raises:
        AerialError: the pair is refused.
    """
    height, width = picture.change_HW.shape
    grid = Grid(
        crs=_CRS,
        affine=(picture.gsd_m, 0.0, _LEFT, 0.0, -picture.gsd_m, _TOP),
        width_px=width,
        height_px=height,
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, image_3HW in (("before", picture.before_3HW), ("after", picture.after_3HW)):
            write_cog(folder / f"{name}.tif", grid, image_3HW, mask=True)
        found = detect_pair(
            source_at(folder / "before.tif"),
            source_at(folder / "after.tif"),
            folder / "out",
            model=model.folder,
        )
        return {
            "change_map": change_on(folder / "out" / "change.tif", grid, model.file.threshold),
            "suspects": suspects_on(found.suspects, grid),
        }


def change_on(change: Path, grid: Grid, threshold: float) -> Bits:
    """Return where a change map reaches the threshold in any direction, on ``grid`` (the map's own CRS)."""
    own = open_raster(change).grid
    bands = read_bands(change, (0, 0, own.width_px, own.height_px), ("appeared", "gone"))
    score_HW = np.nan_to_num(np.maximum(bands["appeared"], bands["gone"]), nan=0.0)
    x_HW, y_HW = np.meshgrid(np.arange(grid.width_px) + 0.5, np.arange(grid.height_px) + 0.5)
    world_N2 = grids.pixel_to_world(grid, np.column_stack([x_HW.ravel(), y_HW.ravel()]))
    # Pixel centres lie at .5; OpenCV counts from the first centre.
    at_N2 = grids.world_to_pixel(own, world_N2) - 0.5
    x_map, y_map = (at_N2[:, k].reshape(x_HW.shape).astype(np.float32) for k in (0, 1))
    moved_HW = cv2.remap(score_HW, x_map, y_map, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved_HW >= threshold)


def suspects_on(suspects: Iterable[Suspect], grid: Grid) -> Bits:
    """Return which pixels of ``grid`` lie in a suspect."""
    mask_HW = np.zeros((grid.height_px, grid.width_px), bool)
    for suspect in suspects:
        outline = geo.reproject(suspect.outline, geo.WGS84, grid.crs)
        drawn = transform(outline, lambda xy_N2: grids.world_to_pixel(grid, xy_N2))
        mask_HW |= burn(drawn, grid.width_px, grid.height_px)
    return mask_HW


def summary(model: Model, names: Sequence[str], answers: Sequence[Answers]) -> Evaluation:
    """Return the figures of every set and their plain means."""
    sets = tuple(
        SetFigures(
            name=name,
            totals=dict(metrics.totals(each.counts["network"])),
            figures={way: metrics.figures(counts) for way, counts in each.counts.items()},
            refused=each.refused,
        )
        for name, each in zip(names, answers, strict=True)
    )
    ways = list(answers[0].counts)
    return Evaluation(
        model={
            "name": model.file.name,
            "version": model.file.version,
            "onnx_sha256": model.file.weights.onnx_sha256,
            "gsd_m": model.file.gsd_m,
            "threshold": model.file.threshold,
        },
        rule={
            "found_share": metrics.FOUND_SHARE,
            "false_share": metrics.FALSE_SHARE,
            "least_predicted_m2": metrics.LEAST_PREDICTED_M2,
            "least_true_m2": metrics.LEAST_TRUE_M2,
            "bootstrap_draws": metrics.DRAWS,
        },
        sets=sets,
        mean={way: metrics.mean_figures([each.counts[way] for each in answers]) for way in ways},
    )


def against(
    new: str | Path, old: str | Path, sets: Sequence[Pictures], *, progress: Progress = SILENT
) -> Comparison:
    """Compare two models on the same pictures, network against network (``metrics.compare``)."""
    answers = [
        [ask(load_model(each), s, product=False, progress=progress).counts["network"] for s in sets]
        for each in (new, old)
    ]
    return metrics.compare(answers[0], answers[1])
