"""A sortie against a vehicle on the ground: checked, uploaded with proof, compared."""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import TypeVar

from aerial.errors import FlightError, InputError
from aerial.flight.command import Command
from aerial.flight.exchange import Exchange, Script
from aerial.flight.mavlink import dialect
from aerial.flight.mission.compare import differences
from aerial.flight.mission.download import Download
from aerial.flight.mission.kept import Kept
from aerial.flight.mission.prove import Proof, prove, read, send
from aerial.flight.mission.upload import Upload
from aerial.flight.mission.wire import NAMED, MissionType
from aerial.flight.params import ReadParameters
from aerial.flight.preflight import AskVersion, check_held, check_vehicle
from aerial.flight.watch import STREAMS_US
from aerial.plan.profiles import read_aircraft
from aerial.plan.read import read_plan
from aerial.progress import Progress
from aerial.records import Finding, MissionItem, Plan, Sortie
from aerial.records.record import record
from aerial.steps.fly_link import Vehicle

T = TypeVar("T")

KINDS: tuple[MissionType, ...] = ("mission", "fence", "rally")
_LISTEN_S = 3.0
# A simulated vehicle knows its place 18 s after it was started, by its own clock.
_READY_S = 40.0


@record
class Compared:
    """One kind of items, as the vehicle holds it; ``differences`` None: it could not be read."""

    kind: MissionType
    items: int | None
    differences: tuple[str, ...] | None

    @property
    def equal(self) -> bool:
        """Tell whether it is what the plan says."""
        return self.differences == ()


def read_sortie(given: Path, number: int | None) -> tuple[Plan, Sortie, Path]:
    """Return the plan in ``given`` (its folder, or the JSON), the sortie, and the plan's folder.

    Raises:
        InputError: no such plan or sortie, or several sorties and none was named.
    """
    path = given / "plan.json" if given.is_dir() else given
    plan = read_plan(path)
    numbers = [sortie.number for sortie in plan.sorties]
    if number is None and len(numbers) > 1:
        raise InputError(
            f"The plan has {len(numbers)} sorties.",
            hint=f"Name one with --sortie: {numbers[0]} to {numbers[-1]}.",
        )
    chosen = next((s for s in plan.sorties if number is None or s.number == number), None)
    if chosen is None:
        raise InputError(f"The plan has no sortie {number}.", hint=f"It has: {', '.join(map(str, numbers))}.")
    return plan, chosen, path.parent


def items_of(vehicle: Vehicle, plan: Plan, sortie: Sortie) -> dict[MissionType, tuple[MissionItem, ...]]:
    """Return what the vehicle is to hold for a sortie."""
    return {
        "mission": vehicle.autopilot.encode(sortie),
        "fence": vehicle.autopilot.fence(plan, sortie),
        "rally": vehicle.autopilot.rally(plan, sortie),
    }


def compare(vehicle: Vehicle, plan: Plan, sortie: Sortie, progress: Progress) -> tuple[Compared, ...]:
    """Read everything back and return how it differs from the plan."""
    found = []
    for kind, items in items_of(vehicle, plan, sortie).items():
        held = _read(vehicle, kind, progress)
        found.append(
            Compared(
                kind=kind,
                items=None if held is None else len(held),
                differences=None if held is None else differences(vehicle.autopilot, items, held, kind),
            )
        )
    return tuple(found)


def upload(
    vehicle: Vehicle, plan: Plan, sortie: Sortie, folder: Path, progress: Progress
) -> tuple[Proof, ...]:
    """Upload mission, fence and rally points, each with its proof; stop at the first that fails.

    What the vehicle held before is kept in ``folder``/before-upload.json, for ``restore``.

    Raises:
        FlightError: the vehicle is armed.
    """
    vehicle.station.wait(_LISTEN_S)
    if vehicle.watch.seen.armed:
        raise FlightError(
            "The motors are armed: a new mission would change the flight.", hint="Land and disarm first."
        )
    kept = Kept(folder / "before-upload.json", vehicle.autopilot.name)
    proofs: list[Proof] = []
    for kind, items in items_of(vehicle, plan, sortie).items():
        before = _read(vehicle, kind, progress)
        # On disk before the vehicle loses it.
        kept.keep(kind, before)
        steps = send(items, kind, vehicle.autopilot, vehicle.peer, vehicle.own, before, _bars(progress))
        proofs.append(_run(vehicle, steps))
        if not proofs[-1].proved:
            break
        kept.proved(kind)
    return tuple(proofs)


def ready(vehicle: Vehicle, plan: Plan, sortie: Sortie, folder: Path, progress: Progress) -> None:
    """Let a simulated vehicle, which begins empty, know its place and hold the sortie.

    Raises:
        FlightError: the upload could not be proved.
    """
    request_streams(vehicle)
    until = vehicle.station.link.now() + _READY_S
    while not vehicle.watch.seen.prearm_ok and vehicle.station.link.now() < until:
        vehicle.station.wait(0.1)
    proofs = upload(vehicle, plan, sortie, folder, progress)
    if not proofs[-1].proved:
        raise FlightError(said(proofs[-1]), hint="Give a simulated vehicle with less loss, or less speedup.")


def clear(vehicle: Vehicle, kind: MissionType, progress: Progress) -> Proof:
    """Clear one kind; proved by reading it back."""
    return _run(vehicle, prove((), kind, vehicle.autopilot, vehicle.peer, vehicle.own, _bars(progress)))


def restore(vehicle: Vehicle, folder: Path, progress: Progress) -> tuple[Proof, ...]:
    """Send back what the vehicle held before the last upload, with proof.

    Raises:
        InputError: nothing was kept.
    """
    path = folder / "before-upload.json"
    if not path.is_file():
        raise InputError(f"{path} does not exist.", hint="Only what an upload replaced can be restored.")
    kept = Kept(path, vehicle.autopilot.name)
    proofs = []
    for kind in KINDS:
        items = kept.items(kind)
        if items is None:
            continue
        steps = send(items, kind, vehicle.autopilot, vehicle.peer, vehicle.own, None, _bars(progress))
        proofs.append(_run(vehicle, steps))
    return tuple(proofs)


def said(proof: Proof) -> str:
    """Return what an upload came to, in one sentence."""
    name = NAMED[proof.kind]
    if proof.proved:
        count = len(proof.held or ())
        if not count:
            return f"The vehicle holds no {name}: read back."
        return f"The vehicle holds the {name}: {count} item{'s' if count > 1 else ''} read back and equal."
    now = {
        "old": f"it still holds the {name} from before",
        "nothing": f"it now holds no {name}",
        "mix": f"it now holds a mix of old and new {name}, which must not be flown",
        "unknown": f"what {name} it holds is not known",
    }[proof.holds]
    return f"The upload of the {name} failed: {proof.reason}; {now}."


def check(
    vehicle: Vehicle, plan: Plan, sortie: Sortie, progress: Progress, *, rehearsal: bool = False
) -> tuple[Finding, ...]:
    """Return every finding for and against flying ``sortie`` now.

    ``rehearsal``: the simulated vehicle flies what was planned for any aircraft.
    """
    request_streams(vehicle)
    version = AskVersion(vehicle.peer)
    vehicle.station.run(version)
    wanted = ReadParameters(vehicle.autopilot.parameters, vehicle.peer)
    progress.phase("Reading parameters", len(vehicle.autopilot.parameters))
    vehicle.station.run(wanted)
    progress.advance(len(vehicle.autopilot.parameters))
    vehicle.station.wait(_LISTEN_S)
    compared = compare(vehicle, plan, sortie, progress)
    return (
        *(() if rehearsal else _aircraft(vehicle, plan)),
        *check_vehicle(
            vehicle.watch.seen, vehicle.station.heartbeat, version.version, vehicle.autopilot, plan, sortie
        ),
        *(_held(one) for one in compared),
        *vehicle.autopilot.preflight(wanted.values, sortie),
        *_link(vehicle),
        *check_held(plan),
    )


def _aircraft(vehicle: Vehicle, plan: Plan) -> tuple[Finding, ...]:
    """Return a fail where the plan is for another firmware: its speeds and battery are others."""
    planned = read_aircraft(plan.aircraft)
    if planned.autopilot == vehicle.autopilot.name:
        return ()
    return (
        Finding(
            level="fail",
            code="aircraft",
            message=f"The plan is for the {planned.model} ({planned.autopilot}); this vehicle flies "
            f"{vehicle.autopilot.name}.",
            hint="Plan the flight for the aircraft that is to fly it.",
        ),
    )


def request_streams(vehicle: Vehicle) -> None:
    """Ask for the messages that a watch needs; the vehicle sends hardly anything unasked."""
    for number, every_us in STREAMS_US.items():
        vehicle.station.run(
            Command(
                vehicle.peer,
                vehicle.own,
                dialect.MAV_CMD_SET_MESSAGE_INTERVAL,
                float(number),
                float(every_us),
            )
        )


def _held(one: Compared) -> Finding:
    name = NAMED[one.kind]
    if one.equal:
        return Finding(level="pass", code=f"held-{one.kind}", message=f"The vehicle holds the plan's {name}.")
    if one.differences is None:
        return Finding(
            level="fail",
            code=f"held-{one.kind}",
            message=f"The vehicle's {name} cannot be read.",
            hint="Come closer, or turn the antenna; then check again.",
        )
    return Finding(
        level="fail",
        code=f"held-{one.kind}",
        message=f"The vehicle does not hold the plan's {name}: {one.differences[0]}.",
        hint="Run aerial fly upload.",
    )


def _link(vehicle: Vehicle) -> tuple[Finding, ...]:
    lost, latency = vehicle.station.codec.counts.lost_share, vehicle.station.latency_s
    told = f"{lost:.0%} of the frames are lost" + (
        f", an answer takes {latency * 1000:.0f} ms." if latency is not None else "."
    )
    found = [
        Finding(
            level="warn" if lost > 0.1 else "pass",
            code="link",
            message=told[0].upper() + told[1:],
            hint="Turn or raise the antenna, or come closer." if lost > 0.1 else "",
        )
    ]
    if vehicle.station.same_ids:
        found.append(
            Finding(
                level="fail",
                code="stations",
                message="Another ground station uses our own MAVLink numbers.",
                hint="Close the other aerial, or give the other station another number.",
            )
        )
    return tuple(found)


def _read(vehicle: Vehicle, kind: MissionType, progress: Progress) -> tuple[MissionItem, ...] | None:
    """Return what the vehicle holds of one kind; None: it could not be read."""
    return _run(vehicle, read(kind, vehicle.autopilot, vehicle.peer, vehicle.own, _bars(progress)))


def _run(vehicle: Vehicle, steps: Generator[Exchange, None, T]) -> T:
    """Run exchanges one after the other and return what they came to."""
    script = Script(steps)
    vehicle.station.run(script)
    return script.result


def _bars(progress: Progress) -> Callable[[str, Exchange], None]:
    """Return a watcher of exchanges that draws their progress."""

    def begin(text: str, exchange: Exchange) -> None:
        if isinstance(exchange, Upload | Download):
            exchange.on_progress = _Bar(progress, text)
        else:
            progress.phase(text, 1)

    return begin


class _Bar:
    """Turns (done, total) into a phase and its advances."""

    def __init__(self, progress: Progress, text: str) -> None:
        self._progress, self._text = progress, text
        self._total = self._done = 0

    def __call__(self, done: int, total: int) -> None:
        """Note how far it is."""
        if total != self._total:
            self._total, self._done = total, 0
            self._progress.phase(self._text, total)
        if done > self._done:
            self._progress.advance(done - self._done)
            self._done = done
