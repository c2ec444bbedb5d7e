"""Where a setting comes from."""

from pathlib import Path

import pytest

from aerial.errors import InputError, WorkspaceError
from aerial.settings import Settings, load_settings, write_settings


def test_flag_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    """Each level is used where the ones above it say nothing."""
    path = tmp_path / "aerial.toml"
    path.write_text('schema = 1\ngsd_m = 0.10\nengine = "odm"\nbaseline_days = 60\n')
    environment = {"AERIAL_GSD_M": "0.08", "AERIAL_NODES": "http://a:3000 http://b:3000", "AERIAL_TOWN": "x"}
    settings = load_settings(path, environment=environment, flags={"engine": "local", "gsd_m": None})
    expected = Settings(
        gsd_m=0.08, engine="local", nodes=("http://a:3000", "http://b:3000"), baseline_days=60, crs=None
    )
    assert expected == settings


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Set values as values, unset ones as comments."""
    settings = Settings(crs="EPSG:4547", nodes=("http://a:3000",))
    write_settings(tmp_path / "aerial.toml", settings)
    assert settings == load_settings(tmp_path / "aerial.toml", environment={})
    assert "# gsd_m =" in (tmp_path / "aerial.toml").read_text()


@pytest.mark.parametrize(
    ("text", "environment", "message"),
    [
        ("gsd = 0.05", {}, "gsd"),
        ('gsd_m = "0.05"', {}, "expected a number"),
        ("baseline_days = 1.5", {}, "expected a whole number"),
        ("gsd_m = 50", {}, "not the pixel size"),
        ('crs = "EPSG:3857"', {}, "true metres"),
        ('crs = "EPSG:4326"', {}, "true metres"),
        ("= 3", {}, "is not TOML"),
        ("", {"AERIAL_GSDM": "0.05"}, "AERIAL_GSDM is not a setting"),
        ("", {"AERIAL_GSD_M": "five"}, "is not a number"),
    ],
)
def test_a_mistake_is_refused(tmp_path: Path, text: str, environment: dict[str, str], message: str) -> None:
    """Misspelt keys, wrong types and impossible values never become a silent default."""
    (tmp_path / "aerial.toml").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load_settings(tmp_path / "aerial.toml", environment=environment)
    assert caught.value.hint


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """An old program must not misread a newer town."""
    (tmp_path / "aerial.toml").write_text("schema = 2")
    with pytest.raises(WorkspaceError, match="schema 2"):
        load_settings(tmp_path / "aerial.toml", environment={})
