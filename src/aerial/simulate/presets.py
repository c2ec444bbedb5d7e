"""How large a town to render, and the random streams that every part draws from."""

import zlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from aerial.errors import InputError
from aerial.records.record import record

T = TypeVar("T")


@record
class Preset:
    """One size of the simulated town.

    ``width_px`` of a 3:2 frame; ``gsd_m`` on the ground under the camera; ``lines`` flight lines of
    ``photos_per_line``; overlaps as fractions on the ground. ``changes`` counts the true changes of
    each kind inside the cell, ``permitted`` the new houses inside a permit zone. ``block_m`` is the
    side of a block between roads. ``epochs`` flights are rendered; where the town is ``alive``, cars
    drive and the sun moves while the photographs of a flight are taken.
    """

    name: str
    width_px: int
    gsd_m: float
    lines: int
    photos_per_line: int
    forward_overlap: float
    side_overlap: float
    block_m: float
    changes: dict[str, int]
    permitted: int
    workers: int
    epochs: int = 2
    alive: bool = False


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            name="tests",
            width_px=780,
            gsd_m=0.12,
            lines=3,
            photos_per_line=4,
            forward_overlap=0.76,
            side_overlap=0.66,
            block_m=50,
            changes={"house": 1, "farm_shed": 1, "floor": 0, "roof_shed": 1, "annex": 1, "demolition": 1},
            permitted=0,
            workers=1,
        ),
        Preset(
            name="demo",
            width_px=2124,
            gsd_m=0.058,
            lines=5,
            photos_per_line=8,
            forward_overlap=0.80,
            side_overlap=0.70,
            block_m=48,
            changes={
                "house": 3,
                "farm_shed": 3,
                "floor": 1,
                "roof_shed": 2,
                "annex": 2,
                "demolition": 1,
                "excavation": 1,
            },
            permitted=1,
            workers=2,
        ),
        Preset(
            name="rooftops",
            width_px=2124,
            gsd_m=0.058,
            lines=5,
            photos_per_line=8,
            forward_overlap=0.80,
            side_overlap=0.70,
            block_m=48,
            changes={"roof_room": 8, "roof_box": 5},
            permitted=0,
            workers=2,
        ),
        Preset(
            name="cell",
            width_px=4248,
            gsd_m=0.040,
            lines=7,
            photos_per_line=10,
            forward_overlap=0.80,
            side_overlap=0.70,
            block_m=56,
            changes={
                "house": 7,
                "farm_shed": 7,
                "floor": 3,
                "roof_shed": 5,
                "annex": 5,
                "demolition": 3,
                "excavation": 2,
            },
            permitted=2,
            workers=2,
        ),
        Preset(
            name="large",
            width_px=4248,
            gsd_m=0.040,
            lines=15,
            photos_per_line=20,
            forward_overlap=0.80,
            side_overlap=0.70,
            block_m=56,
            changes={},
            permitted=0,
            workers=1,
            epochs=1,
            alive=True,
        ),
    )
}


def preset_named(name: str) -> Preset:
    """Return the preset called ``name``.

    Raises:
        InputError: there is none; the hint lists them.
    """
    if name not in PRESETS:
        raise InputError(f"No preset is called {name!r}.", hint=f"Use one of: {', '.join(PRESETS)}.")
    return PRESETS[name]


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """Return one of ``options``, all alike likely."""
    return options[int(rng.integers(len(options)))]


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """Return the random stream of one named part: adding a part does not shift the others' numbers."""
    return np.random.default_rng([seed, *(zlib.crc32(str(name).encode()) for name in names)])
