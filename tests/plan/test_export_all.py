"""Every format at once: which apply, what they are called, what is refused."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.plan.samples import failed, sample_plan

from aerial.codec import write_json
from aerial.errors import InputError
from aerial.plan.export import FLIGHT_FORMATS, FORMATS, VIEW_FORMATS, export_plan, formats_for
from aerial.plan.export.wpml import read_wpml
from aerial.plan.profiles import read_aircraft
from aerial.resources import aircraft_file
from aerial.steps.plan_export import export_plan_file
from aerial_cli.commands.plan_export import _FORMATS
from aerial_cli.main import COMMANDS, run

M3E = read_aircraft("dji_mavic3_enterprise")
X500 = read_aircraft("holybro_x500_v2")
ASTRO = read_aircraft("freefly_astro_max")
P4P = read_aircraft("dji_phantom4_pro")


def names(paths: list[Path]) -> list[str]:
    """Return file names, sorted."""
    return sorted(path.name for path in paths)


def test_each_aircraft_gets_the_formats_it_reads(tmp_path: Path) -> None:
    """MAVLink files for ArduPilot and PX4, WPML for DJI that reads it, and the views for all."""
    plan = sample_plan()
    views = ["A1-photos.csv", "A1.kml", "A1.png", "lines.geojson"]
    for aircraft, missions in (
        (X500, ["A1-s1.plan", "A1-s1.waypoints", "A1-s2.plan", "A1-s2.waypoints"]),
        (ASTRO, ["A1-s1.plan", "A1-s1.waypoints", "A1-s2.plan", "A1-s2.waypoints"]),
        (M3E, ["A1-mapping2d.kmz", "A1-s1.kmz", "A1-s2.kmz"]),
        (P4P, []),
    ):
        folder = tmp_path / aircraft.name
        written = export_plan(plan, folder, aircraft=aircraft)
        assert names(written) == sorted([*missions, *views])
        assert names(list(folder.iterdir())) == names(written)


def test_a_plan_that_the_template_cannot_say_still_exports_its_missions(tmp_path: Path) -> None:
    """With a hole, mapping2d is left out of the default and refused when asked for."""
    plan = sample_plan(hole=True)
    assert "mapping2d" not in formats_for(plan, M3E)
    assert "wpml" in formats_for(plan, M3E)
    with pytest.raises(InputError, match="cannot express"):
        export_plan(plan, tmp_path, ["mapping2d"], aircraft=M3E)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wanted", FLIGHT_FORMATS)
def test_a_failed_plan_is_not_exported_to_fly_by(tmp_path: Path, wanted: str) -> None:
    """The message names the check; nothing is written."""
    aircraft = M3E if wanted in ("wpml", "mapping2d") else X500
    with pytest.raises(InputError, match="True height is 131 m") as caught:
        export_plan(failed(sample_plan()), tmp_path, [wanted], aircraft=aircraft)
    assert "geojson" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_failed_plan_can_be_looked_at(tmp_path: Path) -> None:
    """GeoJSON, KML and the picture of a failed plan are written."""
    assert len(export_plan(failed(sample_plan()), tmp_path, VIEW_FORMATS, aircraft=X500)) == 3


@pytest.mark.parametrize(
    ("wanted", "aircraft", "says"),
    [
        ("plan", M3E, "does not read"),
        ("wpml", X500, "does not read"),
        ("wpml", P4P, "reads no WPML"),
        ("dxf", X500, "No format is called dxf"),
    ],
)
def test_formats_of_other_makers_are_refused(
    tmp_path: Path, wanted: str, aircraft: object, says: str
) -> None:
    """What the aircraft does not read is told before anything is written."""
    with pytest.raises(InputError, match=says):
        export_plan(sample_plan(), tmp_path, [wanted], aircraft=aircraft)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_sorties_of_an_earlier_plan_do_not_stay_behind(tmp_path: Path) -> None:
    """A plan of fewer sorties removes the missions that it replaces, and no other file."""
    (tmp_path / "A1-s1-old.plan").write_text("mine")
    export_plan(sample_plan(lines=6, sorties=3), tmp_path, ["plan"], aircraft=X500)
    export_plan(sample_plan(lines=6, sorties=2), tmp_path, ["plan"], aircraft=X500)
    assert names(list(tmp_path.iterdir())) == ["A1-s1-old.plan", "A1-s1.plan", "A1-s2.plan"]


@pytest.mark.parametrize("cell", ["../../etc/x", "a b", "石排", "C" * 60, None])
def test_names_of_files_stay_in_the_folder(tmp_path: Path, cell: str | None) -> None:
    """Whatever the cell is called, files lie in the folder and have plain names."""
    out = tmp_path / "in" / "out"
    written = export_plan(sample_plan(cell=cell), out, ["kml", "csv"], aircraft=X500)
    assert all(path.parent == out and path.name.isascii() and len(path.name) < 50 for path in written)
    assert len(list(tmp_path.rglob("*.*"))) == 2


def test_a_plan_without_sorties_is_refused(tmp_path: Path) -> None:
    """There is nothing to fly."""
    with pytest.raises(InputError, match="no sorties"):
        export_plan(replace(sample_plan(), sorties=()), tmp_path, aircraft=X500)


def test_the_command_exports_a_plan_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``plan export`` reads plan.json, writes beside it, lists the files; a failed plan is exit code 1."""
    monkeypatch.setitem(COMMANDS, "plan-export", ("plan_export", "Export a plan."))
    write_json(tmp_path / "plan.json", sample_plan())
    assert run(["plan-export", str(tmp_path), "--format", "wpml", "--format", "geojson"]) == 0
    assert "A1-s2.kmz" in capsys.readouterr().out
    assert len(read_wpml(tmp_path / "A1-s1.kmz").waylines) == 1
    assert run(["plan-export", str(tmp_path), "--format", "plan"]) == 1
    assert "does not read" in capsys.readouterr().err
    write_json(tmp_path / "plan.json", failed(sample_plan()))
    assert run(["plan-export", str(tmp_path / "plan.json"), "--format", "wpml"]) == 1
    assert "True height" in capsys.readouterr().err


def test_a_plan_is_exported_for_its_own_aircraft_only(tmp_path: Path) -> None:
    """Another aircraft was not checked; a file of one's own counts by its name."""
    write_json(tmp_path / "plan.json", replace(sample_plan(), aircraft="mine"))
    with pytest.raises(InputError, match="No aircraft is called 'mine'"):
        export_plan_file(tmp_path, None, ["kml"])
    with pytest.raises(InputError, match="was not checked"):
        export_plan_file(tmp_path, None, ["plan"], aircraft="holybro_x500_v2")
    mine = tmp_path / "mine.toml"
    mine.write_bytes(aircraft_file("holybro_x500_v2").read_bytes())
    written = export_plan_file(tmp_path, tmp_path / "out", ["plan"], aircraft=str(mine))
    assert names(written) == ["A1-s1.plan", "A1-s2.plan"]


def test_the_command_offers_every_format() -> None:
    """The choices of the command line are those of the library."""
    assert set(_FORMATS) == set(FORMATS)
