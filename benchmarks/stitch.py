"""Claim: mosaics that agree with the truth and with each other, fast and in little memory, on a laptop.

One table; a row holds image size, speed, memory and accuracy together. Sets: the simulated town at three
sizes (``demo`` 40 photographs of 3 Mpx, ``cell`` 70 of 12 Mpx, both flown twice, the second flight stitched
with the first as its reference; ``large`` 300 of 12 Mpx, once, while cars drive and the sun moves), and real
photographs (``brighton_beach``, ``caliterra_block``, each whole and as two flights of every other
photograph; ``bogota_niza``, which must end in honest parts or a refusal). Each by both presets, stitched by
the installed program in a process of its own.

* ``s_photo``: wall seconds of the whole command by its photographs, then by stage; ``peak_mb``: most memory
  of the process and its children at one moment.
* ``cameras_false``: poses more than 2 m off the truth after the similarity that most cameras share.
* ``ortho_*``: displacement of windows of 12.8 m against the true ortho (phase correlation of gradients),
  the common shift taken off. ``between_*``: how far the two flights' windows are apart, before any
  registration. ``aligned_*``: what ``aerial detect`` would still find between them, after its own.
* ``dsm_*``: surface against the true one inside the cell, common height offset taken off. ``roofs_*``: median
  height of roofs >= 20 m2.
* ``lean_*``: displacement of each roof's picture, that of the mosaic as a whole (affine) taken off.
* ``roofs_cut``: roofs taken from more than one photograph though one sees them whole (0.5 m off the rim);
  ``roofs_cut_much``: more than 2 % of them is from others.
* ``seam_*``, ``holes``: as quality.json tells.

Targets: ``fast`` <= 1.5 s a photograph at 5 cm on two cores, ``quality`` <= 6 s; both <= 4 GB, >= 98 %
registered, no false camera, flights within 0.15 m of each other (RMS), median <= 0.3 px and p95 <= 1 px at
5 cm after registration; ``quality``: lean p95 <= 0.3 m, >= 90 % of roofs within 0.3 m, no roof cut.

Beside them on the same photographs OpenCV's ``Stitcher``, orthority with our poses and surface
(``python -m benchmarks.peers.install orthority``), and what others published of ODM.

    python -m benchmarks.stitch [--rows demo cell large brighton_beach caliterra_block bogota_niza peers]
        [--presets fast quality] [--seeds 703 702 701] [--keep DIR] [--reuse]
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from aerial.align.register import register
from aerial.codec import read_json
from aerial.errors import AerialError
from aerial.progress import SILENT
from aerial.simulate.surveys import simulate_surveys
from benchmarks import stitch_peers, stitch_roofs, stitch_truth
from benchmarks.machine import DATA, emit
from benchmarks.stitch_run import Stitched, every_other, photographs, stitched
from benchmarks.stitch_table import fell_short, print_table

TOWNS = ("demo", "cell", "large")
REAL = ("brighton_beach", "caliterra_block", "bogota_niza")
PRESETS = ("fast", "quality")
GSD_M = 0.05

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Where towns and mosaics lie, and whether mosaics that are there are measured again."""

    folder: Path
    reuse: bool


def run_row(name: str, preset: str, photos: Path, made: Stitched) -> Row:
    """Return what a run of the program took, and what it says of itself."""
    paths, usage = photographs(photos), made.usage
    row: Row = {"set": name, "preset": preset, "photos": len(paths), **frame(paths[0])}
    row |= {"s_photo": round(usage.wall_s / len(paths), 2), "cpu_s_photo": round(usage.cpu_s / len(paths), 2)}
    row["peak_mb"] = usage.peak_mb
    if usage.code != 0:
        return row | {"registered": 0, "refused": usage.said.strip().splitlines()[-2:]}
    quality = read_json(made.out / "quality.json")
    stages = quality["seconds_by_stage"]
    row |= {f"s_{stage}": round(seconds / len(paths), 2) for stage, seconds in stages.items()}
    row["s_rest"] = round((usage.wall_s - sum(stages.values())) / len(paths), 2)
    seam = quality["seam_step"] or {}
    return row | {
        "gsd_cm": round(quality["gsd_m"] * 100, 1),
        "registered": quality["registered"],
        "gps_median_m": quality["residual_median_m"],
        "gps_worst_m": max((p["gps_m"] for p in quality["by_photo"] if p["gps_m"] is not None), default=None),
        "reprojection_px": quality["reprojection_px"],
        "seam_median": seam.get("median"),
        "seam_p95": seam.get("p95"),
        "holes": len(quality["holes"]),
        "holes_m2": round(sum(hole["area_m2"] for hole in quality["holes"]), 1),
        "coverage": quality["coverage"],
        "parts": [len(part["files"]) for part in quality["parts"]],
    }


def frame(photo: Path) -> Row:
    """Return the size of a photograph."""
    with Image.open(photo) as image:
        return {"mpx": round(image.width * image.height / 1e6, 1)}


def truth_row(
    epoch: stitch_truth.Epoch, out: Path, about_m: tuple[float, float]
) -> tuple[Row, stitch_truth.Moved]:
    """Return how far a mosaic is from the truth of its flight."""
    moved = stitch_truth.displacements(out / "ortho.tif", epoch.ortho, epoch.cell, epoch.crs, about_m)
    shift_2 = moved.common_2
    row = stitch_truth.false_cameras(read_json(out / "block" / "block.json"), epoch.poses)
    row |= stitch_truth.ortho_figures(moved)
    surface = stitch_truth.surface_figures(out / "dsm.tif", epoch.dsm, epoch.cell, shift_2)
    off_N = np.abs(
        stitch_roofs.roof_heights(epoch.roofs, out / "dsm.tif", epoch.dsm, shift_2, surface["dsm_offset_m"])
    )
    row |= surface | {
        "roofs": len(off_N),
        "roofs_within_0.3m": round(float((off_N <= 0.3).mean()), 3),
        "roofs_within_0.5m": round(float((off_N <= 0.5).mean()), 3),
    }
    row |= stitch_roofs.lean_figures(
        stitch_roofs.lean(out / "ortho.tif", epoch.ortho, epoch.roofs, epoch.crs, moved)
    )
    taken = next(iter(sorted(out.rglob("taken.tif"))), None)
    if taken is not None:
        row |= stitch_roofs.seams(taken, epoch.roofs, stitch_roofs.seen_whole(epoch), shift_2)
    return row, moved


def aligned_row(before: Path, after: Path) -> Row:
    """Return what is left between two mosaics of a place after the registration of ``aerial detect``."""
    try:
        alignment = register(before / "ortho.tif", after / "ortho.tif", gsd_m=GSD_M).alignment
    except AerialError as exc:
        return {"aligned": str(exc)}
    return {
        "aligned_median_px": round(alignment.residual_median_m / GSD_M, 2),
        "aligned_p95_px": round(alignment.residual_p95_m / GSD_M, 2),
        "apart_m": round(alignment.shift_m, 3),
    }


def town(name: str, seed: int, work: Work) -> Path:
    """Return the folder of a simulated town; it is rendered where it is not there."""
    simulated = work.folder / f"{name}{seed}" / "simulated"
    # Written last of all.
    if not (simulated / "truth" / "distractors.geojson").exists():
        simulate_surveys(name, seed, simulated, SILENT)
    return simulated


def town_rows(name: str, seed: int, preset: str, work: Work) -> Iterator[Row]:
    """Stitch every flight of a town, and compare each with the truth and with the first."""
    simulated = town(name, seed, work)
    flights = sorted(simulated.glob("epoch*/photos"))
    first: Stitched | None = None
    about_m, before = (0.0, 0.0), None
    for number, photos in enumerate(flights, start=1):
        out = simulated.parent / f"{preset}{number}"
        previous = first.out if first else None
        made = stitched(photos, out, preset, previous=previous, reuse=work.reuse)
        row = run_row(f"{name} {seed}, flight {number}", preset, photos, made)
        if made.usage.code != 0:
            yield row
            return
        epoch = stitch_truth.read_epoch(simulated, number)
        # The second flight lies in the first one's frame, its GPS error included.
        about_m = about_m if first else epoch.shift_m
        figures, moved = truth_row(epoch, out, about_m)
        row |= figures
        if first is not None and before is not None:
            row |= stitch_truth.between_figures(before, moved) | aligned_row(first.out, out)
        first, before = first or made, before or moved
        yield row


def real_rows(name: str, preset: str, work: Work) -> Iterator[Row]:
    """Stitch a real block whole; those of full cover also as two flights of every other photograph."""
    photos, place = DATA / "photos" / name, work.folder / name
    place.mkdir(parents=True, exist_ok=True)
    made = stitched(photos, place / preset, preset, reuse=work.reuse)
    row = run_row(name, preset, photos, made)
    if name != "bogota_niza" and made.usage.code == 0:
        halves: list[Stitched] = []
        for first, label in ((0, "odd"), (1, "even")):
            folder = every_other(photos, place / label, first)
            previous = halves[0].out if halves else None
            out = place / f"{preset}-{label}"
            halves.append(stitched(folder, out, preset, previous=previous, reuse=work.reuse))
        if all(half.usage.code == 0 for half in halves):
            row |= aligned_row(halves[0].out, halves[1].out)
        else:
            row["aligned"] = "a half was refused"
    yield row


def peer_rows(names: list[str], seeds: dict[str, int], work: Work) -> Iterator[Row]:
    """Return the peers' rows on the sets that are measured."""
    for name in names:
        if name == "bogota_niza":
            continue
        photos = (
            town(name, seeds[name], work) / "epoch1" / "photos" if name in TOWNS else DATA / "photos" / name
        )
        for mode in stitch_peers.MODES:
            log = work.folder / f"opencv-{mode}-{name}"
            yield stitch_peers.opencv(mode, photos, log) | {"set": name}
    for name in names:
        mosaic = work.folder / f"{name}{seeds.get(name)}" / "quality1"
        if name in TOWNS and (mosaic / "block" / "block.json").is_file():
            simulated = town(name, seeds[name], work)
            epoch = stitch_truth.read_epoch(simulated, 1)
            moved = stitch_truth.displacements(
                mosaic / "ortho.tif", epoch.ortho, epoch.cell, epoch.crs, epoch.shift_m
            )
            yield stitch_peers.orthority(
                simulated / "epoch1" / "photos", mosaic, epoch, moved, simulated.parent / "orthority"
            ) | {"set": name}
    yield from (dict(row) for row in stitch_peers.PUBLISHED)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rows", nargs="+", choices=[*TOWNS, *REAL, "peers"], default=[*TOWNS, *REAL, "peers"]
    )
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=list(PRESETS))
    parser.add_argument(
        "--seeds", nargs=3, type=int, default=[703, 702, 701], metavar=("DEMO", "CELL", "LARGE")
    )
    parser.add_argument("--keep", type=Path, help="keep towns and mosaics here, and use towns that are there")
    parser.add_argument("--reuse", action="store_true", help="measure mosaics that are there, stitch none")
    options = parser.parse_args()
    seeds = dict(zip(TOWNS, options.seeds, strict=True))
    names = [name for name in (*TOWNS, *REAL) if name in options.rows]
    if set(names) & set(REAL) and not (DATA / "photos").is_dir():
        print(f"no photographs under {DATA}; set AERIAL_DATA", file=sys.stderr)
        return 1
    rows, peers = [], []
    with tempfile.TemporaryDirectory() as scratch:
        work = Work(folder=options.keep or Path(scratch), reuse=options.reuse)
        for name in names:
            for preset in options.presets:
                made = (
                    town_rows(name, seeds[name], preset, work)
                    if name in TOWNS
                    else real_rows(name, preset, work)
                )
                for row in made:
                    rows.append(row)
                    print(row, file=sys.stderr, flush=True)
        if "peers" in options.rows:
            for row in peer_rows(names or [*TOWNS, *REAL], seeds, work):
                peers.append(row)
                print(row, file=sys.stderr, flush=True)
    print_table([*rows, *peers])
    failed = [f"{row['set']}, {row['preset']}: {why}" for row in rows for why in fell_short(row)]
    return emit("stitch", {"seeds": seeds, "rows": rows, "peers": peers}, failed=failed)


if __name__ == "__main__":
    sys.exit(main())
