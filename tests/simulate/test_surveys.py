"""The simulated town: the same twice, true to its own truth, and refusing to overwrite."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from aerial import geo
from aerial.camera import Camera, Pose, project
from aerial.codec import sha256_file
from aerial.errors import InputError
from aerial.progress import SILENT
from aerial.raster.grid import pixel_to_world
from aerial.raster.read import open_raster, read_on_grid
from aerial.simulate import scene, surveys, truth
from aerial.simulate.presets import PRESETS
from aerial.simulate.shade import look
from aerial.simulate.surveys import Epoch, SimulatedTown, simulate_surveys
from aerial.simulate.town import outline


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedTown]:
    """A town of the tests' size, rendered once for this module."""
    yield simulate_surveys("tests", 3, tmp_path_factory.mktemp("town") / "out", SILENT)


@pytest.fixture(scope="module")
def second() -> tuple[Epoch, scene.Scene]:
    """The second epoch of the same town, and its scene."""
    epoch = surveys.at_epoch(PRESETS["tests"], 3, 2)
    return epoch, scene.build(epoch.town, PRESETS["tests"], 3, 2)


def test_same_seed_gives_the_same_files(
    town: SimulatedTown, second: tuple[Epoch, scene.Scene], tmp_path: Path
) -> None:
    """Made again, the town, a true raster and a photograph are the same to the bit."""
    epoch, built = second
    truth.write_cameras(tmp_path / "cameras.json", epoch.camera, epoch.shots)
    truth.write_rasters(
        tmp_path, built, epoch.light, open_raster(town.truth / "epoch2" / "dsm.tif").grid, SILENT
    )
    surveys.take(3, 2, epoch, built, 4, tmp_path)
    photo = epoch.shots[4].name
    for made, written in {
        "cameras.json": town.truth / "epoch2" / "cameras.json",
        "dsm.tif": town.truth / "epoch2" / "dsm.tif",
        "ortho.tif": town.truth / "epoch2" / "ortho.tif",
        photo: town.photos[1] / photo,
    }.items():
        assert sha256_file(written) == sha256_file(tmp_path / made), made


def test_a_rendering_that_was_cut_short_goes_on(town: SimulatedTown, tmp_path: Path) -> None:
    """A lost photograph and raster come again as they were, what is there stays; another seed is refused."""
    out = tmp_path / "out"
    shutil.copytree(town.out, out)
    lost = [out / "truth" / "epoch2" / "ortho.tif", sorted((out / "epoch1" / "photos").iterdir())[3]]
    kept = sorted((out / "epoch2" / "photos").iterdir())[0]
    for path in lost:
        path.unlink()
    before = kept.stat().st_mtime_ns
    assert simulate_surveys("tests", 3, out, SILENT).photos[0] == out / "epoch1" / "photos"
    for path in lost:
        assert sha256_file(path) == sha256_file(town.out / path.relative_to(out))
    assert kept.stat().st_mtime_ns == before
    with pytest.raises(InputError, match="not an empty folder"):
        simulate_surveys("tests", 4, out, SILENT)


def test_cars_of_a_lively_town_drive_and_its_sun_moves(second: tuple[Epoch, scene.Scene]) -> None:
    """The same cars stand further on in the next photograph; a ray meets them, and the sun turned."""
    lively = surveys.at_epoch(replace(PRESETS["tests"], alive=True), 3, 2)
    first, last = lively.driving[0], lively.driving[-1]
    assert [v.colour for v in first] == [v.colour for v in last]
    assert all(abs(a.x_m - b.x_m) + abs(a.y_m - b.y_m) > 1 for a, b in zip(first, last, strict=True))
    assert np.abs(lively.lights[0].to_sun_3 - lively.lights[-1].to_sun_3).max() > 1e-3
    _, built = second
    assert not second[0].driving[0]
    x, y = (np.array([getattr(v, axis) for v in first], np.float32) for axis in ("x_m", "y_m"))
    starts = np.column_stack([x, y, np.full(len(first), 300, np.float32)])
    down = np.tile(np.array([0, 0, -1], np.float32), (len(first), 1))
    with_cars = scene.with_moving(built, lively.town, first)
    without, reached = (look(s, starts, down, lively.light, 0.0)[1] for s in (built, with_cars))
    # A tree or a bridge may hide a car; of those in the open each is met over a metre above the road.
    assert (without - reached > 0.5).mean() > 0.6


def test_a_town_that_is_flown_once_has_its_truth() -> None:
    """The large town is planned without changes, 300 photographs of 12 Mpx, one flight."""
    large = PRESETS["large"]
    assert (large.epochs, large.lines * large.photos_per_line) == (1, 300)
    assert large.width_px**2 * 2 / 3 == pytest.approx(12e6, rel=0.01)
    history, _ = surveys.plan(replace(PRESETS["tests"], changes={}), 3)
    assert history.changes == ()


def test_another_seed_gives_another_town(town: SimulatedTown) -> None:
    """Seeds are not decoration: the changes of seed 4 lie elsewhere than those of seed 3."""
    first, second = (surveys.plan(PRESETS["tests"], seed)[0].changes for seed in (3, 4))
    assert [c.outline.wkt for c in first] != [c.outline.wkt for c in second]


def test_every_photograph_is_there(town: SimulatedTown) -> None:
    """Both epochs hold every photograph that the poses name, and no more."""
    for epoch in (1, 2):
        told = json.loads((town.truth / f"epoch{epoch}" / "cameras.json").read_text())["photos"]
        assert sorted(p["file"] for p in told) == sorted(p.name for p in town.photos[epoch - 1].iterdir())
        assert len(told) == 12


def test_photographs_agree_with_the_true_poses(town: SimulatedTown) -> None:
    """Points of the true DSM, projected by the true pose, show the colours of the true ortho."""
    for epoch in (1, 2):
        truth = town.truth / f"epoch{epoch}"
        grid = open_raster(truth / "dsm.tif").grid
        height_HW = read_on_grid(truth / "dsm.tif", grid)[0][0]
        ortho_HW = read_on_grid(truth / "ortho.tif", grid)[0][1].astype(float)
        told = json.loads((truth / "cameras.json").read_text())
        camera = Camera(**{**told["camera"], "distortion": tuple(told["camera"]["distortion"])})
        photo = told["photos"][5]
        rng = np.random.default_rng(0)
        rows, columns = rng.integers(0, grid.height_px, 20000), rng.integers(0, grid.width_px, 20000)
        xy = pixel_to_world(grid, np.column_stack([columns + 0.5, rows + 0.5]))
        points = np.column_stack([xy, height_HW[rows, columns]])
        pose = Pose(rotation_33=np.array(photo["rotation_33"]), centre_3=np.array(photo["centre_m"]))
        pixels, seen = project(camera, pose, points)
        image = cv2.imread(str(town.photos[epoch - 1] / photo["file"]))[..., 1]
        agreement = {
            shift: np.corrcoef(
                ortho_HW[rows, columns][seen],
                cv2.remap(
                    image, *(pixels[seen].T[..., None] - 0.5 + shift).astype(np.float32), cv2.INTER_LINEAR
                )[:, 0],
            )[0, 1]
            for shift in (-3, 0, 3)
        }
        assert seen.sum() > 5000
        assert max(agreement, key=lambda shift: agreement[shift]) == 0
        assert agreement[0] > 0.5


def test_true_changes_show_in_the_true_heights(town: SimulatedTown) -> None:
    """Inside every true change the DSM differs by about what the truth says."""
    grid = open_raster(town.truth / "epoch1" / "dsm.tif").grid
    before, after = (read_on_grid(town.truth / f"epoch{n}" / "dsm.tif", grid)[0][0] for n in (1, 2))
    features = json.loads((town.truth / "changes.geojson").read_text())["features"]
    assert len({f["properties"]["kind"] for f in features}) >= 3
    for feature in features:
        lon, lat = np.array(feature["geometry"]["coordinates"][0]).T
        x, y = geo.transform(geo.WGS84, town.crs, lon, lat)
        column = ((x - grid.affine[2]) / grid.affine[0]).round().astype(np.int32)
        row = ((y - grid.affine[5]) / grid.affine[4]).round().astype(np.int32)
        mask = cv2.fillPoly(np.zeros(before.shape, np.uint8), [np.column_stack([column, row])], 1)
        change = float(np.median((after - before)[mask > 0]))
        assert change == pytest.approx(feature["properties"]["height_change_m"], abs=1.2), feature[
            "properties"
        ]


def test_true_changes_are_as_high_as_they_were_built(second: tuple[Epoch, scene.Scene]) -> None:
    """The surface over each change differs by its built height: nothing floats over it or hides it."""
    preset = PRESETS["tests"]
    history, _ = surveys.plan(preset, 3)
    before, after = scene.build(surveys.at_epoch(preset, 3, 1).town, preset, 3, 1), second[1]
    for change in history.changes:
        rise = truth.heights_in(after, change.outline) - truth.heights_in(before, change.outline)
        assert np.median(rise) == pytest.approx(change.height_change_m, abs=1.2), change.what


def test_photographs_carry_what_an_aircraft_writes(town: SimulatedTown) -> None:
    """EXIF holds the labelled focal length and a position near the town; XMP holds DJI's angles."""
    path = sorted(town.photos[0].iterdir())[0]
    with Image.open(path) as image:
        exif = image.getexif()
        inner, gps = exif.get_ifd(0x8769), exif.get_ifd(0x8825)
        assert (inner[41989], float(inner[37386])) == (24, 8.8)
        degrees, minutes, seconds = (float(part) for part in gps[2])
        assert degrees + minutes / 60 + seconds / 3600 == pytest.approx(22.8, abs=0.01)
        assert b'drone-dji:GimbalPitchDegree="-' in image.info["xmp"]
        assert image.size == (PRESETS["tests"].width_px, PRESETS["tests"].width_px * 2 // 3)


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    """Nothing is written over: a folder with a file in it is refused with a hint."""
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="not an empty folder") as caught:
        simulate_surveys("tests", 3, tmp_path, SILENT)
    assert caught.value.hint
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("name", ["demo", "cell"])
@pytest.mark.parametrize("seed", range(4))
def test_every_town_has_all_changes_that_its_preset_asks_for(name: str, seed: int) -> None:
    """Whatever the seed, each kind of change is there as often as asked, none over another."""
    preset = PRESETS[name]
    history, _ = surveys.plan(preset, seed)
    counted = {what: sum(c.what == what for c in history.changes) for what in preset.changes}
    assert preset.changes == counted
    shapes = [c.outline for c in history.changes]
    assert not any(a.intersects(b) for i, a in enumerate(shapes) for b in shapes[:i])


def test_roof_additions_stand_on_roofs_that_stay_as_they_were() -> None:
    """Rooms of 20-60 and boxes of 6-20 m2 lie inside a roof of both dates, and nothing else is built."""
    history, _ = surveys.plan(PRESETS["rooftops"], 5)
    areas = [change.outline.area for change in history.changes]
    assert min(areas) >= 6.0
    assert max(areas) <= 60.0
    assert sum(area >= 20 for area in areas) >= 5
    before = {b.number: b for b in history.before.buildings}
    built = [b for b in history.after.buildings if b.shed != before[b.number].shed]
    assert len(history.changes) == len(built)
    for house in built:
        assert house.shed is not None
        kept = replace(house, shed=None, clutter_seed=before[house.number].clutter_seed)
        assert kept == before[house.number]
        assert outline(house.plot).contains(outline(house.shed.plot))
