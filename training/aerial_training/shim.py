"""Lets torchvision import beside a torch that its compiled operators do not fit.

A CPU-only torch with the registry's torchvision (built for CUDA) fails at import with
``operator torchvision::nms does not exist``. Declaring the two operators is enough for everything
but detection models. Import this module before the first import of torchvision, timm or
segmentation_models_pytorch; where the compiled operators load it changes nothing.
"""

import sys

import torch

# Kept alive: the operators vanish with it.
_LIBRARY: list[torch.library.Library] = []


def _declare_missing_operators() -> None:
    try:
        import torchvision
    except RuntimeError as exc:
        if "torchvision::nms" not in str(exc):
            raise
        for name in [n for n in sys.modules if n == "torchvision" or n.startswith("torchvision.")]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for operator in ("nms", "qnms"):
            library.define(  # type: ignore[no-untyped-call]
                f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            )
        _LIBRARY.append(library)
        import torchvision  # noqa: F401


_declare_missing_operators()
