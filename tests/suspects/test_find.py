"""Change maps to suspects: polygons, kinds, scores, keys."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from shapely import affinity
from shapely.geometry import Polygon, box
from tests import pairs
from tests.suspects import maps

from aerial.change.compare import HEIGHT_BANDS
from aerial.raster.grid import Grid
from aerial.raster.read import read_bands
from aerial.suspects import pieces
from aerial.suspects.find import Context, find_suspects, spread_ce95
from aerial.suspects.regularise import regularise

PICTURES = Context(pair="a__b", model_sha256="0" * 64, error_m=None)
WITH_DSM = Context(pair="a__b", model_sha256="0" * 64, error_m=None, dsm_gsd_m=0.1)


def test_kinds_follow_heights_before_and_after(tmp_path: Path) -> None:
    """New on the ground, rooftop on a building, demolished, and excavation below the ground."""
    boxes = [
        (30, 30, 60, 60, 9.0, 0.0),
        (150, 30, 60, 60, 3.0, 7.0),
        (30, 200, 60, 60, -5.0, 5.0),
        (200, 200, 60, 60, -3.0, 0.1),
    ]
    suspects = [f.suspect for f in find_suspects(maps.boxes(tmp_path / "c.tif", boxes), WITH_DSM)]
    expected = {("new", 9.0), ("rooftop", 3.0), ("demolished", -5.0), ("excavation", -3.0)}
    assert expected == {(s.kind, s.height_change_m) for s in suspects}
    assert pytest.approx([s.area_m2 for s in suspects], rel=0.05) == [36.0] * 4
    assert {"height"} == {s.reason for s in suspects}


def test_kinds_follow_building_maps_where_there_is_no_height(tmp_path: Path) -> None:
    """New on open ground, extended beside a building, rooftop on one, demolished, else unknown."""
    side = 400
    bands = {name: maps.blank(side) for name in ("appeared", "gone", "building_before", "building_after")}
    columns = {"new": 20, "extended": 100, "rooftop": 180}
    for column in columns.values():
        bands["appeared"][30:80, column : column + 50] = 0.9
    bands["building_before"][30:80, 152:175] = 0.95
    bands["building_before"][20:100, 178:240] = 0.95
    for kind, row in (("demolished", 200), ("unknown", 300)):
        bands["gone"][row : row + 50, 20:70] = 0.8
        columns[kind] = 20
    bands["building_after"][295:355, 15:75] = 0.9
    suspects = [f.suspect for f in find_suspects(maps.write(tmp_path / "c.tif", bands), PICTURES)]
    assert sorted(columns) == sorted(s.kind for s in suspects)
    assert pytest.approx([0.9] * 3 + [0.8] * 2, abs=1e-3) == [s.score for s in suspects]
    assert all(s.height_change_m is None and s.reason == "pictures" for s in suspects)


def test_a_piece_grows_below_the_threshold_and_starts_only_above_it(tmp_path: Path) -> None:
    """A roof half 0.9, half 0.4 is one suspect of both halves; 0.45 everywhere is none."""
    appeared = maps.blank(300)
    appeared[50:110, 50:80], appeared[50:110, 80:110] = 0.9, 0.4
    appeared[200:260, 50:110] = 0.45
    (one,) = find_suspects(maps.write(tmp_path / "c.tif", {"appeared": appeared}), PICTURES)
    assert one.suspect.area_m2 == pytest.approx(36.0, rel=0.03)
    lower = Context(pair="a__b", model_sha256="0" * 64, error_m=None, threshold=0.44)
    assert len(find_suspects(tmp_path / "c.tif", lower)) == 2


@pytest.mark.parametrize("window_px", [64, 100, 2048])
def test_where_windows_are_cut_makes_no_difference(
    window_px: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pieces that meet at seams are joined: the same outlines whatever the windows."""
    rng = np.random.default_rng(4)
    coarse = rng.random((30, 30)).astype(np.float32)
    appeared = np.kron(coarse, np.ones((10, 10), np.float32))
    levels = pieces.Levels(low=0.45, seed=0.9, sure_m2=1.0, least_m2=2.0)
    path = maps.write(tmp_path / "c.tif", {"appeared": appeared})
    whole = pieces.outlines_of(path, ("appeared",), lambda bands: bands["appeared"], levels)
    monkeypatch.setattr(pieces, "WINDOW_PX", window_px)
    cut = pieces.outlines_of(path, ("appeared",), lambda bands: bands["appeared"], levels)
    assert len(whole) == len(cut) > 3
    assert all(a.equals(b) for a, b in zip(whole, cut, strict=True))


@pytest.mark.parametrize(
    "grid",
    [
        Grid(crs="EPSG:4547", affine=(0.3, 0, 500_000.0, 0, -0.3, 2_522_000.0), width_px=120, height_px=90),
        Grid(
            crs="EPSG:4547",
            affine=(0.26, 0.15, 500_000.0, 0.12, -0.25, 2_522_000.0),
            width_px=120,
            height_px=90,
        ),
        Grid(crs="EPSG:4326", affine=(3e-6, 0, 113.8, 0, -2.7e-6, 22.8), width_px=120, height_px=90),
    ],
    ids=["north up", "rotated", "geographic"],
)
def test_raw_outlines_are_the_pixels_own_to_a_millionth(grid: Grid, tmp_path: Path) -> None:
    """Before straightening, ground outlines carried back by the raster's transform are whole pixels."""
    import rasterio

    appeared = np.zeros((90, 120), np.float32)
    appeared[20:50, 30:71] = appeared[50:63, 30:52] = 0.9
    path = maps.write(tmp_path / "c.tif", {"appeared": appeared}, grid)
    levels = pieces.Levels(low=0.3, seed=0.5, sure_m2=1.0, least_m2=2.0)
    (outline,) = pieces.outlines_of(path, ("appeared",), lambda bands: bands["appeared"], levels)
    ground = pieces.on_ground(outline, grid)
    with rasterio.open(path) as dataset:
        back = np.array([~dataset.transform @ xy for xy in ground.exterior.coords])
    true = Polygon([(30, 20), (71, 20), (71, 50), (52, 50), (52, 63), (30, 63)])
    assert np.abs(back - np.round(back)).max() < 1e-6
    assert Polygon(np.round(back)).equals(true)


@pytest.mark.parametrize(
    ("box_px", "why"),
    [
        ((50, 50, 20, 20, 5.0, 0.0), "too small"),
        ((50, 50, 75, 25, 3.1, 0.0), "a lorry"),
        ((50, 50, 60, 60, 1.4, 0.0), "crops"),
    ],
)
def test_what_cannot_be_a_building_is_no_suspect(
    box_px: tuple[int, int, int, int, float, float], why: str, tmp_path: Path
) -> None:
    """Small, vehicle-shaped or low change raises nothing."""
    assert find_suspects(maps.boxes(tmp_path / "c.tif", [box_px]), WITH_DSM) == (), why


def test_keys_are_stable_and_differ_between_models(tmp_path: Path) -> None:
    """The same map gives the same key; another model gives another one."""
    path = maps.boxes(tmp_path / "c.tif", [(70, 70, 60, 60, 6.0, 0.0)])
    first, again = (find_suspects(path, WITH_DSM)[0].suspect.key for _ in range(2))
    other = Context(pair="a__b", model_sha256="1" * 64, error_m=None, dsm_gsd_m=0.1)
    assert first == again != find_suspects(path, other)[0].suspect.key


def test_height_decides_where_it_is_known(tmp_path: Path) -> None:
    """What looks like a new roof and stands no higher is none; where the height is unknown, it is one."""
    bands = maps.heights(300) | {"appeared": maps.blank(300)}
    bands["appeared"][50:110, 50:110] = bands["appeared"][200:260, 200:260] = 0.95
    for name in ("height_score", "height_change_m"):
        bands[name][180:280, 180:280] = np.nan
    (one,) = find_suspects(maps.write(tmp_path / "c.tif", bands), WITH_DSM)
    x, y = one.outline.centroid.coords[0]
    assert pytest.approx((x - pairs.LEFT, pairs.TOP - y), abs=0.2) == (23.0, 23.0)


def test_where_surface_models_are_silent_pictures_must_be_surer(tmp_path: Path) -> None:
    """At 0.62 a piece of unknown height is none beside a threshold of 0.5; at 0.7 a doubtful height helps."""
    for score, doubtful, expected in ((0.62, 3.0, 0), (0.7, 3.0, 1), (0.7, 0.0, 0), (0.8, 0.0, 1)):
        bands = maps.heights(200) | {"appeared": maps.blank(200)}
        where = np.s_[50:110, 50:110]
        bands["appeared"][where], bands["doubtful_change_m"][where] = score, doubtful
        bands["height_score"][:], bands["height_change_m"][:] = np.nan, np.nan
        found = find_suspects(maps.write(tmp_path / "c.tif", bands), WITH_DSM)
        assert expected == len(found), (score, doubtful)


def test_a_threshold_moves_no_score_of_known_height(tmp_path: Path) -> None:
    """A shed of known height that the network half sees scores the same at 0.3, 0.51 and 0.71."""
    path = maps.boxes(tmp_path / "c.tif", [(50, 50, 60, 60, 3.0, 0.0)], side=300)
    bands = {name: read_bands(path, (0, 0, 300, 300), (name,))[name] for name in HEIGHT_BANDS}
    bands |= {"appeared": maps.blank(300), "building_after": maps.blank(300, 0.8)}
    bands["appeared"][50:110, 50:110] = 0.6
    maps.write(path, bands)
    scores = {find_suspects(path, replace(WITH_DSM, threshold=t))[0].suspect.score for t in (0.3, 0.51, 0.71)}
    assert len(scores) == 1
    assert 0.5 < scores.pop() < 0.99


def test_the_network_has_no_say_in_a_pit(tmp_path: Path) -> None:
    """Ground that sank 3.4 m is an excavation of one score whether the network sees a change or none."""
    path = maps.boxes(tmp_path / "c.tif", [(50, 50, 90, 90, -3.4, 0.2)], side=300)
    bands = {name: read_bands(path, (0, 0, 300, 300), (name,))[name] for name in HEIGHT_BANDS}
    said = [
        find_suspects(maps.write(path, bands | {"gone": maps.blank(300, chance)}), WITH_DSM)[0].suspect
        for chance in (1e-3, 0.4)
    ]
    assert [("excavation", said[0].score)] * 2 == [(one.kind, one.score) for one in said]


@pytest.mark.parametrize(("building", "kind"), [(0.02, "new"), (0.9, "extended"), (float("nan"), "extended")])
def test_a_shed_beside_a_crown_is_new(building: float, kind: str, tmp_path: Path) -> None:
    """What stood 6 m high beside it counts as a building unless the network, where it speaks, says no."""
    path = maps.boxes(tmp_path / "c.tif", [(50, 50, 60, 60, 3.0, 0.0)], side=300)
    bands = {name: read_bands(path, (0, 0, 300, 300), (name,))[name] for name in HEIGHT_BANDS}
    bands |= {"building_before": maps.blank(300), "building_after": maps.blank(300, 0.9)}
    bands["standing_before_m"][50:110, 112:160] = 6.0
    bands["building_before"][50:110, 112:160] = building
    (one,) = find_suspects(maps.write(path, bands), WITH_DSM)
    assert one.suspect.kind == kind


def test_what_both_witnesses_see_is_one_suspect_with_the_outline_of_the_heights(tmp_path: Path) -> None:
    """The network's outline lies 0.5 m off (a leaning facade); the roof is found once, where it stands."""
    path = tmp_path / "c.tif"
    maps.boxes(path, [(50, 50, 60, 60, 6.0, 0.0)], side=300)
    bands = maps.heights(300) | {"appeared": maps.blank(300)}
    where = np.s_[50:110, 50:110]
    bands["height_score"][where], bands["height_change_m"][where] = 0.95, 6.0
    bands["appeared"][55:115, 55:115] = 0.9
    (one,) = find_suspects(maps.write(path, bands), WITH_DSM)
    assert one.outline.bounds[0] == pytest.approx(pairs.LEFT + 5.0, abs=0.05)
    assert one.suspect.reason == "height and pictures"
    assert one.suspect.probability == pytest.approx(0.9 * 55 * 55 / 3600, abs=0.02)


def test_one_place_that_came_and_went_is_one_suspect(tmp_path: Path) -> None:
    """Where both directions are claimed, the surer one is reported."""
    bands = {"appeared": maps.blank(200), "gone": maps.blank(200)}
    bands["appeared"][50:110, 50:110], bands["gone"][52:112, 52:112] = 0.7, 0.9
    (one,) = find_suspects(maps.write(tmp_path / "c.tif", bands), PICTURES)
    assert one.suspect.kind == "demolished"


def test_no_change_and_no_data_give_no_suspect(tmp_path: Path) -> None:
    """An empty map and an unknown one raise nothing."""
    for name, value in (("zero", 0.0), ("nan", float("nan"))):
        path = maps.write(tmp_path / f"{name}.tif", {"appeared": maps.blank(200, value)})
        assert find_suspects(path, PICTURES) == ()


def test_a_ragged_turned_rectangle_becomes_straight_and_keeps_its_area() -> None:
    """Pixel steps of a rectangle turned by 30 degrees become four corners of equal area."""
    true = affinity.rotate(box(0, 0, 80, 50), 30)
    ragged = Polygon([(round(x), round(y)) for x, y in np.asarray(true.segmentize(3).exterior.coords)])
    straight = regularise(ragged, 3.0)
    assert len(straight.exterior.coords) == 5
    assert ragged.area == pytest.approx(straight.area, rel=1e-6)
    assert straight.intersection(true).area > 0.97 * true.area


def test_an_l_shape_keeps_its_corner() -> None:
    """An L of right angles comes out with six corners."""
    shape = Polygon([(0, 0), (90, 0), (90, 40), (45, 40), (45, 100), (0, 100)])
    ragged = Polygon(
        [(x + 0.6 * (-1) ** i, y) for i, (x, y) in enumerate(shape.segmentize(7).exterior.coords[:-1])]
    )
    straight = regularise(ragged, 3.0)
    assert len(straight.exterior.coords) == 7
    assert straight.intersection(shape).area > 0.96 * shape.area


def test_errors_are_composed_and_unknown_stays_unknown() -> None:
    """3 m and 4 m make 5 m; with one unknown the whole is unknown."""
    assert spread_ce95((3.0, 4.0)) == 5.0
    assert spread_ce95((None, 4.0)) is None
