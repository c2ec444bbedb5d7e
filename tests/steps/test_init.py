"""``aerial init``."""

import json
from pathlib import Path

import pytest
from shapely.geometry import box, mapping
from tests.steps.made import make_town

from aerial.errors import InputError, WorkspaceError
from aerial.settings import load_settings
from aerial.steps.init import init_town


def test_a_town_records_its_metric_crs(tmp_path: Path) -> None:
    """Dongguan is in the 114 E zone of CGCS2000."""
    town = make_town(tmp_path / "town")
    assert load_settings(town.settings_file, environment={}).crs == "EPSG:4547"
    with pytest.raises(WorkspaceError, match="is a town already"):
        init_town(town.root, town.area_file, town.cells_file)


def test_zone_files_of_one_name_are_both_kept(tmp_path: Path) -> None:
    """And nothing at all is written when one file is bad."""
    given = make_town(tmp_path / "given")
    files = []
    for kind in ("no_fly", "permit", "unknown"):
        (tmp_path / kind).mkdir()
        files.append(tmp_path / kind / "zones.json")
        shape = mapping(box(113.83, 22.81, 113.84, 22.82))
        files[-1].write_text(json.dumps({"type": "Feature", "geometry": shape, "properties": {"kind": kind}}))
    town = init_town(tmp_path / "town", given.area_file, given.cells_file, files[:2])
    assert [path.name for path in town.zone_files()] == ["zones-2.geojson", "zones.geojson"]
    with pytest.raises(InputError, match="the kind 'unknown'"):
        init_town(tmp_path / "other", given.area_file, given.cells_file, files)
    assert not (tmp_path / "other").exists()
