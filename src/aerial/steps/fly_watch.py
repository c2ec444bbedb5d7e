"""A flight followed to its end: started, watched, logged, counted."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from aerial.autopilots.triggers import of_sortie
from aerial.errors import FlightError, PlanError
from aerial.flight.command import Command, result_said
from aerial.flight.images import MissingImages
from aerial.flight.log import FlightLog, read_log
from aerial.flight.mavlink import dialect
from aerial.flight.track import Progress, Track
from aerial.flight.untold import not_taken, untold_of
from aerial.plan.refly import missing_points
from aerial.records import Plan, Sortie, TriggerPoint
from aerial.records.record import record
from aerial.steps.fly import request_streams
from aerial.steps.fly_link import Vehicle

# An aircraft that is further from its line than this does not fly the plan.
ASIDE_M, ABOVE_M = 5.0, 5.0
_ARMING_S, _ARM_EVERY_S = 40.0, 2.0
_LOOK_EVERY_S, _AFTER_S = 0.2, 2.0
_SILENT_S = 10.0
# Two photographs that did not come, and a while for those that are told late.
_LATE_PHOTOS, _LATE_S = 2.5, 3.0
_AIRBORNE_M = 2.0
# Started, and on the ground with its motors off for so long: it does not take off any more.
_STAYS_S = 15.0
# No flight is longer: a log that nobody has written to for so long is of another one.
_TAKEN_UP_S = 3600.0
LOGS = "flights"
_WARNINGS = {
    "control": "Mode {mode} was not asked for: the pilot, or a failsafe, has control. Nothing is sent from "
    "here but an abort that you ask for.",
    "link": "The link is lost; the vehicle flies on as its failsafes say.",
    "fence": "The vehicle has left its fence.",
    "aside": f"The vehicle is more than {ASIDE_M:g} m beside its line.",
    "above": f"The vehicle is more than {ABOVE_M:g} m off its height.",
    "photos": "Photographs are missing: the camera was due to fire and nothing was told.",
    "log": "The flight log cannot be written: the disk is full, or gone. Photographs are counted on.",
    "battery": "The battery will not last for the rest with half of the reserve left: aerial fly abort "
    "brings it home.",
}


@record
class Status:
    """One moment of a flight; None: not heard. ``photos`` told of, ``due`` by now."""

    mode: str | None
    armed: bool | None
    link_lost: bool
    latency_ms: float | None
    lost_share: float
    battery_share: float | None
    height_above_home_m: float | None
    ground_speed_m_s: float | None
    item: int | None
    photos: int
    progress: Progress | None


@record
class Ended:
    """How a flight ended. ``complete``: the mission ran to its end.

    ``photos`` taken by the camera's count, ``untold`` of them were not heard of: the link lost them.
    ``missing``: not taken, as far as is known.
    """

    complete: bool
    pilot_had_control: bool
    photos: int
    untold: int
    due: int
    missing: tuple[TriggerPoint, ...]
    log: Path


Report = Callable[[Status], None]
Say = Callable[[str], None]


def log_of(folder: Path, sortie: Sortie) -> Path:
    """Return the log of the sortie's flight that has not ended yet, or the path of a new one."""
    found = sorted((folder / LOGS).glob(f"*-s{sortie.number}.jsonl"))
    if (
        found
        and time.time() - found[-1].stat().st_mtime < _TAKEN_UP_S
        and not any(event["event"] == "end" for event in read_log(found[-1]))
    ):
        return found[-1]
    return new_log(folder, sortie)


def new_log(folder: Path, sortie: Sortie) -> Path:
    """Return the path of a log for a flight that begins now."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return folder / LOGS / f"{stamp}-s{sortie.number}.jsonl"


def last_log(folder: Path, sortie: Sortie) -> Path | None:
    """Return the newest log of a sortie that tells of a photograph, else the newest."""
    found = sorted((folder / LOGS).glob(f"*-s{sortie.number}.jsonl"), reverse=True)
    # A start that was refused leaves a log, too.
    flown = (path for path in found if any(event["event"] == "shot" for event in read_log(path)))
    return next(flown, found[0] if found else None)


def start(vehicle: Vehicle, log: FlightLog, say: Say) -> None:
    """Put the vehicle into its mission mode, arm it and begin the mission.

    Raises:
        FlightError: it refuses; the motors are off again, as far as it answers.
    """
    station, watch = vehicle.station, vehicle.watch
    mode = vehicle.autopilot.mission_mode
    watch.expected_modes.add(mode)
    _require(vehicle, log, f"mode {mode}", dialect.MAV_CMD_DO_SET_MODE, *vehicle.autopilot.set_mode(mode))
    _arm(vehicle, log, say)
    begun = Command(vehicle.peer, vehicle.own, dialect.MAV_CMD_MISSION_START)
    station.run(begun)
    log({"event": "command", "command": "mission start", "result": result_said(begun.result)})
    if not begun.accepted:
        off = Command(vehicle.peer, vehicle.own, dialect.MAV_CMD_COMPONENT_ARM_DISARM, 0.0)
        station.run(off)
        log({"event": "command", "command": "disarm", "result": result_said(off.result)})
        raise FlightError(
            f"The mission did not begin: {result_said(begun.result)}; "
            f"disarming was {result_said(off.result)}.",
            hint="Stay clear of the propellers until the motors are off; then check again.",
        )


def _arm(vehicle: Vehicle, log: FlightLog, say: Say) -> None:
    """Ask to arm until it is accepted: a vehicle says that it is ready a little before it is."""
    station, watch = vehicle.station, vehicle.watch
    until = station.link.now() + _ARMING_S
    told = ""
    while True:
        before = len(watch.seen.texts)
        arm = Command(vehicle.peer, vehicle.own, dialect.MAV_CMD_COMPONENT_ARM_DISARM, 1.0)
        station.run(arm)
        log({"event": "command", "command": "arm", "result": result_said(arm.result)})
        if arm.accepted:
            return
        why = "; ".join(dict.fromkeys(watch.seen.texts[before:])) or told
        if station.link.now() >= until or watch.pilot_has_control:
            raise FlightError(
                f"The vehicle does not arm: {why or result_said(arm.result)}.",
                hint="Mend what it names, then start again.",
            )
        if why != told:
            say(f"Not ready to arm yet: {why}")
        told = why
        station.wait(_ARM_EVERY_S)


def _require(vehicle: Vehicle, log: FlightLog, name: str, command: int, *params: float) -> None:
    asked = Command(vehicle.peer, vehicle.own, command, *params)
    vehicle.station.run(asked)
    log({"event": "command", "command": name, "result": result_said(asked.result)})
    if not asked.accepted:
        why = "; ".join(vehicle.watch.seen.texts[-2:])
        raise FlightError(
            f"The vehicle refuses {name}: {result_said(asked.result)}" + (f" ({why})." if why else "."),
            hint="Run aerial fly check, and mend what it names.",
        )


def _ask_again(vehicle: Vehicle, flight: "_Flight", now_s: float) -> None:
    """Ask for the streams again where positions have ceased: after a restart, or a request that was lost."""
    watch = vehicle.watch
    silent = not watch.lost and now_s - max(watch.position_heard_s, flight.asked_s) > _SILENT_S
    if silent and not watch.pilot_has_control:
        flight.asked_s = now_s
        request_streams(vehicle)


@dataclass(slots=True)
class _Flight:
    """What has been noticed of one flight so far."""

    airborne: bool = False
    told: set[str] = field(default_factory=set)
    late_since_s: float | None = None
    asked_s: float = float("-inf")


def watch(
    vehicle: Vehicle,
    plan: Plan,
    sortie: Sortie,
    log: FlightLog,
    *,
    report: Report,
    say: Say,
    report_every_s: float = 5.0,
) -> Ended:
    """Follow the vehicle until it has landed and its motors are off; tell, log and count.

    Takes up a flight that another process began to follow. Once the pilot has control, it only listens.

    Raises:
        FlightError: it was started from here, and switched its motors off without having flown.
    """
    station, seen = vehicle.station, vehicle.watch.seen
    track, flight = Track(sortie, vehicle.autopilot), _Flight()
    _recall(vehicle, log.path, flight)
    images = MissingImages(vehicle.watch, vehicle.peer)
    station.listeners.append(images)
    if seen.armed and seen.mode not in (None, vehicle.autopilot.mission_mode):
        vehicle.watch.pilot_has_control = True
    else:
        request_streams(vehicle)
    flight.asked_s = station.link.now()
    began_s, first_beat = station.link.now(), station.heartbeat
    reported_s = float("-inf")
    while True:
        station.wait(_LOOK_EVERY_S)
        now = station.link.now()
        _ask_again(vehicle, flight, now)
        status = status_of(vehicle, track)
        flight.airborne |= (seen.above_home_m or 0.0) > _AIRBORNE_M and bool(seen.armed)
        for warning in _warnings(vehicle, plan, status, flight, now, log_broken=log.broken):
            log({"event": "warning", "text": warning})
            say(warning)
        if now - reported_s >= report_every_s:
            reported_s = now
            report(status)
        if flight.airborne and seen.armed is False:
            break
        started = vehicle.autopilot.mission_mode in vehicle.watch.expected_modes
        heard = station.heartbeat is not first_beat and not status.link_lost
        if started and heard and seen.armed is False and now - began_s > _STAYS_S:
            raise FlightError(
                "The vehicle did not take off, and its motors are off"
                + (f": {seen.texts[-1]}." if seen.texts else "."),
                hint="Mend what it names, run aerial fly check, then start again.",
            )
    # The end of the mission may be told a little after the motors are off.
    station.wait(_AFTER_S)
    station.listeners.remove(images)
    report(status_of(vehicle, track))
    return _end(vehicle, plan, sortie, log, images, track.items)


def status_of(vehicle: Vehicle, track: Track) -> Status:
    """Return what is known now."""
    seen, counts = vehicle.watch.seen, vehicle.station.codec.counts
    progress = None
    if seen.at is not None and seen.current is not None and seen.above_home_m is not None:
        last = next(reversed(seen.shots.values())).at if seen.shots else None
        # A mission that has run to its end counts from 0 again.
        item = track.items - 1 if seen.complete else seen.current
        progress = track.at(item, seen.at, seen.above_home_m, last)
    latency = vehicle.station.latency_s
    return Status(
        mode=seen.mode,
        armed=seen.armed,
        link_lost=vehicle.watch.lost,
        latency_ms=None if latency is None else 1000 * latency,
        lost_share=counts.lost_share,
        battery_share=seen.battery_share,
        height_above_home_m=seen.above_home_m,
        ground_speed_m_s=seen.ground_speed_m_s,
        item=seen.current,
        photos=len(seen.shots) + untold_of(seen.shots),
        progress=progress,
    )


def _recall(vehicle: Vehicle, path: Path, flight: _Flight) -> None:
    """Take up what an earlier process has logged of this flight."""
    for event in read_log(path):
        if event["event"] == "shot":
            vehicle.watch.recall(event)
        elif event["event"] == "pilot":
            vehicle.watch.pilot_has_control = True
        elif event["event"] == "airborne":
            flight.airborne = True


def _warnings(
    vehicle: Vehicle, plan: Plan, status: Status, flight: _Flight, now_s: float, *, log_broken: bool
) -> Iterator[str]:
    """Yield what has gone wrong and was not said yet; what is well again may be said again."""
    progress, seen = status.progress, vehicle.watch.seen
    on_line = progress is not None and progress.line is not None and not status.link_lost
    aside = progress is not None and on_line and abs(progress.aside_m or 0.0) > ASIDE_M
    above = progress is not None and on_line and abs(progress.above_m or 0.0) > ABOVE_M
    late = progress is not None and on_line and 0 < _LATE_PHOTOS * progress.every_m < progress.blind_m
    if not late:
        flight.late_since_s = None
    elif flight.late_since_s is None:
        flight.late_since_s = now_s
    low = (
        progress is not None
        and status.battery_share is not None
        and flight.airborne
        and status.battery_share - progress.left_battery < plan.parameters.reserve / 2
    )
    waited_s = now_s - (flight.late_since_s if flight.late_since_s is not None else now_s)
    noticed = {
        "control": vehicle.watch.pilot_has_control,
        "link": status.link_lost,
        "fence": seen.breached,
        "aside": aside,
        "above": above,
        "photos": late and waited_s > _LATE_S,
        "battery": low,
        "log": log_broken,
    }
    for name, wrong in noticed.items():
        if not wrong:
            flight.told.discard(name)
        elif name not in flight.told:
            flight.told.add(name)
            yield _WARNINGS[name].format(mode=seen.mode)


def _end(
    vehicle: Vehicle, plan: Plan, sortie: Sortie, log: FlightLog, images: MissingImages, items: int
) -> Ended:
    shots = vehicle.watch.seen.shots
    untold = untold_of(shots)
    try:
        found = missing_points(plan, [shot.at for shot in shots.values()], sorties=[sortie.number])
        missing = not_taken(sortie, shots, found)
    except PlanError:
        missing = tuple(of_sortie(sortie))
    seen = vehicle.watch.seen
    # Older firmware does not tell the state of its mission: then its last item, reached in its own mode.
    at_the_end = seen.furthest >= items - 1 and not vehicle.watch.pilot_has_control
    complete = seen.complete or (at_the_end and seen.mode == vehicle.autopilot.mission_mode)
    log(
        {
            "event": "end",
            "complete": complete,
            "photos": len(shots) + untold,
            "untold": untold,
            "planned": sortie.photos,
            "missing": [trigger.photo for trigger in missing],
            "images_not_told": list(images.missing),
        }
    )
    return Ended(
        complete=complete,
        pilot_had_control=vehicle.watch.pilot_has_control,
        photos=len(shots) + untold,
        untold=untold,
        due=sortie.photos,
        missing=missing,
        log=log.path,
    )
