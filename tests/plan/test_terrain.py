"""Heights that follow the ground, the overlap achieved on it, and lines added for it."""

import time
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from tests.plan.made import CAMERA, Floats, ground_of

from aerial.errors import InputError
from aerial.plan.densify import densify, least_inside, shots_on
from aerial.plan.ground import Ground
from aerial.plan.lines import Line, Piece
from aerial.plan.overlap import Shots, borders, flat_spacing_m, footprint_m, overlaps
from aerial.plan.reinforce import Asked, Reinforced, reinforce, spacing_share, triggers
from aerial.plan.terrain import Slope, follow, profile

SLOPE = Slope(climb=0.5, descent=0.3)
HEIGHT_M = 100.0


def level(x: Floats, _: Floats) -> Floats:
    """Flat ground."""
    return np.full(x.shape, 30.0)


def rough(seed: int, relief_m: float = 60.0, *, half_m: float = 600.0) -> Ground:
    """Return hills of a seed with steps of a terrace here and there."""

    def height(x: Floats, y: Floats) -> Floats:
        rng = np.random.default_rng(seed)
        z = np.zeros(x.shape)
        for sigma, share in ((30, 1.0), (8, 0.3), (2, 0.05)):
            noise = gaussian_filter(rng.normal(size=x.shape), sigma)
            z += share * noise / np.ptp(noise)
        z = z / np.ptp(z) * relief_m + 50
        return np.where(x > 100, np.round(z / 4) * 4, z)

    return ground_of(height, half_m=half_m)


def dense(leg_M3: Floats, count: int = 4001) -> Floats:
    """Return points all along a leg."""
    along = np.r_[0.0, np.cumsum(np.hypot(*np.diff(leg_M3[:, :2], axis=0).T))]
    at = np.linspace(0, along[-1], count)
    return np.column_stack([np.interp(at, along, leg_M3[:, axis]) for axis in range(3)])


@settings(max_examples=15)
@given(
    seed=st.integers(0, 50),
    corners=st.lists(st.tuples(st.floats(-550, 550), st.floats(-550, 550)), min_size=3, max_size=7),
)
def test_a_path_is_never_lower_never_steeper_and_joined(
    seed: int, corners: list[tuple[float, float]]
) -> None:
    """At every point of any path: at least the asked height, within climb and descent; corners agree."""
    ground = rough(seed)
    path = np.array(corners) + np.arange(len(corners))[:, None] * 0.5
    legs = follow(ground, [path[k : k + 2] for k in range(len(path) - 1)], HEIGHT_M, SLOPE)
    for number, leg in enumerate(legs):
        assert np.array_equal(leg[[0, -1], :2], path[number : number + 2])
        points = dense(leg)
        assert (points[:, 2] - ground.at(points[:, :2])).min() >= HEIGHT_M - 1e-6
        run = np.hypot(*np.diff(leg[:, :2], axis=0).T)
        rise = np.diff(leg[:, 2])
        assert (rise <= SLOPE.climb * run + 1e-6).all()
        assert (rise >= -SLOPE.descent * run - 1e-6).all()
        if number:
            assert np.array_equal(legs[number - 1][-1], leg[0])


def test_a_path_is_the_lowest_within_the_tolerance_and_has_few_corners() -> None:
    """Over a single peak the path is the peak's height and the two slopes, plus at most the tolerance."""
    ground = ground_of(lambda x, y: 60.0 * (np.hypot(x, y) < 4), cell_m=2.0, half_m=600.0)
    path_M2, amsl_M = profile(ground, np.array([[-500.0, 0.0], [500.0, 0.0]]), HEIGHT_M, SLOPE)
    points = dense(np.column_stack([path_M2, amsl_M]))
    # Known within the cell of the peak's edge.
    lowest = np.maximum(
        HEIGHT_M, HEIGHT_M + 60 - np.where(points[:, 0] < 0, 0.5, 0.3) * (np.abs(points[:, 0]) - 6)
    )
    assert (points[:, 2] <= np.maximum(lowest, HEIGHT_M) + 1.0 + 1e-6).all()
    assert points[:, 2].max() >= HEIGHT_M + 60
    assert len(path_M2) <= 7


def test_a_leg_may_have_a_height_and_a_slope_of_its_own() -> None:
    """A transit flown higher and faster holds its own height and slope; the survey line beyond holds its."""
    ground = rough(4)
    path = np.array([[-500.0, -300], [0.0, -300], [500.0, -280]])
    legs = follow(
        ground, [path[:2], path[1:]], [HEIGHT_M + 20, HEIGHT_M], [Slope(climb=0.2, descent=0.1), SLOPE]
    )
    for leg, height, slope in zip(
        legs, (HEIGHT_M + 20, HEIGHT_M), (Slope(climb=0.2, descent=0.1), SLOPE), strict=True
    ):
        points = dense(leg)
        assert (points[:, 2] - ground.at(points[:, :2])).min() >= height - 1e-6
        rate = np.diff(leg[:, 2]) / np.hypot(*np.diff(leg[:, :2], axis=0).T)
        assert -slope.descent - 1e-6 <= rate.min() <= rate.max() <= slope.climb + 1e-6


def test_unknown_ground_everywhere_is_refused() -> None:
    """No height is made up for a path over nothing but holes."""
    ground = ground_of(lambda x, _: np.full(x.shape, np.nan))
    with pytest.raises(InputError, match="no heights anywhere"):
        profile(ground, np.array([[-50.0, 0.0], [50.0, 0.0]]), HEIGHT_M, SLOPE)


def lay(
    spacing_m: float, *, direction_rad: float = 0.4, half_m: float = 220.0, width_m: float = 300.0
) -> Piece:
    """Return parallel lines of one piece."""
    cos, sin = np.cos(direction_rad), np.sin(direction_rad)
    count = int(np.ceil(width_m / spacing_m)) + 1
    lines = []
    for v in (np.arange(count) - (count - 1) / 2) * spacing_m:
        ends = [(float(u * cos - v * sin), float(u * sin + v * cos)) for u in (-half_m, half_m)]
        lines.append(Line(start=ends[0], end=ends[1]))
    return Piece(direction_rad=direction_rad, lines=tuple(lines))


def spacing_of(piece: Piece) -> float:
    """Return the distance of the first two lines."""
    away = np.subtract(piece.lines[1].start, piece.lines[0].start)
    return abs(float(away[1] * np.cos(piece.direction_rad) - away[0] * np.sin(piece.direction_rad)))


def to_and_fro(piece: Piece) -> list[Floats]:
    """Return the ends of the lines in the direction in which each is flown."""
    return [
        np.array([one.start, one.end] if number % 2 == 0 else [one.end, one.start])
        for number, one in enumerate(piece.lines)
    ]


def shoot(
    ground: Ground, piece: Piece, trigger_m: tuple[float, ...], *, flat: bool = False, pitch: float = -90
) -> Shots:
    """Return the photographs of a piece flown to and fro, following the ground or level over its middle."""
    xyz, yaw, line = [], [], []
    for number, (ends, trigger) in enumerate(zip(to_and_fro(piece), trigger_m, strict=True)):
        length = np.hypot(*(ends[1] - ends[0]))
        at = np.arange(0, length, trigger)
        xy = ends[0] + np.outer(at / length, ends[1] - ends[0])
        if flat:
            z = np.full(len(at), HEIGHT_M + float(ground.at(np.zeros((1, 2)))[0]))
        else:
            path, amsl = profile(ground, ends, HEIGHT_M, SLOPE)
            z = np.interp(at, np.hypot(*(path - path[0]).T), amsl)
        xyz.append(np.column_stack([xy, z]))
        yaw += [float(np.arctan2(*(ends[1] - ends[0])[::-1]))] * len(at)
        line += [number] * len(at)
    return Shots(
        xyz_N3=np.vstack(xyz), yaw_rad_N=np.array(yaw), line_N=np.array(line),
        piece_N=np.zeros(len(line), np.intp), pitch_deg=pitch,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("front", "side", "pitch"), [(0.8, 0.7, -90.0), (0.6, 0.75, -90.0), (0.8, 0.7, -80.0)]
)
def test_flat_ground_gives_the_classical_overlap(front: float, side: float, pitch: float) -> None:
    """On flat ground the spacings for an overlap achieve it, off nadir and flown to and fro too."""
    ground = ground_of(level, half_m=600.0)
    spacing, trigger = flat_spacing_m(CAMERA, HEIGHT_M, front, side, pitch)
    piece = lay(spacing)
    found = overlaps(
        CAMERA,
        ground,
        shoot(ground, piece, (trigger,) * len(piece.lines), flat=True, pitch=pitch),
        spacing_m=spacing,
    )
    assert np.nanmin(found.front_N) == pytest.approx(front, abs=1e-4)
    assert np.nanmin(found.side_N) == pytest.approx(side, abs=0.02 if pitch > -90 else 1e-4)
    assert np.nanmin(found.side_N) >= side - 1e-4
    if pitch == -90:
        across, along = footprint_m(CAMERA, HEIGHT_M)
        assert spacing == pytest.approx(across * (1 - side))
        assert trigger == pytest.approx(along * (1 - front))


def test_rays_meet_the_ground_that_is_there() -> None:
    """The frame's borders lie on the ground: seen from the camera they are where the rays point."""
    ground = rough(7)
    xyz = np.array([[0.0, 0.0, 190.0], [150.0, -80.0, 200.0]])
    met = borders(CAMERA, ground, xyz, np.array([0.3, 2.0]), -80.0)
    for camera, cast in zip(xyz, met, strict=True):
        points = cast.reshape(-1, 2)
        heights = ground.at(points)
        # No ground is higher than the ray anywhere on the way.
        for share in np.linspace(0.05, 0.98, 40):
            way = camera[:2] + share * (points - camera[:2])
            ray = camera[2] + share * (heights - camera[2])
            assert (ray >= ground.at(way) - 0.6).all()
        # The front border lies in one plane with the camera.
        front = np.column_stack([points[:12], heights[:12]]) - camera
        assert np.abs(np.linalg.svd(front / np.linalg.norm(front, axis=1)[:, None])[1][-1]) < 2e-3


def seen_by(ground: Ground, xyz_3: Floats, yaw_rad: float, xy_N2: Floats) -> NDArray[np.bool_]:
    """Return which points of the ground a picture shows, by projecting them."""
    half_x, half_y = (
        CAMERA.sensor_width_mm / 2 / CAMERA.focal_mm,
        CAMERA.sensor_height_mm / 2 / CAMERA.focal_mm,
    )
    away, depth = xy_N2 - xyz_3[:2], xyz_3[2] - ground.at(xy_N2)
    cos, sin = np.cos(yaw_rad), np.sin(yaw_rad)
    forward, left = away[:, 0] * cos + away[:, 1] * sin, away[:, 1] * cos - away[:, 0] * sin
    return (np.abs(forward / depth) <= half_y) & (np.abs(left / depth) <= half_x)


def test_the_overlap_is_no_more_than_the_ground_that_both_show() -> None:
    """On rough ground front overlap is at most 1 % over the share of points that both pictures show."""
    ground = rough(9)
    spacing, trigger = flat_spacing_m(CAMERA, HEIGHT_M, 0.8, 0.7)
    piece = lay(spacing)
    shots = shoot(ground, piece, (trigger,) * len(piece.lines))
    front = overlaps(CAMERA, ground, shots, spacing_m=spacing).front_N
    x, y = np.meshgrid(np.arange(-450, 450, 3.0), np.arange(-450, 450, 3.0))
    xy = np.column_stack([x.ravel(), y.ravel()])
    for k in np.nonzero(np.isfinite(front))[0][::17]:
        seen = [seen_by(ground, shots.xyz_N3[n], float(shots.yaw_rad_N[n]), xy) for n in (k, k + 1)]
        both = (seen[0] & seen[1]).sum() / max(seen[0].sum(), seen[1].sum())
        assert front[k] <= both + 0.01


def asked(**changes: float) -> Asked:
    """Return what the tests ask for."""
    figures = {"height_agl_m": HEIGHT_M, "overlap_front": 0.8, "overlap_side": 0.7} | changes
    return Asked(camera=CAMERA, slope=SLOPE, **figures)


def reinforced(ground: Ground) -> tuple[float, Reinforced]:
    """Return the spacing that a ground wants and the lines laid with it, reinforced."""
    spacing, _ = flat_spacing_m(CAMERA, HEIGHT_M, 0.8, 0.7)
    spacing *= spacing_share(ground, [lay(spacing)], asked(), spacing)
    return spacing, reinforce(ground, [lay(spacing)], asked())


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_reinforced_lines_reach_the_overlap_where_plain_ones_do_not(seed: int) -> None:
    """After reinforcing, every photograph has the front and side overlap asked; before, some had not."""
    ground = rough(seed)
    spacing, trigger = flat_spacing_m(CAMERA, HEIGHT_M, 0.8, 0.7)
    plain = lay(spacing)
    before = overlaps(CAMERA, ground, shoot(ground, plain, (trigger,) * len(plain.lines)), spacing_m=spacing)
    assert np.nanmin(before.front_N) < 0.79
    assert np.nanmin(before.side_N) < 0.69
    spacing, result = reinforced(ground)
    assert not result.findings
    (piece,) = result.pieces
    flown = [np.column_stack(profile(ground, ends, HEIGHT_M, SLOPE)) for ends in to_and_fro(piece)]
    trigger_m, findings = triggers(ground, flown, asked())
    assert not findings
    after = overlaps(CAMERA, ground, shoot(ground, piece, trigger_m), spacing_m=spacing)
    assert np.nanmin(after.front_N) >= 0.8
    assert np.nanmin(after.side_N) >= 0.7


@pytest.mark.parametrize(("lift_m", "flights"), [(0.0, 1), (8.0, 2), (60.0, 3)])
def test_lines_are_laid_again_until_overlap_holds_as_flown(lift_m: float, flights: int) -> None:
    """Where every second line is lifted, closer lines make up for it, or a finding says what is left."""
    ground = rough(8, 30.0)
    spacing, _ = flat_spacing_m(CAMERA, HEIGHT_M, 0.8, 0.7)
    seen: list[int] = []

    def fly(pieces: Sequence[Piece]) -> list[Floats]:
        ends = to_and_fro(pieces[0])
        seen.append(len(ends))
        legs = [ends[0]]
        for last, line in pairwise(ends):
            legs += [np.vstack([last[1], line[0]]), line]
        lines = follow(ground, legs, HEIGHT_M, SLOPE)[::2]
        return [line + np.array([0.0, 0.0, lift_m * (k % 2)]) for k, line in enumerate(lines)]

    area = shapely.box(-200, -140, 200, 140)
    dense = densify(ground, asked(), spacing, area, lay=lambda s: [lay(s)], fly=fly)
    assert len(seen) == flights
    assert len(dense.legs) == len(dense.trigger_m) == len(dense.pieces[0].lines)
    shots = shots_on(dense.pieces, dense.legs, dense.trigger_m, -90.0)
    found = overlaps(CAMERA, ground, shots, spacing_m=dense.spacing_m)
    assert least_inside(found, shots, area, asked()) == (dense.front, dense.side)
    assert dense.front >= 0.8
    said = [f.message for f in dense.findings if f.code == "side_overlap"]
    assert (dense.side >= 0.7) == (not said) == (flights < 3)
    assert not said or f"{dense.side:.1%}" in said[0]


def test_lines_are_added_between_their_neighbours_only() -> None:
    """Added lines lie between two lines, within their ends, and the piece stays in order across."""
    ground = rough(2)
    spacing, _ = flat_spacing_m(CAMERA, HEIGHT_M, 0.8, 0.7)
    piece = lay(spacing * 0.9)
    result = reinforce(ground, [piece], asked())
    assert result.added > 0
    (out,) = result.pieces
    assert len(out.lines) == len(piece.lines) + result.added == len(result.trigger_m[0])
    assert set(piece.lines) <= set(out.lines)
    cos, sin = np.cos(0.4), np.sin(0.4)
    across = [line.start[1] * cos - line.start[0] * sin for line in out.lines]
    assert across == sorted(across)
    gaps = np.diff(across)
    # In the middle: half a spacing, or a quarter of it.
    halves = np.log2(spacing_of(piece) / gaps[gaps > 0.01])
    assert np.allclose(halves, np.round(halves), atol=0.02)
    for line in out.lines:
        along = sorted(p[0] * cos + p[1] * sin for p in (line.start, line.end))
        assert -220.001 <= along[0] < along[1] <= 220.001


def test_even_ground_wants_hardly_more_lines() -> None:
    """On flat ground 2 % closer lines are all that the height's tolerance asks, and none is added."""
    ground = ground_of(level, half_m=600.0)
    spacing, trigger = flat_spacing_m(CAMERA, HEIGHT_M, 0.8, 0.7)
    assert spacing_share(ground, [lay(spacing)], asked(), spacing) == 0.98
    result = reinforce(ground, [lay(spacing * 0.98)], asked())
    assert (result.added, result.findings) == (0, ())
    assert min(result.trigger_m[0]) > trigger * 0.97


def test_drift_of_the_autopilot_is_allowed_for() -> None:
    """The trigger distance is shorter by as much as a photograph may come late."""
    ground = rough(5)
    piece = lay(39.0)
    without = reinforce(ground, [piece], asked()).trigger_m[0]
    drift = reinforce(ground, [piece], asked(drift_m=1.5)).trigger_m[0]
    assert np.allclose(np.subtract(without[:5], drift[:5]), 1.5, atol=0.11)


def test_what_cannot_be_reached_is_said_with_its_place() -> None:
    """Where the camera cannot fire closer, a finding says how much is missing and near which position."""
    ground = rough(3)
    result = reinforce(ground, [lay(39.0)], asked(least_trigger_m=19.0))
    (finding,) = [f for f in result.findings if f.code == "front_overlap"]
    assert finding.level == "warn"
    assert "near 113." in finding.message
    assert min(result.trigger_m[0]) == 19.0


def test_four_hundred_photographs_are_cast_in_a_moment() -> None:
    """Overlap of 400 photographs takes 0.04 s on a free core; 1 s here, whatever else runs."""
    ground = rough(1)
    piece = lay(42.0)
    shots = shoot(ground, piece, (10.0,) * len(piece.lines))
    start = time.perf_counter()
    overlaps(CAMERA, ground, shots, spacing_m=42.0)
    assert len(shots.line_N) > 350
    assert time.perf_counter() - start < 1.0
