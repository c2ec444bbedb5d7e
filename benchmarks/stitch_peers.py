"""The peers of the stitching benchmark, on the same photographs.

OpenCV's ``Stitcher`` (no georeference, no surface, no check of itself) runs in a process of its own.
orthority 0.7 (AGPL; only ever talked to) lays single photographs over a surface model that it is
given; it makes no block, no surface and no mosaic. It is given our poses and our surface, so that
what differs is how it draws. ODM's figures are those that others published.

    python -m benchmarks.stitch_peers SCANS|PANORAMA FOLDER
"""

import csv
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from aerial.camera import project
from aerial.codec import write_json
from aerial.ortho.archive import read_archive
from aerial.ortho.block import Block
from aerial.ortho.solve import block_of
from benchmarks import stitch_roofs
from benchmarks.peers.base import INSTALL, cache, whole
from benchmarks.stitch_run import measured, photographs
from benchmarks.stitch_truth import Epoch, Floats, Moved

MODES = {"SCANS": cv2.Stitcher_SCANS, "PANORAMA": cv2.Stitcher_PANORAMA}
STATUS = {0: "OK", 1: "ERR_NEED_MORE_IMGS", 2: "ERR_HOMOGRAPHY_EST_FAIL", 3: "ERR_CAMERA_PARAMS_ADJUST_FAIL"}
OPENCV_LIMIT_S = 1800.0
# It holds every photograph and every warped one: beyond this it is not tried.
OPENCV_MOST_MB = 6000.0
# Photographs nearest to the middle of the town that orthority draws.
ORTHORITY_PHOTOS = 12
GSD_M = 0.05

_RUNS = "github.com/coreysnipes/odm-benchmarks, data/benchmarks.csv"
PUBLISHED = (
    {
        "peer": "ODM default (published)",
        "set": "165 runs of others",
        "s_photo": 17.2,
        "source": f"{_RUNS}: median of 165 runs that ended, 4.0-405 s; 10 of all 235 failed",
    },
    {
        "peer": "ODM fast-orthophoto (published)",
        "set": "4 runs of others",
        "s_photo": 11.6,
        "source": f"{_RUNS}: median, 3.9-146 s",
    },
    {
        "peer": "ODM 3.5.4 default (published)",
        "set": "brighton_beach",
        "photos": 18,
        "s_photo": 13.2,
        "source": f"{_RUNS}: Ryzen 7 8845HS, 16 threads, 16 GB",
    },
    {
        "peer": "ODM fast-orthophoto + dsm (published)",
        "set": "brighton_beach",
        "photos": 18,
        "s_photo": 4.5,
        "source": "github.com/OpenDroneMap/ODM/pull/1958, its CI",
    },
    {
        "peer": "ODM (documented need)",
        "set": "250 photographs",
        "photos": 250,
        "peak_mb": 16000.0,
        "source": "docs.opendronemap.org, installation: 40 photographs 4 GB, 250 16 GB, 500 32 GB",
    },
)


def opencv(mode: str, folder: Path, log: Path) -> dict[str, Any]:
    """Return what OpenCV's stitcher makes of a folder, how long it takes and what it holds."""
    paths = photographs(folder)
    row: dict[str, Any] = {"peer": f"OpenCV Stitcher {mode}", "set": "", "photos": len(paths)}
    height, width = cv2.imread(str(paths[0])).shape[:2]
    row["mpx"] = round(height * width / 1e6, 1)
    if len(paths) * height * width * 3 / 1e6 > OPENCV_MOST_MB:
        return row | {
            "note": f"not tried: the photographs alone are {len(paths) * height * width * 3e-9:.0f} GB"
        }
    command = [sys.executable, "-m", "benchmarks.stitch_peers", mode, folder]
    usage = measured(command, log, limit_s=OPENCV_LIMIT_S)
    row |= {"s_photo": round(usage.wall_s / len(paths), 2), "cpu_s_photo": round(usage.cpu_s / len(paths), 2)}
    row["peak_mb"] = usage.peak_mb
    if usage.code != 0:
        ended = "stopped after half an hour" if usage.code == -9 else f"ended with {usage.code}"
        return row | {"registered": 0, "note": f"{ended}: {usage.said[-120:]!r}"}
    told = json.loads(log.read_text())
    return row | {
        "registered": told["used"],
        "note": f"says {told['status']}; no georeference, no surface: nothing to compare with the truth",
    }


def _stitch(mode: str, folder: Path) -> dict[str, Any]:
    stitcher = cv2.Stitcher.create(MODES[mode])
    status, _ = stitcher.stitch([cv2.imread(str(path)) for path in photographs(folder)])
    used = len(stitcher.component()) if status == cv2.Stitcher_OK else 0
    return {"status": STATUS.get(status, str(status)), "used": used}


def orthority(photos: Path, mosaic: Path, epoch: Epoch, moved: Moved, scratch: Path) -> dict[str, Any]:
    """Return what orthority draws of the photographs in the middle of a town, with our poses and surface.

    Each roof is judged on the photograph nearest above it, which is what it looks best on.
    """
    row: dict[str, Any] = {"peer": "orthority 0.7.0", "photos": ORTHORITY_PHOTOS}
    if not whole("orthority").exists():
        return row | {"note": f"not installed: {INSTALL} orthority"}
    block = block_of(read_archive(mosaic / "block"))
    shift_2 = moved.common_2
    drawn = _middle_photos(block, epoch, shift_2)
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    write_parameters(block, drawn, scratch)
    command: list[str | Path] = [cache() / "orthority" / "bin" / "oty", "frame"]
    command += ["--dem", mosaic / "dsm.tif", "--int-param", scratch / "lenses.yaml"]
    command += ["--ext-param", scratch / "poses.csv", "--crs", block.crs, "--res", str(GSD_M)]
    command += ["--out-dir", scratch, "--no-build-ovw", *(photos / block.photos[i].file for i in drawn)]
    usage = measured(command, scratch / "log")
    row |= {
        "mpx": round(epoch.camera.width_px * epoch.camera.height_px / 1e6, 1),
        "s_photo": round(usage.wall_s / len(drawn), 2),
        "cpu_s_photo": round(usage.cpu_s / len(drawn), 2),
        "peak_mb": usage.peak_mb,
    }
    if usage.code != 0:
        return row | {"note": f"ended with {usage.code}: {usage.said[-200:]!r}"}
    leans, missed = [], 0
    for roof in epoch.roofs:
        best = _nearest_that_shows(block, drawn, roof, shift_2)
        if best is None:
            missed += 1
            continue
        made = scratch / f"{Path(block.photos[best].file).stem}_ORTHO.tif"
        leans.append(stitch_roofs.lean(made, epoch.ortho, [roof], epoch.crs, moved)[0])
    figures = stitch_roofs.lean_figures(np.array(leans).reshape(-1, 2))
    return (
        row
        | figures
        | {
            "roofs": len(leans),
            "note": "drawing alone, single photographs: no block, surface, mosaic or occlusion test",
        }
    )


def _middle_photos(block: Block, epoch: Epoch, shift_2: Floats) -> list[int]:
    middle_2 = np.array([epoch.cell.centroid.x, epoch.cell.centroid.y]) + shift_2 - block.origin_3[:2]
    apart = [float(np.hypot(*(photo.pose.centre_3[:2] - middle_2))) for photo in block.photos]
    return [int(i) for i in np.argsort(apart)[:ORTHORITY_PHOTOS]]


def _nearest_that_shows(
    block: Block, drawn: list[int], roof: stitch_roofs.Roof, shift_2: Floats
) -> int | None:
    ring_N2 = np.asarray(roof.outline.buffer(0.5).exterior.coords)[:, :2] + shift_2 - block.origin_3[:2]
    # The true height is good enough to tell whether a roof is in the frame: the offset is a metre or two.
    points_N3 = np.column_stack([ring_N2, np.full(len(ring_N2), roof.height_m - block.origin_3[2])])
    best, least = None, np.inf
    for index in drawn:
        photo = block.photos[index]
        _, seen_N = project(photo.camera, photo.pose, points_N3)
        away_m = float(np.hypot(*(photo.pose.centre_3[:2] - ring_N2.mean(axis=0))))
        if seen_N.all() and away_m < least:
            best, least = index, away_m
    return best


def write_parameters(block: Block, drawn: list[int], folder: Path) -> None:
    """Write ``lenses.yaml`` and ``poses.csv`` in orthority's own formats.

    Lengths of a lens in pixels, its middle as offset from the frame's in frame widths; angles are
    omega, phi, kappa (degrees, PATB) of a camera that looks along -z with y up.
    """
    lenses = {}
    for index in drawn:
        camera = block.photos[index].camera
        size = max(camera.width_px, camera.height_px)
        k1, k2, p1, p2 = camera.distortion
        lenses[f"lens{index}"] = {
            "type": "brown",
            "im_size": [camera.width_px, camera.height_px],
            "focal_len": [camera.focal_x_px, camera.focal_y_px],
            "sensor_size": [camera.width_px, camera.height_px],
            "cx": (camera.centre_x_px - camera.width_px / 2) / size,
            "cy": (camera.centre_y_px - camera.height_px / 2) / size,
            "k1": k1,
            "k2": k2,
            "p1": p1,
            "p2": p2,
        }
    # JSON is YAML.
    write_json(folder / "lenses.yaml", lenses)
    with (folder / "poses.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["filename", "x", "y", "z", "omega", "phi", "kappa", "camera"])
        for index in drawn:
            photo = block.photos[index]
            to_world_33 = photo.pose.rotation_33.T @ np.diag([1.0, -1.0, -1.0])
            angles_3 = Rotation.from_matrix(to_world_33).as_euler("XYZ", degrees=True)
            centre_3 = photo.pose.centre_3 + block.origin_3
            name = Path(photo.file).name
            rows.writerow([name, *(f"{v:.6f}" for v in (*centre_3, *angles_3)), f"lens{index}"])


if __name__ == "__main__":
    print(json.dumps(_stitch(sys.argv[1], Path(sys.argv[2]))))
