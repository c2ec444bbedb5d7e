"""From photographs to a block, and from a job to a mosaic on disk."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pycolmap
import pytest
from numpy.typing import NDArray

from aerial import geo
from aerial.codec import read_record, sha256_file
from aerial.errors import CrsError, StitchError
from aerial.ortho import features
from aerial.ortho.archive import read_archive
from aerial.ortho.local import LocalEngine
from aerial.ortho.solve import solve
from aerial.progress import SILENT, SilentProgress
from aerial.raster.read import open_raster
from aerial.records import LonLat, StitchQuality

Floats = NDArray[np.float64]


def errors(block: Any, survey: Any) -> Floats:
    """Return estimated minus true camera centres, shape (N, 3), of the photographs in the block."""
    truth = dict(zip((p.file for p in survey.job.photos), survey.centres_N3, strict=True))
    return np.array([p.pose.centre_3 + block.origin_3 - truth[p.file] for p in block.photos])


def fitted(block: Any, survey: Any) -> Floats:
    """Return the errors that are left after the best similarity."""
    error_N3 = errors(block, survey)
    found_N3 = np.array([p.pose.centre_3 for p in block.photos])
    truth_N3 = found_N3 - error_N3
    a_N3, b_N3 = found_N3 - found_N3.mean(axis=0), truth_N3 - truth_N3.mean(axis=0)
    u_33, size_3, v_33 = np.linalg.svd(a_N3.T @ b_N3)
    return size_3.sum() / (a_N3**2).sum() * a_N3 @ (u_33 @ v_33) - b_N3


def test_every_photograph_finds_its_place(solved: Any) -> None:
    """Twelve of twelve poses: a metre in the world (positions err by 0.3 m), centimetres among themselves."""
    assert len(solved.block.photos) == 12
    assert solved.solution.rejected == {}
    assert np.abs(errors(solved.block, solved.survey)).max() < 1.0
    assert np.abs(fitted(solved.block, solved.survey)).max() < 0.06
    assert solved.solution.georef.how == "gps"
    assert 3.6 < solved.solution.georef.ce95_m < 4.5
    assert solved.solution.reprojection_px < 0.6


def test_every_photograph_tells_how_it_fits(solved: Any) -> None:
    """By name: tie points, a third of a pixel and less, and its distance to its own position."""
    assert [r.file for r in solved.solution.by_photo] == [p.file for p in solved.survey.job.photos]
    assert min(r.tie_points for r in solved.solution.by_photo) > 100
    assert max(r.reprojection_px for r in solved.solution.by_photo) < 0.4
    distances = [r.gps_m for r in solved.solution.by_photo]
    assert np.median(distances) == pytest.approx(solved.solution.residual_median_m, abs=1e-3)
    assert (solved.solution.basis.how, solved.solution.basis.points) == ("gps", 12)


def test_heights_over_ground_agree_with_the_flight(solved: Any) -> None:
    """With the focal length that the lens states, heights agree within 2 %, not the 30 % of a free one."""
    assert solved.solution.height_check == pytest.approx(1.0, abs=0.02)


def test_the_lens_is_calibrated(solved: Any) -> None:
    """Principal point within a pixel and a half, and distortion, come out as the scene's camera has them."""
    truth = sys.modules["ortho_scene"].CAMERA
    camera = solved.block.photos[0].camera
    assert truth.focal_x_px == camera.focal_x_px
    assert truth.centre_x_px == pytest.approx(camera.centre_x_px, abs=1.5)
    assert truth.centre_y_px == pytest.approx(camera.centre_y_px, abs=1.5)
    assert truth.distortion[0] == pytest.approx(camera.distortion[0], abs=0.01)


def test_the_same_job_again_returns_the_very_same_block(solved: Any) -> None:
    """A second call does no work and gives every pose to the last bit."""

    class Refusing(SilentProgress):
        def phase(self, name: str, total: int) -> None:
            raise AssertionError(name)

    block, solution = solve(solved.survey.job, solved.work, Refusing())
    assert solved.solution == solution
    for one, two in zip(solved.block.photos, block.photos, strict=True):
        assert np.array_equal(one.pose.rotation_33, two.pose.rotation_33)
        assert np.array_equal(one.pose.centre_3, two.pose.centre_3)
        assert one.camera == two.camera
    assert np.array_equal(solved.block.points_N3, block.points_N3)


def test_a_killed_run_goes_on_where_it_stood(
    solved: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted before the adjustment, the run keeps its features and matches, and ends alike."""

    class Killing(SilentProgress):
        def phase(self, name: str, total: int) -> None:
            if name == "Adjusting the block":
                raise KeyboardInterrupt

    job = solved.survey.job
    with pytest.raises(KeyboardInterrupt):
        solve(job, tmp_path, Killing())
    with pycolmap.Database.open(tmp_path / "block.db") as database:
        matched = database.num_matches()
    monkeypatch.setattr(features, "read_grey", None)  # no photograph is read again
    block, _ = solve(job, tmp_path, SILENT)
    with pycolmap.Database.open(tmp_path / "block.db") as database:
        assert matched == database.num_matches()
    for one, two in zip(solved.block.photos, block.photos, strict=True):
        assert one.pose.centre_3 == pytest.approx(two.pose.centre_3, abs=0.02)


def test_one_photograph_of_another_size_does_not_lose_the_block(solved: Any, tmp_path: Path) -> None:
    """The first photograph, cut to another size, comes along; so do others without a position."""
    shutil.copytree(solved.survey.job.folder, tmp_path / "photos")
    first = solved.survey.job.photos[0]
    path = tmp_path / "photos" / first.file
    picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    cv2.imencode(".jpg", picture[20:-20, 30:-30])[1].tofile(path)
    cut = replace(first, width_px=first.width_px - 60, height_px=first.height_px - 40)
    photos = [cut, *solved.survey.job.photos[1:]]
    for number in (2, 6, 7):
        photos[number] = replace(photos[number], at=None, altitude_m=None)
    job = replace(solved.survey.job, folder=tmp_path / "photos", photos=tuple(photos))
    block, solution = solve(job, tmp_path / "work", SILENT)
    assert len(block.photos) == 12
    assert np.abs(errors(block, replace(solved.survey, job=job))).max() < 1.0
    assert [r.file for r in solution.by_photo if r.gps_m is None] == [photos[n].file for n in (2, 6, 7)]
    assert solution.basis.points == 9
    assert (block.photos[0].camera.width_px, block.photos[0].camera.height_px) == (500, 380)


def test_what_does_not_belong_is_left_out_with_a_reason(
    solved: Any, make_survey: Callable[..., Any], tmp_path: Path
) -> None:
    """A position 500 m off, a file cut in half and one of other ground are named; the rest is the block."""
    shutil.copytree(solved.survey.job.folder, tmp_path / "photos")
    photos = list(solved.survey.job.photos)
    at = photos[4].at
    photos[4] = replace(photos[4], at=LonLat(lon_deg=at.lon_deg + 0.005, lat_deg=at.lat_deg))
    broken = tmp_path / "photos" / photos[7].file
    broken.write_bytes(broken.read_bytes()[:9000])
    other = np.random.default_rng(1).integers(0, 255, (105, 140), np.uint8)
    cv2.imencode(".jpg", cv2.resize(other, (560, 420)))[1].tofile(tmp_path / "photos" / photos[11].file)
    job = replace(solved.survey.job, folder=tmp_path / "photos", photos=tuple(photos))
    block, solution = solve(job, tmp_path / "work", SILENT)
    assert len(block.photos) == 9
    assert {photos[4].file, photos[7].file, photos[11].file} == set(solution.rejected)
    assert "GPS" in solution.rejected[photos[4].file]
    assert "read" in solution.rejected[photos[7].file]
    assert "overlap" in solution.rejected[photos[11].file]


def test_too_little_is_refused_with_a_hint(solved: Any, tmp_path: Path) -> None:
    """One photograph, or photographs without positions, make no block; the hint says what would."""
    job = solved.survey.job
    with pytest.raises(StitchError, match="1 photograph") as one:
        solve(replace(job, photos=job.photos[:1]), tmp_path, SILENT)
    assert "three" in one.value.hint
    nowhere = tuple(replace(p, at=None) for p in job.photos)
    with pytest.raises(StitchError, match="where they were taken") as blind:
        solve(replace(job, photos=nowhere), tmp_path, SILENT)
    assert "GPS" in blind.value.hint
    assert [f.level for f in LocalEngine().check(replace(job, photos=nowhere))] == ["fail"]


def test_photographs_that_do_not_overlap_are_refused(solved: Any, tmp_path: Path) -> None:
    """Noise without common ground is refused, not folded into a block."""
    rng = np.random.default_rng(3)
    for photo in solved.survey.job.photos[:4]:
        noise = cv2.resize(rng.integers(0, 255, (105, 140), np.uint8), (560, 420))
        cv2.imencode(".jpg", noise)[1].tofile(tmp_path / photo.file)
    job = replace(solved.survey.job, folder=tmp_path, photos=solved.survey.job.photos[:4])
    with pytest.raises(StitchError, match="do not overlap"):
        solve(job, tmp_path / "work", SILENT)


def test_positions_of_another_flight_are_refused(solved: Any, tmp_path: Path) -> None:
    """A sound model that contradicts its positions (shuffled) is refused with how far it misses."""
    photos = solved.survey.job.photos
    turned = np.random.default_rng(5).permutation(len(photos))
    shuffled = tuple(
        replace(
            p,
            at=LonLat(lon_deg=photos[i].at.lon_deg, lat_deg=photos[i].at.lat_deg),
        )
        for p, i in zip(photos, turned, strict=True)
    )
    with pytest.raises(StitchError, match="away from where they were taken"):
        solve(replace(solved.survey.job, photos=shuffled), tmp_path, SILENT)


@pytest.fixture(scope="module")
def repeat(solved: Any, make_survey: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A second survey with positions 4 m off and another house, joined to the first."""
    folder = tmp_path_factory.mktemp("second")
    box = sys.modules["ortho_scene"].Box
    survey = make_survey(
        folder / "photos", 2, (box(-6, 6, -5, 4, 6.0), box(10, 16, 5, 12, 5.0)), previous=solved.work
    )
    away = tuple(
        replace(p, at=LonLat(lon_deg=p.at.lon_deg + 4e-5, lat_deg=p.at.lat_deg)) for p in survey.job.photos
    )
    survey = replace(survey, job=replace(survey.job, photos=away))
    before = {p.name: sha256_file(p) for p in (solved.work / "block").iterdir()}
    block, solution = solve(survey.job, folder / "work", SILENT)
    return survey, block, solution, before, folder / "work"


def test_a_repeat_survey_shares_the_frame_of_its_reference(solved: Any, repeat: Any) -> None:
    """Both epochs have the same offset from the truth to 5 cm, though the positions differ by 4 m."""
    survey, block, solution, _, _ = repeat
    assert len(block.photos) == 12
    first_3 = errors(solved.block, solved.survey).mean(axis=0)
    second_3 = errors(block, survey).mean(axis=0)
    assert first_3 == pytest.approx(second_3, abs=0.05)
    assert (
        np.abs(errors(block, survey) - first_3).max()
        < 0.2 + np.abs(errors(solved.block, solved.survey) - first_3).max()
    )
    assert solution.georef.how == "reference"
    assert solved.solution.georef.ce95_m == pytest.approx(solution.georef.ce95_m, abs=0.01)
    assert np.array_equal(solved.block.origin_3, block.origin_3)


def test_a_repeat_tells_how_it_stands_on_its_reference(solved: Any, repeat: Any) -> None:
    """Shared points by the thousand, placed alike by both to centimetres; all of the reference holds it."""
    _, _, solution, _, _ = repeat
    assert (solution.basis.how, solution.basis.checked_m) == ("reference", None)
    assert solution.basis.points > 500
    assert "12 of its 12 photographs" in solution.basis.source
    assert solution.basis.residual_median_m < 0.03
    assert solution.basis.residual_p95_m < 0.15
    assert solution.basis.residual_vertical_m < 0.05
    assert solution.remarks == ()


def test_the_reference_stays_as_it_is(solved: Any, repeat: Any) -> None:
    """Joining changes no byte of the reference, and the same camera keeps its calibration exactly."""
    _, block, _, before, _ = repeat
    assert before == {p.name: sha256_file(p) for p in (solved.work / "block").iterdir()}
    assert solved.block.photos[0].camera == block.photos[0].camera


def test_a_joined_survey_can_be_joined_in_turn(repeat: Any) -> None:
    """Its own archive holds its own photographs and tie points in the same frame."""
    survey, block, _, _, work = repeat
    stored = read_archive(work / "block")
    assert [p.file for p in survey.job.photos] == [p.file for p in stored.photos]
    assert len(stored.points_N3) > 200
    assert abs(float(np.median(stored.points_N3[:, 2] - np.median(block.points_N3[:, 2])))) < 0.1


def test_another_crs_than_the_references_is_refused(solved: Any, tmp_path: Path) -> None:
    """The reference's frame is kept, so that a job in another CRS cannot join it."""
    with pytest.raises(CrsError):
        solve(replace(solved.survey.job, previous=solved.work, crs="EPSG:4548"), tmp_path, SILENT)


def test_other_ground_does_not_join(solved: Any, tmp_path: Path) -> None:
    """Photographs of other ground at the reference's place are refused, with what to check."""
    shutil.copytree(solved.survey.job.folder, tmp_path / "photos")
    for photo in solved.survey.job.photos:
        path = tmp_path / "photos" / photo.file
        picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_GRAYSCALE)
        cv2.imencode(".jpg", cv2.GaussianBlur(picture, (0, 0), 40))[1].tofile(path)
    job = replace(solved.survey.job, folder=tmp_path / "photos", previous=solved.work)
    with pytest.raises(StitchError, match="reference survey") as error:
        solve(job, tmp_path / "work", SILENT)
    assert "--previous" in error.value.hint


def test_the_engine_leaves_a_whole_mosaic(solved: Any, tmp_path: Path) -> None:
    """Ortho and DSM on one grid of the asked size, a quality file that tells of them, a block to join."""
    shutil.copytree(solved.work, tmp_path / "work")
    mosaic = LocalEngine().stitch(solved.survey.job, tmp_path / "work", SILENT)
    quality = read_record(StitchQuality, tmp_path / "work" / "quality.json")
    ortho = open_raster(tmp_path / "work" / mosaic.ortho.path)
    assert mosaic.grid == ortho.grid
    assert geo.same_crs("EPSG:32650", ortho.grid.crs)
    assert 0.2 == ortho.grid.affine[0] == quality.gsd_m
    assert sha256_file(tmp_path / "work" / mosaic.ortho.path) == mosaic.ortho.sha256
    assert (tmp_path / "work" / mosaic.dsm.path).is_file()
    assert (tmp_path / "work" / mosaic.block.path).is_file()
    assert (quality.photos, quality.registered, quality.rejected) == (12, 12, {})
    assert {"features", "matching", "adjustment", "surface", "ortho"} == set(quality.seconds_by_stage)


@pytest.mark.realdata
def test_brighton_is_whole(real_data: Path, tmp_path: Path) -> None:
    """All 18 real photographs make one block that lies within half a metre of its positions."""
    from aerial.photos import read_photos
    from aerial.records import StitchJob

    folder = real_data / "photos" / "brighton_beach"
    job = StitchJob(folder=folder, photos=read_photos(folder, SILENT))
    block, solution = solve(job, tmp_path, SILENT)
    assert len(block.photos) == 18
    assert solution.residual_median_m < 0.5
    assert solution.reprojection_px < 0.6
