"""PX4's parameters against a sortie, from its parameter reference (docs.px4.io); untested on a vehicle."""

import math

from aerial.autopilots.found import found
from aerial.autopilots.preflight import Figures, Params, figures, off_finding, return_finding, unknown
from aerial.records import Finding, Sortie

PARAMETERS = (
    "COM_LOW_BAT_ACT", "GF_ACTION", "GF_MAX_HOR_DIST", "GF_MAX_VER_DIST", "MIS_DIST_1WP", "MIS_TKO_LAND_REQ",
    "MPC_XY_VEL_MAX", "NAV_DLL_ACT", "NAV_RCL_ACT", "RTL_CONE_ANG", "RTL_RETURN_ALT", "RTL_TYPE",
    "TRIG_MIN_INTERVA", "TRIG_MODE",
)  # fmt: skip

_BY_DISTANCE_ON_COMMAND = 4
_TERMINATE, _LOCKDOWN = 5, 6
_STOCK_CONE_DEG = 45.0
# Values of MIS_TKO_LAND_REQ that refuse a mission without a landing item: ours ends with a return.
_LANDING_NEEDED = {2, 3, 5}
# Straight home, to a rally point, or to the nearer of them; the others fly along the mission.
_STRAIGHT_HOME = {0, 1, 3}


def check(params: Params, sortie: Sortie) -> tuple[Finding, ...]:
    """Return what the parameters say of a sortie; ``params`` holds those that were answered."""
    of = figures(sortie)
    return (
        *_camera(params, of),
        *_fence(params),
        *_distances(params, of),
        *_return(params, of),
        *_speed(params, of),
        *_links(params),
        *_mission(params, of),
    )


def _camera(params: Params, of: Figures) -> list[Finding]:
    if of.least_interval_s is None:
        return []
    hint = (
        "Set TRIG_MODE to 4 (by distance, on command) and TRIG_INTERFACE to how the camera is wired; restart."
    )
    if "TRIG_MODE" not in params:
        return [unknown("camera", ["TRIG_MODE"], "whether a camera is fired is not known.")]
    mode = int(params["TRIG_MODE"])
    if mode == 0:
        findings = [found("fail", "camera", "TRIG_MODE is 0: no camera is fired.", hint)]
    elif mode != _BY_DISTANCE_ON_COMMAND:
        findings = [
            found(
                "warn", "camera", f"TRIG_MODE is {mode}: the camera may fire by time or off the lines.", hint
            )
        ]
    else:
        findings = [found("pass", "camera", "TRIG_MODE is 4: by distance, on command.")]
    if "TRIG_MIN_INTERVA" not in params:
        why = "it may leave out photographs that come sooner."
        return [*findings, unknown("camera_interval", ["TRIG_MIN_INTERVA"], why)]
    least_s = params["TRIG_MIN_INTERVA"] / 1000
    if least_s > of.least_interval_s:
        findings.append(
            found(
                "fail",
                "camera_interval",
                f"TRIG_MIN_INTERVA leaves out photographs that come within {least_s:.2f} s; at "
                f"{of.speed_m_s:.1f} m/s one is due every {of.least_interval_s:.2f} s.",
                "Set TRIG_MIN_INTERVA to what the camera needs; else plan with a slower camera.",
            )
        )
    return findings


def _fence(params: Params) -> list[Finding]:
    return [
        off_finding(
            "fence",
            params,
            "GF_ACTION",
            {
                0: "the fence is not guarded.",
                1: "a breach of the fence is told of, and the aircraft flies on.",
            },
            "Set GF_ACTION to 3 (return).",
            lethal=(4,),
        )
    ]


def _distances(params: Params, of: Figures) -> list[Finding]:
    """Return findings on the cylinder around home; 0 switches each of its limits off."""
    findings = []
    for name, code, reached, what in (
        ("GF_MAX_HOR_DIST", "fence_radius", of.furthest_m, "far"),
        ("GF_MAX_VER_DIST", "fence_ceiling", of.highest_m, "high"),
    ):
        if name not in params:
            findings.append(unknown(code, [name], "it may cut the flight off."))
        elif 0 < params[name] <= reached:
            findings.append(
                found(
                    "fail",
                    code,
                    f"{name} is {params[name]:.0f} m; the sortie goes {reached:.0f} m {what}.",
                    f"Set {name} beyond it, or to 0 (off).",
                )
            )
        else:
            findings.append(found("pass", code, f"{name} does not cut the flight off."))
    return findings


def _return(params: Params, of: Figures) -> list[Finding]:
    if "RTL_RETURN_ALT" not in params:
        return [unknown("return_height", ["RTL_RETURN_ALT"], "how high a failsafe comes home is not known.")]
    angle = params.get("RTL_CONE_ANG", _STOCK_CONE_DEG)
    # Half of the cone's angle: at 90 degrees the aircraft never climbs.
    cone = ("RTL_CONE_ANG", 1 / math.tan(math.radians(angle))) if angle > 0 else None
    findings = [return_finding(of, "RTL_RETURN_ALT", params["RTL_RETURN_ALT"], cone)]
    if params.get("RTL_TYPE", 0.0) not in _STRAIGHT_HOME:
        findings.append(
            found(
                "warn",
                "return_way",
                f"RTL_TYPE is {params['RTL_TYPE']:.0f}: a failsafe flies along the mission; the plan counted "
                "the battery for the straight way home.",
                "Set RTL_TYPE to 0.",
            )
        )
    return findings


def _speed(params: Params, of: Figures) -> list[Finding]:
    if "MPC_XY_VEL_MAX" not in params:
        return [unknown("speed", ["MPC_XY_VEL_MAX"], "whether it flies as fast as planned is not known.")]
    most = params["MPC_XY_VEL_MAX"]
    if most < of.fastest_m_s:
        return [
            found(
                "fail",
                "speed",
                f"MPC_XY_VEL_MAX is {most:.1f} m/s; the battery was counted for {of.fastest_m_s:.1f} m/s.",
                f"Set MPC_XY_VEL_MAX to {of.fastest_m_s:.1f} m/s or more, or plan with a slower aircraft.",
            )
        ]
    return [found("pass", "speed", f"MPC_XY_VEL_MAX is {most:.1f} m/s.")]


def _links(params: Params) -> list[Finding]:
    return [
        off_finding(
            "station_lost",
            params,
            "NAV_DLL_ACT",
            {0: "without this station the mission is flown on; only the remote control breaks it off."},
            "Set NAV_DLL_ACT to 2 (return) unless it is meant so.",
            lethal=(_TERMINATE, _LOCKDOWN),
        ),
        off_finding(
            "remote_lost",
            params,
            "NAV_RCL_ACT",
            {0: "nothing happens when the remote control is lost."},
            "Set NAV_RCL_ACT to 2 (return).",
            lethal=(_TERMINATE, _LOCKDOWN),
        ),
        off_finding(
            "battery_low",
            params,
            "COM_LOW_BAT_ACT",
            {0: "a low battery is told of, and the aircraft flies on."},
            "Set COM_LOW_BAT_ACT to 3 (return, land where it is critical).",
        ),
    ]


def _mission(params: Params, of: Figures) -> list[Finding]:
    findings = []
    needs = params.get("MIS_TKO_LAND_REQ")
    if needs is None:
        findings.append(unknown("mission_landing", ["MIS_TKO_LAND_REQ"], "it may refuse the mission."))
    elif needs in _LANDING_NEEDED:
        findings.append(
            found(
                "fail",
                "mission_landing",
                f"MIS_TKO_LAND_REQ is {needs:.0f}: a mission without a landing item is refused; this one "
                "ends with a return.",
                "Set MIS_TKO_LAND_REQ to 1 (take-off).",
            )
        )
    else:
        findings.append(found("pass", "mission_landing", "A mission that ends with a return is taken."))
    most = params.get("MIS_DIST_1WP", 0.0)
    if 0 < most < of.first_m:
        findings.append(
            found(
                "warn",
                "mission_start",
                f"MIS_DIST_1WP is {most:.0f} m; the first waypoint is {of.first_m:.0f} m away.",
                "Set MIS_DIST_1WP beyond it, or to 0 (off).",
            )
        )
    return findings
