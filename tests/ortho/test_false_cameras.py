"""No photograph ends as a camera in a place where it was not taken."""

import shutil
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from aerial import geo
from aerial.errors import StitchError
from aerial.ortho.solve import solve
from aerial.photos import read_photos
from aerial.progress import SILENT
from aerial.records import Photo, StitchJob

CRS = "EPSG:32650"
WRONG_M = 2.0


def off_m(block: Any, truth: dict[str, NDArray[np.float64]]) -> dict[str, float]:
    """Return how far beside its true place each registered camera stands, the common shift taken out."""
    left = {p.file: p.pose.centre_3 + block.origin_3 - truth[p.file] for p in block.photos}
    common_3 = np.median(list(left.values()), axis=0)
    return {file: float(np.linalg.norm(error_3 - common_3)) for file, error_3 in left.items()}


def picture(folder: Path, file: str) -> NDArray[np.uint8]:
    """Return a photograph's pixels."""
    return np.asarray(cv2.imdecode(np.fromfile(folder / file, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def write(folder: Path, file: str, picture_HWC: NDArray[np.uint8]) -> None:
    """Write a photograph."""
    cv2.imencode(".jpg", picture_HWC)[1].tofile(folder / file)


def moved(photo: Photo, east_m: float) -> Photo:
    """Return the photograph as if taken further east."""
    x_m, y_m = geo.from_lonlat(CRS, photo.at)
    return replace(photo, at=geo.to_lonlat(CRS, x_m + east_m, y_m))


def test_strangers_doubles_and_wrong_tags_are_no_false_cameras(solved: Any, tmp_path: Path) -> None:
    """Mirrored, of elsewhere, twice, without position, tags swapped: who is registered stands right."""
    folder = tmp_path / "photos"
    shutil.copytree(solved.survey.job.folder, folder)
    photos = list(solved.survey.job.photos)
    truth = dict(zip((p.file for p in photos), solved.survey.centres_N3, strict=True))
    mirrored = replace(photos[5], file="mirrored.jpg")
    write(folder, mirrored.file, picture(folder, photos[5].file)[:, ::-1].copy())
    elsewhere = replace(photos[6], file="elsewhere.jpg")
    other_HW = sys.modules["ortho_scene"].texture(9, 560)[:420]
    write(
        folder,
        elsewhere.file,
        np.repeat(cv2.GaussianBlur(other_HW, (0, 0), 2.0)[..., None], 3, 2).astype(np.uint8),
    )
    double = replace(photos[4], file="double.jpg", taken_at=photos[4].taken_at + timedelta(seconds=1))
    shutil.copyfile(folder / photos[4].file, folder / double.file)
    truth |= {"mirrored.jpg": truth[photos[5].file], "elsewhere.jpg": truth[photos[6].file]}
    truth["double.jpg"] = truth[photos[4].file]
    silent = photos[7].file
    photos[7] = replace(photos[7], at=None, altitude_m=None)
    swapped = {photos[1].file, photos[10].file}
    photos[1], photos[10] = replace(photos[1], at=photos[10].at), replace(photos[10], at=photos[1].at)
    job = replace(solved.survey.job, folder=folder, photos=(*photos, mirrored, elsewhere, double))
    block, solution = solve(job, tmp_path / "work", SILENT)
    off = off_m(block, truth)
    assert max(off.values()) < WRONG_M
    assert {"mirrored.jpg", "elsewhere.jpg"} | swapped == set(solution.rejected)
    assert {silent, double.file} <= set(off)
    assert [(len(part.files), part.in_mosaic) for part in solution.parts] == [(11, True)]


def test_look_alikes_and_another_site_are_not_folded_onto_the_mosaic(solved: Any, tmp_path: Path) -> None:
    """Identical rows 60 m on stand nowhere, position or not; other ground is a part of its own."""
    folder = tmp_path / "photos"
    shutil.copytree(solved.survey.job.folder, folder)
    photos = list(solved.survey.job.photos[:8])
    truth = dict(zip((p.file for p in photos), solved.survey.centres_N3, strict=False))
    landed = photos[-1].taken_at
    for index in range(4):
        there = solved.survey.job.photos[8 + index]
        late = landed + timedelta(seconds=18 + 3 * index)
        look_alike = replace(moved(there, 60.0), file=f"there {index}.jpg", taken_at=late)
        shutil.copyfile(folder / there.file, folder / look_alike.file)
        truth[look_alike.file] = solved.survey.centres_N3[8 + index] + (60.0, 0, 0)
        photos.append(replace(look_alike, at=None, altitude_m=None) if index == 2 else look_alike)
    # Seen in a mirror, a line of photographs shows ground that is nowhere else.
    for photo in solved.survey.job.photos[:4]:
        away_from_both = replace(moved(photo, -150.0), file=f"other {photo.file}")
        write(folder, away_from_both.file, picture(folder, photo.file)[:, ::-1].copy())
        photos.append(away_from_both)
    block, solution = solve(
        replace(solved.survey.job, folder=folder, photos=tuple(photos)), tmp_path / "work", SILENT
    )
    assert max(off_m(block, truth).values()) < WRONG_M
    assert [(len(part.files), part.in_mosaic) for part in solution.parts] == [(8, True), (4, False)]
    at = geo.from_lonlat(CRS, solution.parts[1].at)[0] - solved.survey.centres_N3[:4, 0].mean()
    assert at == pytest.approx(-150, abs=3)
    apart = {file: why for file, why in solution.rejected.items() if file.startswith("other")}
    assert set(apart) == set(solution.parts[1].files)
    assert set(apart.values()) == {"belongs to part 2 (4 photographs), which nothing ties to the mosaic"}
    assert {f"there {index}.jpg" for index in range(4)} == set(solution.rejected) - set(apart)
    assert "its flight was not" in solution.rejected["there 2.jpg"]


@pytest.mark.realdata
def test_thin_cover_of_two_dates_gives_honest_parts_or_a_refusal(real_data: Path, tmp_path: Path) -> None:
    """Of the Bogotá set, whatever is registered stands where its receiver says, and no bad photograph is."""
    folder = real_data / "photos" / "bogota_niza"
    photos = read_photos(folder, SILENT)
    job = StitchJob(folder=folder, photos=photos, preset="fast")
    try:
        block, solution = solve(job, tmp_path, SILENT)
    except StitchError:
        return
    crs = block.crs
    left_N2 = np.array(
        [
            (p.pose.centre_3 + block.origin_3)[:2] - geo.from_lonlat(crs, by_file.at)
            for p in block.photos
            for by_file in photos
            if by_file.file == p.file
        ]
    )
    # The receivers of the two dates differ by 3-5 m.
    assert np.hypot(*(left_N2 - np.median(left_N2, axis=0)).T).max() < 6.0
    heights_m = np.array([p.pose.centre_3[2] for p in block.photos])
    assert np.ptp(heights_m) < 4.0
    bad = ("100MEDIA", "101MEDIA_DJI_0258", "101MEDIA_DJI_0984", "101MEDIA_DJI_0990", "102MEDIA")
    assert not [p.file for p in block.photos if p.file.startswith(bad)]
    assert len(block.photos) + len(solution.rejected) == 27
    assert sum(part.in_mosaic for part in solution.parts) == 1
    assert set(solution.parts[0].files) == {p.file for p in block.photos}
