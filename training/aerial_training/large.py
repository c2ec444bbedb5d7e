"""Large encoders for GPU servers, from segmentation-models-pytorch and timm."""

import aerial_training.shim  # noqa: F401, I001 - before the package that imports torchvision
import segmentation_models_pytorch as smp
from torch import Tensor, nn

from aerial.errors import InputError


class LargeEncoder(nn.Module):
    """An encoder of the package behind the interface of ``aerial.change.network.Encoder``."""

    def __init__(self, name: str, encoder: nn.Module) -> None:
        super().__init__()
        self.name, self.encoder = name, encoder
        widths: list[int] = list(encoder.out_channels)  # type: ignore[arg-type]
        self.widths = tuple(widths[-4:])

    def forward(self, image_N3HW: Tensor) -> list[Tensor]:
        """Return the features at strides 4, 8, 16, 32."""
        return list(self.encoder(image_N3HW))[-4:]


def large_encoder(name: str) -> LargeEncoder:
    """Return the encoder called ``name`` with random weights (``tu-`` names are timm's).

    Weights of a model hub are never fetched: begin from a file with ``start_from``.

    Raises:
        InputError: the package does not know the name.
    """
    try:
        encoder = smp.encoders.get_encoder(name, in_channels=3, depth=5, weights=None)
    except (KeyError, RuntimeError) as exc:
        raise InputError(
            f"No encoder is called {name!r}.",
            hint="Use a name of segmentation-models-pytorch, e.g. resnet50.",
        ) from exc
    return LargeEncoder(name, encoder)
