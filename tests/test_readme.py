"""The README's commands work as they stand."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
# What the text says is the town's crews.toml.
(CREWS,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)


@pytest.mark.timeout(1200)
def test_the_commands_of_the_readme_run_in_order_and_find_the_changes(tmp_path: Path) -> None:
    """Every aerial line exits 0 in an empty folder, and the files that the text names are there."""
    lines = [line for block in BLOCKS for line in block.splitlines() if line.startswith("aerial ")]
    assert len(lines) >= 10
    (tmp_path / "town").mkdir()
    (tmp_path / "town" / "crews.toml").write_text(CREWS, encoding="utf-8")
    for line in lines:
        result = subprocess.run(
            [sys.executable, "-m", "aerial_cli.main", *shlex.split(line)[1:]],
            cwd=tmp_path, capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )  # fmt: skip
        assert result.returncode == 0, f"{line}\n{result.stderr[-2000:]}"
    for name in ("plan.json", "lines.geojson", "plan.png"):
        assert (tmp_path / "block" / name).is_file()
    assert list((tmp_path / "town" / "cycles").glob("2030-06-03/north.md"))
    for name in ("suspects.geojson", "report.html"):
        assert (tmp_path / "pair" / name).is_file()
    assert list((tmp_path / "town" / "reports").glob("*/*/report.html"))


def test_make_knows_the_targets_that_the_readme_names() -> None:
    """The make lines name real targets, whose recipes make can resolve."""
    targets = re.findall(r"^make (\w+)", "\n".join(BLOCKS), re.MULTILINE)
    assert {"demo", "test"} == set(targets)
    make = shutil.which("make")
    assert make, "make is needed"
    for target in targets:
        subprocess.run([make, "-n", target], cwd=REPOSITORY, check=True, capture_output=True)


def test_the_links_and_pictures_of_the_documents_exist() -> None:
    """Relative links in README, CONTRIBUTING and docs point to files of the repository."""
    documents = [
        REPOSITORY / "README.md",
        REPOSITORY / "CONTRIBUTING.md",
        *(REPOSITORY / "docs").rglob("*.md"),
    ]
    missing = [
        f"{document.name}: {link}"
        for document in documents
        for link in re.findall(r"\]\(([^)#]+)", document.read_text(encoding="utf-8"))
        if "://" not in link and not (document.parent / link).exists()
    ]
    assert missing == []
