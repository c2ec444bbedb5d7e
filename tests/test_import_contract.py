"""The import contract breaks where it should."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

FORBIDDEN = [
    ("src/aerial/photos/breach.py", "import aerial.ortho"),  # a stage imports its sibling
    ("src/aerial/records/breach.py", "import aerial.camera"),  # a lower layer imports a higher one
    ("src/aerial/align/breach.py", "import rasterio"),  # a foreign library outside its home
    ("src/aerial/change/breach.py", "import pyproj"),
    ("src/aerial/steps/breach.py", "import aerial_cli.main"),  # the library imports the command line
    ("src/aerial/breach.py", ""),  # a module without a layer
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages and the contract."""
    root = tmp_path_factory.mktemp("tree")
    for folder in ("src", "cli", "training"):
        shutil.copytree(REPOSITORY / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", root)
    return root


def contract_holds(tree: Path) -> bool:
    """Run import-linter over the copy."""
    result = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()",
         "--no-cache"],
        cwd=tree, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": "src:cli:training", "PATH": ""},
    )  # fmt: skip
    return result.returncode == 0


def test_the_contract_holds_on_the_tree_as_it_is(tree: Path) -> None:
    """The untouched copy passes, so that a failure below is the breach's."""
    assert contract_holds(tree)


@pytest.mark.parametrize(("path", "line"), FORBIDDEN)
def test_a_forbidden_import_breaks_the_contract(tree: Path, path: str, line: str) -> None:
    """Each kind of breach is found."""
    breach = tree / path
    breach.write_text(f'"""A breach."""\n\n{line}\n')
    try:
        assert not contract_holds(tree)
    finally:
        breach.unlink()
