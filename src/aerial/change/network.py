"""The siamese change network in plain torch: for training and for GPU servers; nothing else needs torch.

One encoder sees both dates. One decoder ``D(own, other)`` answers "what building-change stands here
and not on the other date" and "where are buildings on the own date"; it runs once per date with the
roles swapped. So swapping the dates swaps ``appeared`` and ``gone`` exactly, by construction::

    after  --E--> a ---D(a, b)--> appeared, building_after
    before --E--> b ---D(b, a)--> gone,     building_before

All convolutions of the default encoder are plain 3x3 with widths of multiples of 16: on CPUs they
reach half of the peak, where depthwise and squeeze-and-excite networks reach a tenth.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = ("appeared", "gone", "building_before", "building_after")
STRIDE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """Widths of the encoder at strides 2, 4, 8, 16, 32, its blocks at 4-32, the decoder's at 4-32."""

    encoder: tuple[int, ...] = (16, 32, 64, 128, 192)
    blocks: tuple[int, ...] = (1, 1, 2, 0)
    decoder: tuple[int, ...] = (32, 48, 64, 96)
    height: int = 16


class Encoder(Protocol):
    """Anything that turns (N, 3, H, W) into features at strides 4, 8, 16 and 32."""

    widths: tuple[int, ...]

    def __call__(self, image_N3HW: Tensor) -> Sequence[Tensor]:
        """Return the four feature maps, the finest first."""
        ...


def _conv(inputs: int, outputs: int, *, stride: int = 1, size: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _unbiased(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 1, bias=False)


class _Block(nn.Module):
    """Two 3x3 convolutions around a shortcut (He et al. 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _conv(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.second(self.first(x)))


class PlainEncoder(nn.Module):
    """The default encoder: 3x3 convolutions and shortcuts, five halvings."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        first, *rest = settings.encoder
        self.widths = tuple(rest)
        self.stem = _conv(3, first, stride=2)
        stages, before = [], first
        for width, count in zip(rest, settings.blocks, strict=True):
            stages.append(
                nn.Sequential(_conv(before, width, stride=2), *(_Block(width) for _ in range(count)))
            )
            before = width
        self.stages = nn.ModuleList(stages)

    def forward(self, image_N3HW: Tensor) -> list[Tensor]:
        """Return the features at strides 4, 8, 16, 32."""
        x, found = self.stem(image_N3HW), []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found


class _Decoder(nn.Module):
    """D(own, other, height): (N, 2, H/2, W/2) logits of change and building at the own date."""

    def __init__(self, encoder: Sequence[int], settings: NetworkSettings) -> None:
        super().__init__()
        widths = settings.decoder
        self.height = _conv(2, settings.height)
        self.by_height = nn.ModuleList(_unbiased(settings.height, d) for d in widths[:2])
        self.own = nn.ModuleList(_unbiased(e, d) for e, d in zip(encoder, widths, strict=True))
        self.other = nn.ModuleList(_unbiased(e, d) for e, d in zip(encoder, widths, strict=True))
        self.apart = nn.ModuleList(_unbiased(e, d) for e, d in zip(encoder, widths, strict=True))
        self.settle = nn.ModuleList(nn.Sequential(nn.BatchNorm2d(d), nn.ReLU(inplace=True)) for d in widths)
        self.carry = nn.ModuleList(_unbiased(deep, fine) for fine, deep in pairwise(widths))
        # The deepest level looks no further: each 3x3 there would widen the halo of a tile by 32 pixels.
        self.smooth = nn.ModuleList(_conv(d, d, size=1 if d == widths[-1] else 3) for d in widths)
        self.head = nn.Conv2d(widths[0], 2 * 4, 1)
        # Change is rare: begin at a chance of a few percent.
        nn.init.zeros_(self.head.weight)
        self.head.bias = nn.Parameter(torch.tensor([-3.0] * 4 + [-1.5] * 4))

    def forward(self, after: Sequence[Tensor], before: Sequence[Tensor], height_N2HW: Tensor) -> Tensor:
        """Return the answers of both roles as one batch: own = after first, then own = before."""
        mirrored_N2HW = torch.cat([-height_N2HW[:, :1], height_N2HW[:, 1:]], dim=1)
        fine = self.height(torch.cat([height_N2HW, mirrored_N2HW]))
        heights = (fine, functional.avg_pool2d(fine, 2))
        x: Tensor | None = None
        for level in reversed(range(len(after))):
            a, b = after[level], before[level]
            # Three sums instead of one concatenation: what both roles share is computed once.
            apart = self.apart[level]((a - b).abs())
            fused = torch.cat(
                [
                    self.own[level](a) + self.other[level](b) + apart,
                    self.own[level](b) + self.other[level](a) + apart,
                ]
            )
            if level < len(self.by_height):
                fused = fused + self.by_height[level](heights[level])
            if x is not None:
                fused = fused + functional.interpolate(self.carry[level](x), scale_factor=2.0, mode="nearest")
            x = self.smooth[level](self.settle[level](fused))
        return functional.pixel_shuffle(self.head(x), 2)


class SiameseNet(nn.Module):
    """Both dates in, four logit maps out (``CHANNELS``), at the input's resolution.

    ``forward(before_N3HW, after_N3HW, height_N2hw)``: normalised pictures (see ``Normalisation`` in
    the model file), H and W multiples of 32; ``height_N2hw`` at a quarter of the resolution: height
    change over full scale in [-1, 1] and 1 where it is known, zeros where there is none.
    """

    def __init__(self, settings: NetworkSettings | None = None, encoder: nn.Module | None = None) -> None:
        super().__init__()
        settings = settings or NetworkSettings()
        self.encoder = encoder if encoder is not None else PlainEncoder(settings)
        widths: tuple[int, ...] = self.encoder.widths  # type: ignore[assignment]
        self.decoder = _Decoder(widths, settings)

    def forward(self, before_N3HW: Tensor, after_N3HW: Tensor, height_N2hw: Tensor) -> Tensor:
        """Return (N, 4, H, W) logits in the order of ``CHANNELS``."""
        half = self.half_size(before_N3HW, after_N3HW, height_N2hw)
        return functional.interpolate(half, scale_factor=2.0, mode="bilinear", align_corners=False)

    def half_size(self, before_N3HW: Tensor, after_N3HW: Tensor, height_N2hw: Tensor) -> Tensor:
        """Return (N, 4, H/2, W/2) logits: what the network knows, before it is enlarged."""
        count = before_N3HW.shape[0]
        both = self.encoder(torch.cat([before_N3HW, after_N3HW]))
        before, after = [f[:count] for f in both], [f[count:] for f in both]
        logits = self.decoder(after, before, height_N2hw)
        up, down = logits[:count], logits[count:]
        return torch.cat([up[:, :1], down[:, :1], down[:, 1:], up[:, 1:]], dim=1)


class ExportedNet(nn.Module):
    """What the model file holds: bytes in, probabilities out, at half the size (a third of the time less).

    ``before``, ``after``: uint8 (N, 3, H, W). ``gain``, ``offset``: (N, 2, 3) per date and channel,
    normalised = pixel * gain + offset. ``height``: (N, 2, H/4, W/4). Output: (N, 4, H/2, W/2) float32.
    """

    def __init__(self, network: SiameseNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, before: Tensor, after: Tensor, gain: Tensor, offset: Tensor, height: Tensor) -> Tensor:
        """Return the probabilities in the order of ``CHANNELS``."""
        dates = [
            picture.float() * gain[:, k, :, None, None] + offset[:, k, :, None, None]
            for k, picture in enumerate((before, after))
        ]
        return torch.sigmoid(self.network.half_size(dates[0], dates[1], height))
