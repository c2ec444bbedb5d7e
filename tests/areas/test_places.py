"""Layers of communities and unit grids."""

import json
from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import box, mapping

from aerial.areas import read_communities, read_unit_grids
from aerial.errors import InputError


def layer(path: Path, *properties: dict[str, Any]) -> Path:
    """Write one square for each of the properties, side by side."""
    features = [
        {
            "type": "Feature",
            "geometry": mapping(box(113.80 + i / 100, 22.80, 113.81 + i / 100, 22.81)),
            "properties": given,
        }
        for i, given in enumerate(properties)
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_communities_and_unit_grids_are_read_under_either_name(tmp_path: Path) -> None:
    """In the file's order, with the outline that the file gives."""
    path = layer(tmp_path / "c.geojson", {"community": "锦厦社区", "name": "1"}, {"name": "乌沙社区"})
    places = read_communities(path)
    assert [place.name for place in places] == ["锦厦社区", "乌沙社区"]
    assert places[1].outline.bounds == pytest.approx((113.81, 22.80, 113.82, 22.81))
    path = layer(tmp_path / "g.geojson", {"unit_grid": "441900001001001"}, {"code": "041900001001002"})
    assert [place.name for place in read_unit_grids(path)] == ["441900001001001", "041900001001002"]
    path = layer(tmp_path / "long.geojson", {"code": "4" * 20})
    assert [place.name for place in read_unit_grids(path, 20)] == ["4" * 20]


@pytest.mark.parametrize("name", [None, "", "  ", "a\nb", "x" * 61, 1.5, True])
def test_a_community_without_a_usable_name_is_refused(tmp_path: Path, name: object) -> None:
    """Names go into addresses and messages."""
    with pytest.raises(InputError, match=r"Feature 2 of .* has the community") as caught:
        read_communities(layer(tmp_path / "c.geojson", {"name": "锦厦社区"}, {"community": name}))
    assert caught.value.hint


@pytest.mark.parametrize(
    "code", [None, "44190000100100", "4419000010010011", "44190000100100a", "４" * 15, 41900001001001]
)
def test_a_unit_grid_without_its_15_digits_is_refused(tmp_path: Path, code: object) -> None:
    """A number that lost its leading zero included."""
    with pytest.raises(InputError, match=r"has the unit_grid") as caught:
        read_unit_grids(layer(tmp_path / "g.geojson", {"unit_grid": code}))
    assert "Give each of the unit grids" in caught.value.hint
