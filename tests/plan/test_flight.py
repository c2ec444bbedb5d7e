"""A whole plan: paces, heights, limits, repeats, places on Earth."""

import numpy as np
import pytest
import shapely
from shapely.geometry import LineString, Polygon, box

from aerial import geo
from aerial.errors import PlanError
from aerial.geo import LonLat
from aerial.plan.flight import plan_flight
from aerial.plan.job import Job, frame_at
from aerial.plan.pace import height_of_gsd, pace
from aerial.plan.profiles import read_aircraft, read_camera
from aerial.records import Parameters, Plan, Wind, Zone

AIRCRAFT = read_aircraft("dji_mavic3_enterprise")
CAMERA = read_camera(AIRCRAFT.cameras[0])
DONGGUAN = LonLat(lon_deg=113.8, lat_deg=22.8)


def asked(**changed: object) -> Parameters:
    """Return 100 m, 80 % and 70 %."""
    values = {"height_agl_m": 100.0, "gsd_m": 0.027, "overlap_front": 0.8, "overlap_side": 0.7} | changed
    return Parameters(**values)  # type: ignore[arg-type]


def planned(at: LonLat = DONGGUAN, **changed: object) -> Plan:
    """Return the plan of a square of 400 m."""
    area = geo.reproject(box(-200, -200, 200, 200), geo.local_frame(at), geo.WGS84)
    zones = changed.pop("zones", ())
    return plan_flight(
        Job(area=area, aircraft=AIRCRAFT, camera=CAMERA, parameters=asked(**changed), zones=zones, inputs={})  # type: ignore[arg-type]
    )


def lines_of(plan: Plan) -> list[tuple[int, tuple[tuple[float, float], ...], float]]:
    """Return number, positions and trigger distance of every survey leg."""
    return [
        (leg.line or 0, tuple((p.at.lon_deg, p.at.lat_deg) for p in leg.path), leg.trigger_distance_m or 0)
        for sortie in plan.sorties
        for leg in sortie.legs
        if leg.kind == "survey"
    ]


def test_the_speed_gives_the_camera_its_time() -> None:
    """Speed times the shortest interval is no more than the trigger distance, high and low."""
    for height in (20.0, 40.0, 100.0):
        allowed = pace(AIRCRAFT, CAMERA, asked(height_agl_m=height))
        assert allowed.speed_m_s * CAMERA.min_trigger_interval_s <= allowed.trigger_m
        assert allowed.speed_m_s <= AIRCRAFT.cruise_m_s


def test_the_late_photograph_still_has_the_overlap_that_was_asked() -> None:
    """Trigger distance and the metres flown in one renewal of the position keep 80 % of the picture."""
    for height in (20.0, 40.0, 100.0):
        allowed = pace(AIRCRAFT, CAMERA, asked(height_agl_m=height))
        along = height * CAMERA.sensor_height_mm / CAMERA.focal_mm
        apart = allowed.trigger_m + allowed.speed_m_s * AIRCRAFT.position_period_s
        assert 0.19 * along < apart <= 0.2 * along + 1e-9


def test_a_ground_pixel_size_is_a_height() -> None:
    """A pixel of 2.7 cm is seen from where sensor, lens and pixels say."""
    height = height_of_gsd(CAMERA, 0.027)
    across = height * CAMERA.sensor_width_mm / CAMERA.focal_mm
    assert across / CAMERA.width_px == pytest.approx(0.027)


def test_more_than_120_m_needs_an_approval() -> None:
    """130 m is refused with a hint, and flown where a number is recorded."""
    with pytest.raises(PlanError, match="120 m of true height") as error:
        planned(height_agl_m=130.0)
    assert "--approval" in error.value.hint
    assert planned(height_agl_m=130.0, approval="GD-7").parameters.approval == "GD-7"


def test_repeats_fly_the_same_lines_whatever_the_wind() -> None:
    """Lines, starts and trigger distances of a windy day are those of a calm one."""
    calm = planned()
    windy = planned(wind=Wind(speed_m_s=7.0, from_deg=40.0))
    assert len(calm.sorties) == len(windy.sorties) == 1
    assert lines_of(calm) == lines_of(windy) == lines_of(planned())
    assert windy.sorties[0].energy_wh > calm.sorties[0].energy_wh


def test_wind_beyond_the_aircraft_is_refused() -> None:
    """A wind as fast as the aircraft leaves it no speed."""
    with pytest.raises(PlanError, match="too strong"):
        planned(wind=Wind(speed_m_s=25.0, from_deg=0.0))


def test_a_camera_tilted_against_doming_flies_closer_lines() -> None:
    """10 degrees off nadir needs a smaller spacing for the same overlap, and is written into the sorties."""
    down, tilted = planned(), planned(pitch_deg=-80.0)
    assert tilted.line_spacing_m < down.line_spacing_m
    assert {sortie.pitch_deg for sortie in tilted.sorties} == {-80.0}


@pytest.mark.parametrize("lat", [-45.0, 0.0, 22.8, 58.8, 75.0])
def test_spacing_is_in_true_metres_at_every_latitude(lat: float) -> None:
    """The same square is covered as tightly at any latitude, by lines as long, on the ellipsoid."""
    plan = planned(LonLat(lon_deg=20.0, lat_deg=lat))
    radius = 6378137.0 / np.sqrt(1 - 0.00669438 * np.sin(np.radians(lat)) ** 2)
    meridian = 6378137.0 * (1 - 0.00669438) / (1 - 0.00669438 * np.sin(np.radians(lat)) ** 2) ** 1.5
    scale = np.radians([radius * np.cos(np.radians(lat)), meridian])
    lines = [LineString((np.array(xy) - [20.0, lat]) * scale) for _, xy, _ in lines_of(plan)]
    seen = shapely.union_all([line.buffer(plan.line_spacing_m / 2, quad_segs=32) for line in lines])
    assert box(-200, -200, 200, 200).difference(seen).area < 1e-4 * 160000
    assert sum(line.length for line in lines) == pytest.approx(planned().totals.survey_m, rel=0.005)


def test_an_area_over_the_antimeridian_is_refused() -> None:
    """180 degrees is no place to plan across: cut it."""
    with pytest.raises(PlanError, match="antimeridian") as error:
        frame_at(Polygon([(179.99, 10), (-179.99, 10), (-179.99, 10.01), (179.99, 10.01)]))
    assert "Cut" in error.value.hint


def test_totals_are_those_of_the_legs() -> None:
    """Photographs, durations and sorties add up; the area is the square's."""
    plan = planned()
    assert plan.totals.photos == sum(sortie.photos for sortie in plan.sorties)
    assert plan.totals.area_m2 == pytest.approx(160000, rel=1e-4)
    assert plan.totals.lines == len({number for number, _, _ in lines_of(plan)})
    assert plan.totals.covered_share == 1.0


def test_zones_leave_the_area_and_stand_in_the_plan() -> None:
    """A no-fly zone is taken out of what is surveyed and kept as an exclusion of the fence."""
    middle = geo.reproject(box(-50, -50, 50, 50), geo.local_frame(DONGGUAN), geo.WGS84)
    plan = planned(zones=(Zone(kind="no_fly", outline=middle),))
    assert plan.totals.area_m2 == pytest.approx(150000, rel=1e-4)
    assert len(plan.no_fly) == 1
    path = [
        LineString([(p.at.lon_deg, p.at.lat_deg) for p in leg.path]) for s in plan.sorties for leg in s.legs
    ]
    assert not any(line.intersects(middle) for line in path)


def test_a_no_fly_zone_above_the_ceiling_does_not_bind() -> None:
    """A zone that begins at 120 m or higher changes nothing below."""
    middle = planned().area[0].buffer(-0.001)
    high = Zone(kind="no_fly", outline=middle, floor_agl_m=150.0)
    assert lines_of(planned(zones=(high,))) == lines_of(planned())
