"""From two mosaics to suspects with evidence."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from shapely import unary_union
from shapely.geometry import Polygon, box, mapping, shape
from tests import models, pairs

from aerial import geo
from aerial.change.model import Model, load_model
from aerial.codec import sha256_file
from aerial.errors import AerialError, AlignError, CrsError, InputError, RasterError, WorkspaceError
from aerial.evidence.chips import read_grids
from aerial.evidence.hashes import noted_hashes
from aerial.progress import SilentProgress
from aerial.raster.write import write_cog
from aerial.records import Georef
from aerial.report.geojson import read_suspects
from aerial.steps.detect import MosaicSource, detect_pair, source_at
from aerial.workspace import locked


@pytest.fixture(scope="module")
def rule(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The tiny model with a rule for weights."""
    return load_model(models.write_model(tmp_path_factory.mktemp("model")))


@pytest.fixture(autouse=True)
def by_rule(rule: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """A made-up place is judged by the rule, not by what real places taught."""
    monkeypatch.setattr("aerial.steps.detect.load_model", lambda _: rule)


@pytest.fixture(scope="module")
def dates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Mosaic folders of two dates with four true changes."""
    folder = tmp_path_factory.mktemp("dates")
    before, after = pairs.before_and_after()
    return pairs.write(before, folder / "before"), pairs.write(after, folder / "after")


def truth(box_px: tuple[int, int, int, int]) -> Polygon:
    """Return a box of pixels in lon, lat."""
    column, row, width, height = box_px
    g = pairs.GSD_M
    ground = box(
        pairs.LEFT + column * g,
        pairs.TOP - (row + height) * g,
        pairs.LEFT + (column + width) * g,
        pairs.TOP - row * g,
    )
    return geo.reproject(ground, pairs.CRS, geo.WGS84)


def test_with_height_every_change_is_found_with_its_kind_and_nothing_else(
    dates: tuple[Path, Path], tmp_path: Path
) -> None:
    """New house, shed, room on a roof and demolition are found; crowns and light raise nothing."""
    result = detect_pair(source_at(dates[0]), source_at(dates[1]), tmp_path)
    expected = {"new": 2, "rooftop": 1, "demolished": 1}
    kinds = [s.kind for s in result.suspects]
    assert expected == {kind: kinds.count(kind) for kind in set(kinds)}
    for box_px, change_m in ((pairs.HOUSE, 9.0), (pairs.SHED, 3.0), (pairs.ON_OLD, 2.8), (pairs.GONE, -4.0)):
        true = truth(box_px)
        hit = [s for s in result.suspects if s.outline.intersection(true).area > 0.7 * true.area]
        assert len(hit) == 1
        assert change_m == pytest.approx(hit[0].height_change_m, abs=0.4)
        assert box_px[2] * box_px[3] * pairs.GSD_M**2 == pytest.approx(hit[0].area_m2, rel=0.15)
        assert hit[0].outline.contains(
            shape({"type": "Point", "coordinates": [hit[0].at.lon_deg, hit[0].at.lat_deg]})
        )


def test_the_files_are_what_the_contract_says(dates: tuple[Path, Path], tmp_path: Path) -> None:
    """suspects.geojson, align.json, change.tif and hashed chips are there, error_m null when unknown."""
    result = detect_pair(source_at(dates[0]), source_at(dates[1]), tmp_path, context={"cell": "A1"})
    features = json.loads((tmp_path / "suspects.geojson").read_text())["features"]
    assert len(result.suspects) == len(features) > 0
    assert {"A1"} == {f["properties"]["cell"] for f in features}
    assert {None} == {f["properties"]["error_m"] for f in features}
    assert all(0 < f["properties"]["score"] <= 1 for f in features)
    for suspect in result.suspects:
        assert len(suspect.chips) == 3
        assert [c.sha256 for c in suspect.chips] == [sha256_file(tmp_path / c.path) for c in suspect.chips]
    grids = read_grids(tmp_path / "chips")
    for suspect in result.suspects:
        for chip in suspect.chips:
            with Image.open(tmp_path / chip.path) as image:
                assert image.size == (grids[suspect.key].width_px, grids[suspect.key].height_px)
    noted = noted_hashes(tmp_path)
    assert noted["before/ortho"] == sha256_file(dates[0] / "ortho.tif")
    assert {"before/ortho", "after/ortho", "before/dsm", "after/dsm", "model/model.toml"} == set(noted)
    names = {p.name for p in tmp_path.iterdir()} - {".lock"}
    assert {"suspects.geojson", "align.json", "change.tif", "chips", "hashes.json"} == names
    align = json.loads((tmp_path / "align.json").read_text())
    assert {"before_to_after_px", "residual_median_px", "residual_p95_px", "residual_median_m"} <= set(align)


def test_a_repeated_run_gives_the_same_suspects(dates: tuple[Path, Path], tmp_path: Path) -> None:
    """Keys, outlines and scores of a second run into the same folder equal the first's."""
    runs = [detect_pair(source_at(dates[0]), source_at(dates[1]), tmp_path).suspects for _ in range(2)]
    assert runs[0] == runs[1]


def test_without_height_new_roofs_are_found_in_the_pictures(dates: tuple[Path, Path], tmp_path: Path) -> None:
    """Orthos alone show house and shed; error_m is composed of georeference and residual."""
    before, after = (
        MosaicSource(ortho=d / "ortho.tif", dsm=None, survey=d.name, georef=Georef(how="gps", ce95_m=3.0))
        for d in dates
    )
    suspects = detect_pair(before, after, tmp_path).suspects
    # The grey house on grey-brown ground is below what colour alone can tell.
    for box_px in (pairs.SHED, pairs.ON_OLD):
        true = truth(box_px)
        assert any(s.kind == "new" and s.outline.intersection(true).area > 0.7 * true.area for s in suspects)
    assert all(s.height_change_m is None and s.error_m is not None and s.error_m >= 3.0 for s in suspects)
    assert {"before__after"} == {s.pair for s in suspects}


def test_the_same_survey_twice_has_no_suspect(dates: tuple[Path, Path], tmp_path: Path) -> None:
    """A mosaic compared with itself shows nothing, and the file with no feature is still written."""
    assert detect_pair(source_at(dates[0]), source_at(dates[0]), tmp_path).suspects == ()
    assert read_suspects(tmp_path / "suspects.geojson") == ()


def test_suspects_beyond_the_cell_are_left_to_its_neighbours(
    dates: tuple[Path, Path], tmp_path: Path
) -> None:
    """In a cell with a hole around one suspect all others stay; an error of 20 m keeps it too."""
    before, after = dates
    everything = detect_pair(source_at(before), source_at(after), tmp_path / "all").suspects
    lost = everything[0]
    cell = box(*unary_union([s.outline for s in everything]).bounds).buffer(1e-4)
    hole = lost.outline.buffer(1e-5)
    said: list[str] = []
    progress = SilentProgress()
    progress.say = said.append  # type: ignore[method-assign]
    for ce95_m, expected in ((None, set(everything) - {lost}), (20.0, set(everything))):
        sources = [
            replace(source_at(folder), georef=Georef(how="gps", ce95_m=ce95_m)) for folder in (before, after)
        ]
        kept = detect_pair(*sources, tmp_path / "cell", within=cell.difference(hole), progress=progress)
        assert {s.key for s in expected} == {s.key for s in kept.suspects}
    assert said == ["1 suspect(s) outside the cell are left to its neighbours."]


def test_a_permit_explains_a_suspect_and_does_not_drop_it(dates: tuple[Path, Path], tmp_path: Path) -> None:
    """The suspect inside the permit zone names it; the others name none."""
    zone = tmp_path / "permit.geojson"
    feature = {
        "type": "Feature",
        "properties": {"kind": "permit", "name": "P-7"},
        "geometry": mapping(truth(pairs.HOUSE)),
    }
    zone.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    suspects = detect_pair(source_at(dates[0]), source_at(dates[1]), tmp_path / "out", zones=[zone]).suspects
    assert [s.zones for s in suspects if s.zones] == [("permit:P-7",)]
    assert len(suspects) > 1


def _broken(folder: Path, name: str) -> tuple[Path, type[AerialError]]:
    date = pairs.ground(5, 400)
    image = date.image_HWC.transpose(2, 0, 1).copy()
    path = folder / f"{name}.tif"
    if name == "nodata":
        write_cog(path, pairs.grid(400), image, valid_HW=image[0] > 999, mask=True)
        return path, RasterError
    if name == "apart":
        grid = pairs.grid(400)
        far = type(grid)(
            crs=grid.crs, affine=(0.1, 0, 600_000.0, 0, -0.1, 2_600_000.0), width_px=400, height_px=400
        )
        write_cog(path, far, image, mask=True)
        return path, AlignError
    if name == "coarse":
        write_cog(path, pairs.grid(80, 0.6), image[:, :80, :80].copy(), mask=True)
        return path, AlignError
    write_cog(path, pairs.grid(400), image, mask=True)
    if name == "truncated":
        path.write_bytes(path.read_bytes()[:2000])
        return path, RasterError
    return folder / "not-there.tif", RasterError


@pytest.mark.parametrize("name", ["nodata", "apart", "coarse", "truncated", "absent"])
def test_bad_input_is_refused_with_a_hint_and_leaves_nothing(
    name: str, dates: tuple[Path, Path], tmp_path: Path
) -> None:
    """Every unusable AFTER raises its own error with a hint, and no file is written."""
    path, error = _broken(tmp_path, name)
    out = tmp_path / "out"
    with pytest.raises(error) as caught:
        detect_pair(source_at(dates[0] / "ortho.tif"), source_at(path), out)
    assert caught.value.hint
    assert not out.exists()


def test_a_broken_surface_model_is_refused_before_anything_is_written(
    dates: tuple[Path, Path], tmp_path: Path
) -> None:
    """A DSM that is not a raster raises RasterError."""
    bad = tmp_path / "dsm.tif"
    bad.write_bytes(b"no raster")
    with pytest.raises(RasterError):
        detect_pair(source_at(dates[0]), source_at(dates[1], bad), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_without_a_mosaic_is_refused(tmp_path: Path) -> None:
    """A folder must hold ortho.tif."""
    with pytest.raises(InputError, match="ortho"):
        source_at(tmp_path)


def test_a_file_without_crs_is_refused(tmp_path: Path, dates: tuple[Path, Path]) -> None:
    """A picture without a coordinate reference system has no place."""
    from PIL import Image

    path = tmp_path / "plain.tif"
    Image.new("RGB", (300, 300), (90, 120, 60)).save(path)
    with pytest.raises(CrsError):
        detect_pair(source_at(dates[0] / "ortho.tif"), source_at(path), tmp_path / "out")


def test_two_runs_do_not_write_into_one_folder(dates: tuple[Path, Path], tmp_path: Path) -> None:
    """The second is refused while the first is at work; what lies there stays."""
    (tmp_path / "suspects.geojson").write_text("the first one's", encoding="utf-8")
    with locked(tmp_path), pytest.raises(WorkspaceError, match="Another aerial is at work"):
        detect_pair(source_at(dates[0]), source_at(dates[1]), tmp_path)
    assert (tmp_path / "suspects.geojson").read_text(encoding="utf-8") == "the first one's"


def test_a_run_that_fails_leaves_no_report_of_an_earlier_one(
    dates: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page and the suspects of other files would look like this pair's."""
    for name in ("suspects.geojson", "report.html", "report.geojson", "overview.jpg", "mine.txt"):
        (tmp_path / name).write_text("old", encoding="utf-8")

    def broken(*_: object, **__: object) -> None:
        raise RasterError("a block is broken", hint="Copy it again.")

    monkeypatch.setattr("aerial.steps.detect.compare", broken)
    with pytest.raises(RasterError):
        detect_pair(source_at(dates[0]), source_at(dates[1]), tmp_path)
    left = {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")}
    assert {"align.json", "hashes.json", "mine.txt"} == left
