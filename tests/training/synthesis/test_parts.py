"""The parts of a synthetic pair: outlines, things, shadows, demolition, heights."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from aerial_training.synthesis import demolition, drawing, outlines, photometry, rooftops, surface, works
from aerial_training.synthesis.placing import Room, Thing
from aerial_training.synthesis.roofs import flat, pitched
from aerial_training.synthesis.scene import SECOND, Stock
from aerial_training.synthesis.sprites import Sprite

GSD_M = 0.3
NADIR = drawing.View(
    shadow_px=(4.0, 0.0), lean_px=(0.0, 0.0), ambient=(0.4, 0.4, 0.5), softness_px=0.5, relief=0.5
)


def box(width_m: float, length_m: float, kind: str = "house") -> Sprite:
    """A plain rectangular thing of exactly known size."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (width_m / 2, length_m / 2)
    shape = (round(length_m / 0.1) + 4, round(width_m / 0.1) + 4)
    rgba = np.full((*shape, 4), 200, np.uint8)
    rgba[..., 3] = 0
    rgba[2:-2, 2:-2, 3] = 255
    return Sprite(rgba_HW4=rgba, gsd_m=0.1, outline=corners, facets=(), kind=kind, real=False)


def standing(sprite: Sprite, height_m: float, dates: tuple[bool, bool], turn: float = 0.4) -> Thing:
    """``sprite`` in the middle of a canvas of 128 px."""
    return Thing(
        sprite=sprite, at_px=(64.0, 64.0), turn=turn, stretch=1.0, flip=False, height_m=height_m, dates=dates
    )


def blank() -> tuple[np.ndarray, np.ndarray]:
    """A grey ground and its empty truth."""
    return np.full((128, 128, 3), 120, np.uint8), np.zeros((128, 128), np.uint8)


@pytest.mark.parametrize("kind", ["house", "hall", "walls"])
def test_the_label_of_a_new_building_is_its_roof(kind: str) -> None:
    """As many pixels are marked as changed as the roof covers, to three percent."""
    image, truth = blank()
    drawing.draw(image, truth, standing(box(12.0, 9.0, kind), 5.0, (False, True)), 1, NADIR, GSD_M)
    marked = np.count_nonzero(truth & drawing.CHANGED) * GSD_M**2
    assert marked == pytest.approx(12.0 * 9.0, rel=0.03)
    assert np.array_equal(truth & drawing.CHANGED > 0, truth & drawing.BUILDING > 0)


@pytest.mark.parametrize("kind", ["slab", "frame", "pad", "court", "car", "lorry", "tarp", "tree", "hedge"])
def test_what_is_no_building_is_no_change(kind: str) -> None:
    """Slabs, frames, vehicles, canvas and crowns on one date leave no mark in the truth."""
    image, truth = blank()
    drawing.draw(image, truth, standing(box(6.0, 4.0, kind), 3.0, (False, True)), 1, NADIR, GSD_M)
    assert (image != 120).any()
    assert not (truth & (drawing.CHANGED | drawing.BUILDING)).any()


def test_a_building_on_both_dates_is_no_change() -> None:
    """It is a building, drawn by the same code as a new one, and nothing more."""
    image, truth = blank()
    drawing.draw(image, truth, standing(box(12.0, 9.0), 5.0, (True, True)), 0, NADIR, GSD_M)
    assert (truth & drawing.BUILDING).any()
    assert not (truth & drawing.CHANGED).any()


def test_facades_are_left_open() -> None:
    """Seen from the side, the wall beside the roof is neither changed nor unchanged."""
    image, truth = blank()
    aslant = replace(NADIR, lean_px=(1.2, 0.0))
    drawing.draw(image, truth, standing(box(9.0, 9.0), 10.0, (False, True), turn=0.0), 1, aslant, GSD_M)
    assert truth[64, 64 - 15 + 6] & drawing.CHANGE_UNKNOWN
    assert truth[64, 64 + 12] & drawing.CHANGED


def test_a_box_on_a_roof_changes_and_the_roof_stays() -> None:
    """A rooftop addition is a change inside a building that stands on both dates."""
    image, truth = blank()
    host = standing(box(15.0, 15.0), 6.0, (True, True), turn=0.0)
    added = replace(standing(box(6.0, 5.0, "box"), 2.5, (False, True), turn=0.0), base_m=6.0)
    for thing in (host, added):
        drawing.draw(image, truth, thing, 1, NADIR, GSD_M)
    assert np.count_nonzero(truth & drawing.CHANGED) * GSD_M**2 == pytest.approx(30.0, rel=0.06)
    assert np.count_nonzero(truth & drawing.BUILDING) * GSD_M**2 == pytest.approx(225.0, rel=0.03)


def test_shadows_fall_away_from_the_sun() -> None:
    """A building of 5 m darkens 20 px on one side of it, no more, and only there."""
    image, _ = blank()
    drawing.cast_shadows(image, [standing(box(9.0, 9.0), 5.0, (True, True), turn=0.0)], NADIR, GSD_M)
    row = image[64, :, 0]
    assert (row[64 + 17 : 64 + 33] < 60).all()
    assert (row[64 + 38 :] == 120).all()
    assert (row[: 64 - 18] == 120).all()


def test_slopes_turn_with_the_sun() -> None:
    """The sunny slope of a roof is brighter, and another sun makes the other one brighter."""
    rng = np.random.default_rng(3)
    roof = standing(pitched(rng, 10.0, 10.0), 4.0, (True, True), turn=0.0)
    pictures = []
    for sun in (4.0, -4.0):
        image, truth = blank()
        drawing.draw(image, truth, roof, 0, replace(NADIR, shadow_px=(0.0, sun), relief=0.9), GSD_M)
        pictures.append(image.astype(float))
    assert np.abs(pictures[0] - pictures[1]).max() > 20


def test_nothing_is_put_where_something_stands() -> None:
    """A second thing on the same place is refused, beside it is room."""
    ground, _ = blank()
    room = Room(taken_HW=np.zeros((128, 128), np.uint8), gsd_m=GSD_M, grid_turn=0.0, ground_HW3=ground)
    first = standing(box(9.0, 9.0), 4.0, (True, True))
    assert room.put(first)
    assert not room.put(replace(first, at_px=(88.0, 64.0)))
    assert room.put(replace(first, at_px=(20.0, 100.0)))


def test_outlines_move_onto_their_roof() -> None:
    """An outline 4.8 m beside its roof is moved onto it, to two pixels, and known to fit."""
    image = np.random.default_rng(0).normal(110, 6, (300, 300, 3)).clip(0, 255).astype(np.uint8)
    cv2.rectangle(image, (100, 90), (190, 150), (200, 205, 210), -1)
    ring = np.array([[100, 90], [190, 90], [190, 150], [100, 150]], dtype=np.float64)
    moved, fits = outlines.snapped(image, [ring + np.array([28.0, -16.0])], 0.15)
    assert np.abs(moved[0] - ring).max() <= 2.0
    assert fits == [True]


def test_outlines_on_nothing_are_doubtful() -> None:
    """An outline on plain ground is said not to fit, and its instance carries the mark."""
    image = np.random.default_rng(0).normal(110, 6, (300, 300, 3)).clip(0, 255).astype(np.uint8)
    ring = np.array([[100, 90], [190, 90], [190, 150], [100, 150]], dtype=np.float64)
    moved, fits = outlines.snapped(image, [ring], 0.15)
    assert fits == [False]
    assert outlines.instances((300, 300), moved, fits).max() == 1 | outlines.DOUBTFUL


def test_demolition_takes_whole_buildings_from_one_date() -> None:
    """Chosen buildings are gone from one picture and whole in the other; the rest stands in both."""
    ids = np.zeros((128, 128), np.uint16)
    for number, at in enumerate((30, 54, 78), start=1):
        ids[40:60, at : at + 20] = number
    pictures = tuple(np.where(ids[..., None] > 0, 220, 90).repeat(3, axis=2).astype(np.uint8) for _ in "ab")
    laid = (np.zeros(ids.shape, np.bool_), np.zeros(ids.shape, np.bool_))
    site = works.Site(
        images=(pictures[0].copy(), pictures[1].copy()), laid=laid, keep_HW=(ids > 0).astype(np.uint8),
        pictures=[], gsd_m=GSD_M, turn=0.0,
    )  # fmt: skip
    gone = demolition.demolish(np.random.default_rng(6), replace(site, pictures=_plain()), ids, 1)
    chosen = np.unique(ids[gone.mask_HW])
    assert len(chosen) >= 1
    assert np.array_equal(gone.mask_HW, np.isin(ids, chosen))
    np.testing.assert_array_equal(site.images[0], pictures[0])
    others = (ids > 0) & ~gone.mask_HW
    assert others.any()
    np.testing.assert_array_equal(site.images[1][others], pictures[1][others])
    assert np.abs(site.images[1].astype(int) - pictures[1])[gone.mask_HW].mean() > 15


def _plain() -> list[outlines.Ring]:
    from aerial_training.synthesis.sources import Picture

    image = np.full((900, 900, 3), (120, 100, 80), np.uint8)
    empty = np.zeros(image.shape[:2], np.uint16)
    levels = (image, image[::2, ::2])
    return [Picture(levels=levels, ids_HW=empty, rings=(), clean=(), kind="wild", twin=-1)]  # type: ignore[list-item]


def test_a_surface_model_shows_what_was_built() -> None:
    """Inside a new building the height change is its height; far from it nearly nothing."""
    zero = np.zeros((128, 128), np.float32)
    new = standing(box(15.0, 15.0), 6.0, (False, True), turn=0.0)
    change = surface.height_change(np.random.default_rng(1), [new], zero, zero, zero, GSD_M)
    assert np.nanmedian(change[54:74, 54:74]) == pytest.approx(6.0, abs=0.9)
    assert abs(np.nanmedian(change[:20])) < 0.6


def test_roofs_fill_their_outline() -> None:
    """A drawn roof is opaque over the area of its outline, whatever its shape."""
    rng = np.random.default_rng(8)
    for draw in (pitched, flat):
        for _ in range(12):
            sprite = draw(rng, 14.0, 9.0)
            area = float(cv2.contourArea(sprite.outline.astype(np.float32)))
            opaque = np.count_nonzero(sprite.rgba_HW4[..., 3] > 127) * sprite.gsd_m**2
            assert opaque == pytest.approx(area, rel=0.08)


def test_looks_differ_and_repeat() -> None:
    """The same throw gives the same look, another throw another one; the size stays."""
    picture = np.random.default_rng(0).integers(60, 180, (128, 128, 3)).astype(np.uint8)
    first, again, other = (
        photometry.look(np.random.default_rng(seed), picture, GSD_M, 0.5) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert first.shape == picture.shape
    assert np.abs(first.astype(int) - other).mean() > 2


def test_sheds_on_real_roofs_stay_on_their_roof() -> None:
    """An addition on a roof of the picture lies within it, and counts as one; canvas there does not."""
    ids = np.zeros((128, 128), np.uint16)
    ids[30:90, 20:100] = 4
    ground, _ = blank()
    room = Room(taken_HW=(ids > 0).astype(np.uint8), gsd_m=GSD_M, grid_turn=0.0, ground_HW3=ground)
    bank = Stock(drawn={"shed": (box(30.0, 9.0, "shed"),), "tarp": (box(30.0, 9.0, "tarp"),)}, real={})
    rooftops.on_real(np.random.default_rng(2), room, bank, ids, SECOND)
    assert room.placed
    rooftops.on_real(np.random.default_rng(2), room, bank, ids, None)
    for thing in room.placed:
        outline = thing.outline_px(GSD_M)
        assert (outline > (19, 29)).all()
        assert (outline < (101, 91)).all()
        assert thing.changed == (thing.sprite.kind == "box")
