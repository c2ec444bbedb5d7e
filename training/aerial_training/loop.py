"""The one training loop: bf16, running mean of the weights, several GPUs, exact resume."""

import copy
import csv
import math
import os
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.utils.tensorboard import SummaryWriter

from aerial.codec import sha256_json
from aerial.errors import InputError
from aerial.progress import SILENT, Progress
from aerial.workspace import locked
from aerial_training import state
from aerial_training.batches import Batch, Source, batches
from aerial_training.objective import counts, f1, objective
from aerial_training.recipes import Recipe, build_network

CHECKPOINT = "checkpoint.safetensors"
LOSSES = "losses.csv"
_COLUMNS = ("step", "loss", "change_entropy", "change_dice", "building_entropy", "building_dice", "rate")
_MAX_NORM = 5.0


def train(
    recipe: Recipe,
    source: Source,
    out: Path,
    *,
    checks: Source | None = None,
    start_from: Path | None = None,
    workers: int = 2,
    progress: Progress = SILENT,
) -> Path:
    """Train by ``recipe`` on ``source`` in the folder ``out`` and return the last checkpoint.

    The same folder goes on exactly where it was stopped, were it by ``kill -9``. ``checks`` makes
    the samples on which F1 and pictures are reported now and then. ``start_from``: weights to
    begin with. Under ``torchrun`` every process takes its share of each batch.

    Raises:
        InputError: the folder holds a run of another recipe, or ``start_from`` does not fit.
        WorkspaceError: another training is at work in the folder.
    """
    place = _Place.here()
    torch.manual_seed(recipe.seed)
    run = _begin(recipe, start_from, place.device)
    digest = sha256_json({**asdict(recipe), "start_from": start_from.name if start_from else None})
    # Of the processes that torchrun starts, the one that writes holds the folder.
    with locked(out) if place.leads else nullcontext():
        checkpoint = out / CHECKPOINT
        if checkpoint.exists():
            state.load(run, checkpoint, digest)
        elif place.leads:
            state.write_notes(out / "recipe.json", asdict(recipe))
        log = _Log(out, run.step) if place.leads else None
        try:
            progress.phase("Training", recipe.steps - run.step)
            learner: nn.Module = DistributedDataParallel(run.network) if place.count > 1 else run.network
            for batch in _share(recipe, source, run.step, workers, place):
                rate = learning_rate(recipe, run.step)
                loss, parts = _step(learner, run, batch.to(place.device), rate, recipe)
                run.step += 1
                last = run.step == recipe.steps
                if last and start_from is not None and recipe.keep_start > 0:
                    _towards(run, recipe, start_from)
                if log:
                    log.row(run.step, loss, parts, rate)
                    if checks and (last or run.step % recipe.check_every == 0):
                        log.check(run, recipe, checks, place.device)
                    if last or run.step % recipe.save_every == 0:
                        # The table first: on resume rows beyond the checkpoint are cut, missing ones stay so.
                        log.flush()
                        state.save(run, checkpoint, digest)
                progress.advance()
        finally:
            if log:
                log.close()
            place.leave()
    return checkpoint


def learning_rate(recipe: Recipe, step: int) -> float:
    """Return the rate of a step: a linear rise, then half a cosine to a hundredth."""
    if step < recipe.warmup_steps:
        return recipe.learning_rate * (step + 1) / recipe.warmup_steps
    done = (step - recipe.warmup_steps) / max(1, recipe.steps - recipe.warmup_steps)
    return recipe.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))


def predict(network: nn.Module, batch: Batch, *, bf16: bool) -> Tensor:
    """Return float32 logits (N, 4, H, W)."""
    with torch.autocast(batch.before.device.type, torch.bfloat16, enabled=bf16):
        logits: Tensor = network(batch.before, batch.after, batch.height)
    return logits.float()


class _Place:
    """Which of how many processes this is, and where it computes."""

    def __init__(self, rank: int, count: int, device: torch.device) -> None:
        self.rank, self.count, self.device, self.leads = rank, count, device, rank == 0

    @classmethod
    def here(cls) -> "_Place":
        cuda = torch.cuda.is_available()
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count > 1 and not dist.is_initialized():
            dist.init_process_group("nccl" if cuda else "gloo")
        local = int(os.environ.get("LOCAL_RANK", "0"))
        device = torch.device("cuda", local) if cuda else torch.device("cpu")
        if cuda:
            torch.cuda.set_device(device)
        return cls(int(os.environ.get("RANK", "0")), count, device)

    def leave(self) -> None:
        if dist.is_initialized():
            dist.destroy_process_group()


def _begin(recipe: Recipe, start_from: Path | None, device: torch.device) -> state.Run:
    network = build_network(recipe)
    if start_from is not None:
        state.load_weights(network, start_from)
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(network).requires_grad_(requires_grad=False).eval()
    heavy = [p for p in network.parameters() if p.ndim > 1]
    light = [p for p in network.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": heavy, "weight_decay": recipe.weight_decay},
        {"params": light, "weight_decay": 0.0},
    ]
    return state.Run(
        network=network,
        average=average,
        optimizer=torch.optim.AdamW(groups, recipe.learning_rate, fused=True),
    )


def _share(recipe: Recipe, source: Source, step: int, workers: int, place: _Place) -> Iterator[Batch]:
    """Yield this process's share of every batch from ``step`` on."""
    if recipe.batch % place.count:
        raise InputError(
            f"A batch of {recipe.batch} cannot be shared by {place.count} processes.",
            hint="Start a number of processes that divides the batch.",
        )
    size = recipe.batch // place.count
    mine = _Interleaved(source, size, place.rank, place.count) if place.count > 1 else source
    return batches(
        mine,
        first=step * size,
        count=recipe.steps - step,
        size=size,
        workers=workers,
        options=sample_options(recipe),
    )


class _Interleaved:
    """Numbers the samples of one process so that all together draw those of a single one."""

    def __init__(self, source: Source, size: int, rank: int, count: int) -> None:
        self._source, self._size, self._rank, self._count = source, size, rank, count

    def sample(self, index: int) -> Any:
        step, place = divmod(index, self._size)
        return self._source.sample((step * self._count + self._rank) * self._size + place)


def sample_options(recipe: Recipe) -> dict[str, Any]:
    """Return how samples become tensors by this recipe, for ``batches``."""
    return {
        "seed": recipe.seed,
        "height_share": recipe.height_share,
        "least_spread": recipe.least_spread,
        "scale_m": recipe.height_scale_m,
    }


def _step(
    learner: nn.Module, run: state.Run, batch: Batch, rate: float, recipe: Recipe
) -> tuple[float, dict[str, float]]:
    learner.train()
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    loss, parts = objective(predict(learner, batch, bf16=recipe.bf16), batch.truth)
    if not torch.isfinite(loss):
        raise InputError(
            f"The loss is {float(loss)} at step {run.step}: training fell apart.",
            hint="Lower the learning rate of the recipe, or look at its data.",
        )
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(run.network.parameters(), _MAX_NORM)
    run.optimizer.step()
    _follow(run, recipe.average_decay)
    return float(loss.detach()), parts


@torch.no_grad()
def _follow(run: state.Run, decay: float) -> None:
    """Move the running mean; young runs follow faster, or their mean would hold the random start."""
    keep = min(decay, (1 + run.step) / (10 + run.step))
    pairs = list(zip(run.average.state_dict().values(), run.network.state_dict().values(), strict=True))
    moving = [(mean, value) for mean, value in pairs if mean.dtype.is_floating_point]
    torch._foreach_lerp_([mean for mean, _ in moving], [value for _, value in moving], 1 - keep)
    for mean, value in pairs:
        if not mean.dtype.is_floating_point:
            mean.copy_(value)


@torch.no_grad()
def _towards(run: state.Run, recipe: Recipe, start_from: Path) -> None:
    """Move the running mean towards the weights that training began from, by ``keep_start``."""
    start = build_network(recipe)
    state.load_weights(start, start_from)
    for mean, value in zip(run.average.state_dict().values(), start.state_dict().values(), strict=True):
        if mean.dtype.is_floating_point:
            mean.lerp_(value.to(mean.device), recipe.keep_start)


class _Log:
    """The table of losses, and what TensorBoard shows."""

    def __init__(self, out: Path, step: int) -> None:
        self._path = out / LOSSES
        rows = _rows_until(self._path, step)
        self._file = self._path.open("w", newline="", encoding="utf-8")
        self._table = csv.writer(self._file)
        self._table.writerows([_COLUMNS, *rows])
        self._board = SummaryWriter(str(out / "tensorboard"), purge_step=step)
        self._since = time.monotonic()

    def row(self, step: int, loss: float, parts: dict[str, float], rate: float) -> None:
        values = [loss, *(parts[name] for name in _COLUMNS[2:-1]), rate]
        self._table.writerow([step, *(f"{value:.9g}" for value in values)])
        if step % 50 == 0:
            now = time.monotonic()
            self._board.add_scalar("steps_per_s", 50 / max(now - self._since, 1e-9), step)
            self._since = now
            for name, value in zip(_COLUMNS[1:], values, strict=True):
                self._board.add_scalar(name, value, step)

    def check(self, run: state.Run, recipe: Recipe, checks: Source, device: torch.device) -> None:
        """Score the running mean on samples that are not trained on, and show the first of them."""
        total = torch.zeros(3)
        size = min(recipe.batch, recipe.check_samples)
        made = batches(
            checks,
            first=0,
            count=recipe.check_samples // size,
            size=size,
            workers=0,
            options=sample_options(recipe),
        )
        shown: Batch | None = None
        with torch.no_grad():
            for batch in made:
                here = batch.to(device)
                logits = predict(run.average, here, bf16=recipe.bf16)
                total += counts(logits, here.truth).cpu()
                if shown is None:
                    shown = batch
                    picture = contact_sheet(batch, torch.sigmoid(logits).cpu())
        self._board.add_scalar("check_f1", f1(total), run.step)
        self._board.add_image("before_after_truth_answer", picture, run.step)
        self.flush()

    def flush(self) -> None:
        """Bring everything to the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._board.flush()

    def close(self) -> None:
        """Close the files."""
        self.flush()
        self._file.close()
        self._board.close()


def _rows_until(path: Path, step: int) -> list[list[str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            row for row in list(csv.reader(file))[1:] if len(row) == len(_COLUMNS) and int(row[0]) <= step
        ]


def contact_sheet(batch: Batch, chance_N4HW: Tensor, rows: int = 4) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return a uint8 picture (3, H, W): a row a pair, with before, after, truth and answer.

    Truth and answer: red appeared, green gone, blue buildings after.
    """
    lines = []
    for k in range(min(rows, len(batch.before))):
        dates = [
            np.clip(picture[k].float().numpy() * 55 + 115, 0, 255) for picture in (batch.before, batch.after)
        ]
        truth = (batch.truth[k].numpy() == 1)[[0, 1, 3]] * 255.0
        answer = chance_N4HW[k].numpy()[[0, 1, 3]] * 255.0
        lines.append(np.concatenate([*dates, truth, answer], axis=2))
    return np.concatenate(lines, axis=1).astype(np.uint8)
