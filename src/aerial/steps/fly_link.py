"""From an address to a vehicle that answers; ``sim:`` starts one."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aerial.autopilots.base import Autopilot
from aerial.errors import FlightError, LinkError
from aerial.flight.abort import Abort
from aerial.flight.exchange import Outgoing, Peer
from aerial.flight.links import Link, open_link
from aerial.flight.log import Event, Tell
from aerial.flight.mavlink import Codec, Signer
from aerial.flight.session import Session
from aerial.flight.signing import KeySigner, read_key
from aerial.flight.station import STATION, Station
from aerial.flight.watch import Watch
from aerial.geo import LonLat
from aerial.plugins import load, names

SIMULATED = "sim:"
# Asked once a second how late it is, it has answered by then.
_ANSWERS_S = 6.0
_NUMBER = re.compile(r"\d{1,9}(\.\d{1,9})?")
# Each with the least and the greatest of its values.
_OPTIONS = {
    "speedup": ((0.1, 1000.0),),
    "wind": ((0.0, 40.0), (0.0, 360.0)),
    "battery_s": ((60.0, 100_000.0),),
    "loss": ((0.0, 1.0),),
    "delay_s": ((0.0, 60.0),),
    "jitter_s": ((0.0, 60.0),),
    "duplicate": ((0.0, 1.0),),
    "reorder": ((0.0, 1.0),),
}


@dataclass(slots=True)
class Vehicle:
    """A vehicle that answers: its station, firmware and watch; ``address`` as it was given."""

    address: str
    station: Station
    autopilot: Autopilot
    peer: Peer
    own: Peer
    watch: Watch
    abort: Abort

    @property
    def simulated(self) -> bool:
        """Tell whether it is a simulated vehicle of ``sim:``."""
        return self.address.startswith(SIMULATED)


class Tells:
    """Passes events on to whoever listens by then: the log is opened after the vehicle is known."""

    def __init__(self) -> None:
        self.to: list[Tell] = []

    def __call__(self, event: Event) -> None:
        """Tell everyone."""
        for tell in self.to:
            tell(event)


@contextmanager
def vehicle_at(
    address: str,
    *,
    system: int | None = None,
    key_file: Path | None = None,
    home: LonLat | None = None,
    home_amsl_m: float | None = None,
    tells: Tells | None = None,
    timeout_s: float = 20.0,
    parameters: Sequence[tuple[str, float]] = (),
) -> Iterator[Vehicle]:
    """Open the link and yield the vehicle; aborts of any terminal reach it while it is open.

    ``home``, ``home_amsl_m``, ``parameters``: of a simulated vehicle.

    Raises:
        LinkError: the link cannot be opened, or no vehicle answers.
        FlightError: the firmware is not known.
    """
    key = read_key(key_file)
    memory = Path.home() / ".aerial" / "signing-time"
    signer = None if key is None else KeySigner(key, memory=memory)
    with (
        _link(address, home, home_amsl_m, parameters) as link,
        vehicle_on(link, address, system=system, signer=signer, tells=tells, timeout_s=timeout_s) as vehicle,
    ):
        yield vehicle


def require_answers(vehicle: Vehicle) -> None:
    """Refuse a vehicle that signs what it says and does not hear us, who have no key.

    Raises:
        LinkError: it does not.
    """
    station = vehicle.station
    until = station.link.now() + _ANSWERS_S
    while station.codec.counts.unchecked and station.latency_s is None:
        station.wait(0.1)
        if station.link.now() >= until:
            raise LinkError(
                "The vehicle signs its frames, and does not answer those that are not signed.",
                hint="Give its key with --key-file, or in AERIAL_MAVLINK_KEY.",
            )


@contextmanager
def vehicle_on(
    link: Link,
    address: str,
    *,
    system: int | None = None,
    signer: Signer | None = None,
    tells: Tells | None = None,
    timeout_s: float = 20.0,
) -> Iterator[Vehicle]:
    """Yield the vehicle that answers on an open link; see ``vehicle_at``."""
    tells = tells or Tells()
    station = Station(link, Codec(system=STATION.system, component=STATION.component, signer=signer))
    session = Session(address)
    try:
        peer = station.find_vehicle(timeout_s, system)
        autopilot = _autopilot(station)
        watch = Watch(peer, autopilot, tells)
        station.listeners.append(watch)
        # The heartbeat by which it was found.
        watch.hear(station.heartbeat, link.now())
        abort = Abort(peer, STATION)
        _let_abort(station, session, abort, watch, tells)
        yield Vehicle(
            address=address,
            station=station,
            autopilot=autopilot,
            peer=peer,
            own=STATION,
            watch=watch,
            abort=abort,
        )
    finally:
        session.close()


def _let_abort(station: Station, session: Session, abort: Abort, watch: Watch, tells: Tells) -> None:
    """Send a requested abort before all else, and say how it went."""
    station.listeners.append(abort)
    told = [False, False]

    def urgent(now_s: float) -> Outgoing:
        if not session.requested.is_set():
            return ()
        if not told[0]:
            told[0] = True
            watch.expected_modes |= {"rtl", "land"}
            tells({"event": "abort", "requested": True})
        said = abort.urgent(now_s)
        if abort.done and not told[1]:
            told[1] = True
            session.answer(done=abort.accepted, text=abort.text)
            tells({"event": "abort", "requested": True, "accepted": abort.accepted, "text": abort.text})
        return said

    station.urgent = urgent


def _autopilot(station: Station) -> Autopilot:
    number = station.heartbeat.autopilot if station.heartbeat is not None else None
    known = names("aerial.autopilots")
    for name in known:
        autopilot: Autopilot = load("aerial.autopilots", name)()
        if autopilot.autopilot == number:
            return autopilot
    raise FlightError(
        f"The autopilot (MAV_AUTOPILOT {number}) is none that is known.",
        hint=f"Known are: {', '.join(known)}.",
    )


@contextmanager
def _link(
    address: str, home: LonLat | None, home_amsl_m: float | None, parameters: Sequence[tuple[str, float]]
) -> Iterator[Link]:
    if not address.startswith(SIMULATED):
        link = open_link(address)
        try:
            yield link
        finally:
            link.close()
        return
    with _simulated(address, home, home_amsl_m, parameters) as port:
        link = open_link(port)
        try:
            yield link
        finally:
            link.close()


def _asked(address: str) -> list[str]:
    """Return the settings in the address of a simulated vehicle, as arguments of its process."""
    given = address.removeprefix(SIMULATED)
    found = []
    for part in given.removeprefix("?").split("&") if given else ():
        name, _, text = part.partition("=")
        values, ranges = text.split(","), _OPTIONS.get(name, ())
        if (
            not given.startswith("?")
            or len(values) != len(ranges)
            or not all(_NUMBER.fullmatch(value) for value in values)
            or not all(low <= float(value) <= high for value, (low, high) in zip(values, ranges, strict=True))
        ):
            raise LinkError(
                f"{part!r} is no setting of a simulated vehicle.",
                hint=f"Give sim:, or sim:?speedup=10&wind=5,270. There are: {', '.join(_OPTIONS)}.",
            )
        found += ["--" + name.replace("_", "-"), text]
    return found


@contextmanager
def _simulated(
    address: str, home: LonLat | None, home_amsl_m: float | None, parameters: Sequence[tuple[str, float]]
) -> Iterator[str]:
    """Start a simulated vehicle as a process of its own; yield its address."""
    command = [sys.executable, "-m", "aerial.simulate.vehicle", "--listen", "tcp:127.0.0.1:0"]
    if home is not None:
        command += ["--home", f"{home.lon_deg:.8f},{home.lat_deg:.8f},{home_amsl_m or 0.0:.2f}"]
    for name, value in parameters:
        command += ["--param", f"{name}={value:g}"]
    command += _asked(address)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own module
    try:
        line = process.stdout.readline() if process.stdout else ""
        try:
            port = str(json.loads(line)["address"])
        except (ValueError, KeyError) as exc:
            raise LinkError(
                "The simulated vehicle did not start.",
                hint="Run python -m aerial.simulate.vehicle to see why.",
            ) from exc
        yield port
    finally:
        process.terminate()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
