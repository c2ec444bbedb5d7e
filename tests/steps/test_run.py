"""``aerial run``: what is done, what is kept, what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely.geometry import box, mapping
from tests.models import write_model
from tests.photos.made import scene, write_flight
from tests.steps.made import make_town

from aerial.codec import sha256_file, write_json
from aerial.errors import AlignError, InputError, ModelError, PhotoError, StitchError, WorkspaceError
from aerial.geo import LonLat
from aerial.progress import SILENT
from aerial.raster.grid import Grid
from aerial.raster.write import write_cog
from aerial.records import Alignment, FileRef, Georef, Mosaic, StitchJob, Suspect
from aerial.report.geojson import write_suspects
from aerial.settings import Settings
from aerial.steps import run as step
from aerial.steps.photos import import_photos
from aerial.steps.run import run_cell
from aerial.steps.status import cell_statuses
from aerial.workspace import Town, locked, surveys_of

DAY = 86_400
GRID = Grid(crs="EPSG:4547", affine=(0.5, 0, 482_500.0, 0, -0.5, 2_523_600.0), width_px=64, height_px=64)


class Fakes:
    """A stitcher and a detector that write small files of the right kinds and count their calls."""

    def __init__(self) -> None:
        self.stitched: list[tuple[str, str | None]] = []
        self.compared: list[tuple[str, str]] = []
        self.failing: set[str] = set()
        self.suspects = 1
        self.models: list[str | Path | None] = []

    def stitch(self, job: StitchJob, out: Path, **_: Any) -> None:
        """Write an ortho."""
        if out.name in self.failing:
            raise StitchError(f"{out.name} does not stitch.", hint="Fly again.")
        self.stitched.append((out.name, job.previous.name if job.previous else None))
        write_cog(out / "ortho.tif", GRID, np.moveaxis(scene(len(self.stitched), 64, 64), 2, 0), mask=True)
        mosaic = Mosaic(
            ortho=FileRef(path="ortho.tif", sha256=sha256_file(out / "ortho.tif")),
            dsm=None,
            grid=GRID,
            georef=Georef(how="reference" if job.previous else "gps", ce95_m=4.0),
            block=None,
        )
        write_json(out / "mosaic.json", mosaic)

    def detect_pair(
        self, before: Any, after: Any, out: Path, *, context: dict[str, Any], model: Any, **_: Any
    ) -> None:
        """Write an alignment, suspects and their pictures."""
        self.models.append(model)
        if before.survey in self.failing:
            raise AlignError(f"{before.survey} does not align.", hint="Fly again.")
        self.compared.append((before.survey, after.survey))
        write_json(
            out / "align.json",
            Alignment(
                before_to_after_px=((1, 0, 0), (0, 1, 0)),
                residual_median_px=0.1,
                residual_p95_px=0.3,
                residual_median_m=0.05,
                residual_p95_m=0.15,
                windows=9,
                shift_m=0.0,
            ),
        )
        found = []
        for i in range(self.suspects):
            chip = out / "chips" / f"{i}.jpg"
            chip.parent.mkdir(exist_ok=True)
            chip.write_bytes(b"picture")
            found.append(
                Suspect(
                    key=f"key{i}",
                    pair=f"{before.survey}__{after.survey}",
                    kind="new",
                    outline=box(113.8301, 22.8101, 113.8302, 22.8102),
                    at=LonLat(lon_deg=113.83015, lat_deg=22.81015),
                    error_m=2.0,
                    area_m2=100.0,
                    height_change_m=None,
                    score=0.9,
                    model_sha256="0" * 64,
                    chips=(FileRef(path=f"chips/{i}.jpg", sha256=sha256_file(chip)),),
                )
            )
        write_suspects(out / "suspects.geojson", found, context)


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Fakes:
    """The callees of ``run``, replaced."""
    found = Fakes()
    monkeypatch.setattr(step, "stitch", found.stitch)
    monkeypatch.setattr(step, "detect_pair", found.detect_pair)
    return found


@pytest.fixture
def town(tmp_path: Path) -> Town:
    """A town without surveys."""
    return make_town(tmp_path / "town")


def fly(town: Town, days: float) -> str:
    """Import a flight so many days after the first and return its survey's name."""
    folder = town.root.parent / f"card{days}"
    write_flight(folder, 3, seconds=days * DAY)
    return import_photos(town, "A1", folder, SILENT).survey.survey


def run(town: Town, **settings: Any) -> step.CellRun:
    """Run cell A1."""
    return run_cell(town, "A1", Settings(**settings), SILENT)


def test_the_first_survey_is_stitched_and_not_compared(town: Town, fakes: Fakes) -> None:
    """There is nothing to compare it with; its mosaic is recorded."""
    first = fly(town, 0)
    done = run(town)
    assert (done.survey.survey, done.pairs, done.report) == (first, (), None)
    assert fakes.stitched == [(first, None)]
    assert surveys_of(town, "A1")[0].mosaic is not None


def test_later_surveys_join_the_first_and_are_compared(town: Town, fakes: Fakes) -> None:
    """The reference stays the first; the newest is compared with the last one; a report is written."""
    first, second, third = fly(town, 0), fly(town, 14), fly(town, 28)
    done = run(town)
    assert fakes.stitched == [(first, None), (second, first), (third, first)]
    assert fakes.compared == [(first, second), (second, third)]
    assert [(pair.before, pair.after) for pair in done.pairs] == [(second, third)]
    assert done.report == town.root / "reports" / "A1" / third / "report.html"
    report = json.loads((done.report.parent / "report.geojson").read_text())
    assert [f["properties"]["cell"] for f in report["features"]] == ["A1"]


def test_what_is_done_is_not_done_again(town: Town, fakes: Fakes) -> None:
    """A second run calls nothing and changes no file."""
    fly(town, 0), fly(town, 14)  # two flights

    def state() -> dict[str, tuple[str, int]]:
        files = [path for path in town.root.rglob("*") if path.is_file() and path.name != ".lock"]
        return {str(path): (sha256_file(path), path.stat().st_mtime_ns) for path in files}

    first = run(town)
    before, calls = state(), (list(fakes.stitched), list(fakes.compared))
    assert run(town) == first
    assert (state(), (fakes.stitched, fakes.compared)) == (before, calls)


def test_slow_growth_is_compared_with_a_baseline(town: Town, fakes: Fakes) -> None:
    """The newest survey at least 90 days old is compared too, once if it is the last one."""
    names = [fly(town, days) for days in (0, 14, 100, 104)]
    done = run(town)
    assert [(pair.before, pair.after) for pair in done.pairs] == [(names[2], names[3]), (names[1], names[3])]
    assert (names[0], names[2]) in fakes.compared
    last = fly(town, 300)
    assert [(pair.before, pair.after) for pair in run(town).pairs] == [(names[3], last)]


def test_recorded_mosaics_stay_and_comparisons_follow_their_inputs(town: Town, fakes: Fakes) -> None:
    """Other settings never rewrite evidence; a new zone makes the comparison run again, whole."""
    first, second = fly(town, 0), fly(town, 14)
    fakes.suspects = 3
    run(town)
    fakes.suspects = 1
    run(town, gsd_m=0.2)
    assert (len(fakes.stitched), len(fakes.compared)) == (2, 1)
    zone = {
        "type": "Feature",
        "geometry": mapping(box(113.83, 22.81, 113.831, 22.811)),
        "properties": {"kind": "permit"},
    }
    write_json(town.zones_folder / "new.geojson", zone)
    done = run(town)
    assert fakes.compared == [(first, second)] * 2
    assert len(list((done.pairs[0].folder / "chips").iterdir())) == 1
    assert done.report is not None
    assert len(list((done.report.parent / "chips").iterdir())) == 1
    assert [path.name for path in (town.root / "pairs" / "A1").iterdir()] == [f"{first}__{second}"]


def test_a_town_compares_with_the_model_of_its_settings(town: Town, fakes: Fakes) -> None:
    """A folder in the town's is taken, the newest pair compared again with it; a wrong name is refused."""
    for day in (0, 14):
        fly(town, day)
    write_model(town.root / "mine")
    run(town)
    run(town, model="mine")
    run(town, model="mine")
    assert fakes.models == [None, town.root / "mine"]
    with pytest.raises(ModelError, match="nowhere"):
        run(town, model="nowhere")


def test_a_survey_that_does_not_stitch_is_left_out_unless_it_is_the_newest(town: Town, fakes: Fakes) -> None:
    """An old failure does not end all later work; a new one is said."""
    first, second, third = fly(town, 0), fly(town, 14), fly(town, 28)
    fakes.failing = {second}
    assert [(pair.before, pair.after) for pair in run(town).pairs] == [(first, third)]
    newest = fly(town, 42)
    fakes.failing = {newest}
    with pytest.raises(StitchError, match=newest):
        run(town)


def test_a_baseline_that_does_not_align_is_said_and_the_last_one_is_compared(
    town: Town, fakes: Fakes
) -> None:
    """The last survey is what matters: if it does not align, that is a refusal."""
    first, second, third = fly(town, 0), fly(town, 100), fly(town, 110)
    fakes.failing = {first}
    assert [(pair.before, pair.after) for pair in run(town).pairs] == [(second, third)]
    fakes.failing = {second}
    (town.pair_folder("A1", second, third) / "detect.json").unlink()
    with pytest.raises(AlignError, match=second):
        run(town)


def test_a_file_that_changed_since_it_was_recorded_is_refused(town: Town, fakes: Fakes) -> None:
    """An original, and a mosaic; the message names the file."""
    first = fly(town, 0)
    original = town.survey_folder("A1", first) / "photos" / "DJI_0002.JPG"
    data = original.read_bytes()
    original.chmod(0o600)
    original.write_bytes(data[:-1])
    with pytest.raises(WorkspaceError, match=r"DJI_0002\.JPG is not there, or changed"):
        run(town)
    original.write_bytes(data)
    run(town)
    fly(town, 14)
    (town.survey_folder("A1", first) / "ortho.tif").unlink()
    with pytest.raises(WorkspaceError, match=r"ortho\.tif is not there, or changed"):
        run(town)


def test_two_places_in_a_survey_are_refused(town: Town, fakes: Fakes) -> None:
    """Also where they came in by another way than the import."""
    folder = town.survey_folder("A1", fly(town, 0))
    write_flight(folder / "photos" / "other", 4, origin=(113.95, 22.81))
    with pytest.raises(PhotoError, match="2 places"):
        run(town)
    assert fakes.stitched == []


def test_the_status_tells_where_a_cell_stands(town: Town, fakes: Fakes) -> None:
    """Nothing, then a survey, then a mosaic, then a report."""

    def state() -> tuple[object, ...]:
        (found,) = cell_statuses(town)
        return found.surveys, found.stitched, found.newest, found.report

    assert state() == (0, 0, None, None)
    first = fly(town, 0)
    assert state() == (1, 0, first, None)
    run(town)
    assert state() == (1, 1, first, None)
    second = fly(town, 14)
    run(town)
    assert state() == (2, 2, second, f"reports/A1/{second}/report.html")


def test_without_a_survey_or_a_cell_there_is_nothing_to_run(town: Town, fakes: Fakes) -> None:
    """And while another run is at work, this one is refused."""
    with pytest.raises(WorkspaceError, match="has no survey") as caught:
        run(town)
    assert "aerial photos import" in caught.value.hint
    with pytest.raises(InputError, match="no cell 'B9'"):
        run_cell(town, "B9", Settings(), SILENT)
    with locked(town.cell_folder("A1")), pytest.raises(WorkspaceError, match="Another aerial"):
        run(town)
