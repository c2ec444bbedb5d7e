"""Reading photographs and finding their features."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pycolmap
import pytest

from aerial.ortho import features, matching
from aerial.ortho.presets import FAST, QUALITY
from aerial.progress import SILENT
from aerial.records import Photo


def photo(file: str, width_px: int, height_px: int) -> Photo:
    """Return a record that says no more than name and size."""
    empty: dict[str, Any] = dict.fromkeys(Photo.__dataclass_fields__)
    return Photo(**(empty | {"file": file, "width_px": width_px, "height_px": height_px, "focal_px": 800.0}))


def write(path: Path, width_px: int, height_px: int, seed: int = 1) -> None:
    """Write a textured JPEG."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (height_px // 8, width_px // 8), np.uint8)
    picture = cv2.resize(small, (width_px, height_px), interpolation=cv2.INTER_CUBIC)
    cv2.imencode(".jpg", picture)[1].tofile(path)


def test_large_photographs_are_brought_down_small_ones_stay() -> None:
    """12 Mpx come down to a 2000 px edge in proportion; 1400 px stay as they are."""
    assert features.working_size(4000, 3000) == (2000, 1500)
    assert features.working_size(3000, 4000) == (1500, 2000)
    assert features.working_size(1400, 788) == (1400, 788)


@pytest.mark.parametrize(
    ("width_px", "height_px", "quality", "fast"),
    [(4000, 3000, 0, 1), (4248, 2832, 0, 1), (1400, 788, 0, 0), (560, 420, -1, -1)],
)
def test_the_search_starts_where_enough_pixels_remain(
    width_px: int, height_px: int, quality: int, fast: int
) -> None:
    """Fast halves what is large, no preset halves what is small, and very small pictures are doubled."""
    one = photo("a.jpg", width_px, height_px)
    assert (features.first_octave(one, QUALITY), features.first_octave(one, FAST)) == (quality, fast)


def test_a_photograph_is_read_at_its_working_size(tmp_path: Path) -> None:
    """A 4000 px file comes as 2000 px, whatever the decoder's own steps are."""
    write(tmp_path / "a.jpg", 4000, 3000)
    assert features.read_grey(tmp_path / "a.jpg", photo("a.jpg", 4000, 3000)).shape == (1500, 2000)


def test_a_photograph_is_never_turned_by_its_exif(tmp_path: Path) -> None:
    """Orientation 6 does not turn the pixels: poses and focal length belong to the sensor's frame."""
    from PIL import Image

    write(tmp_path / "a.jpg", 640, 480)
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(tmp_path / "a.jpg") as image:
        image.save(tmp_path / "b.jpg", exif=exif, quality="keep")
    plain = features.read_grey(tmp_path / "a.jpg", photo("a.jpg", 640, 480)).astype(int)
    turned = features.read_grey(tmp_path / "b.jpg", photo("b.jpg", 640, 480)).astype(int)
    assert np.abs(plain - turned).max() < 20  # compressed a second time


@pytest.mark.parametrize("kept", [0, 200, 5000])
def test_a_cut_off_photograph_is_an_error(tmp_path: Path, kept: int) -> None:
    """A JPEG cut short anywhere is refused, never half used."""
    write(tmp_path / "a.jpg", 640, 480)
    whole = (tmp_path / "a.jpg").read_bytes()
    assert len(whole) > 6000
    (tmp_path / "a.jpg").write_bytes(whole[:kept])
    with pytest.raises(OSError, match=r".+"):
        features.read_grey(tmp_path / "a.jpg", photo("a.jpg", 640, 480))


def test_extraction_goes_on_and_names_what_it_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bad files are named; those done are not read a second time; odd file names do not matter."""
    names = ["a b.jpg", "航拍.jpg", "bad.jpg"]
    for name in names[:2]:
        write(tmp_path / name, 640, 480)
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    photos = [(n, photo(name, 640, 480)) for n, name in enumerate(names, 1)]
    lens = matching.lenses([p for _, p in photos])[0]
    database = tmp_path / "block.db"
    matching.create_database(database, [matching.working_camera(lens, 1)], [1, 1, 1])
    assert list(features.extract(database, tmp_path, photos, QUALITY, SILENT)) == ["bad.jpg"]
    with pycolmap.Database.open(database) as opened:
        counts = [opened.num_keypoints_for_image(n) for n in (1, 2, 3)]
    assert counts[0] > 100
    assert counts[1] == counts[0]
    assert counts[2] == 0
    monkeypatch.setattr(features, "read_grey", None)
    assert features.extract(database, tmp_path, photos[:2], QUALITY, SILENT) == {}
    assert list(tmp_path.glob(".grey-*")) == []
