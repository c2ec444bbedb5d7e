"""GCJ-02 recognised against known outlines, and nothing else taken for it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import transform, unary_union
from shapely.affinity import translate
from shapely.geometry import box
from tests.areas.made import as_gcj02, town

from aerial import geo
from aerial.areas import Feature, refuse_gcj02
from aerial.errors import CrsError

PLACES = st.sampled_from([(113.80, 22.80), (116.40, 39.91), (121.47, 31.23)])
# Wider than the shift: of a smaller place alone nothing can be told from a neighbour's.
TOWNS = {"cells": st.integers(4, 30), "size_m": st.floats(400, 900), "seed": st.integers(0, 10_000)}


@pytest.mark.parametrize(
    ("lat", "lon", "gcj_lat", "gcj_lon"),
    [
        (31.1774276, 121.5272106, 31.17530398364597, 121.531541859215),
        (22.543847, 113.912316, 22.540796131694766, 113.9171764808363),
        (39.911954, 116.377817, 39.91334545536069, 116.38404722455657),
        (39.7392, -104.9903, 39.7392, -104.9903),
    ],
)
def test_the_shift_is_the_published_one(lat: float, lon: float, gcj_lat: float, gcj_lon: float) -> None:
    """Positions that the public implementations test with (googollee/eviltransform), to a nanodegree."""
    shifted = geo.to_gcj02(np.array([lon]), np.array([lat]))
    assert shifted[0][0] == pytest.approx(gcj_lon, abs=1e-9)
    assert shifted[1][0] == pytest.approx(gcj_lat, abs=1e-9)


@given(st.floats(73, 135), st.floats(18, 53))
def test_the_shift_is_taken_back_to_a_millimetre(lon: float, lat: float) -> None:
    """The inverse is iterated until nothing is left."""
    back = geo.from_gcj02(*geo.to_gcj02(np.array([lon]), np.array([lat])))
    assert abs(back[0][0] - lon) < 1e-9
    assert abs(back[1][0] - lat) < 1e-9


@settings(max_examples=20, deadline=None)
@given(PLACES, st.fixed_dictionaries(TOWNS), st.floats(0, 4))
def test_shifted_cells_are_refused_and_the_shift_is_told(
    place: tuple[float, float], given_town: dict[str, int | float], careless_m: float
) -> None:
    """Cells, some of them, or their common outline, drawn a few metres beside where they are."""
    known = town(*place, **given_town)  # type: ignore[arg-type]
    moved = [
        Feature(outline=translate(one.outline, careless_m * 1e-5, 0), properties={})
        for one in as_gcj02(known)
    ]
    whole = Feature(outline=unary_union([one.outline for one in moved]), properties={})
    for features in (moved, moved[: len(moved) // 2 + 1], [whole]):
        with pytest.raises(CrsError, match=r"GCJ-02.* \d\d\d m to the (south|north)?-?(east|north|west)"):
            refuse_gcj02(features, known, "cells.kml")
    refuse_gcj02(known, known, "itself")
    refuse_gcj02([Feature(outline=unary_union([c.outline for c in known]), properties={})], known, "area")


@settings(max_examples=20, deadline=None)
@given(PLACES, st.fixed_dictionaries(TOWNS), st.integers(0, 10_000))
def test_other_cells_are_not_refused(
    place: tuple[float, float], given_town: dict[str, int | float], seed: int
) -> None:
    """The rest of a town, a new division of it, a town beside, zones in it."""
    known = town(*place, **given_town)  # type: ignore[arg-type]
    refuse_gcj02(known[1::2], known[::2] or known, "the other half")
    refuse_gcj02(town(*place, **(given_town | {"seed": seed})), known, "divided anew")  # type: ignore[arg-type]
    side_deg = float(given_town["size_m"]) * float(given_town["cells"]) ** 0.5 / 111_000
    beside = town(place[0] + 1.02 * side_deg, place[1], **(given_town | {"seed": seed}))  # type: ignore[arg-type]
    refuse_gcj02(beside, known, "a town beside")
    rng = np.random.default_rng(seed)
    zones = [
        Feature(outline=box(x, y, x + 4e-4, y + 3e-4), properties={})
        for x, y in rng.uniform(-side_deg / 2, side_deg / 2, (20, 2)) + place
    ]
    refuse_gcj02(zones, known, "zones")


def test_neighbours_on_a_grid_as_wide_as_the_shift_are_not_refused() -> None:
    """A regular grid whose step is the shift itself: what lies beside it would fit after taking it back."""
    at = np.array([113.8, 22.8])
    step = np.column_stack(geo.to_gcj02(at[:1], at[1:]))[0] - at
    cell = box(*np.minimum(at, at + step), *np.maximum(at, at + step))
    grid = {
        (i, j): translate(cell, i * abs(step[0]), j * abs(step[1]))
        for i in range(-3, 3)
        for j in range(-3, 3)
    }
    known = [Feature(outline=one, properties={}) for (i, _), one in grid.items() if i < 0]
    east = [Feature(outline=one, properties={}) for (i, _), one in grid.items() if i == 0]
    refuse_gcj02(east, known, "the next column")


def test_swapped_outlines_and_far_ones_say_nothing() -> None:
    """They lie where the frame of the reference does not reach, which is no reason to stop."""
    known = town(113.8, 22.8, cells=4, size_m=400, seed=1)
    far = [Feature(outline=transform(one.outline, lambda xy: xy * (1, -1)), properties={}) for one in known]
    refuse_gcj02(far, known, "elsewhere")
    refuse_gcj02([], known, "nothing")
    refuse_gcj02(known, [], "unknown")
