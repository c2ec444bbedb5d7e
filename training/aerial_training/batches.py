"""Samples as batches of tensors: deterministic in the step, whatever number of processes makes them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from aerial.change.inputs import height_planes, moments, normalisation
from aerial.errors import AerialError
from aerial_training.sample import Sample

# How far a picture's own statistics may be from those of the mosaic it was cut from, in spreads.
_COMMON_GAIN, _COMMON_JITTER, _OWN_JITTER = 1.6, 0.30, 0.08


class Source(Protocol):
    """Makes samples; the same index gives the same sample in any process."""

    def sample(self, index: int) -> Sample:
        """Return sample number ``index`` (0 or more)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """Draws each sample from one of several sources, by weight."""

    sources: tuple[Source, ...]
    weights: tuple[float, ...]
    seed: int

    def sample(self, index: int) -> Sample:
        """Return sample number ``index`` of the source that chance gives it to."""
        rng = np.random.default_rng([self.seed, index, 7])
        share = np.asarray(self.weights) / np.sum(self.weights)
        return self.sources[int(rng.choice(len(self.sources), p=share))].sample(index)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Normalised ``before``, ``after`` (N, 3, H, W), ``height`` (N, 2, H/4, W/4), ``truth`` (N, 4, H, W)."""

    before: Tensor
    after: Tensor
    height: Tensor
    truth: Tensor

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device, the pictures with their channels last."""
        last = torch.channels_last
        return Batch(
            before=self.before.to(device, non_blocking=True, memory_format=last),
            after=self.after.to(device, non_blocking=True, memory_format=last),
            height=self.height.to(device, non_blocking=True),
            truth=self.truth.to(device, non_blocking=True),
        )


def tensors(
    sample: Sample, *, seed: int, index: int, height_share: float, least_spread: float, scale_m: float
) -> Batch:
    """Return one sample as a batch of one.

    Statistics of the crop stand for those of the mosaic, jittered. The height change is shown in
    ``height_share`` of the samples that have one, so that the network learns to do without.
    """
    rng = np.random.default_rng([seed, index, 11])
    common = _COMMON_GAIN ** rng.uniform(-1, 1), _COMMON_JITTER * rng.uniform(-1, 1, 3)
    pictures = (sample.before_3HW, sample.after_3HW)
    norm = normalisation([moments(picture) for picture in pictures], least_spread)
    dates = []
    for picture, gain_3, offset_3 in zip(pictures, norm.gain_2C, norm.offset_2C, strict=True):
        own = 1 + _OWN_JITTER * rng.uniform(-1, 1), _OWN_JITTER * rng.uniform(-1, 1, 3)
        gain = (gain_3 * common[0] * own[0])[:, None, None].astype(np.float32)
        offset = (offset_3 * common[0] * own[0] + common[1] + own[1])[:, None, None].astype(np.float32)
        dates.append(picture.astype(np.float32) * gain + offset)
    shown = sample.height_change_HW if rng.random() < height_share else None
    truth = np.stack(
        [sample.appeared_HW, sample.gone_HW, sample.building_before_HW, sample.building_after_HW]
    )
    return Batch(
        before=torch.from_numpy(dates[0])[None],
        after=torch.from_numpy(dates[1])[None],
        height=torch.from_numpy(height_planes(shown, truth.shape[1:], scale_m))[None],
        truth=torch.from_numpy(truth)[None],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Numbered(Dataset[Batch | AerialError]):
    source: Source
    first: int
    count: int
    options: dict[str, Any]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, position: int) -> Batch | AerialError:
        index = self.first + position
        try:
            return tensors(self.source.sample(index), index=index, **self.options)
        except AerialError as error:
            # Raised in another process it would arrive as the text of a traceback, without its hint.
            return error


def _joined(parts: Sequence[Batch | AerialError]) -> Batch | AerialError:
    for part in parts:
        if isinstance(part, AerialError):
            return part
    return _stacked([part for part in parts if isinstance(part, Batch)])


def _stacked(parts: Sequence[Batch]) -> Batch:
    return Batch(
        before=torch.cat([p.before for p in parts]),
        after=torch.cat([p.after for p in parts]),
        height=torch.cat([p.height for p in parts]),
        truth=torch.cat([p.truth for p in parts]),
    )


def batches(
    source: Source, *, first: int, count: int, size: int, workers: int, options: dict[str, Any]
) -> Iterator[Batch]:
    """Yield ``count`` batches of ``size`` samples from number ``first`` on, always in the same order.

    Raises:
        AerialError: the source cannot make a sample, in whichever process.
    """
    numbered = _Numbered(source=source, first=first, count=count * size, options=options)
    # Without threads of its own in each process: the network has them.
    loader = DataLoader(
        numbered,
        batch_size=size,
        num_workers=workers,
        collate_fn=_joined,
        prefetch_factor=4 if workers else None,
        # A fork would inherit the locks of threads that it does not have.
        multiprocessing_context="spawn" if workers else None,
        worker_init_fn=_single_thread if workers else None,
    )
    for made in loader:
        if isinstance(made, AerialError):
            raise made
        yield made


def _single_thread(_worker: int) -> None:
    import cv2

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
