"""The whole flow on a simulated town, from two flights to a scored report."""

import shutil
from pathlib import Path

from aerial.codec import from_plain, read_json, write_json
from aerial.errors import InputError
from aerial.progress import Progress
from aerial.records.record import record
from aerial.report.geojson import read_suspects
from aerial.settings import Settings, load_settings
from aerial.simulate.score import Score, read_truth, score
from aerial.simulate.surveys import CELL, simulate_surveys
from aerial.steps.init import init_town
from aerial.steps.photos import import_photos
from aerial.steps.run import run_cell
from aerial.workspace import Town


@record
class DemoTown:
    """What a demo folder was made for; stands in its ``demo.json``."""

    preset: str
    seed: int


@record
class Demo:
    """The report's page and how it compares with the truth."""

    page: Path
    score: Score


def run_demo(out: Path, demo: DemoTown, progress: Progress) -> Demo:
    """Render a town twice, survey both epochs as a squad would, and score the report.

    ``out`` holds ``simulated/`` (photographs and truth) and ``town/`` (the workspace). What is there
    of the same demo is used again, so that an interrupted demo goes on.

    Raises:
        InputError: ``out`` holds something else than this demo.
    """
    _claim(out, demo)
    simulated = out / "simulated"
    if not simulated.is_dir():
        # Photographs appear whole or not at all; a cut-short rendering is begun anew.
        part = out / ".simulated.part"
        shutil.rmtree(part, ignore_errors=True)
        simulate_surveys(demo.preset, demo.seed, part, progress)
        part.rename(simulated)
    town = Town(root=out / "town")
    if not town.settings_file.exists():
        init_town(
            town.root,
            simulated / "area.geojson",
            simulated / "cells.geojson",
            [simulated / "truth" / "permit.geojson"],
        )
    settings: Settings = load_settings(town.settings_file, environment={})
    for epoch in ("epoch1", "epoch2"):
        progress.say(f"Survey of {epoch}: import the photographs, then aerial run {CELL}")
        import_photos(town, CELL, simulated / epoch / "photos", progress)
        done = run_cell(town, CELL, settings, progress)
    if done.report is None:
        raise ValueError("two surveys were imported, and no pair was compared")
    truth = read_truth(simulated)
    suspects = read_suspects(done.report.parent / "report.geojson")
    return Demo(page=done.report, score=score(suspects, truth, truth.gps_shift_m[0]))


def _claim(out: Path, demo: DemoTown) -> None:
    marker = out / "demo.json"
    if marker.is_file():
        held = from_plain(DemoTown, read_json(marker), source=str(marker))
        if held != demo:
            raise InputError(
                f"{out} holds the demo of preset {held.preset}, seed {held.seed}.",
                hint="Name another folder with --out, or delete this one.",
            )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is not an empty folder.", hint="Name a new folder with --out.")
    else:
        write_json(marker, demo)
