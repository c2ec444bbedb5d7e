"""Lays BEFORE on AFTER: coarse on overviews, fine by windows, a smooth remainder, a stated residual."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import MultiPoint

from aerial import geo
from aerial.align import coarse, fine, windows
from aerial.align.alike import require_like, require_overlap
from aerial.align.reader import AlignedPair, Picture, open_picture, read_rgb
from aerial.align.slabs import Slabs
from aerial.align.warp import Warp, smooth_remainder, without_remainder
from aerial.errors import AlignError, RasterError
from aerial.progress import SILENT, Progress
from aerial.raster import grid as grids
from aerial.raster.grid import Grid
from aerial.records import Alignment

Floats = NDArray[np.float64]

OVERVIEW_PX = 1_000_000
# The remainder follows lens and surface-model errors, which are smooth over tens of metres.
SMOOTH_M = 20.0
# Beyond half a metre false alarms multiply (48 objects instead of 5 at 0.8 m on the sample pair).
MAX_RESIDUAL_M = 0.5
# A georeference by GPS errs by metres; the search for windows that overlap goes this far.
_SEARCH_M = 60.0
# A fit needs so many windows that agree, such a share of those tried, over such a share of the place.
_LEAST_AGREEING, _LEAST_SHARE, _LEAST_HULL = 8, 0.25, 0.15
# With so many of the windows on its side the declared place is not doubted.
_SURE_SHARE = 0.5
# Coarse levels only have to come near enough for the next.
_COARSE_WINDOWS = 80
# In standard deviations of the sum of all windows' surfaces; sums of unlike places stay below 7 over
# all shifts, and below 5 near none.
_CERTAIN_PEAK, _NEAR_PEAK = 8.0, 5.0
# A single window, near no shift; and so many of them make a residual.
_WINDOW_PEAK, _LEAST_MEASURED = 5.0, 4
# So many windows side by side cannot all have changed.
_LARGE = 40.0


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
        AlignError: their GSDs differ more than 4 times, they do not overlap, or nothing of a large
            place is recognised.
    """
    progress.phase("Aligning", 5)
    pictures = open_picture(before), open_picture(after)
    require_like(*pictures)
    for picture in pictures:
        if picture.validity.gain != 1.0:
            progress.say(
                f"{picture.info.path.name} is of {picture.info.dtype}: its middle 98 % are shown as 0-250."
            )
    grid = common_grid(pictures[1].info.grid, max(gsd_m, pictures[0].gsd_m, pictures[1].gsd_m))
    require_overlap(pictures[0], grid)
    progress.advance()
    overviews = _overviews(*pictures, grid)
    progress.advance()
    # Each pass looks at the same windows again.
    kept = replace(pictures[0], slabs=Slabs()), replace(pictures[1], slabs=Slabs())
    laid = _laid(_pair(kept, grid, without_remainder(np.eye(3))), overviews, progress)
    return replace(laid, pair=_pair(pictures, grid, laid.pair.warp))


def _laid(declared: AlignedPair, overviews: "_Overviews", progress: Progress) -> Registration:
    """Return how BEFORE lies on AFTER, from where the files place them on."""
    fitted = _best_fit(declared, overviews)
    progress.advance()
    if fitted is None:
        return _as_declared(declared, progress)
    pair = _with_remainder(fitted)
    progress.advance()
    alignment = _measured(pair)
    if alignment is None:
        return _as_declared(declared, progress)
    progress.advance()
    return Registration(pair=pair, alignment=alignment)


def _best_fit(declared: AlignedPair, overviews: "_Overviews") -> AlignedPair | None:
    """Return the pair as windows lay it, from its declared place or from where its features lie.

    The declared place wins unless the features' one is agreed on by clearly more windows: features
    on a few roofs lean with them. Features are looked for only where the declared place is in doubt:
    their scale space takes more memory than anything else here.
    """
    fits = [_fitted(declared, gentle=True)]
    doubtful = fits[0] is None or fits[0][1] < _SURE_SHARE
    if doubtful and (affine := _coarse(overviews)) is not None:
        moved = _pair((declared.before, declared.after), declared.grid, without_remainder(affine))
        fits.append(_fitted(moved, gentle=False))
    first, second = fits[0], fits[-1] if len(fits) > 1 else None
    if first is None or (second is not None and second[1] > 1.25 * first[1]):
        first = second
    return None if first is None else first[0]


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


# Both pictures as coarse.match_overviews takes them, how much coarser than the grid, and BEFORE's margin.
_Overviews = tuple[
    tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.uint8], NDArray[np.bool_]], float, int
]


def _overviews(before: Picture, after: Picture, grid: Grid) -> _Overviews:
    """Read both pictures small, and refuse a pair of which one shows nothing there."""
    factor = max(1.0, float(np.sqrt(grid.width_px * grid.height_px / OVERVIEW_PX)))
    small = grids.scaled(grid, factor)
    after_CHW, after_valid = read_rgb(after, small)
    margin = round(min(_SEARCH_M / grids.gsd_m(small), max(small.width_px, small.height_px)))
    wide = _widened(small, margin)
    before_CHW, before_valid = read_rgb(before, wide)
    for valid, picture in ((before_valid, before), (after_valid, after)):
        if not valid.any():
            _refuse_empty(picture, anywhere=picture is after)
    return (before_CHW, before_valid, after_CHW, after_valid), factor, margin


def _coarse(overviews: _Overviews) -> Floats | None:
    """Return where the features of the overviews lie on each other, on the grid's pixels."""
    pictures, factor, margin = overviews
    found = coarse.match_overviews(*pictures)
    if found is None:
        # Another season may leave no common feature; the windows decide whether the files' own
        # georeference is good enough.
        return None
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


def _fitted(pair: AlignedPair, *, gentle: bool) -> tuple[AlignedPair, float] | None:
    """Return the pair with its affine corrected by what many windows agree on, and the share that agreed.

    None where too few do.
    """
    support = 0.0
    for factor in _levels(pair.grid):
        level = pair.coarser(factor) if factor > 1 else pair
        found, tried = windows.shifts(level, windows.MAX_WINDOWS if factor == 1 else _COARSE_WINDOWS)
        # Half a metre and two pixels: lean of roofs and crowns is left to the remainder.
        tolerance = max(2.0, 0.5 / grids.gsd_m(pair.grid) / factor)
        apart = windows.independent(level, tried)
        fitted = fine.robust_fit(found, tolerance, apart, gentle=gentle)
        if fitted is None:
            return None
        correction, agree = fitted
        if agree.sum() < max(_LEAST_AGREEING, _LEAST_SHARE * tried) or not _is_spread(
            found.at_N2[agree], level.grid
        ):
            return None
        support = float(agree.sum()) / tried
        scale = np.diag([factor, factor, 1.0])
        affine = pair.warp.affine_33 @ scale @ correction @ np.linalg.inv(scale)
        if not coarse.plausible(affine):
            return None
        pair = _pair((pair.before, pair.after), pair.grid, without_remainder(affine))
    return pair, support


def _is_spread(at_N2: Floats, grid: Grid) -> bool:
    """Tell whether windows lie over the place, not on one roof of it."""
    hull = MultiPoint(at_N2).convex_hull.area
    return bool(hull > _LEAST_HULL * grid.width_px * grid.height_px)


def _with_remainder(pair: AlignedPair) -> AlignedPair:
    shifts, _ = windows.shifts(pair)
    gsd = grids.gsd_m(pair.grid)
    sigma = max(SMOOTH_M / gsd, 0.75 * windows.WINDOW_PX)
    small = np.hypot(*shifts.shift_N2.T) < 1.5 / gsd
    kept = shifts.subset(small)
    kept = kept.subset(fine.neighbours_agree(kept.at_N2, kept.shift_N2, 2 * sigma))
    weight_N = np.clip(kept.peak_N / 20.0, 0.2, 1.0)
    remainder = smooth_remainder(kept.at_N2, kept.shift_N2, weight_N, pair.grid, sigma, sigma / 3)
    warp = Warp(affine_33=pair.warp.affine_33, nodes_HW2=remainder.nodes_HW2, spacing_px=remainder.spacing_px)
    return _pair((pair.before, pair.after), pair.grid, warp)


def _measured(pair: AlignedPair) -> Alignment | None:
    """Return the residual of a pair that many windows laid, or None where it is beyond the limit."""
    shifts, tried = windows.shifts(pair)
    gsd = grids.gsd_m(pair.grid)
    # A window that jumps by metres has locked on something else: repetition or change.
    locked = shifts.subset(np.hypot(*shifts.shift_N2.T) < max(2.0, 4 * _coarser_gsd_m(pair)) / gsd)
    if len(locked.at_N2) < max(6, 0.02 * tried):
        return None
    metres = np.hypot(*locked.shift_N2.T) * gsd
    if np.median(metres) > max(MAX_RESIDUAL_M, 1.5 * _coarser_gsd_m(pair)):
        return None
    return _alignment(pair, metres, "measured")


def _alignment(
    pair: AlignedPair, metres_N: Floats, how: Literal["measured", "shifted", "declared", "assumed"]
) -> Alignment:
    median, p95 = float(np.median(metres_N)), float(np.percentile(metres_N, 95))
    matrix_23, shift_m = _between_files(pair)
    return Alignment(
        before_to_after_px=matrix_23,
        residual_median_px=median / pair.after.gsd_m,
        residual_p95_px=p95 / pair.after.gsd_m,
        residual_median_m=median,
        residual_p95_m=p95,
        windows=0 if how == "assumed" else len(metres_N),
        shift_m=shift_m,
        how=how,
    )


def _coarser_gsd_m(pair: AlignedPair) -> float:
    return max(pair.before.gsd_m, pair.after.gsd_m)


def _as_declared(pair: AlignedPair, progress: Progress) -> Registration:
    """Return the pair on its declared georeferences, shifted where all windows together say so.

    ``pair`` has the identity. Another season or much change leaves few windows that stand out alone;
    the sum of all surfaces still tells whether this is the place, and where. A place large enough to
    be recognised that is not recognised is another one.
    """
    total, found, tried = _summed(pair)
    size_m = grids.gsd_m(pair.grid)
    # The network was taught to see through less.
    small_m = max(0.6, 2 * _coarser_gsd_m(pair))
    column, row, height = fine.highest(total) if tried else (0.0, 0.0, 0.0)
    near = fine.highest(total, max(2.0, 4 * _coarser_gsd_m(pair)) / size_m)[2] if tried else 0.0
    how: Literal["shifted", "declared", "assumed"] = "declared"
    if height >= _CERTAIN_PEAK and np.hypot(column, row) * size_m > small_m:
        affine = np.eye(3)
        affine[:2, 2] = column, row
        pair = _pair((pair.before, pair.after), pair.grid, without_remainder(affine))
        _, found, tried = _summed(pair)
        how = "shifted"
    elif near < _NEAR_PEAK:
        if windows.independent(pair, tried) >= _LARGE:
            raise AlignError(
                "Nothing of the one survey could be recognised in the other.",
                hint="Check that both files are of the same place and declare the right CRS; stitch the "
                "new survey together with the old one (--previous) so that both share one frame.",
            )
        how = "assumed"
    metres = np.hypot(*found.T) * size_m
    if how == "assumed" or len(metres) < _LEAST_MEASURED:
        assumed_m = max(1.0, 2 * _coarser_gsd_m(pair))
        return _told(_alignment(pair, np.array([assumed_m]), "assumed"), pair, progress)
    return _told(_alignment(pair, metres, how), pair, progress)


def _summed(pair: AlignedPair) -> tuple[Floats, Floats, int]:
    """Return the sum of all windows' surfaces, in standard deviations, and the small shifts (N, 2).

    Near no shift a lower peak is no chance: fewer places are compared.
    """
    reach = max(2.0, 4 * _coarser_gsd_m(pair)) / grids.gsd_m(pair.grid)
    total, small, tried = np.zeros((1, 1)), [], 0
    for _, _, surface_HW in windows.surfaces(pair):
        total = total + surface_HW
        tried += 1
        column, row, peak = fine.highest(surface_HW, reach)
        if peak >= _WINDOW_PEAK:
            small.append((column, row))
    total = (total - np.median(total)) / (total.std() + 1e-12)
    return total, np.array(small, float).reshape(-1, 2), tried


def _told(alignment: Alignment, pair: AlignedPair, progress: Progress) -> Registration:
    where = {
        "shifted": f"BEFORE was shifted by {alignment.shift_m:.1f} m",
        "declared": "they are compared where their files place them",
        "assumed": "they are compared where their files place them, and the residual is an assumption",
    }[alignment.how]
    progress.say(
        f"Too few places were recognised in both surveys to lay one on the other in detail: {where} "
        f"(residual about {alignment.residual_median_m:.1f} m)."
    )
    return Registration(pair=pair, alignment=alignment)


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
