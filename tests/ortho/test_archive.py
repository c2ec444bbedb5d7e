"""The stored block, which later surveys join."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aerial.errors import StitchError
from aerial.ortho.archive import read_archive, read_features, write_archive


def test_what_is_written_is_read_back_to_the_last_bit(solved: Any, tmp_path: Path) -> None:
    """Poses, lenses, tie points and features survive exactly: they are the frame of later years."""
    stored = read_archive(solved.work / "block")
    kept = [read_features(solved.work / "block", i) for i in range(len(stored.photos))]
    write_archive(stored, iter(kept), tmp_path / "block")
    again = read_archive(tmp_path / "block")
    assert stored.lenses == again.lenses
    assert stored.crs == again.crs
    for name in ("origin_3", "parameters_L8", "points_N3", "observations_M3"):
        assert np.array_equal(getattr(stored, name), getattr(again, name)), name
    for one, two in zip(stored.photos, again.photos, strict=True):
        assert (one.file, one.lens) == (two.file, two.lens)
        assert np.array_equal(one.pose.rotation_33, two.pose.rotation_33)
        assert np.array_equal(one.pose.centre_3, two.pose.centre_3)
    assert np.array_equal(kept[3].descriptors_ND, read_features(tmp_path / "block", 3).descriptors_ND)


def test_tie_points_project_onto_their_features(solved: Any) -> None:
    """Every stored observation is its point's image: frame, lens and feature numbers fit together."""
    from aerial.camera import project

    stored = read_archive(solved.work / "block")
    for index in (0, 7):
        own_M3 = stored.observations_M3[stored.observations_M3[:, 1] == index]
        assert len(own_M3) > 50
        photo = solved.block.photos[index]
        seen_N2, _ = project(photo.camera, photo.pose, stored.points_N3[own_M3[:, 0]])
        found_N2 = read_features(solved.work / "block", index).keypoints_N2[own_M3[:, 2]]
        assert np.median(np.linalg.norm(seen_N2 - found_N2, axis=1)) < 0.6


def test_no_file_needs_a_pickle(solved: Any) -> None:
    """Every array is plain data: an archive from elsewhere cannot run code."""
    for path in (solved.work / "block").glob("*.npz"):
        with np.load(path, allow_pickle=False) as stored:
            assert all(stored[name].dtype.kind in "fiu" for name in stored.files)


@pytest.mark.parametrize("harm", ["absent", "no points", "cut", "format", "not json"])
def test_what_is_not_whole_is_refused_with_a_hint(solved: Any, tmp_path: Path, harm: str) -> None:
    """A folder without a whole block of this format is refused, whatever is wrong with it."""
    folder = tmp_path / "block"
    if harm != "absent":
        shutil.copytree(solved.work / "block", folder)
    if harm == "no points":
        (folder / "points.npz").unlink()
    if harm == "cut":
        (folder / "points.npz").write_bytes((folder / "points.npz").read_bytes()[:500])
    if harm == "format":
        head = json.loads((folder / "block.json").read_text())
        (folder / "block.json").write_text(json.dumps(head | {"format": 99}))
    if harm == "not json":
        (folder / "block.json").write_text("{")
    with pytest.raises(StitchError) as error:
        read_archive(folder)
    assert error.value.hint
