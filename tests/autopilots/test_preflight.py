"""Parameters that would spoil a flight, each with its level."""

from dataclasses import replace

import pytest
from tests.plan.samples import sample_plan

from aerial.autopilots.ardupilot import ArduPilot
from aerial.autopilots.preflight import figures, too_low_m
from aerial.autopilots.px4 import Px4
from aerial.records import Finding, Sortie

# Lines at 100 m over take-off, 8 m/s with a photograph every 15 m, 12 m/s in transit, 120 m for the return.
FLAT = sample_plan(sorties=1).sorties[0]
HILLY = sample_plan(sorties=1, relief_m=20.0).sorties[0]

ARDUPILOT = {
    "ARMING_SKIPCHK": 0, "AUTO_OPTIONS": 3, "BATT_CAPACITY": 5000, "BATT_FS_LOW_ACT": 2, "BATT_LOW_MAH": 0,
    "BATT_LOW_VOLT": 14, "BATT_MONITOR": 4, "CAM1_INTRVAL_MIN": 0, "CAM1_TRIGG_DIST": 0, "CAM1_TYPE": 1,
    "FENCE_ACTION": 1, "FENCE_ALT_MAX": 100, "FENCE_ALT_MIN": -10, "FENCE_ENABLE": 1, "FENCE_RADIUS": 150,
    "FENCE_TYPE": 4, "FS_GCS_ENABLE": 1, "FS_THR_ENABLE": 1, "MIS_OPTIONS": 0, "MIS_RESTART": 0,
    "RTL_ALT_M": 120, "RTL_ALT_TYPE": 0, "RTL_CONE_SLOPE": 0, "WP_RADIUS_M": 2, "WP_SPD": 12,
}  # fmt: skip
PX4 = {
    "COM_LOW_BAT_ACT": 3, "GF_ACTION": 3, "GF_MAX_HOR_DIST": 0, "GF_MAX_VER_DIST": 0, "MIS_DIST_1WP": 900,
    "MIS_TKO_LAND_REQ": 1, "MPC_XY_VEL_MAX": 12, "NAV_DLL_ACT": 2, "NAV_RCL_ACT": 2, "RTL_CONE_ANG": 0,
    "RTL_RETURN_ALT": 120, "RTL_TYPE": 0, "TRIG_MIN_INTERVA": 1, "TRIG_MODE": 4,
}  # fmt: skip


def told(autopilot: str, sortie: Sortie = FLAT, without: tuple[str, ...] = (), **changes: float) -> set[str]:
    """Return "level code" of what is not a pass."""
    found: tuple[Finding, ...]
    if autopilot == "ardupilot":
        params = {k: float(v) for k, v in (ARDUPILOT | changes).items() if k not in without}
        found = ArduPilot().preflight(params, sortie)
    else:
        params = {k: float(v) for k, v in (PX4 | changes).items() if k not in without}
        found = Px4().preflight(params, sortie)
    return {f"{finding.level} {finding.code}" for finding in found if finding.level != "pass"}


def test_a_vehicle_that_is_set_up_passes() -> None:
    """Nothing is warned of that is as it should be."""
    assert told("ardupilot") == told("px4") == set()


def test_a_stock_vehicle_is_warned_of_and_may_fly_a_flat_plan() -> None:
    """ArduCopter as it comes, with a servo camera and armed in AUTO: it returns as high as it flies."""
    stock = {"FENCE_ENABLE": 0, "FENCE_TYPE": 7, "FS_GCS_ENABLE": 0, "BATT_FS_LOW_ACT": 0, "RTL_ALT_M": 15,
             "RTL_CONE_SLOPE": 3, "BATT_CAPACITY": 3300, "WP_SPD": 10}  # fmt: skip
    flat = replace(FLAT, return_height_m=100.0)
    assert told("ardupilot", flat, **stock) == {
        "warn fence", "warn station_lost", "warn battery_low", "warn return_height", "warn speed",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "says"),
    [(0, {"fail camera"}), (1, set()), (2, set()), (5, set()), (4, {"warn camera"}), (6, {"warn camera"})],
)
def test_a_camera_must_fire_and_better_tell(kind: int, says: set[str]) -> None:
    """None is a fail; those that were measured to send no feedback are warned of."""
    assert told("ardupilot", CAM1_TYPE=kind) == says


def test_old_names_of_cameras_count() -> None:
    """Before 4.4 the type was CAM_TRIGG_TYPE, 0 a servo, and the interval in milliseconds."""
    new = ("CAM1_TYPE", "CAM1_INTRVAL_MIN")
    assert told("ardupilot", without=new, CAM_TRIGG_TYPE=0, CAM_MIN_INTERVAL=0) == set()
    assert told("ardupilot", without=new, CAM_TRIGG_TYPE=3, CAM_MIN_INTERVAL=1900) == {
        "warn camera",
        "fail camera_interval",
    }


def test_a_camera_that_is_put_off_fails() -> None:
    """15 m at 8 m/s are 1.875 s: 1.9 s between photographs loses some, 1.8 s none."""
    assert told("ardupilot", CAM1_INTRVAL_MIN=1.9) == {"fail camera_interval"}
    assert told("ardupilot", CAM1_INTRVAL_MIN=1.8) == set()
    assert told("px4", TRIG_MIN_INTERVA=1900) == {"fail camera_interval"}
    assert told("px4", TRIG_MIN_INTERVA=1800) == set()
    assert told("ardupilot", CAM1_TRIGG_DIST=10) == {"warn camera_always"}


def test_a_sortie_without_photographs_needs_no_camera() -> None:
    """A ferry flight is not held up by a missing camera."""
    legs = tuple(replace(leg, trigger_distance_m=None) for leg in FLAT.legs)
    assert told("ardupilot", replace(FLAT, legs=legs), CAM1_TYPE=0) == set()
    assert told("px4", replace(FLAT, legs=legs), TRIG_MODE=0) == set()


def test_the_stock_circle_and_ceiling_end_a_flight() -> None:
    """FENCE_TYPE 7 is altitude, circle and polygon: 150 m around home and 100 m over it."""
    assert told("ardupilot", FENCE_TYPE=7) == {"fail fence_radius", "fail fence_ceiling"}
    assert told("ardupilot", FENCE_TYPE=7, FENCE_RADIUS=2000, FENCE_ALT_MAX=121) == set()
    # The return climbs to 120 m.
    assert told("ardupilot", FENCE_TYPE=5, FENCE_ALT_MAX=119) == {"fail fence_ceiling"}
    assert told("ardupilot", FENCE_TYPE=12, FENCE_ALT_MIN=101) == {"fail fence_floor"}
    assert told("ardupilot", FENCE_TYPE=7, without=("FENCE_RADIUS", "FENCE_ALT_MAX")) == {
        "warn fence_radius",
        "warn fence_ceiling",
    }


def test_a_fence_that_is_off_or_only_tells_is_warned_of() -> None:
    """Uploading does not switch it on; polygons must be among its kinds; AUTOENABLE does it later."""
    assert told("ardupilot", FENCE_ENABLE=0, FENCE_TYPE=7) == {"warn fence"}
    assert told("ardupilot", FENCE_ENABLE=0, FENCE_AUTOENABLE=3) == set()
    assert told("ardupilot", FENCE_TYPE=0) == {"warn fence"}
    assert told("ardupilot", FENCE_ACTION=0) == {"warn fence_action"}
    assert told("px4", GF_ACTION=1) == {"warn fence"}
    assert told("px4", GF_ACTION=4) == {"fail fence"}


def test_px4_s_cylinder_is_held_against_the_sortie() -> None:
    """0 switches a limit off."""
    assert told("px4", GF_MAX_HOR_DIST=100, GF_MAX_VER_DIST=110) == {
        "fail fence_radius",
        "fail fence_ceiling",
    }
    assert told("px4", GF_MAX_HOR_DIST=1000, GF_MAX_VER_DIST=130) == set()


@pytest.mark.parametrize(("autopilot", "name"), [("ardupilot", "RTL_ALT_M"), ("px4", "RTL_RETURN_ALT")])
def test_a_return_below_the_planned_height_fails(autopilot: str, name: str) -> None:
    """From 100 m it comes home at 100 m where 120 m were checked; as high as the path is warned of."""
    assert told(autopilot, **{name: 60.0}) == {"fail return_height"}
    assert told(autopilot, **{name: 0.0}) == {"fail return_height"}
    assert told(autopilot, **{name: 119.5}) == set()
    flown = replace(FLAT, return_height_m=100.0)
    assert told(autopilot, flown, **{name: 0.0}) == {"warn return_height"}
    assert told(autopilot, replace(HILLY, return_height_m=120.0), **{name: 60.0}) == {"fail return_height"}


def test_the_old_return_altitude_is_in_centimetres() -> None:
    """RTL_ALT 12000 is 120 m, 1500 are 15 m."""
    assert told("ardupilot", without=("RTL_ALT_M",), RTL_ALT=12_000) == set()
    assert told("ardupilot", without=("RTL_ALT_M",), RTL_ALT=1_500) == {"fail return_height"}
    assert told("ardupilot", RTL_ALT_TYPE=1) == {"warn return_terrain"}


def test_a_cone_over_home_is_warned_of_where_it_keeps_the_return_low() -> None:
    """With a slope of 3, 120 m are reached 40 m from home; the path comes nearer at 100 m."""
    assert told("ardupilot", RTL_CONE_SLOPE=3) == {"warn return_height"}
    assert told("ardupilot", replace(FLAT, return_height_m=100.0), RTL_CONE_SLOPE=3) == set()
    assert told("ardupilot", without=("RTL_CONE_SLOPE",)) == {"warn return_height"}
    assert told("px4", RTL_CONE_ANG=45) == {"warn return_height"}
    assert told("px4", RTL_TYPE=2) == {"warn return_way"}


def test_how_far_below_is_the_worst_along_the_path() -> None:
    """A path down to 80 m with a return at 60 m comes home 40 m below 120 m."""
    of = figures(replace(HILLY, return_height_m=120.0))
    assert too_low_m(of, 60.0) == pytest.approx(120 - of.above_N.min(), abs=0.5)
    assert too_low_m(of, 130.0) == 0.0
    assert of.furthest_m == pytest.approx(363, abs=1)


def test_speeds_and_radii_in_both_units() -> None:
    """Metres since 4.7, centimetres before."""
    assert told("ardupilot", WP_SPD=10) == {"warn speed"}
    assert told("ardupilot", without=("WP_SPD",), WPNAV_SPEED=1000) == {"warn speed"}
    assert told("ardupilot", without=("WP_SPD",), WPNAV_SPEED=1200) == set()
    assert told("ardupilot", WP_RADIUS_M=5) == {"warn waypoint_radius"}
    assert told("ardupilot", without=("WP_RADIUS_M",), WPNAV_RADIUS=200) == set()
    assert told("px4", MPC_XY_VEL_MAX=10) == {"fail speed"}


def test_failsafes_that_do_nothing_are_warned_of_and_those_that_kill_fail() -> None:
    """Station, remote control and battery."""
    assert told("ardupilot", FS_GCS_ENABLE=0, FS_THR_ENABLE=0, BATT_FS_LOW_ACT=0) == {
        "warn station_lost", "warn remote_lost", "warn battery_low",
    }  # fmt: skip
    assert told("ardupilot", BATT_MONITOR=0) == {"warn battery"}
    assert told("ardupilot", BATT_LOW_VOLT=0) == {"warn battery_level"}
    assert told("ardupilot", BATT_CAPACITY=0) == {"warn battery_capacity"}
    assert told("px4", NAV_DLL_ACT=0, NAV_RCL_ACT=5, COM_LOW_BAT_ACT=0) == {
        "warn station_lost", "fail remote_lost", "warn battery_low",
    }  # fmt: skip


def test_arming_and_mission_options() -> None:
    """AUTO must be armable; skipped checks, a restarting or vanishing mission are warned of."""
    assert told("ardupilot", AUTO_OPTIONS=0) == {"fail arming_auto"}
    assert told("ardupilot", ARMING_SKIPCHK=64) == {"warn arming_checks"}
    assert told("ardupilot", without=("ARMING_SKIPCHK",), ARMING_CHECK=1) == set()
    assert told("ardupilot", without=("ARMING_SKIPCHK",), ARMING_CHECK=0) == {"warn arming_checks"}
    assert told("ardupilot", MIS_RESTART=1, MIS_OPTIONS=1) == {"warn mission_restart", "warn mission_cleared"}
    assert told("px4", MIS_TKO_LAND_REQ=3) == {"fail mission_landing"}
    assert told("px4", MIS_DIST_1WP=20) == {"warn mission_start"}


@pytest.mark.parametrize(("mode", "says"), [(0, {"fail camera"}), (1, {"warn camera"}), (3, {"warn camera"})])
def test_px4_s_trigger_must_be_by_distance_on_command(mode: int, says: set[str]) -> None:
    """Off is a fail; by time or always on is warned of."""
    assert told("px4", TRIG_MODE=mode) == says


@pytest.mark.parametrize("autopilot", ["ardupilot", "px4"])
def test_each_parameter_that_matters_is_missed(autopilot: str) -> None:
    """Without its answer a finding says that it is not known; those with a stock value that suits may be."""
    may_lack = {
        "BATT_LOW_MAH", "BATT_LOW_VOLT", "CAM1_TRIGG_DIST", "FENCE_ALT_MAX", "FENCE_ALT_MIN",
        "FENCE_RADIUS", "MIS_DIST_1WP", "MIS_OPTIONS", "RTL_ALT_TYPE", "RTL_TYPE",
    }  # fmt: skip
    for name in ARDUPILOT if autopilot == "ardupilot" else PX4:
        missed = told(autopilot, without=(name,))
        assert bool(missed) == (name not in may_lack), name
        assert all(one.startswith("warn") for one in missed)
