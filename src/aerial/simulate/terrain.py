"""Gentle relief, pits and ponds: the height of the bare ground."""

import numpy as np
from numpy.typing import NDArray

from aerial.simulate.town import Floats, Pit, Plot

# Chang'an lies a few metres above the sea.
DATUM_M = 9.0
BANK_M = 1.5


def relief(rng: np.random.Generator) -> Floats:
    """Return waves, shape (5, 4): amplitude in metres, wave numbers x and y per metre, phase."""
    wave_m = rng.uniform(130, 420, 5)
    angle = rng.uniform(0, 2 * np.pi, 5)
    amplitude_m = rng.uniform(0.2, 0.8, 5) * wave_m / 300
    turns = 2 * np.pi / wave_m
    return np.column_stack(
        [amplitude_m, turns * np.cos(angle), turns * np.sin(angle), rng.uniform(0, 2 * np.pi, 5)]
    )


def ground_m(
    waves_54: Floats, pits: tuple[Pit, ...], x: NDArray[np.floating], y: NDArray[np.floating]
) -> Floats:
    """Return the height of the ground, metres over the datum, at local x and y of one shape."""
    z = np.full(np.shape(x), DATUM_M, float)
    for amplitude, kx, ky, phase in waves_54:
        z = z + amplitude * np.sin(kx * x + ky * y + phase)
    for pit in pits:
        z = z - pit.depth_m * inside(pit.plot, x, y, BANK_M)
    return np.asarray(z)


def water_m(waves_54: Floats, pit: Pit) -> float:
    """Return the level of the water in a pit: 0.6 m under its rim."""
    middle = ground_m(waves_54, (), np.array([pit.plot.x_m]), np.array([pit.plot.y_m]))
    return float(middle[0]) - 0.6


def inside(plot: Plot, x: NDArray[np.floating], y: NDArray[np.floating], bank_m: float) -> Floats:
    """Return 1 well inside a plot, 0 outside it, a slope of ``bank_m`` between."""
    c, s = np.cos(np.radians(plot.yaw_deg)), np.sin(np.radians(plot.yaw_deg))
    dx, dy = np.asarray(x) - plot.x_m, np.asarray(y) - plot.y_m
    u, v = np.abs(dx * c + dy * s), np.abs(-dx * s + dy * c)
    edge = np.minimum(plot.width_m / 2 - u, plot.depth_m / 2 - v)
    return np.asarray(np.clip(edge / bank_m, 0, 1))
