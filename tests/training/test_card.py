"""The model card."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.models import write_model

from aerial.change.model import Model, load_model
from aerial.codec import to_plain
from aerial_training import metrics
from aerial_training.card import Failure, failures, write_card
from aerial_training.evaluation import Picture

SIDE_PX = 96


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """A model whose rule is: bluer than the place is a building."""
    return load_model(write_model(tmp_path / "model"))


def picture(name: str, *, blue_px: int, labelled_px: int) -> Picture:
    """Grey ground on which a blue square appears, and what the truth says of it."""
    before = np.full((3, SIDE_PX, SIDE_PX), 120, np.uint8)
    after, truth = before.copy(), np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    after[:, 20 : 20 + blue_px, 20 : 20 + blue_px] = np.array([40, 60, 250])[:, None, None]
    truth[20 : 20 + labelled_px, 20 : 20 + labelled_px] = 1
    return Picture(name=name, before_3HW=before, after_3HW=after, change_HW=truth, gsd_m=0.3)


def figures(model: Model) -> dict[str, Any]:
    """What the accuracy benchmark prints, of one small set."""
    seen = picture("a", blue_px=20, labelled_px=20).change_HW
    found = to_plain(metrics.figures([metrics.count(seen > 0, seen, 0.3)]))
    return {
        "model": {"onnx_sha256": model.file.weights.onnx_sha256},
        "sets": {"small": {"network": found}},
        "mean_of_real": {"network": found},
        "mean_of_all": {"network": found},
        "published": [{"what": "another", "f1": [40.0, 56.0], "source": "its README"}],
    }


def test_the_worst_answers_are_shown_each_picture_once(model: Model, tmp_path: Path) -> None:
    """A false roof among the alarms, an overlooked one among the misses; small files."""
    shown = failures(
        model,
        [
            picture("right", blue_px=20, labelled_px=20),
            picture("false", blue_px=40, labelled_px=0),
            picture("missed", blue_px=0, labelled_px=40),
        ],
        tmp_path / "out",
        2,
    )
    assert [f.file for f in shown] == ["false_1.jpg", "missed_1.jpg"]
    assert shown[0].caption.startswith("false: 1")
    assert shown[1].caption == "missed: 144 m2 missed"
    for each, colour in zip(shown, ((230, 40, 40), (70, 110, 255)), strict=True):
        path = tmp_path / "out" / each.file
        sheet = np.asarray(Image.open(path)).astype(int)
        assert sheet.shape == (SIDE_PX, 3 * SIDE_PX, 3)
        assert np.abs(sheet[40, 2 * SIDE_PX + 40] - colour).max() < 40
        assert path.stat().st_size < 200_000


def test_the_card_names_data_licences_figures_and_failures(model: Model) -> None:
    """Every licence, every figure with its interval, every picture."""
    text = write_card(
        model, figures(model), [Failure(file="false_1.jpg", caption="a roof")], made="By hand."
    ).read_text(encoding="utf-8")
    for word in (
        "CC BY 4.0",
        "ODbL 1.0",
        "© OpenStreetMap contributors",
        "CC0 1.0",
        "not verified",
        "FOTBCD",
    ):
        assert word in text
    assert "| small | network | 100.0 (100.0–100.0) |" in text
    assert "another: F1 40 / 56 (its README)" in text
    assert "![a roof](false_1.jpg)" in text
    assert "By hand." in text


def test_figures_of_other_weights_make_no_card(model: Model) -> None:
    """A card must not tell what another model could do."""
    told = figures(model)
    told["model"] = {"onnx_sha256": "0" * 64}
    with pytest.raises(ValueError, match="other weights"):
        write_card(model, told, [], made="By hand.")
    other = replace(model, file=replace(model.file, version="2"))
    assert write_card(other, figures(model), [], made="x").read_text().startswith("# rule 2")
