"""Reviewed suspects as training samples."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from shapely.geometry import box, mapping
from tests import pairs as made

from aerial import geo
from aerial.align.register import register
from aerial.codec import write_json
from aerial.errors import InputError
from aerial_training import evaluation
from aerial_training.reviewed import ReviewedPair, ReviewedSamples, around, read_reviewed
from aerial_training.sample import EITHER, UNKNOWN, Sample

SIDE_PX = 64
GSD_M = 0.2


def feature(box_px: tuple[int, int, int, int], verdict: str, kind: str) -> dict[str, Any]:
    """One suspect: a rectangle (column, row, width, height) in pixels of the pair."""
    column, row, width, height = box_px
    outline = box(
        made.LEFT + column * made.GSD_M,
        made.TOP - (row + height) * made.GSD_M,
        made.LEFT + (column + width) * made.GSD_M,
        made.TOP - row * made.GSD_M,
    )
    return {
        "type": "Feature",
        "geometry": mapping(geo.reproject(outline, made.CRS, geo.WGS84)),
        "properties": {
            "verdict": verdict,
            "kind": kind,
            "before_ortho": "before/ortho.tif",
            "after_ortho": "after/ortho.tif",
        },
    }


def write(folder: Path, features: list[dict[str, Any]]) -> Path:
    """Write a file of reviewed suspects."""
    path = folder / "reviewed.geojson"
    write_json(path, {"type": "FeatureCollection", "features": features})
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two dates."""
    root = tmp_path_factory.mktemp("reviewed")
    before, after = made.before_and_after()
    made.write(before, root / "before")
    made.write(after, root / "after")
    return root


@pytest.fixture(scope="module", autouse=True)
def aligned_once(folder: Path) -> Iterator[None]:
    """The same two mosaics are laid over each other once for all tests."""
    found = register(folder / "before" / "ortho.tif", folder / "after" / "ortho.tif", gsd_m=GSD_M)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aerial_training.reviewed.register", lambda *_, **__: found)
        yield


@pytest.fixture(scope="module")
def reviewed(folder: Path) -> tuple[ReviewedPair, ...]:
    """A new house, a room on a roof and a demolition accepted; a tree rejected."""
    tree = (310, 190, 60, 60)
    return read_reviewed(
        write(
            folder,
            [
                feature(made.HOUSE, "accepted", "new"),
                feature(made.ON_OLD, "accepted", "rooftop"),
                feature(made.GONE, "accepted", "demolished"),
                feature(tree, "rejected", "new"),
            ],
        ),
        GSD_M,
    )


def samples(reviewed: tuple[ReviewedPair, ...], count: int = 24) -> list[Sample]:
    """Samples made of the verdicts."""
    source = ReviewedSamples(pairs=reviewed, side_px=SIDE_PX, gsd_m=GSD_M, seed=3)
    return [source.sample(index) for index in range(count)]


def test_one_pair_is_opened_once_for_all_its_suspects(reviewed: tuple[ReviewedPair, ...]) -> None:
    """Four suspects of the same two mosaics are one pair."""
    assert [len(pair.suspects) for pair in reviewed] == [4]


def test_accepted_is_change_rejected_is_none_and_the_rest_is_unknown(
    reviewed: tuple[ReviewedPair, ...],
) -> None:
    """Both verdicts are shown about equally often; most of a crop nobody looked at."""
    made_samples = samples(reviewed)
    with_change = [((s.appeared_HW == 1) | (s.gone_HW == 1)).any() for s in made_samples]
    assert 6 <= sum(with_change) <= 18
    for sample in made_samples:
        assert (sample.appeared_HW == 0).any()
        assert ((sample.appeared_HW == UNKNOWN) == (sample.gone_HW == UNKNOWN)).all()
    assert np.mean([(s.appeared_HW == UNKNOWN).mean() for s in made_samples]) > 0.1


def test_truth_lies_where_the_pictures_changed(reviewed: tuple[ReviewedPair, ...]) -> None:
    """Inside what appeared the dates differ more than where the reviewer saw no change."""
    for sample in samples(reviewed):
        changed = (sample.appeared_HW == 1) | (sample.gone_HW == 1)
        if changed.mean() < 0.05:
            continue
        nothing = (sample.appeared_HW == 0) & (sample.gone_HW == 0)
        difference = np.abs(sample.after_3HW.astype(float) - sample.before_3HW).mean(axis=0)
        assert difference[changed].mean() > 1.5 * difference[nothing].mean()


def test_direction_and_buildings_follow_the_kind(folder: Path) -> None:
    """New: nothing before, a building after. Demolished: the reverse. A room on a roof: both."""
    told = {
        "new": (made.HOUSE, (1, 0, 0, 1)),
        "extended": (made.HOUSE, (1, 0, UNKNOWN, 1)),
        "rooftop": (made.ON_OLD, (1, 0, 1, 1)),
        "demolished": (made.GONE, (0, 1, 1, 0)),
    }
    for kind, (where, expected) in told.items():
        read = read_reviewed(write(folder, [feature(where, "accepted", kind)]), GSD_M)
        appeared, gone, before, after = expected
        swapped = (gone, appeared, after, before)
        for sample in samples(read, 3):
            inside = (sample.appeared_HW == 1) | (sample.gone_HW == 1)
            maps = np.stack(
                [sample.appeared_HW, sample.gone_HW, sample.building_before_HW, sample.building_after_HW]
            )
            values = {tuple(int(v) for v in column) for column in maps[:, inside].T}
            assert values in ({expected}, {swapped})


def test_an_accepted_suspect_without_direction_teaches_none(folder: Path) -> None:
    """Of an unknown one only that it changed; of an excavation nothing, for it is no building."""
    for kind, value in (("excavation", UNKNOWN), ("unknown", EITHER)):
        read = read_reviewed(write(folder, [feature(made.HOUSE, "accepted", kind)]), GSD_M)
        for sample in samples(read, 3):
            assert not (sample.appeared_HW == 1).any()
            assert not (sample.gone_HW == 1).any()
            assert (sample.appeared_HW == EITHER).any() == (value == EITHER)
            assert ((sample.appeared_HW == EITHER) == (sample.gone_HW == EITHER)).all()


def test_a_ring_around_the_outline_is_unknown(folder: Path) -> None:
    """Along one metre beside an accepted outline nobody knows, then four metres without change."""
    read = read_reviewed(write(folder, [feature(made.SHED, "accepted", "new")]), GSD_M)
    for sample in samples(read, 4):
        changed = (sample.appeared_HW == 1) | (sample.gone_HW == 1)
        nothing = (sample.appeared_HW == 0) & (sample.gone_HW == 0)
        away_m = cv2.distanceTransform((~changed).astype(np.uint8), cv2.DIST_L2, 5)[nothing] * GSD_M
        # Crops are shown between 0.8 and 1.25 times their size.
        assert 1.0 * 0.75 < away_m.min() < 1.0 * 1.5
        assert away_m.max() < 5.0 * 1.35


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"properties": {"verdict": "maybe"}}, "feature 1 has the verdict 'maybe'"),
        ({"properties": {"verdict": "accepted"}}, "feature 1 does not name its pair"),
        ({"geometry": None}, "feature 1 has no outline"),
        ({"geometry": {"type": "Point", "coordinates": [0, 0]}}, "feature 1 is a Point"),
        ({"geometry": mapping(box(500_000, 2_500_000, 500_010, 2_500_010))}, "no longitude and latitude"),
        ({"geometry": mapping(box(10, 10, 10.0001, 10.0001))}, "feature 1 lies outside ortho.tif"),
        ([], "holds no features"),
    ],
)
def test_what_is_not_a_reviewed_suspect_is_named(folder: Path, broken: Any, message: str) -> None:
    """No verdict, no pair, no polygon, another CRS, another place: refused by the feature's number."""
    features = [{**feature(made.HOUSE, "accepted", "new"), **broken}] if broken else []
    with pytest.raises(InputError, match=message):
        read_reviewed(write(folder, features), GSD_M)


def test_an_outline_that_crosses_itself_is_mended(folder: Path) -> None:
    """A bow tie drawn by hand encloses both of its halves."""
    made_of = feature(made.HOUSE, "accepted", "new")
    a, b, c, d = made_of["geometry"]["coordinates"][0][:4]
    made_of["geometry"] = {"type": "Polygon", "coordinates": [[a, b, d, c, a]]}
    (pair,) = read_reviewed(write(folder, [made_of]), GSD_M)
    pixels = made.HOUSE[2] * made.HOUSE[3] * (made.GSD_M / GSD_M) ** 2
    assert pixels / 2 == pytest.approx(pair.suspects[0].outline_px.area, rel=0.05)
    for sample in samples((pair,), 2):
        assert ((sample.appeared_HW == 1) | (sample.gone_HW == 1)).any()


def test_the_same_index_gives_the_same_sample(reviewed: tuple[ReviewedPair, ...]) -> None:
    """Made twice, equal; another index, another crop."""
    first, again = (samples(reviewed, 2) for _ in range(2))
    assert (first[1].after_3HW == again[1].after_3HW).all()
    assert (first[0].after_3HW != first[1].after_3HW).any()


def test_a_suspect_is_scored_in_the_middle_of_its_ground(reviewed: tuple[ReviewedPair, ...]) -> None:
    """Not turned, not swapped: what was accepted first lies around the middle, and each gives a picture."""
    house = around(reviewed[0], reviewed[0].suspects[0], SIDE_PX, GSD_M)
    assert (
        house.appeared_HW[SIDE_PX // 2 - 4 : SIDE_PX // 2 + 4, SIDE_PX // 2 - 4 : SIDE_PX // 2 + 4] == 1
    ).all()
    # The ground reaches 6.4 m to each side: the house of 12 by 9 m is known, its corners' surroundings not.
    pictures = evaluation.reviewed("own", reviewed, SIDE_PX, GSD_M)
    assert pictures.count == 4
    assert (pictures.picture(0).change_HW == np.where(house.appeared_HW == 1, 1, house.appeared_HW)).all()
    assert not (pictures.picture(3).change_HW == 1).any()
