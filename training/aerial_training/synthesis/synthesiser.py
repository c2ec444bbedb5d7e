"""Makes training pairs: one ground, two dates, changes and everything that is none."""

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial_training.sample import UNKNOWN, Sample
from aerial_training.synthesis import (
    bank,
    demolition,
    grounds,
    photometry,
    relief,
    rooftops,
    scene,
    sources,
    sprites,
    surface,
    works,
)
from aerial_training.synthesis import towns as simulated
from aerial_training.synthesis.drawing import (
    BUILDING,
    BUILDING_UNKNOWN,
    CHANGE_UNKNOWN,
    CHANGED,
    PASTED,
    View,
    cast_shadows,
    draw,
    shade,
    shadows_from_outside,
    view,
)
from aerial_training.synthesis.grounds import Ground
from aerial_training.synthesis.outlines import DOUBTFUL
from aerial_training.synthesis.placing import Room, Thing
from aerial_training.synthesis.texture import Float, Rng

_MARGIN_PX = 8
_UNCHANGED_ODDS = 0.30
_STAR_ODDS = 0.06
_REAL_PAIR_ODDS = 0.04
_HEIGHT_ODDS = 0.5
_TOWN_ODDS = 0.14
_TOWN_HEIGHT_ODDS = 0.7
_DEMOLITION_ODDS = 0.3
_KIND_ODDS = {"labelled": 0.74, "unlabelled": 0.12, "wild": 0.14}


@dataclass(slots=True)
class _Date:
    image: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    sight: View


class PairSynthesiser:
    """Samples by number: deterministic in (``seed``, index), whatever the order and the process.

    ``data``: the folder of ``drone_blocks``, ``banepa_oam`` and ``neon_trees``; ``cache``: where the
    decoded pictures and the bank of things are kept (made on first use, then only mapped).
    ``towns``: how many simulated towns take part beside the pictures (each is rendered once).
    """

    def __init__(
        self, data: Path, seed: int, *, cache: Path, size_px: int = 256, gsd_m: float = 0.3, towns: int = 0
    ) -> None:
        self._state = (data, seed, cache, size_px, gsd_m, towns)
        self._seed, self._size_px, self._gsd_m = seed, size_px, gsd_m
        self._pictures = sources.load(sources.prepare(data, cache))
        self._bank = scene.stock(sprites.load(bank.prepare(self._pictures, cache)))
        self._by_kind = {
            kind: [picture for picture in self._pictures if picture.kind == kind] for kind in _KIND_ODDS
        }
        self._towns = simulated.load(simulated.prepare(towns, cache), towns) if towns else []
        self._twins = [number for number, picture in enumerate(self._pictures) if picture.twin >= 0]

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        """Travels to a worker as its arguments; the worker maps the cache again."""
        return _revived, self._state

    def shows_one_place(self, index: int) -> bool:
        """Tell whether sample ``index`` is one composed place at two dates, not two places."""
        throw = float(np.random.default_rng((self._seed, index)).random())
        return throw >= _REAL_PAIR_ODDS + _STAR_ODDS

    def sample(self, index: int) -> Sample:
        """Sample number ``index`` (from 0, without end)."""
        rng = np.random.default_rng((self._seed, index))
        throw = float(rng.random())
        if throw < _REAL_PAIR_ODDS and self._twins:
            return self._real_pair(rng)
        if throw < _REAL_PAIR_ODDS + _STAR_ODDS and self._by_kind["labelled"]:
            return self._unpaired(rng)
        if self._towns and rng.random() < _TOWN_ODDS:
            return self._town(rng)
        return self._composed(rng)

    def _side_px(self) -> int:
        return self._size_px + 2 * _MARGIN_PX

    def _ground(self, rng: Rng, kind: str | None = None) -> Ground:
        if kind is None:
            kinds = [name for name in _KIND_ODDS if self._by_kind[name]]
            odds = np.array([_KIND_ODDS[name] for name in kinds])
            kind = str(rng.choice(kinds, p=odds / odds.sum()))
        shelf = self._by_kind[kind]
        areas = np.power([float(picture.ids_HW.size) for picture in shelf], 0.8)
        picture = shelf[int(rng.choice(len(shelf), p=areas / areas.sum()))]
        return grounds.ground(rng, picture, self._side_px(), self._gsd_m)

    def _composed(self, rng: Rng) -> Sample:
        ground = self._ground(rng)
        changed = rng.random() >= _UNCHANGED_ODDS
        if changed and np.count_nonzero(ground.ids_HW) > 0.25 * ground.ids_HW.size:
            ground = self._ground(rng)
        room = self._room(rng, ground)
        if changed and ground.known:
            self._change(rng, room)
        elif ground.known and rng.random() < 0.08:
            scene.giant(rng, room, self._bank, scene.BOTH)
        if ground.known:
            scene.standing(rng, room, self._bank, int(rng.geometric(0.45)) - 1)
            if changed and rng.random() < 0.2:
                self._on_roofs(rng, room, ground)
            elif rng.random() < 0.1:
                rooftops.on_real(rng, room, self._bank, ground.ids_HW, None)
        scene.bystanders(rng, room, self._bank)
        heights = relief.own_heights(rng, ground.ids_HW, ground.image)
        razed = changed and ground.known and rng.random() < _DEMOLITION_ODDS
        dates, stepped = self._dates(rng, ground, heights, room.placed, razed)
        change = None
        if rng.random() < _HEIGHT_ODDS:
            leafy = np.asarray((heights > 0) & (ground.ids_HW == 0), dtype=np.float32)
            change = surface.height_change(rng, room.placed, stepped, heights, leafy, self._gsd_m)
        return self._finished(rng, dates, room.placed, heights, change)

    def _room(self, rng: Rng, ground: Ground) -> Room:
        taken = (ground.ids_HW > 0).astype(np.uint8)
        return Room(taken_HW=taken, gsd_m=self._gsd_m, grid_turn=ground.turn, ground_HW3=ground.image)

    def _change(self, rng: Rng, room: Room) -> None:
        estate_way, way = _ways(rng)
        if rng.random() < 0.14:
            scene.giant(rng, room, self._bank, estate_way)
        if rng.random() < 0.3:
            scene.estate(rng, room, self._bank, estate_way)
            if rng.random() < 0.6:
                return
        scene.changes(rng, room, self._bank, way)

    def _on_roofs(self, rng: Rng, room: Room, ground: Ground) -> None:
        way = _ways(rng)[0]
        where = rng.random()
        if where < 0.6:
            rooftops.on_pasted(rng, room, self._bank, way)
        if where > 0.4:
            rooftops.on_real(rng, room, self._bank, ground.ids_HW, way)

    def _dates(
        self, rng: Rng, ground: Ground, heights: Float, things: list[Thing], razed: bool
    ) -> tuple[list[_Date], Float]:
        """Both dates in the ground's own geometry, and the height change of the picture's own buildings."""
        truths = [_own_truth(ground), _own_truth(ground)]
        images = [ground.image.copy(), ground.image.copy()]
        stepped = np.zeros(heights.shape, np.float32)
        if ground.known:
            site = self._site(ground, images)
            works.parcels(rng, site)
            if rng.random() < 0.12:
                when = scene.BOTH if rng.random() < 0.6 else (scene.FIRST, scene.SECOND)[int(rng.integers(2))]
                works.road(rng, site, when, rng.uniform(0, self._side_px(), 2), ground.turn)
            works.development(rng, site, things)
            if razed:
                gone = demolition.demolish(rng, site, ground.ids_HW, int(rng.integers(2)))
                truths[1 - gone.absent][gone.mask_HW] |= CHANGED
                truths[gone.absent][gone.mask_HW] = 0
                stepped = np.where(gone.mask_HW, heights, np.float32(0)) * np.float32(
                    1 if gone.absent == 0 else -1
                )
            for truth, laid in zip(truths, site.laid, strict=True):
                truth[laid] |= PASTED
        dates = []
        for date, image in enumerate(images):
            if rng.random() < 0.08:
                standing = np.where(truths[date] & BUILDING, ground.ids_HW, 0).astype(np.uint16)
                image = relief.repainted(rng, image, standing)
            dates.append(_Date(image=image, truth=truths[date], sight=view(rng, self._gsd_m)))
        if rng.random() < 0.5:
            self._own_shadows(heights, dates[int(rng.integers(2))])
        for date, own in enumerate(dates):
            if rng.random() < 0.08:
                shadows_from_outside(rng, own.image, own.sight, self._gsd_m)
            self._stand(date, own, things)
        return dates, stepped

    def _site(self, ground: Ground, images: list[NDArray[np.uint8]]) -> works.Site:
        return works.Site(
            images=(images[0], images[1]),
            laid=(np.zeros(ground.ids_HW.shape, np.bool_), np.zeros(ground.ids_HW.shape, np.bool_)),
            keep_HW=(ground.ids_HW > 0).astype(np.uint8),
            pictures=self._pictures,
            gsd_m=self._gsd_m,
            turn=ground.turn,
        )

    def _own_shadows(self, heights: Float, date: _Date) -> None:
        """Shadows of the picture's own buildings by this date's sun, beside those that they really cast."""
        built = np.where(date.truth & BUILDING, heights, np.float32(0)).astype(np.float32)
        if built.any():
            shade(date.image, relief.own_shadows(built, date.sight), date.sight)

    def _stand(self, date: int, own: _Date, things: list[Thing]) -> None:
        here = [thing for thing in things if thing.dates[date]]
        flat = [thing for thing in here if thing.height_m < 0.35]
        high = sorted(
            (thing for thing in here if thing.height_m >= 0.35),
            key=lambda thing: thing.base_m + thing.height_m,
        )
        for thing in flat:
            draw(own.image, own.truth, thing, date, own.sight, self._gsd_m)
        cast_shadows(own.image, [thing for thing in high if not thing.base_m], own.sight, self._gsd_m)
        for thing in high:
            if thing.base_m:
                cast_shadows(own.image, [thing], own.sight, self._gsd_m)
            draw(own.image, own.truth, thing, date, own.sight, self._gsd_m)

    def _unpaired(self, rng: Rng) -> Sample:
        """Two grounds that have nothing in common: what is a building in one alone has changed."""
        first, second = self._ground(rng, "labelled"), self._ground(rng, "labelled")
        dates = []
        for own, other in ((first, second), (second, first)):
            truth = _own_truth(own)
            apart = ((own.ids_HW > 0) & (other.ids_HW == 0)).astype(np.uint8)
            whole = cv2.morphologyEx(apart, cv2.MORPH_OPEN, np.ones((7, 7), np.uint8))
            truth[whole > 0] |= CHANGED
            truth[apart > whole] |= CHANGE_UNKNOWN
            truth[((own.ids_HW | other.ids_HW) & DOUBTFUL) > 0] = CHANGE_UNKNOWN | BUILDING_UNKNOWN
            dates.append(_Date(image=own.image, truth=truth, sight=view(rng, self._gsd_m)))
        flat = np.zeros(first.ids_HW.shape, np.float32)
        return self._finished(rng, dates, [], flat, None)

    def _town(self, rng: Rng) -> Sample:
        """A piece of a simulated town at its two epochs, with vehicles, crowns and canvas over it."""
        town = self._towns[int(rng.integers(len(self._towns)))]
        stretch = float(np.exp(rng.uniform(math.log(0.7), math.log(1.7))))
        to_source = grounds.affine(rng, town.epochs[0], self._side_px(), self._gsd_m, stretch)
        seen = [grounds.seen(epoch, to_source, self._side_px(), stretch) for epoch in town.epochs]
        room = self._room(rng, seen[0])
        room.taken_HW |= seen[1].ids_HW.astype(bool)
        scene.bystanders(rng, room, self._bank)
        order = (0, 1) if rng.random() < 0.5 else (1, 0)
        dates = []
        for date, epoch in enumerate(order):
            truth = np.where(seen[epoch].ids_HW > 0, BUILDING, 0).astype(np.uint8)
            bits = grounds.window(town.truths_HW[epoch], to_source, self._side_px(), cv2.INTER_NEAREST)
            truth[bits & (simulated.APPEARED | simulated.GONE) > 0] |= CHANGED
            truth[bits & simulated.OPEN > 0] |= CHANGE_UNKNOWN | BUILDING_UNKNOWN
            own = _Date(image=seen[epoch].image, truth=truth, sight=view(rng, self._gsd_m))
            self._stand(date, own, room.placed)
            dates.append(own)
        flat = np.zeros(dates[0].truth.shape, np.float32)
        change = None
        if rng.random() < _TOWN_HEIGHT_ODDS:
            rise = grounds.window(town.rise_HW, to_source, self._side_px(), cv2.INTER_LINEAR)
            rise = np.asarray(rise if order == (0, 1) else -rise, dtype=np.float32)
            change = surface.height_change(rng, room.placed, rise, flat, flat, self._gsd_m)
        return self._finished(rng, dates, room.placed, flat, change)

    def _real_pair(self, rng: Rng) -> Sample:
        """Two flights over one plot without any building."""
        number = self._twins[int(rng.integers(len(self._twins)))]
        picture = self._pictures[number]
        stretch = float(np.exp(rng.uniform(math.log(1.0), math.log(2.2))))
        to_source = grounds.affine(rng, picture, self._side_px(), self._gsd_m, stretch)
        dates = []
        for one in (picture, self._pictures[picture.twin]):
            image = grounds.crop(one, to_source, self._side_px())
            dates.append(
                _Date(image=image, truth=np.zeros(image.shape[:2], np.uint8), sight=view(rng, self._gsd_m))
            )
        flat = np.zeros(dates[0].truth.shape, np.float32)
        change = (
            surface.height_change(rng, [], flat, flat, flat + 1, self._gsd_m)
            if rng.random() < _HEIGHT_ODDS
            else None
        )
        return self._finished(rng, dates, [], flat, change)

    def _finished(
        self, rng: Rng, dates: list[_Date], things: list[Thing], heights: Float, change: Float | None
    ) -> Sample:
        inner = np.s_[_MARGIN_PX : _MARGIN_PX + self._size_px, _MARGIN_PX : _MARGIN_PX + self._size_px]
        most_px = relief.misregistration(rng)
        native_m = np.exp(rng.uniform(math.log(0.1), math.log(0.7), 2))
        if rng.random() < 0.5:
            native_m[1] = native_m[0] * rng.uniform(0.85, 1.15)
        pictures, truths = [], []
        for date, own in enumerate(dates):
            map_x, map_y = relief.displacement(rng, heights, own.truth & PASTED > 0, own.sight, most_px)
            map_x, map_y = np.ascontiguousarray(map_x[inner]), np.ascontiguousarray(map_y[inner])
            image = cv2.remap(own.image, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
            truths.append(
                cv2.remap(own.truth, map_x, map_y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101)
            )
            pictures.append(photometry.look(rng, image, self._gsd_m, float(native_m[date])))
        changed = [_rimmed(truth) for truth in truths]
        built = [
            np.where(truth & BUILDING_UNKNOWN, UNKNOWN, truth & BUILDING).astype(np.uint8) for truth in truths
        ]
        return Sample(
            before_3HW=np.ascontiguousarray(pictures[0].transpose(2, 0, 1)),
            after_3HW=np.ascontiguousarray(pictures[1].transpose(2, 0, 1)),
            appeared_HW=changed[1],
            gone_HW=changed[0],
            building_before_HW=built[0],
            building_after_HW=built[1],
            height_change_HW=None if change is None else np.ascontiguousarray(change[inner]),
            gsd_m=self._gsd_m,
        )


def _ways(rng: Rng) -> tuple[tuple[bool, bool], tuple[bool, bool] | None]:
    """When the changed things of a scene stand: an estate's, and the others' (None: each its own)."""
    way = scene.SECOND if rng.random() < 0.5 else scene.FIRST
    return way, way if rng.random() < 0.7 else None


def _revived(data: Path, seed: int, cache: Path, size_px: int, gsd_m: float, towns: int) -> PairSynthesiser:
    return PairSynthesiser(data, seed, cache=cache, size_px=size_px, gsd_m=gsd_m, towns=towns)


def _own_truth(ground: Ground) -> NDArray[np.uint8]:
    """Buildings of the picture itself; around doubtful outlines nobody can say."""
    truth = np.where(ground.ids_HW > 0, BUILDING, 0).astype(np.uint8)
    doubtful = (ground.ids_HW & DOUBTFUL) > 0
    if doubtful.any():
        truth[cv2.dilate(doubtful.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0] |= BUILDING_UNKNOWN
    return truth


def _rimmed(truth: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """1 where changed, ``UNKNOWN`` on the pixel next to each edge of a change and where nobody can say."""
    changed = ((truth & CHANGED) > 0).astype(np.uint8)
    unknown = truth & CHANGE_UNKNOWN > 0
    if changed.any():
        unknown |= cv2.morphologyEx(changed, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    changed[unknown] = UNKNOWN
    return changed
