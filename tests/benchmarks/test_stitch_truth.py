"""The stitching benchmark's yardsticks: each tells what was put in on purpose, and nothing else."""

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from shapely.affinity import translate
from shapely.geometry import Polygon, box

from aerial.camera import Camera, Pose, nadir_rotation
from aerial.raster.grid import Grid, north_up
from aerial.raster.write import write_cog
from benchmarks import stitch_roofs, stitch_truth
from benchmarks.stitch_truth import Epoch, Moved, Roof

CRS = "EPSG:4547"
X, Y, SIZE_M, GSD_M = 500000.0, 2500000.0, 48.0, 0.05
ROOFS = (box(8, 8, 16, 14), box(22, 10, 31, 16), box(18, 28, 30, 38))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A drawn place: its true picture and surface, and where files go."""

    folder: Path
    picture_HW: NDArray[np.uint8]
    height_HW: NDArray[np.float32]
    epoch: Epoch

    def picture(
        self, name: str, picture_HW: NDArray[np.uint8], east_m: float = 0.0, north_m: float = 0.0
    ) -> Path:
        """Write a picture as a mosaic, its georeference off by so much."""
        write_cog(self.folder / name, _grid(east_m, north_m), np.repeat(picture_HW[None], 3, 0), mask=True)
        return self.folder / name

    def surface(self, name: str, height_HW: NDArray[np.float32]) -> Path:
        """Write a surface model."""
        write_cog(self.folder / name, _grid(), height_HW[None].astype(np.float32), nodata=-9999.0)
        return self.folder / name


def _grid(east_m: float = 0.0, north_m: float = 0.0) -> Grid:
    grid = north_up(CRS, (X, Y, X + SIZE_M, Y + SIZE_M), GSD_M)
    a, b, c, d, e, f = grid.affine
    return replace(grid, affine=(a, b, c + east_m, d, e, f + north_m))


def _pixels(outline: Polygon) -> tuple[slice, slice]:
    x0, y0, x1, y1 = (round(v / GSD_M) for v in outline.bounds)
    rows = round(SIZE_M / GSD_M)
    return slice(rows - y1, rows - y0), slice(x0, x1)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Textured ground with three roofs of 5 m, and a tower of 30 m beside the last."""
    rng = np.random.default_rng(1)
    side = round(SIZE_M / GSD_M)
    picture_HW = cv2.GaussianBlur(rng.normal(110, 90, (side, side)).astype(np.float32), (0, 0), 2)
    height_HW = np.zeros((side, side), np.float32)
    for outline in ROOFS:
        part = _pixels(outline)
        picture_HW[part] = 170 + 0.4 * (picture_HW[part] - 110)
        height_HW[part] = 5
    picture_HW = picture_HW.clip(0, 255).astype(np.uint8)
    folder = tmp_path_factory.mktemp("place")
    camera = Camera(
        width_px=900, height_px=600, focal_x_px=700, focal_y_px=700, centre_x_px=450, centre_y_px=300
    )
    poses = {
        f"{i}.JPG": Pose(
            rotation_33=nadir_rotation(0),
            centre_3=np.array([X + 12 + 8 * (i % 4), Y + 12 + 9 * (i // 4), 70.0]),
        )
        for i in range(12)
    }
    epoch = Epoch(
        ortho=folder / "true.tif",
        dsm=folder / "true_dsm.tif",
        crs=CRS,
        cell=box(X + 2, Y + 2, X + 46, Y + 46),
        roofs=tuple(
            Roof(outline=translate(outline, X, Y), height_m=5.0, area_m2=outline.area) for outline in ROOFS
        ),
        camera=camera,
        poses=poses,
        shift_m=(0.0, 0.0),
    )
    made = Place(folder=folder, picture_HW=picture_HW, height_HW=height_HW, epoch=epoch)
    made.picture("true.tif", picture_HW)
    made.surface("true_dsm.tif", height_HW)
    return made


def _moved(place: Place, mosaic: Path) -> Moved:
    return stitch_truth.displacements(mosaic, place.epoch.ortho, place.epoch.cell, CRS, (0.3, -0.3))


def test_a_mosaic_that_is_off_as_a_whole_leans_nowhere(place: Place) -> None:
    """0.4 m east and 0.25 m south of all pixels is told as common shift; what remains and lean are nil."""
    mosaic = place.picture("shifted.tif", place.picture_HW, 0.4, -0.25)
    moved = _moved(place, mosaic)
    assert moved.common_2 == pytest.approx([0.4, -0.25], abs=0.01)
    assert stitch_truth.ortho_figures(moved)["ortho_rms_m"] < 0.02
    lean_N2 = stitch_roofs.lean(mosaic, place.epoch.ortho, place.epoch.roofs, CRS, moved)
    assert np.abs(lean_N2).max() < 0.02


def test_a_mosaic_that_is_stretched_leans_nowhere(place: Place) -> None:
    """One that is 0.6 % too large is up to 0.2 m off, and is told so; its roofs stand as the ground does."""
    grid = _grid(-0.144, 0.144)
    a, b, c, d, e, f = grid.affine
    stretched = replace(grid, affine=(a * 1.006, b, c, d, e * 1.006, f))
    mosaic = place.folder / "stretched.tif"
    write_cog(mosaic, stretched, np.repeat(place.picture_HW[None], 3, 0), mask=True)
    moved = stitch_truth.displacements(mosaic, place.epoch.ortho, place.epoch.cell, CRS)
    assert 0.05 < stitch_truth.ortho_figures(moved)["ortho_rms_m"] < 0.15
    lean_N2 = stitch_roofs.lean(mosaic, place.epoch.ortho, place.epoch.roofs, CRS, moved)
    assert np.abs(lean_N2).max() < 0.03


def test_a_roof_drawn_beside_its_place_leans_and_no_other(place: Place) -> None:
    """One roof moved by 0.5 m east, 0.3 m south in a shifted mosaic: its lean is 0.58 m, the others' nil."""
    picture_HW = place.picture_HW.copy()
    rows, columns = _pixels(ROOFS[1])
    picture_HW[rows.start + 6 : rows.stop + 6, columns.start + 10 : columns.stop + 10] = place.picture_HW[
        rows, columns
    ]
    mosaic = place.picture("leaning.tif", picture_HW, 0.4, -0.25)
    lean_N2 = stitch_roofs.lean(mosaic, place.epoch.ortho, place.epoch.roofs, CRS, _moved(place, mosaic))
    assert lean_N2[1] == pytest.approx([0.5, -0.3], abs=0.03)
    assert np.abs(lean_N2[[0, 2]]).max() < 0.03
    assert stitch_roofs.lean_figures(lean_N2)["lean_within_0.3m"] == 0.667


def test_a_roof_that_is_not_there_is_not_within_the_limit(place: Place) -> None:
    """A roof painted over with ground is not recognised, and counts as not drawn in its place."""
    picture_HW = place.picture_HW.copy()
    part = _pixels(ROOFS[0])
    picture_HW[part] = np.random.default_rng(9).integers(0, 255, picture_HW[part].shape)
    mosaic = place.picture("gone.tif", picture_HW)
    figures = stitch_roofs.lean_figures(
        stitch_roofs.lean(mosaic, place.epoch.ortho, place.epoch.roofs, CRS, _moved(place, mosaic))
    )
    assert (figures["lean_unlike"], figures["lean_within_0.3m"]) == (1, 0.667)


def test_a_surface_that_is_off_bent_and_low_on_a_roof(place: Place) -> None:
    """An offset of 0.4 m is told apart, a dome of 1 m on 50 m as such, a roof 0.6 m low as that roof's."""
    side = len(place.height_HW)
    y_HW, x_HW = (np.mgrid[:side, :side] + 0.5) * GSD_M - SIZE_M / 2
    flat_HW = place.height_HW + 0.4
    flat_HW[_pixels(ROOFS[2])] -= 0.6
    low = place.surface("low.tif", flat_HW)
    figures = stitch_truth.surface_figures(low, place.epoch.dsm, place.epoch.cell, np.zeros(2))
    assert (figures["dsm_offset_m"], figures["dsm_nmad_m"], figures["dsm_p95_m"]) == (0.4, 0.0, 0.6)
    heights_N = stitch_roofs.roof_heights(place.epoch.roofs, low, place.epoch.dsm, np.zeros(2), 0.4)
    assert heights_N == pytest.approx([0, 0, -0.6], abs=1e-3)
    bent = place.surface("bent.tif", place.height_HW - ((x_HW**2 + y_HW**2) / 50**2).astype(np.float32))
    figures = stitch_truth.surface_figures(bent, place.epoch.dsm, place.epoch.cell, np.zeros(2))
    assert figures["dsm_dome_m"] == pytest.approx(1.0, abs=0.02)


def test_seams_through_roofs_are_counted_where_one_photograph_sees_all(place: Place) -> None:
    """A seam through one roof's middle counts, one along its rim does not, one behind a tower is apart."""
    taken_HW = np.zeros(place.height_HW.shape, np.int16)
    rows, columns = _pixels(ROOFS[1])
    taken_HW[rows, (columns.start + columns.stop) // 2 :] = 1
    rows, columns = _pixels(ROOFS[0])
    taken_HW[rows, columns.start : columns.start + 5] = 2
    rows, columns = _pixels(ROOFS[2])
    taken_HW[rows, columns.start : columns.start + 60] = 3
    taken = place.folder / "taken.tif"
    write_cog(taken, _grid(), taken_HW[None], nodata=-1)
    figures = stitch_roofs.seams(taken, place.epoch.roofs, np.array([True, True, False]), np.zeros(2))
    assert figures == {
        "roofs_seen_whole": 2,
        "roofs_cut": 1,
        "roofs_cut_much": 1,
        "roofs_never_whole": 1,
        "roofs_never_whole_cut": 1,
    }


def test_a_roof_behind_a_tower_is_seen_whole_by_no_photograph(place: Place) -> None:
    """All cameras stand west of a tower: the roof east of it is never seen whole, the free ones are."""
    height_HW = place.height_HW.copy()
    height_HW[_pixels(box(15.0, 20, 17.5, 44))] = 40
    epoch = replace(
        place.epoch,
        dsm=place.surface("tower.tif", height_HW),
        poses={name: pose for name, pose in place.epoch.poses.items() if pose.centre_3[0] < X + 13},
    )
    assert stitch_roofs.seen_whole(epoch).tolist() == [True, True, False]


def test_a_camera_off_its_place_is_false_and_a_turned_block_is_not(place: Place) -> None:
    """A block shifted, turned and scaled as one has no false camera; one camera 5 m off is one."""
    turn = np.radians(20)
    turned_33 = 1.001 * np.array(
        [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    )
    origin_3 = np.array([X, Y, 10.0])
    photos = [
        {"file": f"sub/{name}", "centre": (turned_33 @ (pose.centre_3 - origin_3) + [2, -1, 3]).tolist()}
        for name, pose in place.epoch.poses.items()
    ]
    block = {"origin": origin_3.tolist(), "photos": photos}
    assert stitch_truth.false_cameras(block, place.epoch.poses)["cameras_false"] == 0
    photos[3]["centre"][0] += 5
    figures = stitch_truth.false_cameras(block, place.epoch.poses)
    assert (figures["cameras_false"], figures["cameras"]) == (1, 12)
    assert figures["cameras_worst_m"] == pytest.approx(5, abs=0.1)


def test_two_mosaics_are_compared_window_by_window() -> None:
    """Windows that both moved alike agree; 0.1 m in one of two is 1.4 px RMS; rows of crops are apart."""
    at_N2 = np.array([[0.0, 0], [6.4, 0], [12.8, 0], [19.2, 0]])
    first = Moved(at_N2=at_N2, moved_N2=np.array([[1.0, 2], [1.4, 2], [1, 2], [1, 5.0]]))
    second = Moved(at_N2=at_N2[1:], moved_N2=np.array([[1.4, 2], [1.1, 2], [1, 2]]))
    figures = stitch_truth.between_figures(first, second)
    assert figures["between_rms_m"] == pytest.approx(0.1 / np.sqrt(2), abs=1e-3)
    assert figures["between_p95_px"] == pytest.approx(1.9, abs=0.1)
