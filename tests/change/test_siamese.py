"""The siamese detector's arithmetic, apart from its weights."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests import models, pairs

from aerial.change.model import Model, load_model
from aerial.change.siamese import score_arrays


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """The tiny model with a rule for weights."""
    return load_model(models.write_model(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def dates() -> tuple[np.ndarray, np.ndarray]:
    """Two pictures of 0.1 m: a new house and shed among others."""
    first, second = (d.image_HWC.transpose(2, 0, 1) for d in pairs.before_and_after())
    return np.ascontiguousarray(first), np.ascontiguousarray(second)


def _middle(box: tuple[int, int, int, int]) -> tuple[slice, slice]:
    column, row, width, height = box
    return np.s_[row + 12 : row + height - 12, column + 12 : column + width - 12]


def test_what_was_built_appears_and_what_was_torn_down_is_gone(
    model: Model, dates: tuple[np.ndarray, np.ndarray]
) -> None:
    """The scores of pictures in memory have their order, place and size, whatever the pixel size."""
    appeared, gone, before, after = score_arrays(model, *dates, None, 0.1)
    assert appeared.shape == dates[0].shape[1:]
    assert appeared[_middle(pairs.SHED)].mean() > 0.9 > 0.1 > gone[_middle(pairs.SHED)].mean()
    assert gone[_middle(pairs.GONE)].mean() > 0.9 > 0.1 > appeared[_middle(pairs.GONE)].mean()
    assert after[_middle(pairs.SHED)].mean() > 0.9 > 0.1 > before[_middle(pairs.SHED)].mean()
    coarse = score_arrays(model, dates[0][:, ::5, ::5], dates[1][:, ::5, ::5], None, 0.5)
    assert coarse.shape == (4, 120, 120)
    column, row, width, height = (v // 5 for v in pairs.SHED)
    assert coarse[0, row + 2 : row + height - 2, column + 2 : column + width - 2].mean() > 0.7


def test_swapping_the_dates_swaps_appeared_and_gone(
    model: Model, dates: tuple[np.ndarray, np.ndarray]
) -> None:
    """To 1/255, and the building maps with them; a picture beside itself shows nothing."""
    forth = score_arrays(model, *dates, None, 0.1)
    back = score_arrays(model, *dates[::-1], None, 0.1)
    assert np.abs(forth - back[[1, 0, 3, 2]]).max() < 1 / 255
    same = score_arrays(model, dates[0], dates[0], None, 0.1)
    assert same[:2].max() < 0.5


def test_what_is_not_valid_is_silent_and_does_not_reach_its_neighbours(
    model: Model, dates: tuple[np.ndarray, np.ndarray]
) -> None:
    """Whatever bytes lie under the mask, the scores beside it stay, and under it they are 0."""
    valid = np.ones(dates[0].shape[1:], bool)
    valid[:, 300:360] = False
    found = []
    for value in (0, 255):
        after = dates[1].copy()
        after[:, ~valid] = value
        found.append(score_arrays(model, dates[0], after, valid, 0.1))
    assert np.array_equal(found[0], found[1])
    assert found[0][:, ~valid].max() == 0


def test_calibration_moves_the_chance_of_change_alone(
    tmp_path: Path, model: Model, dates: tuple[np.ndarray, np.ndarray]
) -> None:
    """P' = sigmoid(slope * logit(p) + offset) on the changes; the building maps stay."""
    extra = "[calibration]\nslope = 0.5\noffset = -1.0"
    calibrated = load_model(models.write_model(tmp_path, extra=extra))
    raw, moved = (
        score_arrays(m, *dates, None, 0.3, precision="fp32", careful=False) for m in (model, calibrated)
    )
    p = np.clip(raw[:2].astype(float), 1e-6, 1 - 1e-6)
    expected = 1 / (1 + np.exp(-(0.5 * np.log(p / (1 - p)) - 1.0)))
    assert np.abs(expected - moved[:2]).max() < 1e-3
    assert np.array_equal(raw[2:], moved[2:])


_QUIET = """
import socket, sys
def refuse(*args, **kwargs):
    sys.stderr.write("REACHED OUT\\n")
    raise OSError("no network")
for name in ("connect", "connect_ex", "sendto", "sendmsg"):
    setattr(socket.socket, name, refuse)
socket.create_connection = socket.getaddrinfo = refuse
import atexit, threading, time
import numpy as np
from aerial.change.model import load_model
from aerial.change.siamese import score_arrays
picture = np.zeros((3, 64, 64), np.uint8)
score_arrays(load_model(sys.argv[1]), picture, picture, None, 0.3)
time.sleep(0.5)
heavy = ("openvino_telemetry", "torch", "scipy")
reporters = [m for m, v in sys.modules.items() if v and m.split(".")[0] in heavy]
print(sorted(t.name for t in threading.enumerate()), reporters)
"""


def test_openvino_reports_nothing_to_its_maker(tmp_path: Path) -> None:
    """With outside sockets blocked nothing tries one, no reporter is loaded, no identity is stored.

    Nor torch, nor scipy: they take as much memory as the comparison itself.
    """
    models.write_model(tmp_path / "model")
    home = tmp_path / "home"
    home.mkdir()
    # Not the variables of the shell: a proxy or an opt-out of this machine must not hide a call.
    environment = {k: v for k, v in os.environ.items() if k in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")}
    done = subprocess.run(
        [sys.executable, "-c", _QUIET, str(tmp_path / "model")],
        env=environment | {"HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() == "['MainThread'] []"
    assert [path for path in home.rglob("*") if path.is_file() and "pycache" not in str(path)] == []
