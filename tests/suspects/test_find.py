"""Change maps to suspects: polygons, kinds, zones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from shapely import affinity
from shapely.geometry import Polygon, box
from tests import pairs

from aerial.raster.write import write_cog
from aerial.suspects import vectorise
from aerial.suspects.find import Context, find_suspects, spread_ce95
from aerial.suspects.judge import JudgeSettings, judge, kind_of
from aerial.suspects.regularise import regularise
from aerial.suspects.vectorise import Blob, find_blobs

CONTEXT = Context(pair="a__b", model_sha256="0" * 64, error_m=None, dsm_gsd_m=0.1)


def change_map(path: Path, boxes: list[tuple[int, int, int, int, float, float]], side: int = 400) -> Path:
    """Write a change map with boxes (column, row, width, height, change m, standing before m)."""
    bands = np.zeros((7, side, side), np.float32)
    for column, row, width, height, change, standing in boxes:
        where = np.s_[row : row + height, column : column + width]
        bands[0 if change > 0 else 1][where] = 0.95
        bands[2][where], bands[4][where] = change, standing
        rim = np.s_[row - 1 : row + height + 1, column - 1 : column + width + 1]
        bands[3][rim] = 1.0
        bands[3][row + 2 : row + height - 2, column + 2 : column + width - 2] = 0.0
    write_cog(path, pairs.grid(side), bands, nodata=float("nan"))
    return path


def test_kinds_follow_heights_before_and_after(tmp_path: Path) -> None:
    """New on the ground, rooftop on a building, demolished, and excavation below the ground."""
    boxes = [
        (30, 30, 60, 60, 9.0, 0.0),
        (150, 30, 60, 60, 3.0, 7.0),
        (30, 200, 60, 60, -5.0, 5.0),
        (200, 200, 60, 60, -3.0, 0.1),
    ]
    suspects = [f.suspect for f in find_suspects(change_map(tmp_path / "c.tif", boxes), CONTEXT)]
    expected = {("new", 9.0), ("rooftop", 3.0), ("demolished", -5.0), ("excavation", -3.0)}
    assert expected == {(s.kind, s.height_change_m) for s in suspects}
    assert pytest.approx([s.area_m2 for s in suspects], rel=0.05) == [36.0] * 4


def test_a_building_across_windows_is_one_suspect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces that meet at the seam of two windows are joined."""
    path = change_map(tmp_path / "c.tif", [(70, 70, 60, 60, 6.0, 0.0)])
    monkeypatch.setattr(vectorise, "_WINDOW_PX", 100)
    assert len(find_suspects(path, CONTEXT)) == 1


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
    assert find_suspects(change_map(tmp_path / "c.tif", [box_px]), CONTEXT) == (), why


def test_keys_are_stable_and_differ_between_models(tmp_path: Path) -> None:
    """The same map gives the same key; another model gives another one."""
    path = change_map(tmp_path / "c.tif", [(70, 70, 60, 60, 6.0, 0.0)])
    first, again = (find_suspects(path, CONTEXT)[0].suspect.key for _ in range(2))
    other = Context(pair="a__b", model_sha256="1" * 64, error_m=None, dsm_gsd_m=0.1)
    assert first == again != find_suspects(path, other)[0].suspect.key


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


def _blob(**changed: object) -> Blob:
    fields = {
        "direction": "appeared", "outline_px": box(0, 0, 60, 60), "area_m2": 36.0, "width_m": 6.0,
        "rectangularity": 1.0,
        "strength": 0.95, "sure_share": 1.0, "rim_edge": 0.9, "inner_edge": 0.05, "height_change_m": None,
        "height_spread_m": None, "standing_before_m": None, "rim_standing_share": 0.0, "look_width_m": None,
        "doubtful_change_m": None,
    }  # fmt: skip
    return Blob(**{**fields, **changed})  # type: ignore[arg-type]


def test_without_height_an_outline_without_edges_is_no_building() -> None:
    """A blot of colour (a puddle, dry grass) has no crisp rim; a roof has."""
    limits = JudgeSettings()
    assert judge(_blob(), limits, None) is not None
    assert judge(_blob(rim_edge=0.1), limits, None) is None
    assert kind_of(_blob(), limits) == "new"
    assert kind_of(_blob(direction="gone"), limits) == "unknown"


def test_where_the_surface_is_silent_small_appearances_do_not_alarm() -> None:
    """With surface models at hand, 6 m2 of colour where they know nothing raise nothing."""
    small = _blob(area_m2=6.0, width_m=2.4)
    assert judge(small, JudgeSettings(), None) is not None
    assert judge(small, JudgeSettings(), 0.1) is None


def test_doubtful_heights_support_what_the_pictures_show() -> None:
    """9 m2 of new colour that seems 3 m higher are a suspect; that seem level, they are none."""
    shed = _blob(area_m2=9.0, width_m=3.0, rim_standing_share=0.3)
    assert judge(replace(shed, doubtful_change_m=0.1), JudgeSettings(), 0.1) is None
    assert judge(replace(shed, doubtful_change_m=3.0), JudgeSettings(), 0.1) is not None


def test_errors_are_composed_and_unknown_stays_unknown() -> None:
    """3 m and 4 m make 5 m; with one unknown the whole is unknown."""
    assert spread_ce95((3.0, 4.0)) == 5.0
    assert spread_ce95((None, 4.0)) is None


def test_no_change_gives_no_blob(tmp_path: Path) -> None:
    """An empty map has no piece."""
    assert find_blobs(change_map(tmp_path / "c.tif", []), 1.0) == []
