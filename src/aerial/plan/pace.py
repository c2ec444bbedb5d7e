"""Spacing, trigger distance and speed: what camera, aircraft and the wished overlaps allow."""

from aerial.errors import PlanError
from aerial.plan.overlap import flat_spacing_m
from aerial.records import Aircraft, CameraProfile, Parameters
from aerial.records.record import record

# Trigger distances are written to the centimetre, rounded down.
_CM = 100
_SLOWEST_M_S = 1.0
# Beside its line a multirotor is kept by wind: each of two neighbours takes this from their side overlap.
# 0.25 m in 5 m/s with the simulated vehicle (benchmarks.sortie).
_BESIDE_M = 0.25
# True height without an approval, 国令761 article 19.
CEILING_M = 120.0


@record
class Pace:
    """Speeds over ground in m/s and distances in metres that camera and aircraft allow."""

    spacing_m: float
    trigger_m: float
    drift_m: float
    speed_m_s: float
    transit_m_s: float


def height_of_gsd(camera: CameraProfile, gsd_m: float) -> float:
    """Return the height over level ground at which a pixel shows ``gsd_m`` of it, looking down."""
    return gsd_m * camera.width_px * camera.focal_mm / camera.sensor_width_mm


def require_height(asked: Parameters) -> None:
    """Refuse a height over ground above 120 m without an approval, with ``PlanError``."""
    if asked.height_agl_m > CEILING_M and not asked.approval:
        raise PlanError(
            f"{asked.height_agl_m:.1f} m over ground is more than {CEILING_M:.0f} m of true height.",
            hint="Fly lower, or record the number of the approval with --approval.",
        )


def pace(aircraft: Aircraft, camera: CameraProfile, asked: Parameters) -> Pace:
    """Return spacing, trigger distance and speed that give the overlaps on level ground.

    The autopilot measures from the last photograph and notices late by up to one renewal of its
    position; the trigger distance is shorter by that. Neither depends on the wind, so that repeats
    take the same pictures. In wind the speed over ground is what the airspeed limit leaves.

    Raises:
        PlanError: the camera is too slow for the height, or the wind stronger than the aircraft.
    """
    spacing, distance = flat_spacing_m(
        camera, asked.height_agl_m, asked.overlap_front, asked.overlap_side, asked.pitch_deg
    )
    spacing -= 2 * _BESIDE_M
    period = aircraft.position_period_s
    speed = min(aircraft.cruise_m_s, distance / (camera.min_trigger_interval_s + period) * 0.98)
    if speed < _SLOWEST_M_S:
        raise PlanError(
            f"The camera takes {camera.min_trigger_interval_s:g} s from one photograph to the next: "
            f"photographs every {distance:.1f} m would be flown at {speed:.1f} m/s.",
            hint="Fly higher or ask for less front overlap.",
        )
    trigger = int((distance - speed * period) * _CM) / _CM
    if trigger <= 0.1 or spacing <= 0.5:
        raise PlanError(
            f"Lines {spacing:.2f} m apart with photographs every {trigger:.2f} m cannot be flown.",
            hint="Fly higher or ask for less overlap.",
        )
    blowing = asked.wind.speed_m_s if asked.wind else 0.0
    against = aircraft.max_speed_m_s - blowing
    if against < _SLOWEST_M_S:
        raise PlanError(
            f"Wind of {blowing:g} m/s is too strong for the {aircraft.model}, which flies "
            f"{aircraft.max_speed_m_s:g} m/s.",
            hint="Wait for less wind.",
        )
    return Pace(
        spacing_m=spacing,
        trigger_m=trigger,
        drift_m=speed * period,
        speed_m_s=min(speed, against),
        transit_m_s=min(aircraft.cruise_m_s, against),
    )
