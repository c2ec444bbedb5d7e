"""A second look at what the network found: turned, mirrored, from nearer and from farther off.

One answer of a network hangs on chance: on how a roof lies to the pixels, on which side its shadow falls.
What is there is seen in every position; what is not comes and goes. So the chance that counts is the mean
of eight looks, in log odds (test-time augmentation; Simonyan and Zisserman 2015 for the mean over views).
It costs forty times the ground, and is paid only where the first answer found something: unchanged ground,
nearly all of a fortnight's, is read once. Measured in docs/measured.md.

Looks lie on a lattice that the whole pair shares, with all the surroundings that an answer depends on: it
makes no difference how the pair was cut into tiles.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial.change.engine import Runner, enlarged
from aerial.change.inputs import HEIGHT_STRIDE, Normalisation, height_planes, mirrored
from aerial.raster.read import WindowPx

Floats = NDArray[np.float32]

# The ground is looked at again in squares of so many pixels of the network, and what was found counts for
# cells of so many.
# Squares begin where all looks begin a stride: at 3/4 of 128 pixels, and at 5/4 of them.
BLOCK_PX, CELL_PX, _LATTICE_PX = 256, 32, 128
# The first chance from which on a second look counts at all, and from which on it alone counts; a cell
# between the two takes a share of both, so that rounding never decides.
_FROM, _WHOLLY = 0.3, 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a square is shown: mirrored or not, then turned; ``zoom`` = (numerator, denominator)."""

    quarter_turns: int
    mirror: bool
    zoom: tuple[int, int]


# Each of the eight positions of a square once.
LOOKS = (
    Look(quarter_turns=0, mirror=False, zoom=(1, 1)),
    Look(quarter_turns=2, mirror=False, zoom=(1, 1)),
    Look(quarter_turns=1, mirror=True, zoom=(1, 1)),
    Look(quarter_turns=3, mirror=True, zoom=(1, 1)),
    Look(quarter_turns=1, mirror=False, zoom=(3, 4)),
    Look(quarter_turns=0, mirror=True, zoom=(3, 4)),
    Look(quarter_turns=3, mirror=False, zoom=(5, 4)),
    Look(quarter_turns=2, mirror=True, zoom=(5, 4)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A window of a pair on the network's own pixels: uint8 RGB, where it is valid, heights (or None)."""

    before_CHW: NDArray[np.uint8]
    after_CHW: NDArray[np.uint8]
    valid_HW: NDArray[np.bool_]
    height_change_HW: Floats | None


See = Callable[[WindowPx], Seen]


def ready(engine: Runner) -> None:
    """Let the network get ready for looks."""
    side = _canvas_px(engine)
    engine.ready((side, side))


def again(
    engine: Runner, norm: Normalisation, bands: Sequence[Floats], window: WindowPx, factor: int, see: See
) -> None:
    """Better the answers of a window where something was found, in place.

    ``bands``: the calibrated chances of ``appeared`` and ``gone`` and the building maps, (H, W) each, on
    ``window`` of the pair's grid, whose pixels are ``factor`` times as fine as the network's; its corner
    is a multiple of ``CELL_PX * factor``. ``see`` gives windows of the pair on the network's pixels, also
    beyond the rim of the pair, where nothing is valid.
    """
    column, row, width, height = window
    cell, block = CELL_PX * factor, BLOCK_PX * factor
    weight = _weight(bands, cell)
    for left, top in _blocks(weight > 0, (column // cell, row // cell)):
        found_4HW = enlarged(_look(engine, norm, (left, top), see), block, block)
        y0, x0 = top * factor - row, left * factor - column
        # What of the block lies in the window, in the window's pixels.
        here = np.s_[max(y0, 0) : min(y0 + block, height), max(x0, 0) : min(x0 + block, width)]
        there = np.s_[:, here[0].start - y0 : here[0].stop - y0, here[1].start - x0 : here[1].stop - x0]
        rows, columns = (slice(part.start // cell, -(-part.stop // cell)) for part in here)
        share = weight[rows, columns].repeat(cell, 0).repeat(cell, 1)
        # Each cell once, though blocks may overlap.
        weight[rows, columns] = 0
        for band_HW, better_HW in zip(bands, found_4HW[there], strict=True):
            part_HW = band_HW[here]
            part_HW += share[: part_HW.shape[0], : part_HW.shape[1]] * (better_HW - part_HW)


def _blocks(wanted: NDArray[np.bool_], corner: tuple[int, int]) -> list[tuple[int, int]]:
    """Return few blocks (left, top) on the lattice that together hold all wanted cells, in the net's pixels.

    ``corner``: (column, row) of the first cell on the lattice of the pair.
    """
    open_cells = {(int(y) + corner[1], int(x) + corner[0]) for y, x in np.argwhere(wanted)}
    step, side = _LATTICE_PX // CELL_PX, BLOCK_PX // CELL_PX
    found = []
    while open_cells:
        top = min(open_cells)[0] // step * step
        left = min(x for y, x in open_cells if y < top + side) // step * step
        found.append((left * CELL_PX, top * CELL_PX))
        open_cells -= {(y, x) for y in range(top, top + side) for x in range(left, left + side)}
    return found


def _weight(bands: Sequence[Floats], cell: int) -> Floats:
    """Return what the second look counts in each cell, by the largest first chance in it."""
    most_HW = np.maximum(bands[0], bands[1])
    height, width = most_HW.shape
    rows, columns = -(-height // cell), -(-width // cell)
    padded = np.zeros((rows * cell, columns * cell), np.float32)
    padded[:height, :width] = most_HW
    most = padded.reshape(rows, cell, columns, cell).max(axis=(1, 3))
    return np.asarray(np.clip((most - _FROM) / (_WHOLLY - _FROM), 0, 1), np.float32)


def _look(engine: Runner, norm: Normalisation, corner: tuple[int, int], see: See) -> Floats:
    """Return the calibrated (4, BLOCK_PX, BLOCK_PX) mean of all looks at a block."""
    file = engine.model.file
    reach = [_halo_px(look, file.halo_px, file.stride_px) for look in LOOKS]
    halo = max(reach)
    side = BLOCK_PX + 2 * halo
    seen = see((corner[0] - halo, corner[1] - halo, side, side))
    dates = mirrored((seen.before_CHW, seen.after_CHW), seen.valid_HW)
    planes_2HW = height_planes(seen.height_change_HW, (side, side), file.height_scale_m)
    canvas_px = _canvas_px(engine)
    total_4HW = np.zeros((4, BLOCK_PX, BLOCK_PX), np.float32)
    for look, own in zip(LOOKS, reach, strict=True):
        low, high, across_px = halo - own, halo + BLOCK_PX + own, _across(look, own)
        shown = [_shown(date_CHW[:, low:high, low:high], look) for date_CHW in dates]
        coarse = slice(low // HEIGHT_STRIDE, high // HEIGHT_STRIDE)
        heights_2HW = _shown(planes_2HW[:, coarse, coarse], look, cv2.INTER_NEAREST)
        chance_4HW = engine.run(
            _on_canvas(shown[0], canvas_px),
            _on_canvas(shown[1], canvas_px),
            norm.gain_2C,
            norm.offset_2C,
            _on_canvas(heights_2HW, canvas_px // HEIGHT_STRIDE),
        )
        half_px = across_px * chance_4HW.shape[-1] // canvas_px
        odds_4HW = _turned_back(log_odds(chance_4HW[:, :half_px, :half_px]), look)
        whole_4HW = enlarged(odds_4HW, high - low, high - low)
        total_4HW += whole_4HW[:, own : own + BLOCK_PX, own : own + BLOCK_PX]
    total_4HW /= len(LOOKS)
    total_4HW[:2] = file.calibration.slope * total_4HW[:2] + file.calibration.offset
    found_4HW = 1 / (1 + np.exp(-total_4HW))
    found_4HW[:, ~seen.valid_HW[halo : halo + BLOCK_PX, halo : halo + BLOCK_PX]] = 0
    return np.asarray(found_4HW, np.float32)


def _halo_px(look: Look, halo_px: int, stride_px: int) -> int:
    """Return the surroundings of a block for a look: what an answer depends on, in whole strides.

    Zoomed, a stride of the network is ``stride / zoom`` pixels; the halo is the least whole number of
    pixels that holds whole strides, or several of it: every square begins where a stride begins.
    """
    above, below = look.zoom
    step = stride_px * below // math.gcd(stride_px * below, above)
    return -(-halo_px * below // (above * step)) * step


def _canvas_px(engine: Runner) -> int:
    """Return the one size in which all looks are shown, since a network is compiled for each size."""
    file = engine.model.file
    return max(_across(look, _halo_px(look, file.halo_px, file.stride_px)) for look in LOOKS)


def _across(look: Look, halo_px: int) -> int:
    """Return the side of a look at a block, in pixels of the network."""
    above, below = look.zoom
    return (BLOCK_PX + 2 * halo_px) * above // below


def _on_canvas(image_CHW: NDArray[Any], side_px: int) -> NDArray[Any]:
    """Return a square with nothing beside it, further off than an answer looks."""
    room = side_px - image_CHW.shape[-1]
    return np.pad(image_CHW, ((0, 0), (0, room), (0, room))) if room else image_CHW


def _shown(image_CHW: NDArray[Any], look: Look, how: int | None = None) -> NDArray[Any]:
    """Return a square as a look shows it."""
    above, below = look.zoom
    if above != below:
        if how is None:
            how = cv2.INTER_AREA if above < below else cv2.INTER_CUBIC
        size = image_CHW.shape[-1] * above // below
        image_CHW = np.stack(
            [cv2.resize(np.ascontiguousarray(band), (size, size), interpolation=how) for band in image_CHW]
        )
    if look.mirror:
        image_CHW = image_CHW[..., ::-1]
    return np.ascontiguousarray(np.rot90(image_CHW, look.quarter_turns, axes=(-2, -1)))


def _turned_back(image_CHW: Floats, look: Look) -> Floats:
    image_CHW = np.rot90(image_CHW, -look.quarter_turns, axes=(-2, -1))
    return np.ascontiguousarray(image_CHW[..., ::-1] if look.mirror else image_CHW)


def log_odds(chance: Floats) -> Floats:
    """Return the log odds of chances, those of 0 and 1 kept finite."""
    p = np.clip(chance, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(p / (1 - p)), np.float32)
