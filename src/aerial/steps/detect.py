"""Two mosaics in, suspects with their evidence out."""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex
from typing import Any

import numpy as np
from shapely.geometry import MultiPolygon, Point, Polygon

from aerial import __version__, geo, plugins
from aerial.align.reader import AlignedPair
from aerial.align.register import Registration, register
from aerial.align.warp import moved_grid
from aerial.areas import Feature, read_zones
from aerial.change.compare import Source, compare
from aerial.change.detector import Detector, PairTile
from aerial.change.model import FILE as MODEL_FILE
from aerial.change.model import load_model
from aerial.codec import sha256_file, sha256_json, write_json
from aerial.errors import InputError
from aerial.evidence import hashes
from aerial.evidence.changes import change_on, change_picture
from aerial.evidence.chips import GRIDS_FILE, chip_grid, write_chip
from aerial.memory import give_back_freed, give_back_small
from aerial.progress import SILENT, Progress
from aerial.raster import grid as grids
from aerial.raster.read import WindowPx, open_raster
from aerial.records import Alignment, FileRef, Georef, Mosaic, Pair, Suspect
from aerial.report.geojson import write_suspects
from aerial.steps import mission
from aerial.suspects import find
from aerial.suspects.zones import Zone
from aerial.workspace import locked

# Heights are compared, and pictures laid on each other, on pixels as fine as this.
_FINE_GSD_M = 0.1
# With surface models the network's pixel is at most so many of the common grid's.
_FINEST = 3
# What would speak of other files, if this run were stopped in the middle.
_RESULTS = (
    "suspects.geojson",
    "change.tif",
    mission.FILE,
    mission.WAITING,
    "report.html",
    "report.geojson",
    "overview.jpg",
    hashes.FILE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MosaicSource:
    """One survey as files: ``survey`` names it in keys; ``georef`` None: what the file declares."""

    ortho: Path
    dsm: Path | None
    survey: str
    georef: Georef | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectResult:
    """What ``detect_pair`` wrote: ``suspects.geojson``, ``align.json``, ``change.tif``, ``chips/``."""

    suspects: tuple[Suspect, ...]
    alignment: Alignment
    folder: Path


def source_at(path: Path, dsm: Path | None = None) -> MosaicSource:
    """Return the source at ``path``: a GeoTIFF, or a folder that holds ortho.tif (and dsm.tif).

    Raises:
        InputError: the path is absent, or the folder holds no ortho.tif.
    """
    if path.is_dir():
        ortho = path / "ortho.tif"
        if not ortho.is_file():
            raise InputError(f"{path} holds no ortho.tif.", hint="Give a mosaic folder or a GeoTIFF.")
        own = path / "dsm.tif"
        return MosaicSource(
            ortho=ortho, dsm=dsm or (own if own.is_file() else None), survey=path.resolve().name
        )
    return MosaicSource(ortho=path, dsm=dsm, survey=path.stem)


def detect_pair(
    before: MosaicSource,
    after: MosaicSource,
    out: Path,
    *,
    model: str | Path | None = None,
    zones: Sequence[Path] = (),
    within: Polygon | MultiPolygon | None = None,
    context: dict[str, Any] | None = None,
    false_alarms_per_km2: float | None = None,
    persist: Path | None = None,
    progress: Progress = SILENT,
) -> DetectResult:
    """Compare two surveys and write what changed to the folder ``out``.

    Height decides where both have a surface model. Nothing is written before the pair is aligned;
    ``suspects.geojson`` is written last, so that it never stands beside another run's pictures.
    ``within`` (lon, lat) is the cell: suspects further outside than their own error are left to its
    neighbours, and counted aloud. ``context`` is added to the properties of every suspect in the
    file (cell, dates). ``false_alarms_per_km2`` sets the threshold on this pair itself;
    ``persist`` is the result of the flight before, compared with the same BEFORE: what it does not show
    too waits in ``unconfirmed.geojson``. Both are recorded in ``mission.json``.

    Raises:
        InputError: a file cannot be used (no CRS, broken, all nodata, a zone without a kind).
        AlignError: the two cannot be laid over each other.
        WorkspaceError: another run is at work in ``out``.
    """
    give_back_freed()
    seen_before = mission.previous_suspects(persist, before.survey) if persist is not None else ()
    known_zones = tuple(_zone(feature) for path in zones for feature in read_zones(path))
    with_dsm = before.dsm is not None and after.dsm is not None
    for path in (before.dsm, after.dsm) if with_dsm else ():
        open_raster(path)  # type: ignore[arg-type]
    detectors = [d for d in detectors_for(model) if with_dsm or not d.needs_dsm]
    registration = register(before.ortho, after.ortho, gsd_m=_FINE_GSD_M, progress=progress)
    give_back_small()
    aligned = registration.pair.at_gsd(_common_gsd_m(detectors, registration.pair, with_dsm))
    with locked(out):
        _clear(out)
        hashes.note_hashes(out, _entered(before, after, model, zones))
        write_json(out / "align.json", registration.alignment)
        pair = Pair(
            before=_mosaic(before),
            after=_mosaic(after),
            grid=aligned.grid,
            residual_p95_m=registration.alignment.residual_p95_m,
        )
        files = PairFiles(aligned=aligned, dsm=_both(before, after))
        source = Source(pair=pair, view=files, read=files.read)
        compare(source, detectors, out / "change.tif", progress, key=_key(pair, detectors, aligned))
        give_back_small()
        found, threshold = mission.find_on_mission(
            out / "change.tif", _context(before, after, pair, detectors, known_zones), false_alarms_per_km2
        )
        if within is not None:
            inside = [item for item in found if _belongs(item.suspect, within)]
            if len(inside) < len(found):
                progress.say(
                    f"{len(found) - len(inside)} suspect(s) outside the cell are left to its neighbours."
                )
            found = tuple(inside)
        persistence = None
        if persist is not None:
            found, persistence = mission.confirm(found, seen_before, persist, out)
        decided = mission.Mission(threshold=threshold, persistence=persistence)
        for line in mission.told(decided):
            progress.say(line)
        mission.write_mission(out, decided)
        suspects = _with_chips(found, registration, out, progress)
        write_suspects(out / "suspects.geojson", suspects, context)
        return DetectResult(suspects=suspects, alignment=registration.alignment, folder=out)


def _entered(
    before: MosaicSource, after: MosaicSource, model: str | Path | None, zones: Sequence[Path]
) -> dict[str, Path]:
    """Return every file that a comparison rests on, by the name that evidence gives it."""
    entered = {f"zones/{path.name}": path for path in zones}
    entered["model/model.toml"] = load_model(model or "siamese").folder / MODEL_FILE
    for name, source in (("before", before), ("after", after)):
        entered[f"{name}/ortho"] = source.ortho
        if source.dsm is not None:
            entered[f"{name}/dsm"] = source.dsm
    return entered


def _clear(out: Path) -> None:
    """Remove the results of an earlier run, its report included, and what a killed one left."""
    for name in _RESULTS:
        (out / name).unlink(missing_ok=True)
    for leftover in out.glob(".*.part"):
        # Its finished stripes are not among them.
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()


def _key(pair: Pair, detectors: Sequence[Detector], aligned: AlignedPair) -> str:
    """Return what the change map depends on: files, detectors, and how the one was laid on the other."""
    warp = aligned.warp
    return sha256_json(
        {
            "version": __version__,
            "pair": pair,
            "detectors": [{"name": d.name, "version": d.version, **d.settings()} for d in detectors],
            "warp": [
                warp.affine_33.tolist(),
                # Thousands of nodes, as they are in memory.
                hashlib.sha256(warp.nodes_HW2.astype("<f4").tobytes()).hexdigest(),
                warp.spacing_px,
            ],
        }
    )


def detectors_for(model: str | Path | None) -> list[Detector]:
    """Return the detectors of a comparison: heights, and pictures with a model by name or folder.

    Raises:
        ModelError: the model is absent or cannot be used.
    """
    height = plugins.load("aerial.detectors", "height")()
    return [height, plugins.load("aerial.detectors", "siamese")(load_model(model or "siamese"))]


def _common_gsd_m(detectors: Sequence[Detector], pair: AlignedPair, with_dsm: bool) -> float:
    """Return the pixel size of the common grid.

    Pictures alone are compared at the network's pixel size, coarser pictures enlarged to it. With
    surface models it is a whole part of that, as fine as the pictures are.
    """
    coarsest = max(d.gsd_m for d in detectors)
    fine = max(_FINE_GSD_M, pair.before.gsd_m, pair.after.gsd_m)
    if not with_dsm:
        return coarsest
    return coarsest / int(np.clip(np.ceil(coarsest / fine - 1e-6), 1, _FINEST))


def _zone(feature: Feature) -> Zone:
    kind, name = feature.properties["kind"], feature.properties.get("name")
    return Zone(label=f"{kind}:{name}" if name else str(kind), outline=feature.outline)


def _belongs(suspect: Suspect, cell: Polygon | MultiPolygon) -> bool:
    crs = geo.metric_crs_at(suspect.at)
    at = Point(geo.from_lonlat(crs, suspect.at))
    return bool(geo.reproject(cell, geo.WGS84, crs).distance(at) <= (suspect.error_m or 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFiles:
    """Reads the tiles of an aligned pair for detectors; the view and the runtime's reader in one."""

    aligned: AlignedPair
    dsm: tuple[Path, Path] | None

    def read(self, window: WindowPx) -> PairTile:
        """Return one window of the pair's grid."""
        before_CHW, after_CHW, valid_HW = self.aligned.rgb(window)
        heights = self.aligned.heights(*self.dsm, window) if self.dsm else None
        return PairTile(
            grid=moved_grid(self.aligned.grid, np.eye(3), window),
            before_CHW=before_CHW,
            after_CHW=after_CHW,
            before_dsm_HW=heights[0][0] if heights else None,
            after_dsm_HW=heights[1][0] if heights else None,
            before_spread_HW=heights[0][1] if heights else None,
            after_spread_HW=heights[1][1] if heights else None,
            valid_HW=valid_HW,
        )

    def window(self, window: WindowPx, factor: int) -> PairTile:
        """Return a window of the pair on pixels ``factor`` times as large."""
        if factor == 1:
            return self.read(window)
        return PairFiles(aligned=self.aligned.coarser(factor), dsm=self.dsm).read(window)

    def overview(self, side_px: int) -> PairTile:
        """Return the whole pair as one coarse tile."""
        grid = self.aligned.grid
        factor = max(1.0, max(grid.width_px, grid.height_px) / side_px)
        small = grids.scaled(grid, factor)
        coarse = PairFiles(aligned=self.aligned.coarser(factor), dsm=self.dsm)
        return coarse.read((0, 0, small.width_px, small.height_px))

    def samples(self, side_px: int, count: int) -> Sequence[PairTile]:
        """Return tiles at full resolution on a regular lattice; the ones that hold little are left out."""
        grid = self.aligned.grid
        side = min(side_px, grid.width_px, grid.height_px)
        aspect = grid.width_px / grid.height_px
        columns = int(np.clip(round(np.sqrt(count * aspect)), 1, grid.width_px // side))
        rows = int(np.clip(count // columns, 1, grid.height_px // side))
        found = []
        for row in _spread(grid.height_px - side, rows):
            for column in _spread(grid.width_px - side, columns):
                tile = self.read((column, row, side, side))
                if tile.valid_HW.mean() > 0.3:
                    found.append(tile)
        return found


def _spread(room_px: int, count: int) -> list[int]:
    """Return ``count`` offsets in the middles of equal parts of the room."""
    return [round(room_px * (k + 0.5) / count) for k in range(count)]


def _both(before: MosaicSource, after: MosaicSource) -> tuple[Path, Path] | None:
    return (before.dsm, after.dsm) if before.dsm is not None and after.dsm is not None else None


def _mosaic(source: MosaicSource) -> Mosaic:
    def reference(path: Path) -> FileRef:
        return FileRef(path=path.name, sha256=sha256_file(path))

    return Mosaic(
        ortho=reference(source.ortho),
        dsm=reference(source.dsm) if source.dsm else None,
        grid=open_raster(source.ortho).grid,
        georef=source.georef or Georef(how="declared", ce95_m=None),
        block=None,
    )


def model_settings(detectors: Sequence[Detector]) -> dict[str, Any]:
    """Return every number that suspects depend on: names, versions, settings; hashed into their keys."""
    return {
        "detectors": [{"name": d.name, "version": d.version, **d.settings()} for d in detectors],
        "suspects": find.settings(),
    }


def _context(
    before: MosaicSource,
    after: MosaicSource,
    pair: Pair,
    detectors: Sequence[Detector],
    zones: tuple[Zone, ...],
) -> find.Context:
    dsm = _both(before, after)
    return find.Context(
        pair=f"{before.survey}__{after.survey}",
        model_sha256=sha256_json(model_settings(detectors)),
        error_m=find.spread_ce95((pair.after.georef.ce95_m, pair.residual_p95_m)),
        zones=zones,
        dsm_gsd_m=max(grids.gsd_m(open_raster(path).grid) for path in dsm) if dsm else None,
        threshold=next((t for d in detectors if (t := d.settings().get("threshold")) is not None), 0.5),
    )


def _with_chips(
    found: Sequence[find.Found], registration: Registration, out: Path, progress: Progress
) -> tuple[Suspect, ...]:
    """Write the chips beside and move them in place as one folder; return suspects that name them."""
    progress.phase("Pictures", len(found))
    aligned = registration.pair
    gsd = min(grids.gsd_m(aligned.grid), aligned.after.gsd_m)
    part = out / f".chips.{token_hex(4)}.part"
    part.mkdir()
    try:
        suspects, chip_grids = [], {}
        for item in found:
            chip = chip_grid(item.outline, aligned.grid.crs, gsd)
            before_CHW, after_CHW = aligned.pictures_on(chip)
            changed_CHW = change_picture(after_CHW, change_on(out / "change.tif", chip))
            pictures = (("before", before_CHW), ("after", after_CHW), ("change", changed_CHW))
            chips = [
                write_chip(part / f"{item.suspect.key}-{date}.jpg", image_CHW, chip, item.outline)
                for date, image_CHW in pictures
            ]
            chip_grids[item.suspect.key] = chip
            placed = tuple(replace(c, path=f"chips/{c.path}") for c in chips)
            suspects.append(replace(item.suspect, chips=placed))
            progress.advance()
        write_json(part / GRIDS_FILE, chip_grids)
        shutil.rmtree(out / "chips", ignore_errors=True)
        part.replace(out / "chips")
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return tuple(suspects)
