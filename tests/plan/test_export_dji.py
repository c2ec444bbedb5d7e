"""DJI's WPML: the waypoint mission and the mapping2d template."""

import re
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from shapely.geometry import MultiPolygon, box
from tests.plan.samples import plans, sample_plan

from aerial.errors import InputError
from aerial.plan.export.mapping2d import mapping2d, read_mapping2d, write_mapping2d
from aerial.plan.export.wpml import TEMPLATE, WAYLINES, mission, read_wpml, write_wpml
from aerial.plan.profiles import read_aircraft
from aerial.records import Plan

M3E = read_aircraft("dji_mavic3_enterprise")


def member(path: Path, name: str) -> str:
    """Return the text of one member of a .kmz."""
    with zipfile.ZipFile(path) as archive:
        return archive.read(name).decode()


def rewritten(path: Path, name: str, text: str) -> None:
    """Replace one member of a .kmz."""
    texts = {one: member(path, one) for one in (TEMPLATE, WAYLINES)} | {name: text}
    with zipfile.ZipFile(path, "w") as archive:
        for one, content in texts.items():
            archive.writestr(one, content)


@settings(max_examples=30, deadline=None)
@given(plans())
def test_a_wpml_file_says_exactly_the_mission(tmp_path_factory: pytest.TempPathFactory, plan: Plan) -> None:
    """What the parser of .kmz returns equals what was to be written, for every sortie."""
    path = tmp_path_factory.mktemp("k") / "a.kmz"
    for sortie in plan.sorties:
        write_wpml(sortie, path, M3E)
        assert read_wpml(path) == mission((sortie,), M3E)


def test_the_mission_holds_the_lines_photographs_and_safe_answers(tmp_path: Path) -> None:
    """Indices run from 0, longitude is first but in the reference point, and a lost radio means home."""
    plan = sample_plan(lines=3, sorties=1)
    path = tmp_path / "a.kmz"
    write_wpml(plan.sorties[0], path, M3E)
    waylines, template = member(path, WAYLINES), member(path, TEMPLATE)
    for text in (waylines, template):
        assert "<wpml:exitOnRCLost>executeLostAction<" in text
        assert "<wpml:executeRCLostAction>goBack<" in text
        assert "<wpml:droneEnumValue>77<" in text
        assert "<wpml:payloadEnumValue>66<" in text
    assert re.findall(r"<wpml:index>(\d+)<", waylines) == [str(n) for n in range(8)]
    assert re.search(r"<wpml:takeOffRefPoint>22\.79\d+,113\.79\d+,0\.000<", template)
    assert "<coordinates>113.79" in waylines
    back = read_wpml(path).waylines[0]
    assert [(shot.first, shot.last) for shot in back.shots] == [(1, 2), (3, 4), (5, 6)]
    assert {shot.distance_m for shot in back.shots} == {15.0}
    assert back.turn == "toPointAndStopWithDiscontinuityCurvature"
    assert [point.speed_m_s for point in back.points] == [12, 8, 8, 8, 8, 8, 12, 12]
    groups = re.findall(r"<wpml:actionGroupId>(\d+)<", waylines)
    assert groups == ["0", "1", "2", "3"]


def test_the_same_mission_gives_the_same_bytes(tmp_path: Path) -> None:
    """A repeat is the same file: no clock in it."""
    sortie = sample_plan().sorties[0]
    for name in ("a.kmz", "b.kmz"):
        write_wpml(sortie, tmp_path / name, M3E)
    assert (tmp_path / "a.kmz").read_bytes() == (tmp_path / "b.kmz").read_bytes()


def test_an_aircraft_without_dji_numbers_is_refused(tmp_path: Path) -> None:
    """The Phantom 4 RTK reads no WPML, and nothing is written."""
    with pytest.raises(InputError, match="reads no WPML"):
        write_wpml(sample_plan().sorties[0], tmp_path / "a.kmz", read_aircraft("dji_phantom4_rtk"))
    assert not list(tmp_path.iterdir())


@settings(max_examples=20, deadline=None)
@given(plans())
def test_a_mapping2d_file_says_exactly_the_area(tmp_path_factory: pytest.TempPathFactory, plan: Plan) -> None:
    """What fits the template comes back the same; what does not is refused with the way out."""
    path = tmp_path_factory.mktemp("m") / "a.kmz"
    heights = {
        point.height_above_takeoff_m for sortie in plan.sorties for leg in sortie.legs for point in leg.path
    }
    if plan.no_fly or plan.area[0].interiors or max(heights) - min(heights) > 1:
        with pytest.raises(InputError, match="cannot express") as caught:
            write_mapping2d(plan, path, M3E)
        assert "wpml" in caught.value.hint
        return
    write_mapping2d(plan, path, M3E)
    back = read_mapping2d(path)
    assert back == mapping2d(plan)
    assert read_wpml(path) == mission(plan.sorties, M3E)


def test_mapping2d_never_asks_for_less_overlap() -> None:
    """Overlaps become whole per cent upward, and 70 % stays 70."""
    plan = sample_plan()
    assert (mapping2d(plan).overlap_front_pct, mapping2d(plan).overlap_side_pct) == (70, 65)
    parameters = replace(plan.parameters, overlap_front=0.701)
    assert mapping2d(replace(plan, parameters=parameters)).overlap_front_pct == 71


def test_mapping2d_refuses_zones_beside_the_area() -> None:
    """DJI's own lines may turn over a zone that only touches the area."""
    with pytest.raises(InputError, match="no-fly zones"):
        mapping2d(replace(sample_plan(), no_fly=(box(113.79, 22.79, 113.795, 22.795),)))


def test_mapping2d_refuses_areas_of_several_parts() -> None:
    """The template has one outline."""
    parts = MultiPolygon([box(113.8, 22.8, 113.81, 22.81), box(113.9, 22.8, 113.91, 22.81)])
    with pytest.raises(InputError, match="several parts"):
        mapping2d(replace(sample_plan(), area=tuple(parts.geoms)))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: '<!DOCTYPE a [<!ENTITY b "c">]>' + text, "document type"),
        (lambda text: text[:-20], "not well-formed"),
        (lambda text: text.replace("relativeToStartPoint", "WGS84"), "not over the take-off"),
        (lambda text: text.replace("<wpml:index>3<", "<wpml:index>4<"), "where 3 is due"),
        (lambda text: text.replace("wpml:missionConfig>", "wpml:other>"), "missionConfig is missing"),
    ],
)
def test_broken_waylines_are_refused(tmp_path: Path, change: object, says: str) -> None:
    """Entities, broken XML, other heights, wrong numbering and missing parts are told."""
    path = tmp_path / "a.kmz"
    write_wpml(sample_plan().sorties[0], path, M3E)
    text = member(path, WAYLINES).split("\n", 1)[1]
    rewritten(path, WAYLINES, change(text))  # type: ignore[operator]
    with pytest.raises(InputError, match=says):
        read_wpml(path)


def test_what_is_no_archive_or_lacks_a_part_is_refused(tmp_path: Path) -> None:
    """A text file and a KMZ of something else are told apart from missions."""
    path = tmp_path / "a.kmz"
    path.write_text("hello")
    with pytest.raises(InputError, match="not a readable archive"):
        read_wpml(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("doc.kml", "<kml/>")
    with pytest.raises(InputError, match="holds no"):
        read_wpml(path)


def test_an_archive_that_swells_is_refused(tmp_path: Path) -> None:
    """A small archive of an enormous member is not read into memory."""
    path = tmp_path / "a.kmz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(TEMPLATE, b" " * (65 * 1024 * 1024))
        archive.writestr(WAYLINES, b"")
    with pytest.raises(InputError, match="larger than any mission"):
        read_wpml(path)
