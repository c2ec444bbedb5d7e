"""The root command: fast help, exit codes, one error boundary."""

import subprocess
import sys
import time

import click
import pytest

from aerial.errors import InputError
from aerial_cli import main


def test_help_answers_in_half_a_second_without_heavy_imports() -> None:
    """``aerial --help`` imports neither rasterio nor pycolmap nor torch nor a runtime."""
    code = (
        "import sys; from aerial_cli.main import run; run(['--help']);"
        "heavy = {'rasterio', 'pycolmap', 'torch', 'openvino', 'cv2', 'numpy', 'embreex'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    started = time.perf_counter()
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - started
    assert result.stdout.splitlines()[-1] == "[]"
    # The limit of 0.5 s is for a quiet machine; the test run loads both cores.
    assert seconds < 1.5


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (InputError("Bad file.", hint="Fix it."), 1),
        (KeyboardInterrupt(), 130),
        (click.UsageError("wrong option"), 2),
        (PermissionError(13, "Permission denied", "/x/y"), 1),
    ],
)
def test_every_failure_has_its_exit_code_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], raised: BaseException, code: int
) -> None:
    """Expected failures exit 1 with a hint, usage 2, an interrupt 130."""

    def fail(**_: object) -> None:
        raise raised

    monkeypatch.setattr(main.aerial, "main", fail)
    assert code == main.run([])
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert ("Hint:" in said) == (code == 1)


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and the word is named."""
    assert main.run(["fyl"]) == 2
    assert "fyl" in capsys.readouterr().err
