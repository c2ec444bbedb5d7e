"""Renders two surveys of a town, and the truth about them, into a folder."""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from importlib.metadata import version
from multiprocessing.process import BaseProcess
from pathlib import Path

import cv2
import numpy as np

from aerial import geo
from aerial.camera import Camera
from aerial.codec import read_json, write_json
from aerial.errors import InputError
from aerial.progress import Progress
from aerial.records.record import record
from aerial.simulate import changes, distractors, exif, flight, layout, photograph, scene, terrain, truth
from aerial.simulate.presets import Preset, preset_named, stream
from aerial.simulate.shade import Light, sunlight
from aerial.simulate.town import CRS, ORIGIN_XY, Town, Vehicle, outline

CELL = "C01"
# Degrees a minute that the sun of a lively town turns and climbs (or, after noon, sinks).
SUN_TURNS, SUN_CLIMBS = 0.35, 0.15


@record
class SimulatedTown:
    """Where everything lies; photographs of each epoch in ``photos``, truth in ``truth``."""

    out: Path
    photos: tuple[Path, ...]
    truth: Path
    area: Path
    cells: Path
    permits: Path
    cell: str
    crs: str


@record
class Epoch:
    """One survey before it is rendered.

    ``light`` is that of the truth; ``lights`` and ``driving`` have an item for each shot.
    """

    town: Town
    light: Light
    camera: Camera
    shots: tuple[flight.Shot, ...]
    lights: tuple[Light, ...]
    driving: tuple[tuple[Vehicle, ...], ...]


def plan(preset: Preset, seed: int) -> tuple[changes.History, tuple[distractors.Distractor, ...]]:
    """Return both epochs of the town, its true changes, and the distractors; renders nothing."""
    cell = outline(flight.cell_plot(preset, seed))
    first = layout.lay_out(preset, seed, flight.half_extent_m(preset, seed))
    history = changes.happen(first, preset, seed, cell)
    after, found = distractors.scatter(history, seed, cell)
    whole = changes.History(
        before=history.before, after=after, changes=history.changes, permits=history.permits
    )
    return whole, found


def simulate_surveys(preset_name: str, seed: int, out: Path, progress: Progress) -> SimulatedTown:
    """Render every epoch's photographs and write the truth; returns where everything lies.

    Layout of ``out``: ``epoch1/photos``, ``epoch2/photos``, ``area.geojson``, ``cells.geojson``, and
    ``truth/`` with ``changes.geojson``, ``distractors.geojson``, ``permit.geojson``,
    ``roofs.geojson``, and for each epoch ``cameras.json``, ``ortho.tif`` and ``dsm.tif``. A rendering
    of the same town that was cut short goes on where it was.

    Raises:
        InputError: the preset is unknown, or ``out`` holds something else.
    """
    preset = preset_named(preset_name)
    _claim(out, preset_name, seed)
    history, found = plan(preset, seed)
    area = flight.area(preset, seed)
    folder = out / "truth"
    truth.write_geojson(out / "area.geojson", [(area, {"name": f"simulated town {seed}"})])
    truth.write_geojson(out / "cells.geojson", [(outline(flight.cell_plot(preset, seed)), {"id": CELL})])
    truth.write_geojson(folder / "permit.geojson", [(zone, {"kind": "permit"}) for zone in history.permits])
    roofs = []
    heights = []
    shadows: list[distractors.Distractor] = []
    for number in range(1, preset.epochs + 1):
        epoch = at_epoch(preset, seed, number)
        place = folder / f"epoch{number}"
        truth.write_cameras(place / "cameras.json", epoch.camera, epoch.shots)
        grid = truth.grid_over(area, preset.gsd_m)
        built = scene.build(epoch.town, preset, seed, number)
        # The surface model is closed first of the two: the ortho tells that both are whole.
        if not (place / "ortho.tif").exists():
            progress.phase(f"True ortho, epoch {number}", -(-grid.height_px // truth.rows_at_once(grid)))
            truth.write_rasters(place, built, epoch.light, grid, progress)
        roofs += truth.roof_features(epoch.town.buildings, place / "dsm.tif", grid, number)
        shadows += truth.shadows(epoch.town.buildings, epoch.light, number)
        heights.append([truth.heights_in(built, change.outline) for change in history.changes])
        if preset.workers == 1:
            _SEEN["now"] = (number, epoch, built)
        del built
        progress.phase(f"Photographs, epoch {number}", len(epoch.shots))
        for _ in _taken(preset, seed, number, epoch, out / f"epoch{number}" / "photos"):
            progress.advance()
    # What was built has stair heads and clutter on it, and stands where something grew: what counts
    # is what can be measured.
    measured = tuple(
        replace(change, height_change_m=float(np.median(late - early)))
        for change, early, late in zip(history.changes, heights[0], heights[-1], strict=True)
    )
    truth.write_geojson(folder / "changes.geojson", truth.change_features(measured))
    truth.write_geojson(folder / "roofs.geojson", roofs)
    truth.write_geojson(folder / "distractors.geojson", truth.distractor_features((*found, *shadows)))
    _SEEN.clear()
    return SimulatedTown(
        out=out,
        photos=tuple(out / f"epoch{number}" / "photos" for number in range(1, preset.epochs + 1)),
        truth=folder,
        area=out / "area.geojson",
        cells=out / "cells.geojson",
        permits=folder / "permit.geojson",
        cell=CELL,
        crs=CRS,
    )


def _claim(out: Path, preset: str, seed: int) -> None:
    """Take an empty folder for a town; a folder that was taken for the same town is its own."""
    mine = {"preset": preset, "seed": seed, "version": version("aerial")}
    marker = out / "truth" / "town.json"
    if marker.is_file() and read_json(marker) == mine:
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is not an empty folder.", hint="Name a new folder for the simulated town.")
    write_json(marker, mine)


def at_epoch(preset: Preset, seed: int, number: int) -> Epoch:
    """Return epoch 1 or 2 of a town: what stands, the light, the camera and its poses."""
    history, _ = plan(preset, seed)
    town = history.before if number == 1 else history.after
    sky = stream(seed, "sun", number)
    elevation_deg = float(sky.uniform(42, 62))
    azimuth_deg = float(sky.uniform(105, 150) if number == 1 else sky.uniform(205, 250))
    warmth = float(sky.uniform(0, 1))
    middle = terrain.ground_m(town.relief, (), np.zeros(1), np.zeros(1))
    shots = flight.fly(preset, seed, number, float(middle[0]))
    light = sunlight(elevation_deg, azimuth_deg, warmth)
    lights = [light] * len(shots)
    driving: list[tuple[Vehicle, ...]] = [()] * len(shots)
    if preset.alive:
        noon = shots[len(shots) // 2].taken_at
        after_s = [(shot.taken_at - noon).total_seconds() for shot in shots]
        climbs = SUN_CLIMBS if number == 1 else -SUN_CLIMBS
        lights = [
            sunlight(elevation_deg + climbs * s / 60, azimuth_deg + SUN_TURNS * s / 60, warmth)
            for s in after_s
        ]
        driving = [layout.driving(stream(seed, "driving", number), town.roads, s) for s in after_s]
    return Epoch(
        town=town,
        light=light,
        camera=flight.true_camera(flight.read_camera(), preset, seed, number),
        shots=shots,
        lights=tuple(lights),
        driving=tuple(driving),
    )


def _taken(preset: Preset, seed: int, number: int, epoch: Epoch, folder: Path) -> Iterator[None]:
    """Take every photograph that is not there, in several processes if asked; yields as each is written."""
    missing = [index for index, shot in enumerate(epoch.shots) if not (folder / shot.name).exists()]
    for _ in range(len(epoch.shots) - len(missing)):
        yield
    if preset.workers == 1:
        for index in missing:
            _take_next(seed, index, folder)
            yield
        return
    # Spawned, not forked: this process may have threads (OpenCV, BLAS) that a fork would break.
    with ProcessPoolExecutor(
        preset.workers, multiprocessing.get_context("spawn"), _open_eyes, (preset, seed, number)
    ) as pool:
        for done in as_completed([pool.submit(_take_next, seed, index, folder) for index in missing]):
            done.result()
            yield


_SEEN: dict[str, tuple[int, Epoch, scene.Scene]] = {}


def _open_eyes(preset: Preset, seed: int, number: int) -> None:
    """Build the scene of this process; OpenCV keeps to one thread beside the other process."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        # A pool's processes outlive a parent that is killed; this one must not.
        threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    cv2.setNumThreads(1)
    epoch = at_epoch(preset, seed, number)
    _SEEN["now"] = (number, epoch, scene.build(epoch.town, preset, seed, number))


def _leave_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _take_next(seed: int, index: int, folder: Path) -> None:
    number, epoch, built = _SEEN["now"]
    take(seed, number, epoch, built, index, folder)


def take(seed: int, number: int, epoch: Epoch, built: scene.Scene, index: int, folder: Path) -> None:
    """Take one photograph of an epoch and write it to ``folder``."""
    shot = epoch.shots[index]
    image_HW3 = photograph.expose(
        scene.with_moving(built, epoch.town, epoch.driving[index]),
        epoch.camera,
        shot,
        epoch.lights[index],
        stream(seed, "photo", number, index),
    )
    at = geo.to_lonlat(CRS, float(shot.gps_3[0] + ORIGIN_XY[0]), float(shot.gps_3[1] + ORIGIN_XY[1]))
    file = flight.read_camera()
    photograph.save(
        folder / shot.name,
        image_HW3,
        exif.exif_bytes(file, epoch.camera, shot, at),
        exif.xmp_bytes(file, shot, at),
    )
