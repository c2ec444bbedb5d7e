"""ArduCopter's parameters against a sortie.

Names of 4.7 and of the versions before it: an old name gets no answer from 4.7, nor a new one from 4.6.
Source: the parameter reference of ArduPilot (ardupilot.org/copter/docs/parameters.html), and what 4.7 was
measured to do.
"""

from aerial.autopilots.found import found
from aerial.autopilots.preflight import (
    Figures,
    Params,
    answered,
    figures,
    off_finding,
    return_finding,
    unknown,
)
from aerial.records import Finding, Sortie

PARAMETERS = (
    "ARMING_CHECK", "ARMING_SKIPCHK", "AUTO_OPTIONS", "BATT_CAPACITY", "BATT_FS_LOW_ACT", "BATT_LOW_MAH",
    "BATT_LOW_VOLT", "BATT_MONITOR", "CAM1_INTRVAL_MIN", "CAM1_TRIGG_DIST", "CAM1_TYPE", "CAM_MIN_INTERVAL",
    "CAM_TRIGG_TYPE", "FENCE_ACTION", "FENCE_ALT_MAX", "FENCE_ALT_MIN", "FENCE_AUTOENABLE", "FENCE_ENABLE",
    "FENCE_RADIUS", "FENCE_TYPE", "FS_GCS_ENABLE", "FS_THR_ENABLE", "MIS_OPTIONS", "MIS_RESTART", "RTL_ALT",
    "RTL_ALT_M", "RTL_ALT_TYPE", "RTL_CONE_SLOPE", "WPNAV_RADIUS", "WPNAV_SPEED", "WP_RADIUS_M", "WP_SPD",
)  # fmt: skip

_ALTITUDE, _CIRCLE, _POLYGON, _FLOOR = 1, 2, 4, 8
_ARM_IN_AUTO = 1
_CLEARED_AT_BOOT = 1
_ALL_CHECKS = 1
# Measured: these send CAMERA_FEEDBACK for each photograph.
_CAMERAS = {1: "servo", 2: "relay", 5: "MAVLink"}
_SILENT_CAMERAS = {3: "GoPro in a Solo gimbal", 4: "mount", 6: "MAVLink camera v2", 7: "script"}
_STOCK_WP_RADIUS_M, _STOCK_CONE_SLOPE = 2.0, 3.0


def check(params: Params, sortie: Sortie) -> tuple[Finding, ...]:
    """Return what the parameters say of a sortie; ``params`` holds those that were answered."""
    of = figures(sortie)
    return (
        *_camera(params, of),
        *_interval(params, of),
        *_fence(params),
        *_circle(params, of),
        *_ceiling(params, of),
        *_return(params, of),
        *_speed(params, of),
        *_radius(params),
        *_links(params),
        *_battery(params),
        *_arming(params),
        *_mission(params),
    )


def _camera(params: Params, of: Figures) -> list[Finding]:
    if of.least_interval_s is None:
        return []
    if "CAM1_TYPE" not in params:
        return _old_camera(params)
    kind = int(params["CAM1_TYPE"])
    hint = "Set CAM1_TYPE to 1 (servo), 2 (relay) or 5 (MAVLink), as the camera is wired, and restart."
    if kind in _CAMERAS:
        findings = [found("pass", "camera", f"CAM1_TYPE is {kind}: {_CAMERAS[kind]}.")]
    elif kind in _SILENT_CAMERAS:
        findings = [
            found(
                "warn",
                "camera",
                f"CAM1_TYPE is {kind} ({_SILENT_CAMERAS[kind]}): the vehicle takes the commands and tells of "
                "no photograph, so that they cannot be counted in flight.",
                hint,
            )
        ]
    else:
        findings = [found("fail", "camera", f"CAM1_TYPE is {kind}: no camera is fired.", hint)]
    if params.get("CAM1_TRIGG_DIST", 0.0) > 0:
        findings.append(
            found(
                "warn",
                "camera_always",
                f"CAM1_TRIGG_DIST is {params['CAM1_TRIGG_DIST']:g} m: the camera fires off the lines, too.",
                "Set CAM1_TRIGG_DIST to 0; the mission switches the camera.",
            )
        )
    return findings


def _old_camera(params: Params) -> list[Finding]:
    """Return what the camera parameters of 4.3 and before say: 0 servo, 1 relay."""
    if "CAM_TRIGG_TYPE" not in params:
        return [unknown("camera", ["CAM1_TYPE", "CAM_TRIGG_TYPE"], "whether a camera is fired is not known.")]
    kind = params["CAM_TRIGG_TYPE"]
    if kind in (0, 1):
        return [
            found("pass", "camera", f"CAM_TRIGG_TYPE is {kind:.0f}: {'relay' if kind == 1 else 'servo'}.")
        ]
    return [
        found(
            "warn",
            "camera",
            f"CAM_TRIGG_TYPE is {kind:.0f}: whether its photographs are told of is not known.",
            "Set it to 0 (servo) or 1 (relay) if the camera is wired so.",
        )
    ]


def _interval(params: Params, of: Figures) -> list[Finding]:
    least = answered(params, ("CAM1_INTRVAL_MIN", 1.0), ("CAM_MIN_INTERVAL", 1e-3))
    if of.least_interval_s is None:
        return []
    if least is None:
        return [
            unknown(
                "camera_interval",
                ["CAM1_INTRVAL_MIN", "CAM_MIN_INTERVAL"],
                "it may put photographs off that come sooner.",
            )
        ]
    if least[1] > of.least_interval_s:
        return [
            found(
                "fail",
                "camera_interval",
                f"{least[0]} puts off photographs that come within {least[1]:.2f} s; at "
                f"{of.speed_m_s:.1f} m/s one is due every {of.least_interval_s:.2f} s.",
                f"Set {least[0]} to what the camera needs, or to 0; else plan with a slower camera.",
            )
        ]
    return [found("pass", "camera_interval", f"{least[0]} lets every photograph be taken.")]


def _fence(params: Params) -> list[Finding]:
    if not {"FENCE_ENABLE", "FENCE_TYPE"} <= params.keys():
        return [unknown("fence", ["FENCE_ENABLE", "FENCE_TYPE"], "whether a fence is guarded is not known.")]
    kinds = int(params["FENCE_TYPE"])
    if not _fence_on(params):
        return [
            found(
                "warn",
                "fence",
                "FENCE_ENABLE is 0: the uploaded fence is not guarded.",
                "Set FENCE_TYPE 4 (polygons), then FENCE_ENABLE 1, once the fence is uploaded.",
            )
        ]
    if not kinds & _POLYGON:
        return [
            found(
                "warn",
                "fence",
                f"FENCE_TYPE is {kinds}, without polygons: the uploaded fence is not guarded.",
                f"Set FENCE_TYPE to {kinds | _POLYGON}.",
            )
        ]
    findings = [found("pass", "fence", "The uploaded fence is guarded.")]
    findings.append(
        off_finding(
            "fence_action",
            params,
            "FENCE_ACTION",
            {0: "a breach of the fence is reported, and the aircraft flies on."},
            "Set FENCE_ACTION to 1 (home, or land).",
        )
    )
    return findings


def _fence_on(params: Params) -> bool:
    return params.get("FENCE_ENABLE", 0.0) == 1 or params.get("FENCE_AUTOENABLE", 0.0) > 0


def _circle(params: Params, of: Figures) -> list[Finding]:
    if not _fence_on(params) or not int(params.get("FENCE_TYPE", 0)) & _CIRCLE:
        return []
    if "FENCE_RADIUS" not in params:
        return [unknown("fence_radius", ["FENCE_RADIUS"], "the circle around home may cut the flight off.")]
    radius = params["FENCE_RADIUS"]
    if radius <= of.furthest_m:
        return [
            found(
                "fail",
                "fence_radius",
                f"FENCE_RADIUS is {radius:.0f} m around home; the sortie goes {of.furthest_m:.0f} m far.",
                "Set FENCE_TYPE to 4 (polygons only), or FENCE_RADIUS beyond it.",
            )
        ]
    return [found("pass", "fence_radius", f"The sortie stays within FENCE_RADIUS, {radius:.0f} m.")]


def _ceiling(params: Params, of: Figures) -> list[Finding]:
    if not _fence_on(params):
        return []
    kinds, findings = int(params.get("FENCE_TYPE", 0)), []
    if kinds & _ALTITUDE:
        top = params.get("FENCE_ALT_MAX")
        if top is None:
            findings.append(unknown("fence_ceiling", ["FENCE_ALT_MAX"], "it may cut the flight off."))
        elif top <= of.highest_m:
            findings.append(
                found(
                    "fail",
                    "fence_ceiling",
                    f"FENCE_ALT_MAX is {top:.0f} m; path and return are up to {of.highest_m:.0f} m high.",
                    "Set FENCE_TYPE to 4 (polygons only), or FENCE_ALT_MAX above it.",
                )
            )
        else:
            findings.append(found("pass", "fence_ceiling", f"The sortie stays below {top:.0f} m."))
    if kinds & _FLOOR and params.get("FENCE_ALT_MIN", -10.0) >= float(of.above_N.min()):
        findings.append(
            found(
                "fail",
                "fence_floor",
                f"FENCE_ALT_MIN is {params['FENCE_ALT_MIN']:.0f} m; the path is down to "
                f"{of.above_N.min():.0f} m.",
                "Set FENCE_TYPE to 4 (polygons only), or FENCE_ALT_MIN below it.",
            )
        )
    return findings


def _return(params: Params, of: Figures) -> list[Finding]:
    height = answered(params, ("RTL_ALT_M", 1.0), ("RTL_ALT", 0.01))
    if height is None:
        return [
            unknown("return_height", ["RTL_ALT_M", "RTL_ALT"], "how high a failsafe comes home is not known.")
        ]
    cone = params.get("RTL_CONE_SLOPE", _STOCK_CONE_SLOPE)
    findings = [return_finding(of, *height, ("RTL_CONE_SLOPE", cone) if cone > 0 else None)]
    if params.get("RTL_ALT_TYPE", 0.0) == 1:
        findings.append(
            found(
                "warn",
                "return_terrain",
                "RTL_ALT_TYPE is 1: a failsafe comes home at a height over terrain, by data that the vehicle "
                "may not have; the plan counts from take-off.",
                "Set RTL_ALT_TYPE to 0.",
            )
        )
    return findings


def _speed(params: Params, of: Figures) -> list[Finding]:
    speed = answered(params, ("WP_SPD", 1.0), ("WPNAV_SPEED", 0.01))
    if speed is None:
        return [unknown("speed", ["WP_SPD", "WPNAV_SPEED"], "how fast a failsafe comes home is not known.")]
    if speed[1] < of.fastest_m_s:
        return [
            found(
                "warn",
                "speed",
                f"{speed[0]} is {speed[1]:.1f} m/s: a failsafe comes home slower than the "
                f"{of.fastest_m_s:.1f} m/s that the battery was counted for.",
                f"Set {speed[0]} to {of.fastest_m_s:.1f} m/s, or land with more in reserve.",
            )
        ]
    return [found("pass", "speed", f"{speed[0]} is {speed[1]:.1f} m/s; the mission sets its own speed.")]


def _radius(params: Params) -> list[Finding]:
    radius = answered(params, ("WP_RADIUS_M", 1.0), ("WPNAV_RADIUS", 0.01))
    if radius is None:
        return [
            unknown(
                "waypoint_radius", ["WP_RADIUS_M", "WPNAV_RADIUS"], "corners may be cut by more than 2 m."
            )
        ]
    if radius[1] > _STOCK_WP_RADIUS_M:
        return [
            found(
                "warn",
                "waypoint_radius",
                f"{radius[0]} is {radius[1]:.1f} m: a waypoint counts as reached so far before it, and the "
                "first photograph of a line may lie off its place.",
                f"Set {radius[0]} to 2 m, its stock value.",
            )
        ]
    return [found("pass", "waypoint_radius", f"{radius[0]} is {radius[1]:.1f} m.")]


def _links(params: Params) -> list[Finding]:
    return [
        off_finding(
            "station_lost",
            params,
            "FS_GCS_ENABLE",
            {0: "without this station the mission is flown on; only the remote control breaks it off."},
            "Set FS_GCS_ENABLE to 1 (home) unless it is meant so.",
        ),
        off_finding(
            "remote_lost",
            params,
            "FS_THR_ENABLE",
            {0: "nothing happens when the remote control is lost."},
            "Set FS_THR_ENABLE to 1 (home), or 2 to go on with a mission.",
        ),
    ]


def _battery(params: Params) -> list[Finding]:
    if "BATT_MONITOR" not in params:
        return [unknown("battery", ["BATT_MONITOR"], "whether the battery is measured is not known.")]
    if params["BATT_MONITOR"] == 0:
        return [
            found(
                "warn",
                "battery",
                "BATT_MONITOR is 0: the battery is not measured, and no failsafe watches it.",
                "Set BATT_MONITOR to the sensor that is fitted, and restart.",
            )
        ]
    findings = [
        off_finding(
            "battery_low",
            params,
            "BATT_FS_LOW_ACT",
            {0: "a low battery is told of, and the aircraft flies on."},
            "Set BATT_FS_LOW_ACT to 2 (home).",
        )
    ]
    volt, charge = params.get("BATT_LOW_VOLT"), params.get("BATT_LOW_MAH")
    if volt == 0 and charge == 0:
        findings.append(
            found(
                "warn",
                "battery_level",
                "BATT_LOW_VOLT and BATT_LOW_MAH are 0: no battery ever counts as low.",
                "Set BATT_LOW_VOLT to 3.5 V a cell.",
            )
        )
    if params.get("BATT_CAPACITY", 0.0) <= 0:
        findings.append(
            found(
                "warn",
                "battery_capacity",
                "BATT_CAPACITY is not known: the share that is left, as the vehicle tells it, means nothing.",
                "Set BATT_CAPACITY to the mAh of the battery.",
            )
        )
    return findings


def _arming(params: Params) -> list[Finding]:
    findings = []
    if "AUTO_OPTIONS" not in params:
        findings.append(unknown("arming_auto", ["AUTO_OPTIONS"], "it may not arm in AUTO."))
    elif not int(params["AUTO_OPTIONS"]) & _ARM_IN_AUTO:
        findings.append(
            found(
                "fail",
                "arming_auto",
                f"AUTO_OPTIONS is {params['AUTO_OPTIONS']:.0f}: the vehicle does not arm in AUTO.",
                "Set AUTO_OPTIONS to 3 (arm in AUTO, take off without the stick).",
            )
        )
    else:
        findings.append(found("pass", "arming_auto", "The vehicle may arm in AUTO."))
    skipped, asked = params.get("ARMING_SKIPCHK"), params.get("ARMING_CHECK")
    if skipped is None and asked is None:
        findings.append(
            unknown("arming_checks", ["ARMING_SKIPCHK", "ARMING_CHECK"], "its own checks may be off.")
        )
    elif skipped or (skipped is None and asked != _ALL_CHECKS):
        name, value = ("ARMING_SKIPCHK", skipped) if skipped else ("ARMING_CHECK", asked)
        findings.append(
            found(
                "warn",
                "arming_checks",
                f"{name} is {value:.0f}: the vehicle leaves out checks of its own before it arms.",
                f"Set {name} to {0 if skipped else _ALL_CHECKS}.",
            )
        )
    else:
        findings.append(found("pass", "arming_checks", "The vehicle makes all of its own checks."))
    return findings


def _mission(params: Params) -> list[Finding]:
    findings = [
        off_finding(
            "mission_restart",
            params,
            "MIS_RESTART",
            {1: "back in AUTO after the pilot took over, the mission begins anew."},
            "Set MIS_RESTART to 0 (go on).",
            well="back in AUTO, the mission goes on where it was.",
        )
    ]
    if int(params.get("MIS_OPTIONS", 0)) & _CLEARED_AT_BOOT:
        findings.append(
            found(
                "warn",
                "mission_cleared",
                "MIS_OPTIONS clears the mission when the vehicle is powered up: upload it after the battery "
                "is in.",
                f"Set MIS_OPTIONS to {int(params['MIS_OPTIONS']) & ~_CLEARED_AT_BOOT}.",
            )
        )
    return findings
