"""What ours is measured against: image differencing, and a plain U-Net on both dates as six channels.

Neither ships. The U-Net takes the place of the siamese network in the same recipe, loop, export and
runtime (``encoder`` of a recipe: ``concat-resnet18``), so that nothing but the network differs.
"""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from aerial_training.evaluation import Picture
from aerial_training.recipes import CONCAT, Recipe, cpu_default

Bits = NDArray[np.bool_]
Bytes = NDArray[np.uint8]

# The differences are looked at on pixels of the network's size, blurred by one of them.
_GSD_M, _BLUR_PX = 0.3, 1.0


def difference_mask(picture: Picture) -> Bits:
    """Return where colours differ: histograms matched, Euclidean distance, threshold by Otsu (1979).

    Per channel BEFORE takes AFTER's histogram. Otsu's threshold is the picture's own, and at least 30
    of 255, without which a picture in which nothing changed would be cut in halves.
    """
    ratio = picture.gsd_m / _GSD_M
    height, width = picture.change_HW.shape
    size = (max(8, round(width * ratio)), max(8, round(height * ratio)))
    before, after = (
        cv2.resize(
            np.ascontiguousarray(np.moveaxis(image, 0, -1)),
            size,
            interpolation=cv2.INTER_AREA if ratio < 1 else cv2.INTER_CUBIC,
        )
        for image in (picture.before_3HW, picture.after_3HW)
    )
    matched = np.stack([_matched(before[..., c], after[..., c]) for c in range(3)], axis=-1)
    distance = np.sqrt(((matched.astype(np.float32) - after) ** 2).mean(axis=-1))
    grey = np.clip(cv2.GaussianBlur(distance, (0, 0), _BLUR_PX), 0, 255).astype(np.uint8)
    threshold, _ = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    full = cv2.resize(grey, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(full > max(float(threshold), 30.0))


def _matched(source_HW: Bytes, wanted_HW: Bytes) -> Bytes:
    """Return ``source_HW`` with the histogram of ``wanted_HW``."""
    own, other = (
        np.cumsum(np.bincount(image.ravel(), minlength=256)) / image.size for image in (source_HW, wanted_HW)
    )
    table = np.searchsorted(other, own).clip(0, 255).astype(np.uint8)
    return np.asarray(table[source_HW])


class ConcatUnet(nn.Module):
    """A U-Net of segmentation-models-pytorch that sees both dates as six channels, random weights.

    The interface of ``SiameseNet``; the height change is not looked at.
    """

    def __init__(self, encoder: str = "resnet18") -> None:
        super().__init__()
        import aerial_training.shim  # noqa: F401, I001 - before the package that imports torchvision
        import segmentation_models_pytorch as smp

        self.unet = smp.Unet(encoder, encoder_weights=None, in_channels=6, classes=4)

    def forward(self, before_N3HW: Tensor, after_N3HW: Tensor, height_N2hw: Tensor) -> Tensor:
        """Return (N, 4, H, W) logits in the order of the network's channels."""
        import torch

        logits: Tensor = self.unet(torch.cat([before_N3HW, after_N3HW], dim=1))
        # Keeps the input in the exported graph, which the runtime fills.
        return logits + 0.0 * height_N2hw.mean()

    def half_size(self, before_N3HW: Tensor, after_N3HW: Tensor, height_N2hw: Tensor) -> Tensor:
        """Return what is exported: here the whole answer, which the runtime takes as it is."""
        return self(before_N3HW, after_N3HW, height_N2hw)  # type: ignore[no-any-return]


def concat_unet() -> Recipe:
    """The shipped weights' recipe with the plain U-Net; ``steps`` are cut to the same time by who runs it."""
    return replace(cpu_default(), name="concat_unet", encoder=CONCAT + "resnet18")
