"""The built wheel works outside the checkout."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(REPOSITORY)],
        check=True, capture_output=True,
    )  # fmt: skip
    (path,) = out.glob("*.whl")
    return path


def test_the_wheel_holds_the_three_packages_and_the_data_that_they_read(wheel: Path) -> None:
    """Library, command line, training; page template, camera files and code tables."""
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        "aerial/__init__.py",
        "aerial_cli/main.py",
        "aerial_training/__init__.py",
        "aerial/report/page.html.j2",
    } <= names
    cameras = {p.name for p in (REPOSITORY / "flightplans" / "cameras").glob("*.toml")}
    assert cameras
    assert {f"aerial/_data/flightplans/cameras/{name}" for name in cameras} <= names
    assert {f"aerial/_data/casetables/{name}.toml" for name in ("gbt47678-5", "gbt30428-2")} <= names
    report = ("fonts/NotoSansSC-Regular.woff", "fonts/OFL.txt", "cycle.css", "cycle.html.j2", "cases.html.j2")
    assert {f"aerial/report/{name}" for name in report} <= names
    assert "aerial/ledger/migrations/versions/v0001_first.py" in names


@pytest.mark.timeout(900)
def test_the_wheel_runs_the_demo_in_an_environment_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """Installed alone, it renders, stitches, compares and finds changes in a folder elsewhere."""
    home = tmp_path / "env"
    venv.create(home, with_pip=False)
    scripts = "Scripts" if os.name == "nt" else "bin"
    python = home / scripts / "python"
    site = Path(
        subprocess.run(
            [str(python), "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
            check=True, capture_output=True, text=True,
        ).stdout.strip()
    )  # fmt: skip
    # The dependencies of this environment, without its editable install of the checkout: the lines
    # of a .pth file found on such a path are not read.
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    zipfile.ZipFile(wheel).extractall(site)
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    where = subprocess.run(
        [str(python), "-c", "import aerial; print(aerial.__file__)"],
        check=True, capture_output=True, text=True, cwd=tmp_path, env=clean,
    ).stdout  # fmt: skip
    assert str(site) in where
    result = subprocess.run(
        [str(python), "-m", "aerial_cli.main", "demo", "--preset", "tests", "--out", "demo", "--json"],
        cwd=tmp_path, env=clean, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    (total,) = (row for row in json.loads(result.stdout) if row["changes"] == "all")
    assert total["found"] >= 0.8 * total["true"]
