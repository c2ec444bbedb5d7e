"""A whole flight with a simulated vehicle: uploaded, checked, started, watched, photographed."""

import math
import time
from collections.abc import Callable
from pathlib import Path

from aerial.errors import FlightError, InputError
from aerial.flight.log import FlightLog
from aerial.plan.profiles import read_aircraft, read_camera
from aerial.progress import Progress
from aerial.records import Aircraft, Finding, Plan, ShotRecord, Sortie, Wind
from aerial.records.record import record
from aerial.simulate.vehicle.machine import Machine
from aerial.simulate.vehicle.setup import Setup
from aerial.simulate.vehicle.virtual import VirtualLink
from aerial.steps import fly
from aerial.steps.fly_link import Tells, vehicle_on
from aerial.steps.fly_watch import Ended, Status, start, watch

REHEARSED = "rehearsed"
# The battery failsafe acts when the reserve is reached; capacity as stock.
_CAPACITY_MAH = 3300.0
_HURRICANE_M_S = 40.0


@record
class Rehearsal:
    """One sortie as it was flown; ``shots`` are the truth of the simulated camera."""

    sortie: int
    findings: tuple[Finding, ...]
    ended: Ended
    shots: tuple[ShotRecord, ...]
    flown_s: float
    battery_used: float


def settings_for(plan: Plan, sortie: Sortie, aircraft: Aircraft) -> tuple[tuple[str, float], ...]:
    """Return the parameters of ArduCopter that the checks ask for, as they are to be set for this sortie."""
    return (
        ("BATT_CAPACITY", _CAPACITY_MAH),
        ("BATT_FS_LOW_ACT", 2.0),
        ("BATT_LOW_MAH", math.ceil(plan.parameters.reserve / 2 * _CAPACITY_MAH)),
        ("FENCE_ENABLE", 1.0),
        ("FENCE_TYPE", 4.0),
        ("FS_GCS_ENABLE", 1.0),
        ("FS_OPTIONS", 2.0),
        ("RTL_ALT_M", math.ceil(sortie.return_height_m)),
        ("RTL_CONE_SLOPE", 0.0),
        ("WP_ACC", aircraft.acceleration_m_s2),
        ("WP_SPD", max(sortie.transit_speed_m_s, sortie.speed_m_s)),
        ("WP_SPD_DN", aircraft.descent_m_s),
        ("WP_SPD_UP", aircraft.climb_m_s),
    )


def rehearse(
    plan: Plan,
    sortie: Sortie,
    folder: Path,
    *,
    speedup: float | None,
    wind: Wind | None,
    progress: Progress,
    report: Callable[[Status], None],
    say: Callable[[str], None],
) -> Rehearsal:
    """Fly one sortie of a plan with a simulated ArduCopter at its take-off point.

    ``speedup``: simulated seconds a second, None: as fast as it can. ``wind`` None: the plan's. The log
    and the vehicle's own .BIN lie in ``folder``/rehearsed.

    Raises:
        FlightError: a check fails, or the upload cannot be proved.
        InputError: nothing flies in such a wind.
    """
    aircraft = read_aircraft(plan.aircraft)
    blowing = wind or plan.parameters.wind or Wind(speed_m_s=0.0, from_deg=0.0)
    if blowing.speed_m_s > _HURRICANE_M_S:
        raise InputError(
            f"In a wind of {blowing.speed_m_s:g} m/s nothing flies.", hint="Give less with --wind."
        )
    machine = Machine(
        Setup(
            home=sortie.takeoff,
            home_amsl_m=sortie.takeoff_amsl_m or 0.0,
            wind_speed_m_s=blowing.speed_m_s,
            wind_from_deg=blowing.from_deg,
            battery_s=aircraft.hover_s,
            parameters=settings_for(plan, sortie, aircraft),
        )
    )
    link = VirtualLink(machine)
    tells = Tells()
    place = folder / REHEARSED
    path = place / f"s{sortie.number}.jsonl"
    path.unlink(missing_ok=True)
    with vehicle_on(link, "rehearsal", tells=tells, timeout_s=60.0) as vehicle:
        # Until it knows its position; nobody wants to watch that.
        vehicle.station.wait(30.0)
        proofs = fly.upload(vehicle, plan, sortie, place, progress)
        if not all(proof.proved for proof in proofs):
            raise FlightError(fly.said(proofs[-1]), hint="Plan the flight again.")
        findings = fly.check(vehicle, plan, sortie, progress, rehearsal=True)
        failed = [finding for finding in findings if finding.level == "fail"]
        if failed:
            raise FlightError(failed[0].message, hint=failed[0].hint or "Mend what the check names.")
        link.every_step = _paced(speedup)
        with FlightLog(path) as log:
            tells.to.append(log)
            start(vehicle, log, say)
            began = link.now()
            ended = watch(vehicle, plan, sortie, log, report=report, say=say, report_every_s=15.0)
    machine.flying.write_log(place / f"s{sortie.number}.BIN")
    return Rehearsal(
        sortie=sortie.number,
        findings=findings,
        ended=ended,
        shots=tuple(machine.state.shots),
        flown_s=link.now() - began,
        battery_used=1 - machine.state.battery_share,
    )


def photographs(plan: Plan, rehearsal: Rehearsal, out: Path, progress: Progress) -> list[Path]:
    """Render the photographs of a rehearsed sortie from a simulated town; return the files."""
    from aerial.simulate.rehearsal import photograph_shots

    return photograph_shots(rehearsal.shots, read_camera(plan.camera), out, progress)


def _paced(speedup: float | None) -> Callable[[float], None]:
    """Return what keeps simulated time from running ahead of the clock."""
    if speedup is None:
        return lambda _now_s: None
    began: list[float] = []

    def pace(now_s: float) -> None:
        if not began:
            began.extend((now_s, time.monotonic()))
        ahead = (now_s - began[0]) / speedup - (time.monotonic() - began[1])
        if ahead > 0:
            time.sleep(ahead)

    return pace
