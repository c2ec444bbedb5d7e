"""Mpx of network input a second: the shipped model beside what a user would write, and the CPU's own peak.

One pair of pictures, one number of threads, one run. An Mpx is a million pixels of the network's input (of
ground, both dates together), at one pixel size and without overlap; half-overlapping windows and
reading pictures of another pixel size are rows of their own. Peers: a siamese difference U-Net
(segmentation-models-pytorch, ResNet-18) as a user would write it, in eager torch, and exported to
OpenVINO; and FCSiamDiff of TorchGeo, which is the same library's U-Net on differences of features
(ResNet-34 unless told otherwise), built from that library where TorchGeo is not installed.

    python -m benchmarks.network_speed [--model NAME|DIR] [--threads N] [--quick]
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from aerial.change.engine import Engine, compiled
from aerial.change.model import load_model
from benchmarks.machine import emit, peak_mb
from benchmarks.scale import write_pair

SIDE_PX = 1024
# What OpenVINO calls them.
_HINT = {"fp32": "f32", "bf16": "bf16"}
TIMES_EAGER, TIMES_OPENVINO, SHARE_OF_PEAK, SHARE_END_TO_END = 20.0, 5.0, 0.5, 0.5


def seconds(work: Callable[[], object], least_s: float) -> float:
    """Return the median of three rounds of at least ``least_s`` each, after a first that warms up."""
    work()
    rounds = []
    for _ in range(3):
        start, count = time.perf_counter(), 0
        while count == 0 or time.perf_counter() - start < least_s:
            work()
            count += 1
        rounds.append((time.perf_counter() - start) / count)
    return statistics.median(rounds)


def convolutions_gflop(network: Any) -> float:
    """Return the multiplications and additions of all convolutions of a network of fixed shape."""
    total = 0.0
    for op in network.get_ordered_ops():
        if op.get_type_name() == "Convolution":
            outputs, inputs, *kernel = op.input(1).get_shape()
            _, _, *size = op.output(0).get_shape()
            total += 2.0 * outputs * inputs * np.prod(kernel) * np.prod(size)
    return total / 1e9


def peak_gflops(precision: str, threads: int, least_s: float) -> float:
    """Return the best rate of plain 3x3 convolutions on OpenVINO over a few widths."""
    import openvino
    from openvino import opset13 as ops

    best = 0.0
    for width in (64, 128, 256):
        side = 8192 // width
        x = ops.parameter([1, width, side, side], np.float32)
        y = x
        for seed in range(6):
            kernel = np.random.default_rng(seed).normal(0, 0.01, (width, width, 3, 3)).astype(np.float32)
            y = ops.relu(ops.convolution(y, ops.constant(kernel), [1, 1], [1, 1], [1, 1], [1, 1]))
        network = openvino.Model([y], [x], "peak")
        request = compiled(openvino.Core(), network, _HINT[precision], threads)
        data = np.random.default_rng(0).normal(size=(1, width, side, side)).astype(np.float32)
        best = max(
            best, convolutions_gflop(network) / seconds(lambda r=request, d=data: r.infer([d]), least_s)
        )
    return best


def siamese_unet(encoder: str) -> Any:
    """Return what a user would write: one encoder, differences of features, the U-Net's decoder."""
    import aerial_training.shim  # noqa: F401, I001 - before the package that imports torchvision
    import segmentation_models_pytorch as smp
    import torch

    class Siamese(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unet = smp.Unet(encoder, encoder_weights=None, in_channels=3, classes=1)

        def forward(self, before: Any, after: Any) -> Any:
            first, second = self.unet.encoder(before), self.unet.encoder(after)
            differences = [b - a for a, b in zip(first, second, strict=True)]
            return self.unet.segmentation_head(self.unet.decoder(differences))

    return Siamese().eval()


def fc_siam_diff() -> tuple[Any, str]:
    """Return TorchGeo's network, or the same from the library that it is made of, and which it is."""
    import aerial_training.shim  # noqa: F401, I001 - before the package that imports torchvision
    import torch

    try:
        from torchgeo.models import FCSiamDiff  # type: ignore[import-not-found]
    except ImportError:
        return siamese_unet("resnet34"), "smp U-Net resnet34 difference, as TorchGeo's FCSiamDiff"

    class Siamese(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = FCSiamDiff(in_channels=3, classes=1, encoder_weights=None)

        def forward(self, before: Any, after: Any) -> Any:
            return self.network(torch.stack([before, after], dim=1))

    return Siamese().eval(), "torchgeo FCSiamDiff"


def on_openvino(network: Any, folder: Path, precision: str, threads: int, least_s: float) -> float:
    """Return seconds for one pair of a torch network exported to OpenVINO."""
    import openvino
    import torch

    path = folder / "peer.onnx"
    example = (torch.zeros(1, 3, SIDE_PX, SIDE_PX), torch.zeros(1, 3, SIDE_PX, SIDE_PX))
    torch.onnx.export(network, example, str(path), input_names=["before", "after"], dynamo=False)
    core = openvino.Core()
    request = compiled(core, core.read_model(path), _HINT[precision], threads)
    data = [np.random.default_rng(k).normal(size=(1, 3, SIDE_PX, SIDE_PX)).astype(np.float32) for k in (0, 1)]
    return seconds(lambda: request.infer(data), least_s)


def ours(model: Any, precision: str, threads: int, least_s: float) -> tuple[float, float]:
    """Return seconds for one pair, bytes in and probabilities out, and the network's GFLOP."""
    engine = Engine(model, precision=precision, threads=threads)
    rng = np.random.default_rng(0)
    dates = [rng.integers(0, 256, (3, SIDE_PX, SIDE_PX), np.uint8) for _ in range(2)]
    gain, offset = np.full((2, 3), 1 / 50, np.float32), np.full((2, 3), -2.0, np.float32)
    height = np.zeros((2, SIDE_PX // 4, SIDE_PX // 4), np.float32)
    took = seconds(lambda: engine.run(dates[0], dates[1], gain, offset, height), least_s)
    return took, convolutions_gflop(engine.network_of((SIDE_PX, SIDE_PX)))


def end_to_end(model: Any, folder: Path, side_px: int, threads: int) -> dict[str, float]:
    """Return how fast a pair of files is compared from its overviews: reading, network, writing, COG."""
    from dataclasses import replace

    from aerial.align.register import register
    from aerial.change.compare import Source, compare
    from aerial.change.siamese import SiameseDetector
    from aerial.raster.read import open_raster
    from aerial.records import FileRef, Georef, Mosaic, Pair
    from aerial.steps.detect import PairFiles

    before, after = write_pair(folder, side_px, gsd_m=model.file.gsd_m / 4)
    detector = SiameseDetector(model, threads=threads)
    start = time.perf_counter()
    aligned = register(before, after, gsd_m=0.1).pair.at_gsd(detector.gsd_m)
    aligned_s = time.perf_counter() - start
    mosaic = Mosaic(
        ortho=FileRef(path="ortho.tif", sha256="0" * 64),
        dsm=None,
        grid=open_raster(after).grid,
        georef=Georef(how="declared", ce95_m=None),
        block=None,
    )
    pair = Pair(before=mosaic, after=replace(mosaic), grid=aligned.grid, residual_p95_m=0.1)
    files = PairFiles(aligned=aligned, dsm=None)
    start = time.perf_counter()
    compare(Source(pair=pair, view=files, read=files.read), [detector], folder / "change.tif", key="0" * 64)
    took = time.perf_counter() - start
    mpx = aligned.grid.width_px * aligned.grid.height_px / 1e6
    return {"mpx": round(mpx, 1), "mpx_per_s": round(mpx / took, 2), "aligning_s": round(aligned_s, 1)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="siamese")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--quick", action="store_true", help="short rounds, a small pair")
    options = parser.parse_args()
    import torch

    least_s = 0.1 if options.quick else 2.0
    torch.set_num_threads(options.threads)
    model, mpx = load_model(options.model), SIDE_PX**2 / 1e6
    peak = {p: peak_gflops(p, options.threads, least_s / 2) for p in ("fp32", "bf16")}
    rows: dict[str, dict[str, float]] = {}
    precisions = ["fp32", "bf16", *(["int8"] if model.file.weights.onnx_int8 else [])]
    for precision in precisions:
        took, gflop = ours(model, precision, options.threads, least_s)
        rows[f"ours {precision} openvino"] = row = {"mpx_per_s": round(mpx / took, 2)}
        if precision in peak:
            row["gflops"] = round(gflop / took, 1)
            row["share_of_peak"] = round(gflop / took / peak[precision], 3)
        # Windows that overlap by half see every pixel four times.
        row["half_overlap_mpx_per_s"] = round(mpx / took / 4, 2)
        # A picture of 7.5 cm has 16 pixels for each of the network's.
        row["gsd_matched_picture_mpx_per_s"] = round(mpx / took * (model.file.gsd_m / 0.075) ** 2, 1)
    with tempfile.TemporaryDirectory() as folder:
        named = {"smp U-Net resnet18 difference": siamese_unet("resnet18")}
        network, name = fc_siam_diff()
        named[name] = network
        example = [torch.randn(1, 3, SIDE_PX, SIDE_PX) for _ in range(2)]
        with torch.inference_mode():
            for name, network in named.items():
                took = seconds(lambda n=network: n(*example), least_s / 4)
                rows[f"{name} eager torch fp32"] = {"mpx_per_s": round(mpx / took, 2)}
        for name, network in named.items():
            for precision in ("fp32", "bf16"):
                took = on_openvino(network, Path(folder), precision, options.threads, least_s)
                rows[f"{name} openvino {precision}"] = {"mpx_per_s": round(mpx / took, 2)}
        through = end_to_end(model, Path(folder) / "pair", 4096 if options.quick else 24576, options.threads)
    return report(model, rows, peak, through, options.threads)


def report(
    model: Any,
    rows: dict[str, dict[str, float]],
    peak: dict[str, float],
    through: dict[str, float],
    threads: int,
) -> int:
    """Print the figures and what falls short."""
    used = Engine(model).precision
    own = rows[f"ours {used} openvino"]
    eager = rows["smp U-Net resnet18 difference eager torch fp32"]["mpx_per_s"]
    best = max(
        r["mpx_per_s"] for name, r in rows.items() if not name.startswith("ours") and "openvino" in name
    )
    share = through["mpx_per_s"] / own["mpx_per_s"]
    shown = {
        "threads": threads,
        "precision_used": used,
        "rows": rows,
        "peak_convolution_gflops": {k: round(v, 1) for k, v in peak.items()},
        "times_eager": round(own["mpx_per_s"] / eager, 1),
        "times_best_peer_on_openvino": round(own["mpx_per_s"] / best, 1),
        "end_to_end": through | {"share_of_network": round(share, 3)},
        "peak_mb": peak_mb(),
    }
    wanted = {
        "times_eager": (shown["times_eager"], TIMES_EAGER),
        "times_best_peer_on_openvino": (shown["times_best_peer_on_openvino"], TIMES_OPENVINO),
        "share_of_peak": (own.get("share_of_peak", 0.0), SHARE_OF_PEAK),
        "end_to_end": (share, SHARE_END_TO_END),
    }
    failed = [f"{name}: {got:.2f}, wanted {least}" for name, (got, least) in wanted.items() if got < least]
    return emit("network_speed", shown, failed=failed)


if __name__ == "__main__":
    sys.exit(main())
