"""The two drone sites that no training and no tuning saw, as windows to score on."""

import shutil
from dataclasses import replace
from pathlib import Path

from aerial_training.evaluation import Picture, Pictures, of_sample
from aerial_training.synthesis import PairSynthesiser, sources
from benchmarks.machine import DATA

KEPT_OUT = (2, 4)
SEED = 90_001
WINDOW_PX, GSD_M = 256, 0.3


def windows(site: int, count: int, work: Path) -> Pictures:
    """Return ``count`` synthetic pairs on the ground of one site, with roofs cut from that site or drawn.

    Two thirds hold changes. Windows overlap: the site is smaller than all of them together. Pictures
    alone: simulated towns show what heights add.
    """
    folder = _only(site, work)
    source = PairSynthesiser(folder, SEED, cache=work / f"cache{site}", size_px=WINDOW_PX, gsd_m=GSD_M)
    numbers: list[int] = []
    index = 0
    while len(numbers) < count:
        if source.shows_one_place(index):
            numbers.append(index)
        index += 1

    def picture(number: int) -> Picture:
        own = of_sample(f"window {numbers[number]}", source.sample(numbers[number]))
        return replace(own, height_change_HW=None)

    return Pictures(name=f"drone site {site}, kept out", count=count, picture=picture)


def _only(site: int, work: Path) -> Path:
    """Return a folder in which the site stands in the place of a training site."""
    folder = work / f"site{site}"
    (folder / "drone_blocks").mkdir(parents=True, exist_ok=True)
    name = f"site{sources.TRAINING_SITES[0]}"
    for path in sorted((DATA / "drone_blocks").glob(f"site{site}_*")):
        target = folder / "drone_blocks" / path.name.replace(f"site{site}", name, 1)
        if not target.exists():
            shutil.copy(path, target)
    return folder
