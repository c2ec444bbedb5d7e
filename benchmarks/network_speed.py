"""Mpx of network input a second: the shipped model beside what a user would write, and the CPU's own peak.

One pair of pictures, one number of threads, one run. An Mpx is a million pixels of the network's input (of
ground, both dates together), at one pixel size and without overlap. What half-overlapping windows
leave of a rate (a quarter), and what a rate means for pictures of 7.5 cm that are matched to the
network's pixel size or not, stands beside it. End to end is files to change map; once from an overview
of the network's own pixel size, once from pictures of 5 cm, whose nearest overview is finer.

Peers: a siamese difference U-Net (segmentation-models-pytorch, ResNet-18) as a user would write it, in
eager torch, and exported to OpenVINO; and FCSiamDiff of TorchGeo, which is the same library's U-Net on
differences of features (ResNet-34 unless told otherwise), built from that library where TorchGeo is not
installed.

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

from aerial.change.engine import Engine, compiled, enlarged
from aerial.change.model import load_model
from benchmarks.machine import emit
from benchmarks.scale import write_pair

SIDE_PX, QUICK_SIDE_PX = 1024, 256
# What OpenVINO calls them.
_HINT = {"fp32": "f32", "bf16": "bf16", "int8": "bf16"}
PICTURE_M = 0.075
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
    """Return the best rate of plain 3x3 convolutions on OpenVINO over a few widths.

    int8: activations and kernels through the quantisers that OpenVINO turns into int8 convolutions.
    """
    import openvino
    from openvino import opset13 as ops

    best = 0.0
    for width in (64, 128, 256):
        side = 8192 // width
        x = ops.parameter([1, width, side, side], np.float32)
        y = x
        for seed in range(6):
            kernel = np.random.default_rng(seed).normal(0, 0.01, (width, width, 3, 3)).astype(np.float32)
            weights = ops.constant(kernel)
            if precision == "int8":
                y = ops.fake_quantize(y, *(np.float32(v) for v in (0, 4, 0, 4)), 256)
                weights = ops.fake_quantize(weights, *(np.float32(v) for v in (-0.05, 0.05) * 2), 255)
            y = ops.relu(ops.convolution(y, weights, [1, 1], [1, 1], [1, 1], [1, 1]))
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


def on_openvino(
    network: Any, folder: Path, precision: str, threads: int, least_s: float, side_px: int
) -> float:
    """Return seconds for one pair of a torch network exported to OpenVINO."""
    import openvino
    import torch

    path = folder / "peer.onnx"
    example = (torch.zeros(1, 3, side_px, side_px), torch.zeros(1, 3, side_px, side_px))
    torch.onnx.export(network, example, str(path), input_names=["before", "after"], dynamo=False)
    core = openvino.Core()
    request = compiled(core, core.read_model(path), _HINT[precision], threads)
    data = [np.random.default_rng(k).normal(size=(1, 3, side_px, side_px)).astype(np.float32) for k in (0, 1)]
    return seconds(lambda: request.infer(data), least_s)


def ours(model: Any, precision: str, threads: int, least_s: float, side_px: int) -> tuple[float, float]:
    """Return seconds for one pair, bytes in and probabilities out, and the network's GFLOP."""
    engine = Engine(model, precision=precision, threads=threads)
    rng = np.random.default_rng(0)
    dates = [rng.integers(0, 256, (3, side_px, side_px), np.uint8) for _ in range(2)]
    gain, offset = np.full((2, 3), 1 / 50, np.float32), np.full((2, 3), -2.0, np.float32)
    height = np.zeros((2, side_px // 4, side_px // 4), np.float32)

    def work() -> Any:
        return enlarged(engine.run(dates[0], dates[1], gain, offset, height), side_px, side_px)

    took = seconds(work, least_s)
    return took, convolutions_gflop(engine.network_of((side_px, side_px)))


def end_to_end(model: Any, folder: Path, side_px: int, gsd_m: float, threads: int) -> dict[str, float]:
    """Return how fast a pair of files is compared from its overviews: reading, network, writing, COG.

    ``gsd_m``: of the files. Laying the one on the other comes before and is told apart.
    """
    from dataclasses import replace

    from aerial.align.register import register
    from aerial.change.compare import Source, compare
    from aerial.change.siamese import SiameseDetector
    from aerial.raster.read import open_raster
    from aerial.records import FileRef, Georef, Mosaic, Pair
    from aerial.steps.detect import PairFiles

    before, after = write_pair(folder, side_px, gsd_m=gsd_m)
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
    side = QUICK_SIDE_PX if options.quick else SIDE_PX
    model, mpx = load_model(options.model), side**2 / 1e6
    precisions = ["fp32", "bf16", *(["int8"] if model.file.weights.onnx_int8 else [])]
    peak = {p: peak_gflops(p, options.threads, least_s / 2) for p in precisions}
    rows: dict[str, dict[str, float]] = {}
    for precision in precisions:
        took, gflop = ours(model, precision, options.threads, least_s, side)
        rows[f"ours {precision} openvino"] = row = rates(mpx / took, model.file.gsd_m)
        row["gflops"] = round(gflop / took, 1)
        row["share_of_peak"] = round(gflop / took / peak[precision], 3)
    with tempfile.TemporaryDirectory() as folder:
        named = {"smp U-Net resnet18 difference": siamese_unet("resnet18")}
        network, name = fc_siam_diff()
        named[name] = network
        example = [torch.randn(1, 3, side, side) for _ in range(2)]
        with torch.inference_mode():
            for name, network in named.items():
                took = seconds(lambda n=network: n(*example), least_s / 4)
                rows[f"{name} eager torch fp32"] = rates(mpx / took, model.file.gsd_m)
        for name, network in named.items():
            for precision in ("fp32", "bf16"):
                took = on_openvino(network, Path(folder), precision, options.threads, least_s, side)
                rows[f"{name} openvino {precision}"] = rates(mpx / took, model.file.gsd_m)
        side_px = 4096 if options.quick else 24576
        through = {
            name: end_to_end(model, Path(folder) / name, side_px, gsd_m, options.threads)
            for name, gsd_m in (("fitting_overview", model.file.gsd_m / 4), ("from_5_cm", 0.05))
        }
    return report(model, rows, peak, through, options.threads)


def rates(mpx_per_s: float, gsd_m: float) -> dict[str, float]:
    """Return a rate, and what it comes to by counting pixels.

    Windows that overlap by half see every pixel four times. A picture of 7.5 cm has 16 pixels for each of
    0.3 m: with its pixel size matched so many of its own pixels are done a second, else ``mpx_per_s`` are.
    """
    return {
        "mpx_per_s": round(mpx_per_s, 2),
        "half_overlap_mpx_per_s": round(mpx_per_s / 4, 2),
        "gsd_matched_mpx_of_7_5_cm_per_s": round(mpx_per_s * (gsd_m / PICTURE_M) ** 2, 1),
    }


def report(
    model: Any,
    rows: dict[str, dict[str, float]],
    peak: dict[str, float],
    through: dict[str, dict[str, float]],
    threads: int,
) -> int:
    """Print the figures and what falls short."""
    used = Engine(model).precision
    own = rows[f"ours {used} openvino"]
    eager = rows["smp U-Net resnet18 difference eager torch fp32"]["mpx_per_s"]
    best = max(
        r["mpx_per_s"] for name, r in rows.items() if not name.startswith("ours") and "openvino" in name
    )
    for row in through.values():
        row["share_of_network"] = round(row["mpx_per_s"] / own["mpx_per_s"], 3)
    share = through["fitting_overview"]["share_of_network"]
    shown = {
        "threads": threads,
        "precision_used": used,
        "rows": rows,
        "peak_convolution_gflops": {k: round(v, 1) for k, v in peak.items()},
        "times_eager": round(own["mpx_per_s"] / eager, 1),
        "times_best_peer_on_openvino": round(own["mpx_per_s"] / best, 1),
        "end_to_end": through,
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
