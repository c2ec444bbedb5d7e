"""Abort: through the process that holds the link, or over a link of its own."""

from pathlib import Path

from aerial.errors import FlightError
from aerial.flight.session import Answer, abort_sessions
from aerial.steps.fly_link import SIMULATED, vehicle_at

_WAIT_S = 60.0


def abort_flights(
    link: str | None, *, system: int | None = None, key_file: Path | None = None
) -> tuple[Answer, ...]:
    """Bring home every vehicle whose link a process of this user holds, or the one on ``link``.

    Raises:
        FlightError: no process holds a link, and none is given.
        LinkError: the link cannot be opened, or no vehicle answers.
    """
    answers = abort_sessions(link)
    if answers:
        return answers
    if link is None or link.startswith(SIMULATED):
        raise FlightError(
            "No aerial of yours holds a link to a vehicle.",
            hint="Give --link, or take the remote control.",
        )
    with vehicle_at(link, system=system, key_file=key_file) as vehicle:
        station, abort = vehicle.station, vehicle.abort
        station.urgent = abort.urgent
        until = station.link.now() + _WAIT_S
        while not abort.done and station.link.now() < until:
            station.pump(0.02)
        return (Answer(link=link, done=abort.accepted, text=abort.text),)
