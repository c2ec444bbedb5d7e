"""Pairs by number: the same for everybody, and honest about what has changed."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from aerial.errors import InputError
from aerial_training.sample import UNKNOWN, Sample
from aerial_training.synthesis import PairSynthesiser
from aerial_training.synthesis.scene import FIRST, SECOND


def _arrays(sample: Sample) -> list[np.ndarray]:
    height = sample.height_change_HW
    return [
        sample.before_3HW, sample.after_3HW, sample.appeared_HW, sample.gone_HW, sample.building_before_HW,
        sample.building_after_HW, np.zeros(0) if height is None else height,
    ]  # fmt: skip


def test_a_sample_depends_on_seed_and_index_alone(synthesiser: PairSynthesiser) -> None:
    """The same number gives the same sample in any order and after a journey to another process."""
    first = [_arrays(synthesiser.sample(index)) for index in range(4)]
    revived = pickle.loads(pickle.dumps(synthesiser))  # noqa: S301
    again = {index: _arrays(revived.sample(index)) for index in (3, 1, 0, 2)}
    for index in range(4):
        for expected, actual in zip(first[index], again[index], strict=True):
            np.testing.assert_array_equal(expected, actual)


def test_seeds_differ(data: Path, cache: Path, synthesiser: PairSynthesiser) -> None:
    """Another seed gives other pictures under the same number."""
    other = PairSynthesiser(data, 6, cache=cache, size_px=128)
    assert not np.array_equal(other.sample(0).before_3HW, synthesiser.sample(0).before_3HW)


def test_samples_have_the_agreed_shape(synthesiser: PairSynthesiser) -> None:
    """Types, sizes and values are those of a training sample; about a third of all has no change."""
    unchanged = heights = 0
    for index in range(60):
        sample = synthesiser.sample(index)
        assert sample.before_3HW.shape == sample.after_3HW.shape == (3, 128, 128)
        assert sample.before_3HW.dtype == sample.after_3HW.dtype == np.uint8
        for plane in _arrays(sample)[2:6]:
            assert plane.shape == (128, 128)
            assert plane.dtype == np.uint8
            assert set(np.unique(plane).tolist()) <= {0, 1, UNKNOWN}
        unchanged += not ((sample.appeared_HW == 1).any() or (sample.gone_HW == 1).any())
        heights += sample.height_change_HW is not None
    assert 14 <= unchanged <= 36
    assert 15 <= heights <= 45


def test_what_appeared_is_a_building_afterwards(synthesiser: PairSynthesiser) -> None:
    """Every pixel that appeared is a building at the after date, and every one that went was one before."""
    for index in range(40):
        sample = synthesiser.sample(index)
        assert not (sample.building_after_HW[sample.appeared_HW == 1] == 0).any()
        assert not (sample.building_before_HW[sample.gone_HW == 1] == 0).any()


def test_edges_of_changes_are_unknown(synthesiser: PairSynthesiser) -> None:
    """A changed pixel never touches an unchanged one: between them nobody can say."""
    for index in range(40):
        for plane in (synthesiser.sample(index).appeared_HW, synthesiser.sample(index).gone_HW):
            for one, other in ((plane[1:], plane[:-1]), (plane[:, 1:], plane[:, :-1])):
                assert not ((one == 1) & (other == 0)).any()
                assert not ((one == 0) & (other == 1)).any()


def test_absent_data_are_named(tmp_path: Path) -> None:
    """Without source pictures the error says which folder, and what to do."""
    with pytest.raises(InputError, match="no training data"):
        PairSynthesiser(tmp_path / "nowhere", 1, cache=tmp_path / "cache")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no source pictures"):
        PairSynthesiser(tmp_path / "empty", 1, cache=tmp_path / "cache")


def test_no_nuisance_is_a_change(synthesiser: PairSynthesiser, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every change left out the pictures still differ everywhere, and no label says change."""
    for name, odds in (("_UNCHANGED_ODDS", 1.0), ("_STAR_ODDS", 0.0), ("_REAL_PAIR_ODDS", 0.0)):
        monkeypatch.setattr(f"aerial_training.synthesis.synthesiser.{name}", odds)
    for index in range(25):
        sample = synthesiser.sample(index)
        assert np.abs(sample.before_3HW.astype(int) - sample.after_3HW).mean() > 1
        assert not (sample.appeared_HW == 1).any()
        assert not (sample.gone_HW == 1).any()


def test_each_way_of_change_goes_to_its_own_label(
    synthesiser: PairSynthesiser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands on the second date alone appears; what stands on the first alone goes."""
    for name in ("_UNCHANGED_ODDS", "_STAR_ODDS", "_REAL_PAIR_ODDS", "_DEMOLITION_ODDS"):
        monkeypatch.setattr(f"aerial_training.synthesis.synthesiser.{name}", 0.0)
    for way, changed, empty in ((SECOND, "appeared_HW", "gone_HW"), (FIRST, "gone_HW", "appeared_HW")):
        monkeypatch.setattr("aerial_training.synthesis.synthesiser._ways", lambda _, way=way: (way, way))
        samples = [synthesiser.sample(index) for index in range(12)]
        assert any((getattr(sample, changed) == 1).any() for sample in samples)
        assert not any((getattr(sample, empty) == 1).any() for sample in samples)


def test_a_simulated_town_knows_its_changes(data: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What appeared in a simulated town rose, what went sank, and both are buildings on their date."""
    monkeypatch.setattr("aerial_training.synthesis.towns._HALF_M", 36.0)
    synthesiser = PairSynthesiser(data, 5, cache=cache, size_px=128, towns=1)
    for name, odds in (
        ("_STAR_ODDS", 0.0),
        ("_REAL_PAIR_ODDS", 0.0),
        ("_TOWN_ODDS", 1.0),
        ("_TOWN_HEIGHT_ODDS", 1.0),
    ):
        monkeypatch.setattr(f"aerial_training.synthesis.synthesiser.{name}", odds)
    rises: dict[str, list[float]] = {"appeared_HW": [], "gone_HW": []}
    for index in range(12):
        sample = synthesiser.sample(index)
        assert sample.height_change_HW is not None
        assert not (sample.building_after_HW[sample.appeared_HW == 1] == 0).any()
        assert not (sample.building_before_HW[sample.gone_HW == 1] == 0).any()
        for name, found in rises.items():
            found += sample.height_change_HW[getattr(sample, name) == 1].tolist()
    assert np.nanmedian(rises["appeared_HW"]) > 1.5
    assert np.nanmedian(rises["gone_HW"]) < -1.5
