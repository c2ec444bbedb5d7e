"""Labelled pairs on disk."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from aerial.errors import InputError
from aerial_training import layouts
from aerial_training.layouts import LabelledSamples, open_pairs, read_label, read_pair
from aerial_training.sample import EITHER, UNKNOWN


def put(path: Path, values: NDArray[np.uint8], suffix: str = ".png") -> None:
    """Write a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path.with_suffix(suffix))


def write_pair(root: Path, name: str, size: tuple[int, int] = (60, 80), seed: int = 0) -> None:
    """Write one pair whose upper left corner of 20 by 20 changed to red."""
    rng = np.random.default_rng(seed)
    before = rng.integers(60, 120, (*size, 3)).astype(np.uint8)
    after, label = before.copy(), np.zeros(size, np.uint8)
    after[:20, :20] = (255, 0, 0)
    label[:20, :20] = 255
    for folder, values in (("A", before), ("B", after), ("label", label)):
        put(root / folder / name, values)


def test_folders_are_read_in_order_of_their_names(tmp_path: Path) -> None:
    """A is before, B is after, white in the label is change."""
    for name in ("b", "a"):
        write_pair(tmp_path / "set", name)
    found = open_pairs(tmp_path / "set", 0.3)
    assert [pair.name for pair in found.pairs] == ["a", "b"]
    before, after, change = read_pair(found.pairs[0])
    assert (3, 60, 80) == before.shape == after.shape
    assert change.sum() == 400
    assert (after[:, change == 1].T == (255, 0, 0)).all()
    assert not (before[:, change == 1].T == (255, 0, 0)).all()


def test_levir_cd_is_read_in_its_own_layout(tmp_path: Path) -> None:
    """train, val and test each hold the three folders; without a split the test pairs are meant."""
    for split in ("train", "val", "test"):
        write_pair(tmp_path / split, f"{split}_1")
    assert [open_pairs(tmp_path, 0.5, split).pairs[0].name for split in ("train", "val", "test")] == [
        "train_1",
        "val_1",
        "test_1",
    ]
    assert open_pairs(tmp_path, 0.5).pairs[0].name == "test_1"


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    """No layout, no pair, no partner, two of one name, sizes that differ, an odd pixel size."""
    with pytest.raises(InputError, match="holds no folders A, B and label"):
        open_pairs(tmp_path, 0.3)
    for name in layouts.FOLDERS:
        (tmp_path / name).mkdir()
    with pytest.raises(InputError, match="holds no pairs"):
        open_pairs(tmp_path, 0.3)
    write_pair(tmp_path, "one")
    put(tmp_path / "A" / "two", np.zeros((60, 80, 3), np.uint8))
    with pytest.raises(InputError, match="two has no partner in B and label"):
        open_pairs(tmp_path, 0.3)
    (tmp_path / "A" / "two.png").unlink()
    put(tmp_path / "A" / "one", np.zeros((60, 80, 3), np.uint8), ".jpg")
    with pytest.raises(InputError, match=r"both one\.jpg and one\.png"):
        open_pairs(tmp_path, 0.3)
    (tmp_path / "A" / "one.jpg").unlink()
    put(tmp_path / "label" / "one", np.zeros((60, 70), np.uint8))
    with pytest.raises(InputError, match="A 80 x 60, B 80 x 60, label 70 x 60"):
        read_pair(open_pairs(tmp_path, 0.3).pairs[0])
    with pytest.raises(InputError, match="30 m is not plausible"):
        open_pairs(tmp_path, 30)


def test_labels_of_every_kind_say_the_same(tmp_path: Path) -> None:
    """Grey, JPEG grey, 0 and 1, palette, one bit, colour: the same change."""
    change = np.zeros((40, 40), np.uint8)
    change[8:24, 8:24] = 1
    put(tmp_path / "grey", change * 255)
    put(tmp_path / "jpeg", change * 255, ".jpg")
    put(tmp_path / "zero_one", change)
    put(tmp_path / "colour", np.repeat(change[..., None] * 255, 3, axis=2))
    palette = Image.fromarray(change)
    palette.putpalette([0, 0, 0, 128, 0, 0])
    palette.save(tmp_path / "palette.png")
    Image.fromarray(change > 0).save(tmp_path / "bit.tif")
    for path in sorted(tmp_path.iterdir()):
        assert (read_label(path) == change).all(), path.name
    put(tmp_path / "faint", change * 100)
    assert not read_label(tmp_path / "faint.png").any()


def test_pictures_of_other_depths_and_broken_ones_are_refused(tmp_path: Path) -> None:
    """16 bits are no 8-bit picture; half a file is none."""
    Image.fromarray(np.zeros((20, 20), np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(InputError, match="not an 8-bit picture"):
        read_label(tmp_path / "deep.png")
    put(tmp_path / "half", np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8))
    (tmp_path / "half.png").write_bytes((tmp_path / "half.png").read_bytes()[:900])
    with pytest.raises(InputError, match="cannot be read"):
        read_label(tmp_path / "half.png")


@pytest.mark.parametrize("folder", ["A", "B", "label"])
def test_what_no_crop_could_be_cut_from_is_refused_at_once(tmp_path: Path, folder: str) -> None:
    """The last of many pairs differs in size or depth: said when the folder is opened, not hours later."""
    for name in ("a", "z"):
        write_pair(tmp_path, name)
    put(tmp_path / folder / "z", np.zeros((61, 80), np.uint8))
    with pytest.raises(InputError, match=rf"pictures of z differ in size.*{folder} 80 x 61"):
        open_pairs(tmp_path, 0.3)
    Image.fromarray(np.zeros((60, 80), np.uint16)).save(tmp_path / folder / "z.png")
    with pytest.raises(InputError, match="not an 8-bit picture"):
        open_pairs(tmp_path, 0.3)


def samples(root: Path, *, direction: layouts.Direction = "appeared", gsd_m: float = 0.3) -> LabelledSamples:
    """Crops of 64 pixels of the pairs under ``root``, whose pixels are 0.3 m."""
    return LabelledSamples(pairs=open_pairs(root, 0.3), side_px=64, gsd_m=gsd_m, seed=5, direction=direction)


def test_a_crop_follows_from_seed_and_index_alone(tmp_path: Path) -> None:
    """The same index twice is the same sample, another one is another."""
    write_pair(tmp_path, "a", (200, 240))
    source = samples(tmp_path)
    first, again, other = source.sample(3), source.sample(3), source.sample(4)
    assert (first.before_3HW == again.before_3HW).all()
    assert (first.appeared_HW == again.appeared_HW).all()
    assert (first.before_3HW != other.before_3HW).any()
    assert first.before_3HW.shape == (3, 64, 64)


def test_truth_turns_with_the_picture_and_swaps_with_the_dates(tmp_path: Path) -> None:
    """Red lies in the later date where something appeared, in the earlier one where it is gone."""
    write_pair(tmp_path, "a", (60, 60))
    seen = {"appeared": 0, "gone": 0}
    for index in range(20):
        made = samples(tmp_path).sample(index)
        for name, picture, truth, building in (
            ("appeared", made.after_3HW, made.appeared_HW, made.building_after_HW),
            ("gone", made.before_3HW, made.gone_HW, made.building_before_HW),
        ):
            if not (truth == 1).any():
                continue
            seen[name] += 1
            red = (picture[0].astype(int) - picture[1] > 120) & (truth != UNKNOWN)
            assert ((truth == 1) == red).mean() > 0.98
            assert (building[truth == 1] == 1).all()
    assert min(seen.values()) > 3


def test_beyond_the_picture_nothing_is_known(tmp_path: Path) -> None:
    """A crop larger than its picture: unknown around it, and no change made up."""
    write_pair(tmp_path, "a", (40, 40))
    made = samples(tmp_path).sample(0)
    known = made.appeared_HW != UNKNOWN
    assert 0.2 < known.mean() < 0.7
    assert (made.gone_HW != UNKNOWN).mean() == known.mean()


def test_a_change_of_unknown_direction_is_either(tmp_path: Path) -> None:
    """Where something changed, both maps say so without a direction; elsewhere both are: none."""
    write_pair(tmp_path, "a", (60, 60))
    made = [samples(tmp_path, direction="either").sample(i) for i in range(6)]
    directed = [samples(tmp_path).sample(i) for i in range(6)]
    for m, d in zip(made, directed, strict=True):
        assert (((d.appeared_HW == 1) | (d.gone_HW == 1)) == (m.appeared_HW == EITHER)).all()
        assert (m.appeared_HW == m.gone_HW).all()
        assert not (m.appeared_HW == 1).any()


def test_crops_are_resampled_to_the_pixels_asked_for(tmp_path: Path) -> None:
    """A square of 6 m is 20 pixels of 0.3 m, and about 10 of 0.6 m."""
    write_pair(tmp_path, "a", (100, 100))
    areas = [
        (m.appeared_HW == 1).sum() + (m.gone_HW == 1).sum()
        for m in (samples(tmp_path, gsd_m=0.6).sample(i) for i in range(40))
    ]
    side = np.sqrt(max(areas))
    assert 10 / 1.25 <= side <= 10 / 0.8


def test_what_is_gone_stood_before() -> None:
    """The declared direction decides which map the change goes to, and on which date a building stood."""
    change = np.zeros((8, 8), np.uint8)
    change[:2] = 1
    blank = np.zeros((3, 8, 8), np.uint8)
    made = layouts.as_sample(blank, blank, change, "gone", 0.3)
    assert (made.gone_HW == change).all()
    assert not made.appeared_HW.any()
    assert (made.building_before_HW == np.where(change == 1, 1, UNKNOWN)).all()
    assert (made.building_after_HW == UNKNOWN).all()
