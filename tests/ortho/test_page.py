"""The quality page: one file, nothing from outside, true words, bounded, safe with hostile names."""

import re
from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from aerial.codec import read_record, sha256_file, to_plain, write_json
from aerial.ortho import page, verdict, views
from aerial.ortho.verdict import figures_of
from aerial.raster.grid import Grid, scaled
from aerial.raster.write import write_cog
from aerial.records import (
    Basis,
    BlockPart,
    FileRef,
    Georef,
    HeightsQuality,
    Hole,
    Mosaic,
    PhotoResidual,
    SeamStep,
    StitchQuality,
)

_HOSTILE = '<script>alert(1)</script>" onload="x'
GOOD = StitchQuality(
    engine="local",
    engine_version="1",
    photos=12,
    registered=12,
    rejected={},
    seconds=12.5,
    seconds_by_stage={"features": 5.0, "ortho": 7.5},
    gsd_m=0.1,
    georef="reference",
    residual_median_m=0.4,
    residual_p95_m=1.1,
    reprojection_px=0.5,
    coverage=0.97,
    height_check=1.01,
    remarks=(),
    preset="quality",
    basis=Basis(
        how="reference", source="2026-03-01-1", points=900, residual_median_m=0.05, residual_p95_m=0.1
    ),
    seam_step=SeamStep(median=3.0, p95=11.0, length_m=420.0),
    heights=HeightsQuality(measured=0.9, spread_median_m=0.06, spread_p95_m=0.4),
)
GRID = Grid(crs="EPSG:32650", affine=(0.1, 0, 5e5, 0, -0.1, 2.5e6), width_px=10, height_px=10)
NONE = FileRef(path="ortho.tif", sha256="0" * 64)


def mosaic_of(georef: Georef | None = None) -> Mosaic:
    """Return a mosaic as far as its figures go."""
    georef = georef or Georef(how="reference", ce95_m=3.7)
    return Mosaic(ortho=NONE, dsm=None, grid=GRID, georef=georef, block=None)


def word(quality: StitchQuality, mosaic: Mosaic | None = None) -> str:
    """Return the verdict."""
    return verdict.verdict(figures_of(quality, mosaic or mosaic_of()))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "fit to compare"),
        ({"registered": 11}, "look before use"),
        ({"registered": 9}, "not fit"),
        ({"reprojection_px": 2.7}, "not fit"),
        ({"residual_median_m": 14.0}, "not fit"),
        ({"height_check": 0.75}, "not fit"),
        ({"height_check": 1.08}, "look before use"),
        ({"preset": "fast"}, "look before use"),
        ({"coverage": 0.7}, "look before use"),
        ({"seam_step": SeamStep(median=14.0, p95=30.0, length_m=9.0)}, "look before use"),
        ({"heights": HeightsQuality(measured=0.2, spread_median_m=0.1, spread_p95_m=None)}, "not fit"),
        ({"basis": replace(GOOD.basis, checked_m=0.6)}, "look before use"),
        ({"basis": replace(GOOD.basis, residual_median_m=1.4)}, "not fit"),
        ({"basis": replace(GOOD.basis, how="gps", residual_median_m=1.4)}, "fit to compare"),
        ({"reprojection_px": None, "height_check": None, "heights": None}, "fit to compare"),
    ],
)
def test_the_worst_figure_decides(change: dict[str, Any], expected: str) -> None:
    """Each limit speaks by itself; what an engine does not tell decides nothing."""
    assert word(replace(GOOD, **change)) == expected


def test_a_hole_with_room_for_a_roof_and_a_second_part_ask_for_a_look(solved: Any) -> None:
    """Small holes do not; nor does a single part."""
    at = solved.survey.job.photos[0].at
    assert word(replace(GOOD, holes=(Hole(at=at, area_m2=4.0),) * 3)) == "fit to compare"
    assert word(replace(GOOD, holes=(Hole(at=at, area_m2=26.0),))) == "look before use"
    one = BlockPart(files=("a",), at=at, residual_median_m=0.3, in_mosaic=True)
    assert word(replace(GOOD, parts=(one,))) == "fit to compare"
    assert word(replace(GOOD, parts=(one, replace(one, in_mosaic=False)))) == "look before use"


def test_an_unknown_position_error_asks_for_a_look() -> None:
    """A node that does not say how well it placed the mosaic is not believed blindly."""
    assert word(GOOD, mosaic_of(Georef(how="gps", ce95_m=None))) == "look before use"
    assert word(GOOD, mosaic_of(Georef(how="gps", ce95_m=30.0))) == "not fit"


@pytest.fixture(scope="module")
def made(flown: Any, solved: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The page of a mosaic with everything on it, hostile names too; and its mosaic."""
    folder = tmp_path_factory.mktemp("page")
    job = solved.survey.job
    for name in ("ortho.tif", "dsm.tif"):
        (folder / name).symlink_to(flown.folder / name)
    (folder / "block").symlink_to(solved.work / "block")
    grid = flown.grid
    cells = scaled(grid, 2)
    taken_HW = np.repeat(np.arange(cells.width_px)[None] // 20 - 1, cells.height_px, axis=0).astype(np.int16)
    write_cog(folder / "taken.tif", cells, taken_HW[None], nodata=-1)
    mosaic = Mosaic(
        ortho=FileRef(path="ortho.tif", sha256=sha256_file(folder / "ortho.tif")),
        dsm=FileRef(path="dsm.tif", sha256=sha256_file(folder / "dsm.tif")),
        grid=grid,
        georef=Georef(how="gps", ce95_m=3.7),
        block=FileRef(path="block/block.json", sha256=sha256_file(folder / "block" / "block.json")),
    )
    first, second = job.photos[0], job.photos[1]
    quality = replace(
        GOOD,
        rejected={first.file: _HOSTILE, **{f"{_HOSTILE}{n}": "dark" for n in range(250)}},
        remarks=(_HOSTILE,),
        by_photo=(
            PhotoResidual(file=second.file, tie_points=200, reprojection_px=0.9, gps_m=0.2),
            PhotoResidual(file=_HOSTILE, tie_points=5, reprojection_px=1.9, gps_m=None),
        ),
        holes=(Hole(at=second.at, area_m2=26.0),),
        parts=(
            BlockPart(files=(second.file,), at=second.at, residual_median_m=0.3, in_mosaic=True),
            BlockPart(files=(job.photos[2].file,), at=None, residual_median_m=None, in_mosaic=False),
        ),
    )
    page.write_page(folder / "quality.html", folder, job, mosaic, quality)
    return folder / "quality.html", mosaic


def test_the_page_needs_nothing_from_outside(made: tuple[Path, Any]) -> None:
    """No address, script or file is referred to; the browser is told to load nothing."""
    text = made[0].read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|<script|<link|<iframe|url\((?!#)", text)
    assert all(source.startswith("data:image/jpeg;base64,") for source in re.findall(r'href="([^"]*)"', text))


def test_hostile_names_stay_text(made: tuple[Path, Any]) -> None:
    """A file name or a reason cannot break out of its place."""
    text = made[0].read_text(encoding="utf-8")
    assert _HOSTILE not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&#34; onload=&#34;x" in text


def test_the_page_tells_what_it_leaves_out(made: tuple[Path, Any]) -> None:
    """The table of rejected photographs is bounded, and says that it is."""
    text = made[0].read_text(encoding="utf-8")
    assert text.count("<td>dark</td>") <= page.MOST_ROWS
    assert "And 51 more, in quality.json." in text


def test_every_picture_is_there_and_decodes(made: tuple[Path, Any]) -> None:
    """Map, relief, spread, number of photographs, seams: all of the mosaic's shape, none blank."""
    text = made[0].read_text(encoding="utf-8")
    pictures = re.findall(r"data:image/jpeg;base64,([^\"]+)", text)
    assert len(pictures) == 5
    for encoded in pictures:
        image = cv2.imdecode(np.frombuffer(b64decode(encoded), np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        grid = views.view_grid(made[1].grid)
        assert image.shape[:2] == (grid.height_px, grid.width_px)
        assert image.std() > 10


def test_photographs_are_drawn_where_they_were_taken(made: tuple[Path, Any], solved: Any) -> None:
    """Ten dots, a cross for the rejected, a square for the one apart; arrows as long as the residuals say."""
    text = made[0].read_text(encoding="utf-8")
    dots = re.findall(r'<circle cx="([-0-9.]+)" cy="([-0-9.]+)" r="4"/>', text)
    grid = views.view_grid(made[1].grid)
    stored = solved.block
    scale = grid.affine[0]
    expected = {
        p.file: (
            round((p.pose.centre_3[0] + stored.origin_3[0] - grid.affine[2]) / scale, 1),
            round((grid.affine[5] - p.pose.centre_3[1] - stored.origin_3[1]) / scale, 1),
        )
        for p in stored.photos
    }
    files = [p.file for p in solved.survey.job.photos]
    assert [tuple(map(float, dot)) for dot in dots] == [
        expected[f] for f in files if f not in (files[0], files[2])
    ]
    assert len(re.findall(r'<rect x="[^"]+" y="[^"]+" width="9"', text)) == 1
    factor = int(re.search(r"position, (\d+) times", text)[1])  # type: ignore[index]
    arrows = np.array(re.findall(r'<path d="M(\S+) (\S+)L(\S+) (\S+)" marker-end', text), float)
    lengths_N = np.hypot(*(arrows[:, 2:] - arrows[:, :2]).T) * scale / factor
    assert float(np.median(lengths_N)) == pytest.approx(solved.solution.residual_median_m, rel=0.25)


def test_a_page_stays_small_whatever_the_mosaic_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Noise, which JPEG cannot pack, as large as a picture gets: five of them stay below 3 MB."""
    noise = np.random.default_rng(1).integers(0, 255, (views.EDGE_PX, views.EDGE_PX, 3))
    view = views._view(noise)
    assert 5 * len(view.uri) < 2_700_000
    assert view.width_px == views.EDGE_PX


def test_the_picture_is_never_finer_than_its_mosaic() -> None:
    """A large mosaic comes down to the edge, a small one is not blown up."""
    large = replace(GRID, width_px=90_000, height_px=40_000)
    assert max(views.view_grid(large).width_px, views.view_grid(large).height_px) == views.EDGE_PX
    assert views.view_grid(GRID) == GRID


def test_an_engine_without_a_block_has_a_page_too(
    made: tuple[Path, Any], solved: Any, tmp_path: Path
) -> None:
    """What a node returns: an ortho, positions from the photographs themselves, no arrows."""
    mosaic = replace(made[1], block=None, dsm=None)
    quality = replace(GOOD, preset=None, basis=None, heights=None, seam_step=None)
    page.write_page(tmp_path / "q.html", made[0].parent, solved.survey.job, mosaic, quality)
    text = (tmp_path / "q.html").read_text(encoding="utf-8")
    assert text.count('r="4"/>') == len(solved.survey.job.photos)
    assert "marker-end" not in text
    assert "times as long as it is" not in text


def test_a_surface_model_of_heights_alone_has_no_map_of_their_spread(tmp_path: Path) -> None:
    """A node sends one band: the relief is drawn, the spread is not made up."""
    z_HW = np.add.outer(np.arange(40.0), np.arange(60.0)).astype(np.float32)
    grid = replace(GRID, width_px=60, height_px=40)
    write_cog(tmp_path / "dsm.tif", grid, z_HW[None], nodata=-9999.0)
    assert views.spread_view(tmp_path / "dsm.tif", grid) is None
    assert len(views.relief_view(tmp_path / "dsm.tif", grid).legend) == 5


def test_the_relief_is_lit_from_the_north_west(tmp_path: Path) -> None:
    """A roof's slopes: those to the north-west are bright, those to the south-east dark."""
    y, x = np.mgrid[:80, :80]
    z_HW = np.maximum(20.0 - np.hypot(x - 40, y - 40), 0).astype(np.float32) * 0.1
    grid = replace(GRID, width_px=80, height_px=80)
    write_cog(tmp_path / "dsm.tif", grid, z_HW[None], nodata=-9999.0)
    encoded = views.relief_view(tmp_path / "dsm.tif", grid).uri.partition(",")[2]
    grey_HW = cv2.imdecode(np.frombuffer(b64decode(encoded), np.uint8), cv2.IMREAD_GRAYSCALE).astype(float)
    assert grey_HW[30:34, 30:34].mean() > grey_HW[46:50, 46:50].mean() + 20


def test_quality_of_an_older_version_still_reads(tmp_path: Path) -> None:
    """A quality.json without the later fields is read, and its figures judged."""
    later = ("preset", "basis", "by_photo", "parts", "holes", "seam_step", "heights")
    old = {name: value for name, value in to_plain(GOOD).items() if name not in later}
    write_json(tmp_path / "quality.json", old)
    read = read_record(StitchQuality, tmp_path / "quality.json")
    assert (read.photos, read.parts, read.heights) == (12, (), None)
    assert word(read) == "fit to compare"
