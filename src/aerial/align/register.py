"""Lays BEFORE on AFTER: coarse on overviews, fine by windows, a smooth remainder, a stated residual."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Polygon, box

from aerial import geo
from aerial.align import coarse, fine
from aerial.align.reader import AlignedPair, Picture, open_picture, read_rgb
from aerial.align.warp import Warp, smooth_remainder, without_remainder
from aerial.errors import AlignError, RasterError
from aerial.progress import SILENT, Progress
from aerial.raster import grid as grids
from aerial.raster.grid import Grid
from aerial.records import Alignment

Floats = NDArray[np.float64]

OVERVIEW_PX = 1_000_000
WINDOW_PX = 192
MAX_WINDOWS = 200
MAX_GSD_RATIO = 4.0
# The remainder follows lens and surface-model errors, which are smooth over tens of metres.
SMOOTH_M = 20.0
# Beyond half a metre false alarms multiply (48 objects instead of 5 at 0.8 m on the sample pair).
MAX_RESIDUAL_M = 0.5
# A georeference by GPS errs by metres; the search for windows that overlap goes this far.
_SEARCH_M = 60.0
_SLAB_PX = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """The common grid with both pictures on it, and how well they fit."""

    pair: AlignedPair
    alignment: Alignment


def register(before: Path, after: Path, *, gsd_m: float, progress: Progress = SILENT) -> Registration:
    """Lay BEFORE on AFTER; the common grid has pixels of ``gsd_m`` or the coarser picture's.

    Raises:
        RasterError: a picture is absent, broken or holds no valid pixel.
        CrsError: one declares no CRS.
        AlignError: their GSDs differ more than 4 times, they do not overlap, too few windows agree,
            or the residual is beyond the limit.
    """
    progress.phase("Aligning", 5)
    pictures = open_picture(before), open_picture(after)
    _require_like_gsd(*pictures)
    grid = common_grid(pictures[1].info.grid, max(gsd_m, pictures[0].gsd_m, pictures[1].gsd_m))
    _require_overlap(pictures[0], grid)
    progress.advance()
    affine = _coarse(*pictures, grid)
    progress.advance()
    pair = _pair(pictures, grid, without_remainder(affine))
    for factor in _levels(grid):
        pair = _refine(pair, factor)
    progress.advance()
    pair = _with_remainder(pair)
    progress.advance()
    alignment = _measured(pair)
    progress.advance()
    return Registration(pair=pair, alignment=alignment)


def common_grid(after: Grid, gsd_m: float) -> Grid:
    """Return the grid that a pair is compared on: AFTER's own pixels where they are metric.

    ``gsd_m`` coarser than AFTER's pixels gives larger pixels of the same extent.
    """
    if geo.is_metric(after.crs):
        return grids.scaled(after, max(1.0, gsd_m / grids.gsd_m(after)))
    crs = geo.metric_crs_at(grids.centre(after))
    w, h = after.width_px, after.height_px
    rim = grids.pixel_to_world(
        after, np.array([[0, 0], [w, 0], [w, h], [0, h], [w / 2, 0], [w / 2, h]], float)
    )
    x, y = geo.transform(after.crs, crs, rim[:, 0], rim[:, 1])
    return grids.north_up(crs, (float(x.min()), float(y.min()), float(x.max()), float(y.max())), gsd_m)


def _pair(pictures: tuple[Picture, Picture], grid: Grid, warp: Warp) -> AlignedPair:
    return AlignedPair(before=pictures[0], after=pictures[1], grid=grid, warp=warp)


def _require_like_gsd(before: Picture, after: Picture) -> None:
    ratio = max(before.gsd_m, after.gsd_m) / min(before.gsd_m, after.gsd_m)
    if ratio > MAX_GSD_RATIO:
        raise AlignError(
            f"The pixels are {before.gsd_m:.3g} m and {after.gsd_m:.3g} m: {ratio:.1f} times apart.",
            hint=f"Compare surveys whose pixel sizes are at most {MAX_GSD_RATIO:.0f} times apart.",
        )


def _outline(picture: Picture, crs: str) -> Polygon:
    w, h = picture.info.grid.width_px, picture.info.grid.height_px
    rim = grids.pixel_to_world(picture.info.grid, np.array([[0, 0], [w, 0], [w, h], [0, h]], float))
    return Polygon(np.column_stack(geo.transform(picture.info.grid.crs, crs, rim[:, 0], rim[:, 1])))


def _require_overlap(before: Picture, grid: Grid) -> None:
    shared = _outline(before, grid.crs).intersection(box(*grids.bounds(grid)))
    if shared.area < 100 * grids.gsd_m(grid) ** 2:
        raise AlignError(
            "BEFORE and AFTER do not overlap: their georeferences place them apart.",
            hint="Check that both files are of the same place and declare the right CRS.",
        )


def _coarse(before: Picture, after: Picture, grid: Grid) -> Floats:
    factor = max(1.0, float(np.sqrt(grid.width_px * grid.height_px / OVERVIEW_PX)))
    small = grids.scaled(grid, factor)
    after_CHW, after_valid = read_rgb(after, small)
    margin = round(min(_SEARCH_M / grids.gsd_m(small), max(small.width_px, small.height_px)))
    wide = _widened(small, margin)
    before_CHW, before_valid = read_rgb(before, wide)
    for valid, picture in ((before_valid, before), (after_valid, after)):
        if not valid.any():
            _refuse_empty(picture, anywhere=picture is after)
    found = coarse.match_overviews(before_CHW, before_valid, after_CHW, after_valid)
    if found is None:
        # Another season may leave no common feature; the windows decide whether the files' own
        # georeference is good enough.
        return np.eye(3)
    moved = np.array([[1, 0, -margin], [0, 1, -margin], [0, 0, 1]], float) @ found
    scale = np.diag([factor, factor, 1.0])
    return np.asarray(scale @ moved @ np.linalg.inv(scale))


def _refuse_empty(picture: Picture, *, anywhere: bool) -> None:
    own = grids.scaled(picture.info.grid, max(1.0, max(picture.info.grid.width_px, 1) / 512))
    if anywhere or not read_rgb(picture, own)[1].any():
        raise RasterError(
            f"{picture.info.path} holds no valid pixel: all of it is nodata.",
            hint="Export the mosaic again.",
        )
    raise AlignError(
        "BEFORE and AFTER do not overlap: where one holds a picture, the other is empty.",
        hint="Check that both files are of the same place.",
    )


def _widened(grid: Grid, margin_px: int) -> Grid:
    a, b, c, d, e, f = grid.affine
    m = margin_px
    return Grid(
        crs=grid.crs,
        affine=(a, b, c - m * (a + b), d, e, f - m * (d + e)),
        width_px=grid.width_px + 2 * m,
        height_px=grid.height_px + 2 * m,
    )


def _levels(grid: Grid) -> list[int]:
    """Return how many times coarser each pass of windows is, down to 1, twice for the last fit."""
    reach = float(np.sqrt(grid.width_px * grid.height_px / OVERVIEW_PX))
    levels = [1, 1]
    while levels[0] * 4 < reach * 2:
        levels.insert(0, levels[0] * 4)
    return levels


def _lattice(grid: Grid) -> tuple[list[int], list[int], int]:
    """Return the columns and rows of windows, and their size: at most ``MAX_WINDOWS``, spread evenly.

    They overlap by three quarters at most.
    """
    least = min(grid.width_px, grid.height_px)
    # Half of a small place, so that it still holds several.
    size = min(WINDOW_PX, least, max(96, least // 2))
    step = max(size / 4, float(np.sqrt(grid.width_px * grid.height_px / MAX_WINDOWS)))
    offsets = []
    for length in (grid.width_px, grid.height_px):
        count = max(1, int((length - size) / step) + 1)
        offsets.append([int(v) for v in np.linspace(0, length - size, count).round()])
    return offsets[0], offsets[1], size


def _shifts(pair: AlignedPair) -> fine.Shifts:
    columns, rows, size = _lattice(pair.grid)
    found = []
    for row in rows:
        for first, others in _stretches(columns, size):
            # One read serves all windows of a stretch.
            before_CHW, after_CHW, valid_HW = pair.rgb((first, row, others[-1] + size - first, size))
            for column in others:
                cut = np.s_[..., column - first : column - first + size]
                measured = fine.measure(before_CHW[cut], after_CHW[cut], valid_HW[cut])
                if measured is not None:
                    found.append((column + size / 2, row + size / 2, *measured))
    return fine.gather(found)


def _stretches(columns: list[int], size: int) -> Iterable[tuple[int, list[int]]]:
    """Yield runs of windows that touch, as (first column, columns), none wider than a slab of memory."""
    run = [columns[0]]
    for column in columns[1:]:
        if column > run[-1] + size or column - run[0] > _SLAB_PX:
            yield run[0], run
            run = []
        run.append(column)
    yield run[0], run


def _refine(pair: AlignedPair, factor: int) -> AlignedPair:
    """Return the pair with its affine corrected by what the windows agree on."""
    shifts = _shifts(pair.coarser(factor) if factor > 1 else pair)
    # Half a metre and two pixels: lean of roofs and crowns is left to the remainder.
    tolerance = max(2.0, 0.5 / grids.gsd_m(pair.grid) / factor)
    fitted = fine.robust_affine(shifts, tolerance)
    if fitted is None:
        raise AlignError(
            f"Only {len(shifts.at_N2)} places could be recognised in both surveys.",
            hint="Check that both files are of the same place and mostly unchanged; stitch the new "
            "survey together with the old one (--previous) so that both share one frame.",
        )
    correction, _ = fitted
    scale = np.diag([factor, factor, 1.0])
    affine = pair.warp.affine_33 @ scale @ correction @ np.linalg.inv(scale)
    if not coarse.plausible(affine):
        raise AlignError(
            "The two surveys fit only when one is bent out of shape.",
            hint="Check that both files are of the same place and that neither is a raw photograph.",
        )
    return _pair((pair.before, pair.after), pair.grid, without_remainder(affine))


def _with_remainder(pair: AlignedPair) -> AlignedPair:
    shifts = _shifts(pair)
    gsd = grids.gsd_m(pair.grid)
    sigma = max(SMOOTH_M / gsd, 0.75 * WINDOW_PX)
    small = np.hypot(*shifts.shift_N2.T) < 1.5 / gsd
    kept = shifts.subset(small)
    kept = kept.subset(fine.neighbours_agree(kept.at_N2, kept.shift_N2, 2 * sigma))
    weight_N = np.clip(kept.peak_N / 20.0, 0.2, 1.0)
    remainder = smooth_remainder(kept.at_N2, kept.shift_N2, weight_N, pair.grid, sigma, sigma / 3)
    warp = Warp(affine_33=pair.warp.affine_33, nodes_HW2=remainder.nodes_HW2, spacing_px=remainder.spacing_px)
    return _pair((pair.before, pair.after), pair.grid, warp)


def _measured(pair: AlignedPair) -> Alignment:
    shifts = _shifts(pair)
    gsd = grids.gsd_m(pair.grid)
    # A window that jumps by metres has locked on something else: repetition or change.
    locked = shifts.subset(np.hypot(*shifts.shift_N2.T) < 2.0 / gsd)
    columns, rows, _ = _lattice(pair.grid)
    tried = len(columns) * len(rows)
    if len(locked.at_N2) < max(6, 0.02 * tried):
        raise AlignError(
            f"Only {len(locked.at_N2)} of {tried} places could be recognised in both surveys.",
            hint="Check that both files are of the same place and mostly unchanged.",
        )
    metres = np.hypot(*locked.shift_N2.T) * gsd
    median, p95 = float(np.median(metres)), float(np.percentile(metres, 95))
    if median > MAX_RESIDUAL_M:
        raise AlignError(
            f"After alignment half of the places are still more than {median:.2f} m apart "
            f"(limit {MAX_RESIDUAL_M} m): a comparison would show errors, not change.",
            hint="Stitch the new survey together with the old one (--previous) so that both share one frame.",
        )
    matrix_23, shift_m = _between_files(pair)
    after_gsd = pair.after.gsd_m
    return Alignment(
        before_to_after_px=matrix_23,
        residual_median_px=median / after_gsd,
        residual_p95_px=p95 / after_gsd,
        residual_median_m=median,
        residual_p95_m=p95,
        windows=len(locked.at_N2),
        shift_m=shift_m,
    )


def _between_files(
    pair: AlignedPair,
) -> tuple[tuple[tuple[float, float, float], tuple[float, float, float]], float]:
    """Return BEFORE's pixels -> AFTER's as 2x3 affine, and how far the georeferences disagree (m)."""
    grid = pair.grid
    x, y = np.meshgrid(np.linspace(0, grid.width_px, 9), np.linspace(0, grid.height_px, 9))
    common_N2 = np.column_stack([x.ravel(), y.ravel()])
    declared_N2 = common_N2 @ pair.warp.affine_33[:2, :2].T + pair.warp.affine_33[:2, 2]
    ends = []
    for picture, points in ((pair.before, declared_N2), (pair.after, common_N2)):
        world = grids.pixel_to_world(grid, points)
        own = np.column_stack(geo.transform(grid.crs, picture.info.grid.crs, world[:, 0], world[:, 1]))
        ends.append(grids.world_to_pixel(picture.info.grid, own))
    design = np.column_stack([ends[0], np.ones(len(common_N2))])
    solution, *_ = np.linalg.lstsq(design, ends[1], rcond=None)
    rows = [tuple(float(v) for v in row) for row in solution.T]
    apart = np.median(np.hypot(*(declared_N2 - common_N2).T)) * grids.gsd_m(grid)
    return ((rows[0][0], rows[0][1], rows[0][2]), (rows[1][0], rows[1][1], rows[1][2])), float(apart)
