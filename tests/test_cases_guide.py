"""The samples of docs/cases.md are settings that load."""

import importlib
import re
import tomllib
from pathlib import Path

import pytest

from aerial.settings import load_settings
from aerial.suspects.deadline import read_calendar
from tests.conftest import REPOSITORY

GUIDE = (REPOSITORY / "docs" / "cases.md").read_text(encoding="utf-8")
SAMPLES = re.findall(r"^```toml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("sample", [text for text in SAMPLES if "holidays.toml:" not in text])
def test_a_sample_of_settings_loads(tmp_path: Path, sample: str) -> None:
    """As it stands in the guide, and says something."""
    path = tmp_path / "aerial.toml"
    path.write_text("", encoding="utf-8")
    plain = load_settings(path, environment={})
    path.write_text(sample, encoding="utf-8")
    assert load_settings(path, environment={}) != plain


def test_every_sample_of_a_destination_has_options_that_its_kind_takes(tmp_path: Path) -> None:
    """Constructed with the secret that it names; every kind that ships has a sample."""
    path = tmp_path / "aerial.toml"
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    shipped = project["entry-points"]["aerial.sinks"]
    kinds = set()
    for sample in SAMPLES:
        path.write_text(sample if "[[sinks]]" in sample else "", encoding="utf-8")
        for sink in load_settings(path, environment={}).sinks:
            module, name = shipped[sink.kind].split(":")
            kind = getattr(importlib.import_module(module), name)
            assert kind(sink, "geheim" if sink.secret else None).name == sink.name
            kinds.add(sink.kind)
    assert kinds == set(shipped)


def test_the_sample_of_a_holiday_list_is_read(tmp_path: Path) -> None:
    """One of the samples is a file of its own."""
    (sample,) = (text for text in SAMPLES if "holidays.toml:" in text)
    path = tmp_path / "holidays.toml"
    path.write_text(sample, encoding="utf-8")
    assert read_calendar(path).until is not None


def test_the_guide_has_a_sample_of_every_table() -> None:
    """So that the tests above do not pass on nothing."""
    for table in ("[cases]", "[[sinks]]", "[[notifiers]]", "[retention]"):
        assert any(table in sample for sample in SAMPLES)
