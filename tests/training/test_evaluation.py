"""Scoring a model through the runtime and through the whole product."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests import pairs as made
from tests.models import write_model

from aerial.change.model import load_model
from aerial.codec import dumps
from aerial.errors import AlignError
from aerial_training import evaluation
from aerial_training.evaluation import Picture, Pictures
from aerial_training.sample import EITHER, UNKNOWN, Sample

GSD_M = 0.15
# column, row, width, height in pixels: a blue roof of 36 m2 and one of 9 m2
ROOFS = ((100, 90, 40, 40), (220, 200, 20, 20))
SIDE_PX = 320


OLD = (40, 220, 60, 60)


def picture(*, built: bool = True, name: str = "place", shift_px: int = 0) -> Picture:
    """A textured grey place of 48 m with one blue roof; with ``built`` two more appear."""
    ground = made.ground(3, SIDE_PX)
    grey = np.repeat(ground.image_HWC.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    before = made.with_box(replace(ground, image_HWC=grey), OLD, 3.0, (40, 60, 250))
    after, change = before, np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    for column, row, width, height in ROOFS if built else ():
        after = made.with_box(after, (column, row, width, height), 3.0, (40, 60, 250))
        change[row : row + height, column : column + width] = 1
    dates = [np.ascontiguousarray(np.moveaxis(d.image_HWC, -1, 0)) for d in (before, after)]
    return Picture(
        name=name,
        before_3HW=np.roll(dates[0], shift_px, axis=2),
        after_3HW=dates[1],
        change_HW=change,
        gsd_m=GSD_M,
    )


def pictures(*several: Picture, name: str = "set") -> Pictures:
    """A data set of given pictures."""
    return Pictures(name=name, count=len(several), picture=lambda n: several[n])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose rule is: bluer than the place is a building."""
    return write_model(tmp_path_factory.mktemp("model"))


def blind(folder: Path) -> Path:
    """The same model with a threshold that nothing reaches: calibrated, its surest answer is 0.8."""
    write_model(folder, extra="[calibration]\nslope = 0.1\n")
    text = (folder / "model.toml").read_text()
    (folder / "model.toml").write_text(text.replace("threshold = 0.5", "threshold = 0.9"))
    return folder


def test_the_runtime_is_asked_at_the_stored_threshold(model: Path, tmp_path: Path) -> None:
    """Both roofs, no false one; at a threshold that nothing reaches, nothing."""
    found = evaluation.evaluate(model, [pictures(picture())], product=False).sets[0]
    figures = found.figures["network"]
    assert (figures["f1"].value or 0) > 0.85
    assert (figures["recall_10_50"].value, figures["recall_lt10"].value) == (1.0, 1.0)
    assert figures["false_per_km2"].value == 0.0
    assert list(found.figures) == ["network"]
    strict = blind(tmp_path / "strict")
    none = evaluation.evaluate(strict, [pictures(picture())], product=False).sets[0].figures["network"]
    assert none["recall"].value == 0.0


def test_the_whole_product_is_scored_with_its_alignment(model: Path) -> None:
    """BEFORE lies 1.2 m off: to the network the old roof moved, change map and suspects lay it back."""
    answers = evaluation.ask(load_model(model), pictures(picture(shift_px=8)))
    assert answers.refused == ()
    moved_px = answers.counts["network"][0].false_px
    for way in ("change_map", "suspects"):
        (counted,) = answers.counts[way]
        assert counted.found_3[1] == 1, way
        assert counted.false == 0, way
        assert counted.false_px < 0.7 * moved_px, way
        assert counted.hit_px > 0.5 * 1600, way
        assert counted.centroid_errors_m[0] < 0.1, way


def test_a_refused_pair_counts_as_nothing_found(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named with the reason; the network is asked all the same."""

    def refuse(*_: object, **__: object) -> None:
        raise AlignError("Nothing of it is recognised.", hint="Check the files.")

    monkeypatch.setattr(evaluation, "detect_pair", refuse)
    answers = evaluation.ask(load_model(model), pictures(picture(name="apart")))
    assert answers.refused == (("apart", "Nothing of it is recognised."),)
    assert answers.counts["network"][0].missed_px == 0
    for way in ("change_map", "suspects"):
        assert answers.counts[way][0].found_3 == (0, 0, 0)
        assert answers.counts[way][0].missed_px == 2000


def test_sets_count_alike_in_the_mean_and_the_result_is_json(model: Path) -> None:
    """A set without change gives no F1 but counts for false objects; numbers survive JSON."""
    sets = [pictures(picture(), name="built"), pictures(picture(built=False), name="same")]
    result = evaluation.evaluate(model, sets, product=False)
    assert [s.name for s in result.sets] == ["built", "same"]
    assert result.mean["network"]["f1"] == result.sets[0].figures["network"]["f1"]
    assert result.sets[1].figures["network"]["f1"].value is None
    plain = json.loads(dumps(result))
    assert plain["model"]["threshold"] == 0.5
    assert plain["sets"][0]["figures"]["network"]["f1"]["value"] == result.mean["network"]["f1"].value
    assert plain["rule"]["found_share"] == 0.3


def test_a_sample_is_scored_in_any_direction_where_its_truth_is_known() -> None:
    """Appeared or gone is change; unknown stays unknown unless the other direction is certain."""
    one = np.array([[1, 0, UNKNOWN, 0, EITHER]], np.uint8)
    two = np.array([[0, 1, 0, 0, EITHER]], np.uint8)
    blank = np.zeros((3, 1, 5), np.uint8)
    sample = Sample(
        before_3HW=blank,
        after_3HW=blank,
        appeared_HW=one,
        gone_HW=two,
        building_before_HW=two,
        building_after_HW=two,
        height_change_HW=None,
        gsd_m=0.3,
    )
    assert evaluation.of_sample("s", sample).change_HW.tolist() == [[1, 1, UNKNOWN, 0, 1]]


def test_new_weights_are_compared_with_old_ones_on_the_same_pictures(model: Path, tmp_path: Path) -> None:
    """A model that sees the roofs is better than one that sees nothing; not the other way round."""
    nothing = blind(tmp_path / "blind")
    sets = [pictures(picture(), picture(built=False), picture(name="again"))]
    assert evaluation.against(model, nothing, sets).better
    assert not evaluation.against(nothing, model, sets).better
    assert not evaluation.against(model, model, sets).better
