"""The report of compared pairs."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.report.test_geojson import SQUARE, suspect

from aerial import geo
from aerial.codec import write_json
from aerial.errors import InputError
from aerial.raster.grid import north_up
from aerial.raster.write import write_cog
from aerial.records import Alignment, FileRef
from aerial.report.geojson import write_suspects
from aerial.steps.report import ComparedPair, write_report

X, Y = geo.from_lonlat("EPSG:4547", geo.LonLat(lon_deg=113.80005, lat_deg=22.80005))
GRID = north_up("EPSG:4547", (X - 40, Y - 40, X + 40, Y + 40), 0.1)


def compared_pair(root: Path, cell: str) -> ComparedPair:
    """A pair folder with one suspect and its chip, and the ortho of its later survey."""
    folder = root / cell / "2026-01-01-1__2026-01-15-1"
    (folder / "chips").mkdir(parents=True)
    (folder / "chips" / "k1_before.jpg").write_bytes(cell.encode())
    record = suspect(SQUARE)
    write_suspects(folder / "suspects.geojson", [record])
    alignment = Alignment(
        before_to_after_px=((1, 0, 0), (0, 1, 0)),
        residual_median_px=0.2,
        residual_p95_px=0.8,
        residual_median_m=0.02,
        residual_p95_m=0.08,
        windows=31,
        shift_m=1.4,
    )
    write_json(folder / "align.json", alignment)
    ortho = root / cell / "ortho.tif"
    write_cog(ortho, GRID, np.full((3, GRID.height_px, GRID.width_px), 90, np.uint8), mask=True)
    return ComparedPair(
        folder=folder, after_ortho=ortho, cell=cell, before="2026-01-01-1", after="2026-01-15-1"
    )


def test_every_picture_that_the_page_shows_lies_in_the_report(tmp_path: Path) -> None:
    """The folder can be carried away: no src points outside it or to the network."""
    pairs = [compared_pair(tmp_path, "C01"), compared_pair(tmp_path, "C02")]
    page = write_report(pairs, tmp_path / "report", title="Cycle")
    sources = re.findall(r'src="([^"]+)"', page.read_text(encoding="utf-8"))
    assert len(sources) == 4
    assert all((page.parent / source).is_file() for source in sources)
    assert not re.search(r"https?://", page.read_text(encoding="utf-8"))


def test_two_cells_flown_on_the_same_days_keep_their_own_chips(tmp_path: Path) -> None:
    """Chips of one name are not written over each other, and the GeoJSON points to each."""
    pairs = [compared_pair(tmp_path, "C01"), compared_pair(tmp_path, "C02")]
    write_report(pairs, tmp_path / "report", title="Cycle")
    features = json.loads((tmp_path / "report" / "report.geojson").read_text())["features"]
    contents = {
        feature["properties"]["cell"]: (
            tmp_path / "report" / feature["properties"]["chips"][0]["path"]
        ).read_bytes()
        for feature in features
    }
    assert contents == {"C01": b"C01", "C02": b"C02"}


def test_the_outline_is_drawn_where_the_suspect_is(tmp_path: Path) -> None:
    """The polygon's middle on the overview is the suspect's place, within two pixels."""
    page = write_report([compared_pair(tmp_path, "C01")], tmp_path / "report", title="Pair")
    (points,) = re.findall(r'<polygon points="([^"]+)"', page.read_text(encoding="utf-8"))
    drawn_N2 = np.array([[float(v) for v in point.split(",")] for point in points.split()])
    middle_2 = (drawn_N2.min(axis=0) + drawn_N2.max(axis=0)) / 2
    assert np.allclose([400, 400], middle_2, atol=2)


def test_markup_in_names_is_escaped(tmp_path: Path) -> None:
    """A cell's name with a tag in it does not become a tag of the page."""
    pair = compared_pair(tmp_path, "C01")
    hostile = ComparedPair(
        folder=pair.folder,
        after_ortho=pair.after_ortho,
        cell="<script>alert(1)</script>",
        before="a",
        after="b",
    )
    page = write_report([hostile], tmp_path / "report", title="<b>x</b>")
    text = page.read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "<b>x</b>" not in text


def test_a_chip_whose_path_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    """A report of foreign suspects cannot read or write outside its folders."""
    pair = compared_pair(tmp_path, "C01")
    bad = replace(suspect(SQUARE), chips=(FileRef(path="../../../secret", sha256="0" * 64),))
    write_suspects(pair.folder / "suspects.geojson", [bad])
    with pytest.raises(InputError, match="outside"):
        write_report([pair], tmp_path / "report", title="Pair")


def test_a_pair_that_was_not_detected_is_named(tmp_path: Path) -> None:
    """Without suspects.geojson the report is refused with a hint."""
    pair = compared_pair(tmp_path, "C01")
    (pair.folder / "suspects.geojson").unlink()
    with pytest.raises(InputError, match=r"suspects\.geojson") as caught:
        write_report([pair], tmp_path / "report", title="Pair")
    assert caught.value.hint


def test_a_card_says_what_speaks_for_its_suspect(tmp_path: Path) -> None:
    """Witnesses, probabilities of both dates and the noise of heights stand beside the pictures."""
    page = write_report([compared_pair(tmp_path, "C01")], tmp_path / "report", title="Pair")
    text = page.read_text(encoding="utf-8")
    for told in ("高差和影像 height and pictures", "71 %", "4 % → 93 %", "+3.2 m ± 0.2"):
        assert told in text
