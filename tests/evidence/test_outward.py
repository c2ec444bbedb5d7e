"""Pictures that leave: coarse enough, sensitive ground cut, nothing but pixels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from shapely.geometry import Point, Polygon, box
from tests.evidence.made import AT, outline, place

from aerial import geo
from aerial.codec import sha256_file, write_json
from aerial.errors import EvidenceError, InputError, SecrecyError
from aerial.evidence.chips import GRIDS_FILE, chip_grid, read_grids, write_chip
from aerial.evidence.outward import hidden_by, outward_picture, outward_pictures
from aerial.raster.grid import Grid, pixel_to_world
from aerial.records import FileRef, Zone

CRS = "EPSG:4547"
EAST, NORTH = geo.from_lonlat(CRS, AT)


def ground(shape: Polygon) -> Polygon:
    """Return a shape given in metres from ``AT`` (of ``CRS``) in lon, lat."""
    moved = Polygon([(EAST + x, NORTH + y) for x, y in shape.exterior.coords])
    return geo.reproject_edges(moved, CRS, geo.WGS84)


def picture(folder: Path, pixel_m: float = 0.05) -> tuple[Path, FileRef, Grid]:
    """Write a light picture of 40 m x 40 m around ``AT``."""
    grid = chip_grid(box(EAST - 5, NORTH - 5, EAST + 5, NORTH + 5), CRS, max(pixel_m, 0.05))
    if pixel_m < 0.05:
        side = round(40 / pixel_m)
        affine = (pixel_m, 0.0, grid.affine[2], 0.0, -pixel_m, grid.affine[5])
        grid = Grid(crs=CRS, affine=affine, width_px=side, height_px=side)
    image = np.full((3, grid.height_px, grid.width_px), 230, np.uint8)
    ref = write_chip(folder / "k1-after.jpg", image, grid, box(EAST - 5, NORTH - 5, EAST + 5, NORTH + 5))
    return folder / "k1-after.jpg", ref, grid


def pixels(path: Path) -> NDArray[np.int64]:
    """Return a picture as grey values, (H, W)."""
    return np.asarray(Image.open(path).convert("L")).astype(int)


def sensitive(shape: Polygon, name: str = "barracks") -> Zone:
    """Return a sensitive zone given in metres from ``AT``."""
    return Zone(kind="sensitive", outline=ground(shape), name=name)


def ground_of(grid: Grid) -> NDArray[np.float64]:
    """Return the four corners of every pixel in metres from ``AT``, (H, W, 4, 2)."""
    rows, columns = np.indices((grid.height_px, grid.width_px))
    corners = np.stack(
        [np.stack([columns + dx, rows + dy], -1) for dx, dy in ((0, 0), (1, 0), (1, 1), (0, 1))], 2
    )
    world = pixel_to_world(grid, corners.reshape(-1, 2).astype(float))
    return np.asarray(world.reshape(*corners.shape) - (EAST, NORTH))


@pytest.mark.parametrize("error_m", [0.0, 0.4, 3.0])
def test_the_cut_covers_the_zone_to_the_pixel_and_its_error(tmp_path: Path, error_m: float) -> None:
    """Every pixel that touches the zone widened by the error is hatched; 3 pixels further nothing is."""
    path, ref, grid = picture(tmp_path, 0.1)
    zone = box(2.03, -6.51, 30, 1.27)
    made = outward_picture(path, ref, grid, [sensitive(zone)], error_m, tmp_path / "o.jpg")
    seen = pixels(tmp_path / "o.jpg")
    corners = ground_of(grid)
    dx = np.maximum(np.maximum(2.03 - corners[..., 0].max(2), corners[..., 0].min(2) - 30), 0)
    dy = np.maximum(np.maximum(-6.51 - corners[..., 1].max(2), corners[..., 1].min(2) - 1.27), 0)
    away = np.hypot(dx, dy)
    assert seen[away <= error_m].max() < 150
    clear = (away > error_m + 0.4) & (np.abs(corners[:, :, 0]).max(2) > 6)
    assert clear.sum() > 10_000 and seen[clear].min() > 200
    assert made.cut == ("barracks",)


def test_only_sensitive_zones_that_reach_the_picture_are_cut(tmp_path: Path) -> None:
    """A permit on the house and a sensitive zone 100 m away leave the picture as it is."""
    path, ref, grid = picture(tmp_path)
    zones = [
        Zone(kind="permit", outline=ground(box(-9, -9, 9, 9))),
        sensitive(box(100, 0, 150, 50)),
    ]
    made = outward_picture(path, ref, grid, zones, 1.0, tmp_path / "o.jpg")
    assert made.cut == ()
    assert pixels(tmp_path / "o.jpg")[:40].min() > 200


def test_a_zone_with_a_hole_hides_its_ring_only(tmp_path: Path) -> None:
    """The inside of a ring stays visible, the ring is cut; a zone around everything hides all of it."""
    grid = picture(tmp_path, 0.1)[2]
    ring = Polygon(Point(0, 0).buffer(15).exterior.coords, [Point(0, 0).buffer(8).exterior.coords])
    placed = geo.reproject_edges(
        Polygon(
            [(EAST + x, NORTH + y) for x, y in ring.exterior.coords],
            [[(EAST + x, NORTH + y) for x, y in ring.interiors[0].coords]],
        ),
        CRS,
        geo.WGS84,
    )
    hidden = hidden_by(placed, grid, 0.0)
    middle = grid.height_px // 2
    assert not hidden[middle, middle] and hidden[middle, middle + 110]
    assert hidden_by(ground(box(-500, -500, 500, 500)), grid, 0.0).all()


def test_a_zone_that_crosses_itself_is_cut_whole(tmp_path: Path) -> None:
    """Both halves of a bow tie are hidden."""
    grid = picture(tmp_path, 0.1)[2]
    hidden = hidden_by(ground(Polygon([(-10, -8), (10, 8), (10, -8), (-10, 8)])), grid, 0.0)
    middle = grid.height_px // 2
    assert hidden[middle, middle - 80] and hidden[middle, middle + 80]


def test_nothing_finer_than_5_cm_leaves(tmp_path: Path) -> None:
    """A picture of 2 cm becomes one of 6 cm; its zone is still cut to the coarser pixel."""
    path, ref, grid = picture(tmp_path, 0.02)
    made = outward_picture(path, ref, grid, [sensitive(box(6, -9, 9, 9))], 0.0, tmp_path / "o.jpg")
    assert made.gsd_m == pytest.approx(0.06, rel=1e-3)
    seen = pixels(tmp_path / "o.jpg")
    assert abs(seen.shape[1] - 40 / 0.06) <= 1
    column = int((20 + 7.5) / 0.06)
    assert seen[seen.shape[0] // 2, column] < 150
    assert seen[5, 5] > 200


def test_the_file_holds_pixels_alone_and_the_original_stays(tmp_path: Path) -> None:
    """EXIF, comments and profiles are gone; the original and its recorded hash are untouched."""
    path, ref, grid = picture(tmp_path)
    exif = Image.Exif()
    exif[0x010F] = "SECRET-CAMERA"
    with Image.open(path) as image:
        image.load()
    image.save(path, format="JPEG", exif=exif, comment=b"SECRET-NOTE", icc_profile=b"SECRET-PROFILE")
    ref = FileRef(path=ref.path, sha256=sha256_file(path))
    assert b"SECRET" in path.read_bytes()
    made = outward_picture(path, ref, grid, [], None, tmp_path / "o.jpg")
    assert b"SECRET" not in (tmp_path / "o.jpg").read_bytes()
    with Image.open(tmp_path / "o.jpg") as copy:
        assert set(copy.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert made.original == ref and sha256_file(path) == ref.sha256
    assert made.file.sha256 == sha256_file(tmp_path / "o.jpg") != ref.sha256
    assert made.footprint.buffer(1e-9).contains(outline())


def test_without_a_known_error_a_zone_near_by_is_refused(tmp_path: Path) -> None:
    """Within 100 m of a sensitive zone a picture that may lie anywhere stays; further away it may leave."""
    path, ref, grid = picture(tmp_path)
    with pytest.raises(SecrecyError, match="barracks"):
        outward_picture(path, ref, grid, [sensitive(box(60, 0, 90, 30))], None, tmp_path / "o.jpg")
    assert not (tmp_path / "o.jpg").exists()
    assert not outward_picture(
        path, ref, grid, [sensitive(box(160, 0, 190, 30))], None, tmp_path / "o.jpg"
    ).cut


def test_a_picture_that_changed_or_is_of_another_size_is_refused(tmp_path: Path) -> None:
    """The hash is compared before anything is drawn, and so is the size of the grid."""
    path, ref, grid = picture(tmp_path)
    small = Grid(crs=CRS, affine=grid.affine, width_px=10, height_px=10)
    with pytest.raises(EvidenceError, match="grid"):
        outward_picture(path, ref, small, [], None, tmp_path / "o.jpg")
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(EvidenceError, match="recorded"):
        outward_picture(path, ref, grid, [], None, tmp_path / "o.jpg")


def test_chips_are_cut_by_the_grids_that_were_recorded_with_them(tmp_path: Path) -> None:
    """All chips of a suspect get a copy; without recorded grids nothing leaves."""
    suspect = place(tmp_path / "town")[0]
    (tmp_path / "pair/chips").mkdir(parents=True)
    _, ref, grid = picture(tmp_path / "pair/chips")
    suspect = replace(suspect, chips=(replace(ref, path=f"chips/{ref.path}"),))
    with pytest.raises(SecrecyError, match="older version"):
        outward_pictures(suspect, tmp_path / "pair", [], tmp_path / "out")
    write_json(tmp_path / "pair/chips" / GRIDS_FILE, {"k1": grid})
    assert read_grids(tmp_path / "pair/chips") == {"k1": grid}
    made = outward_pictures(suspect, tmp_path / "pair", [sensitive(box(6, -9, 9, 9))], tmp_path / "out")
    assert [item.cut for item in made] == [("barracks",)]
    assert (tmp_path / "out/k1-after.jpg").is_file()
    with pytest.raises(SecrecyError, match="k9"):
        outward_pictures(replace(suspect, key="k9"), tmp_path / "pair", [], tmp_path / "out")
    (tmp_path / "pair/chips" / GRIDS_FILE).write_text('{"k1": 3}')
    with pytest.raises(InputError):
        outward_pictures(suspect, tmp_path / "pair", [], tmp_path / "out")
