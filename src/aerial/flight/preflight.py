"""What a vehicle on the ground says for and against a sortie; each finding with what to do."""

from collections.abc import Sequence

import numpy as np

from aerial import geo
from aerial.autopilots.base import Autopilot
from aerial.autopilots.found import found
from aerial.errors import CrsError
from aerial.flight.exchange import NOTHING, Outgoing, Peer
from aerial.flight.mavlink import Message, dialect
from aerial.flight.watch import Seen
from aerial.geo import LonLat
from aerial.records import Finding, Plan, Sortie
from aerial.records.record import record

_MULTIROTORS = (
    dialect.MAV_TYPE_QUADROTOR,
    dialect.MAV_TYPE_HEXAROTOR,
    dialect.MAV_TYPE_OCTOROTOR,
    dialect.MAV_TYPE_TRICOPTER,
    dialect.MAV_TYPE_DODECAROTOR,
    dialect.MAV_TYPE_DECAROTOR,
    dialect.MAV_TYPE_COAXIAL,
)
_FIX_3D = 3
_FEW_SATELLITES = 8
# Heights of a plan count from its take-off point: elsewhere the ground may be another.
_HOME_WARN_M, _HOME_FAIL_M = 10.0, 50.0
# GPS heights without RTK, and the geoid models of makers, differ by so much.
_HOME_HEIGHT_M = 15.0
# A quarter of the Earth: so far away no map of here reaches.
_QUARTER_M = 1e7


@record
class Version:
    """Firmware by AUTOPILOT_VERSION: major, minor, patch; ``kind``: dev, alpha, beta, rc or official."""

    major: int
    minor: int
    patch: int
    kind: str

    def __str__(self) -> str:
        """Return it as people write it."""
        return f"{self.major}.{self.minor}.{self.patch}" + (
            "" if self.kind == "official" else f"-{self.kind}"
        )


class AskVersion:
    """An exchange that asks for AUTOPILOT_VERSION; ``version`` None: it did not answer."""

    def __init__(self, peer: Peer) -> None:
        self.version: Version | None = None
        self.done = False
        self._peer = peer
        self._tries = 0
        self._sent_s = 0.0

    def start(self, now_s: float) -> Outgoing:
        """Ask."""
        self._tries += 1
        self._sent_s = now_s
        return [
            dialect.MAVLink_command_long_message(
                self._peer.system,
                self._peer.component,
                dialect.MAV_CMD_REQUEST_MESSAGE,
                0,
                dialect.MAVLINK_MSG_ID_AUTOPILOT_VERSION,
                *(0,) * 6,
            )
        ]

    def hear(self, message: Message, now_s: float) -> Outgoing:
        """Take the answer."""
        if message.get_type() == "AUTOPILOT_VERSION" and message.get_srcSystem() == self._peer.system:
            word = message.flight_sw_version
            kind = word & 0xFF
            self.version = Version(
                major=word >> 24 & 0xFF,
                minor=word >> 16 & 0xFF,
                patch=word >> 8 & 0xFF,
                kind={0: "dev", 64: "alpha", 128: "beta", 192: "rc", 255: "official"}.get(
                    kind, f"type {kind}"
                ),
            )
            self.done = True
        return NOTHING

    def tick(self, now_s: float) -> Outgoing:
        """Ask again, or give up."""
        if self.done or now_s - self._sent_s < 1.0:
            return NOTHING
        if self._tries >= 5:
            self.done = True
            return NOTHING
        return self.start(now_s)


def check_vehicle(
    seen: Seen,
    heartbeat: Message,
    version: Version | None,
    autopilot: Autopilot,
    plan: Plan,
    sortie: Sortie,
) -> tuple[Finding, ...]:
    """Return what the vehicle's state says of flying ``sortie`` now."""
    return (
        *_firmware(heartbeat, version, autopilot),
        *_position(seen),
        *_battery(seen, plan, sortie),
        *_home(seen, sortie),
        *_readiness(seen),
    )


def check_held(plan: Plan) -> tuple[Finding, ...]:
    """Return what the plan's own checks left: heights, zones, camera."""
    bad = [finding for finding in plan.findings if finding.level != "pass"]
    if not plan.findings:
        return (found("warn", "plan-checks", "The plan was never checked.", "Run aerial plan check on it."),)
    if not bad:
        return (found("pass", "plan-checks", "Heights and zones: the plan's checks passed."),)
    return tuple(bad)


def _firmware(heartbeat: Message, version: Version | None, autopilot: Autopilot) -> Sequence[Finding]:
    if heartbeat.type not in _MULTIROTORS:
        return [
            found(
                "fail",
                "autopilot",
                f"The vehicle is no multirotor (MAV_TYPE {heartbeat.type}).",
                "Connect the aircraft that is to fly.",
            )
        ]
    if version is None:
        return [
            found(
                "warn",
                "autopilot",
                f"{autopilot.name} does not tell its version.",
                "Check by another ground station that it is a release you have flown.",
            )
        ]
    if version.kind != "official":
        return [
            found(
                "warn",
                "autopilot",
                f"{autopilot.name} {version} is no release.",
                "Fly a release, unless you test this version on purpose.",
            )
        ]
    return [found("pass", "autopilot", f"{autopilot.name} {version}.")]


def _position(seen: Seen) -> Sequence[Finding]:
    if seen.fix is None:
        return [found("fail", "position", "The vehicle tells nothing of its GPS.", "Wait, then check again.")]
    if seen.fix < _FIX_3D or seen.at is None or (seen.at.lat_deg == 0 and seen.at.lon_deg == 0):
        return [
            found(
                "fail",
                "position",
                f"No position in three dimensions yet (GPS fix type {seen.fix}).",
                "Wait under open sky, then check again.",
            )
        ]
    count = "an unknown number of" if seen.satellites is None else seen.satellites
    told = f"GPS fix type {seen.fix}, {count} satellites."
    if seen.satellites is not None and seen.satellites < _FEW_SATELLITES:
        return [found("warn", "position", told, "Wait for more satellites.")]
    return [found("pass", "position", told)]


def _battery(seen: Seen, plan: Plan, sortie: Sortie) -> Sequence[Finding]:
    needed = sortie.battery_share + plan.parameters.reserve
    if seen.battery_share is None:
        return [
            found(
                "warn",
                "battery",
                f"The vehicle does not tell its charge; the sortie needs {needed:.0%} with the reserve.",
                "Calibrate the battery monitor, or be sure that the battery is full.",
            )
        ]
    told = f"The battery holds {seen.battery_share:.0%}; the sortie needs {needed:.0%} with the reserve."
    if seen.battery_share < needed:
        return [found("fail", "battery", told, "Put a full battery in.")]
    return [found("pass", "battery", told)]


def _home(seen: Seen, sortie: Sortie) -> Sequence[Finding]:
    here = seen.home or seen.at
    if here is None:
        return [found("fail", "home", "The vehicle has no home yet.", "Wait for its position.")]
    away = _distance_m(here, sortie.takeoff)
    told = f"Home is {away:.1f} m from the planned take-off point."
    if away > _HOME_FAIL_M:
        return [
            found(
                "fail",
                "home",
                told,
                f"Carry the aircraft to {sortie.takeoff.lat_deg:.6f}, {sortie.takeoff.lon_deg:.6f}, or plan "
                "the flight from here: its heights count from there.",
            )
        ]
    findings = [
        found("warn", "home", told, "Heights count from home: be sure that the ground is as high as planned.")
        if away > _HOME_WARN_M
        else found("pass", "home", told)
    ]
    if sortie.takeoff_amsl_m is not None and seen.home_amsl_m is not None:
        off = seen.home_amsl_m - sortie.takeoff_amsl_m
        if abs(off) > _HOME_HEIGHT_M:
            findings.append(
                found(
                    "warn",
                    "home-height",
                    f"Home is {off:+.0f} m from the terrain model's height of the take-off point.",
                    "Check the take-off point and the height datum of the terrain model.",
                )
            )
    return findings


def _readiness(seen: Seen) -> Sequence[Finding]:
    if seen.armed:
        return [
            found(
                "fail",
                "armed",
                "The motors are armed already.",
                "Land and disarm, then start from the ground.",
            )
        ]
    if seen.prearm_ok is False:
        last = next((text for text in reversed(seen.texts) if "arm" in text.lower()), "")
        return [
            found(
                "fail",
                "prearm",
                "The vehicle's own checks before arming do not pass" + (f": {last}" if last else "."),
                "Mend what it names, or wait until it is ready.",
            )
        ]
    if seen.prearm_ok is None:
        return [
            found("warn", "prearm", "The vehicle does not tell whether it may be armed.", "Arming will tell.")
        ]
    return [found("pass", "prearm", "The vehicle's own checks before arming pass.")]


def _distance_m(a: LonLat, b: LonLat) -> float:
    try:
        x, y = geo.transform(geo.WGS84, geo.local_frame(b), np.array([a.lon_deg]), np.array([a.lat_deg]))
    except CrsError:
        return _QUARTER_M
    return float(np.hypot(x[0], y[0]))
