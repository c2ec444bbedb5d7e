"""Fixtures that every test may use."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says more about the machine's other work than about the code.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

REPOSITORY = Path(__file__).parents[1]


def run_alone(script: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run a script in a process of its own, which may fork and kill; it can import from the repository."""
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the person who runs the tests reaches them."""
    for name in list(os.environ):
        if name.startswith("AERIAL_") and name != "AERIAL_DATA":
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real photographs and pairs; skips where it is absent."""
    folder = Path(os.environ.get("AERIAL_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set AERIAL_DATA")
    return folder


# What takes a minute begins first, so that no worker is left alone with it at the end.
_LONG = ("test_readme.py", "test_wheel.py", "test_kill.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long tests first; the others keep their order."""
    items.sort(key=lambda item: item.path.name not in _LONG)
