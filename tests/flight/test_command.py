"""Commands: repeated until they are answered, by the vehicle, to us."""

from itertools import pairwise
from typing import Any

import pytest
from tests.flight.conftest import link_of, run, vehicle

from aerial.flight.abort import Abort
from aerial.flight.command import Command, result_said
from aerial.flight.exchange import Outgoing, Peer
from aerial.flight.mavlink import Codec, Message, dialect
from aerial.records import Sortie
from aerial.simulate.vehicle.setup import Impairment

VEHICLE, OWN = Peer(system=1, component=1), Peer(system=255, component=25)
ARM, RTL, LAND = (
    dialect.MAV_CMD_COMPONENT_ARM_DISARM,
    dialect.MAV_CMD_NAV_RETURN_TO_LAUNCH,
    dialect.MAV_CMD_NAV_LAND,
)
ACCEPTED, BUSY, DENIED, UNSUPPORTED, FAILED, WORKING = range(6)


def ack(
    result: int, command: int = ARM, sender: tuple[int, int] = (1, 1), to: tuple[int, int] = (255, 25)
) -> Message:
    """Return an answer as it is heard."""
    message = dialect.MAVLink_command_ack_message(command, result, 0, 0, *to)
    return heard(message, *sender)


def heard(message: Message, system: int = 1, component: int = 1) -> Message:
    """Return a message as it is heard of a sender."""
    (found,) = Codec(system=255, component=25).feed(Codec(system=system, component=component).pack(message))
    return found


def ticks(exchange: Any, from_s: float, to_s: float) -> list[tuple[float, Message]]:
    """Let time pass in steps of 50 ms; return what is said, and when."""
    said = []
    for step in range(round(from_s / 0.05), round(to_s / 0.05)):
        said += [(step * 0.05, message) for message in exchange.tick(step * 0.05)]
    return said


def test_repeats() -> None:
    """Unanswered it is sent every second with a rising confirmation, and given up after eight times."""
    command = Command(VEHICLE, OWN, ARM, 1.0)
    (first,) = command.start(0.0)
    said = [(0.0, first), *ticks(command, 0.05, 30.0)]
    assert [message.confirmation for _, message in said] == list(range(8))
    assert all(0.95 <= b - a <= 1.1 for (a, _), (b, _) in pairwise(said))
    assert all((message.command, message.param1, message.param7) == (ARM, 1.0, 0.0) for _, message in said)
    assert all((message.target_system, message.target_component) == (1, 1) for _, message in said)
    assert command.done
    assert command.result is None
    assert not command.accepted


@pytest.mark.parametrize("result", [ACCEPTED, DENIED, UNSUPPORTED, FAILED, 6, 200])
def test_answer(result: int) -> None:
    """An answer ends it; only ACCEPTED is an acceptance; nothing is sent after it."""
    command = Command(VEHICLE, OWN, ARM)
    command.start(0.0)
    command.hear(ack(result), 0.1)
    assert (command.done, command.result, command.accepted) == (True, result, result == ACCEPTED)
    command.hear(ack(ACCEPTED), 0.2)
    assert command.result == result
    assert not ticks(command, 0.2, 10.0)


@pytest.mark.parametrize(
    "wrong",
    [
        ack(ACCEPTED, RTL),
        ack(ACCEPTED, sender=(2, 1)),
        ack(ACCEPTED, sender=(1, 100)),
        ack(ACCEPTED, to=(254, 25)),
        ack(ACCEPTED, to=(255, 190)),
        ack(ACCEPTED, to=(254, 0)),
        heard(dialect.MAVLink_mission_ack_message(255, 25, 0)),
    ],
)
def test_answers_to_others(wrong: Message) -> None:
    """Another command's answer, another sender's, or one to another station, does not end it."""
    command = Command(VEHICLE, OWN, ARM)
    command.start(0.0)
    command.hear(wrong, 0.1)
    assert not command.done
    command.hear(ack(ACCEPTED, to=(0, 0)), 0.2)
    assert command.accepted


def test_in_progress() -> None:
    """IN_PROGRESS stops the repeats; the end is waited for half a minute from the last of them."""
    command = Command(VEHICLE, OWN, ARM)
    command.start(0.0)
    command.hear(ack(WORKING), 0.5)
    assert not ticks(command, 0.5, 20.0)
    command.hear(ack(WORKING), 20.0)
    assert not ticks(command, 20.0, 49.0)
    assert not command.done
    command.hear(ack(ACCEPTED), 49.0)
    assert command.accepted


def test_in_progress_without_an_end() -> None:
    """A vehicle that never says how it ended is no acceptance."""
    command = Command(VEHICLE, OWN, ARM)
    command.start(0.0)
    command.hear(ack(WORKING), 0.5)
    assert not ticks(command, 0.5, 31.0)
    assert command.done
    assert command.result is None


def test_temporarily_rejected() -> None:
    """A vehicle that is busy is asked again, four times; then that is its answer."""
    command = Command(VEHICLE, OWN, ARM)
    command.start(0.0)
    for number in range(4):
        command.hear(ack(BUSY), number + 0.1)
        assert not command.done
        assert len(ticks(command, number + 0.1, number + 1.1)) == 1
    command.hear(ack(BUSY), 4.1)
    assert (command.done, command.result) == (True, BUSY)


def test_busy_then_accepted() -> None:
    """A vehicle that was busy may still accept."""
    command = Command(VEHICLE, OWN, ARM)
    command.start(0.0)
    command.hear(ack(BUSY), 0.1)
    ticks(command, 0.1, 1.1)
    command.hear(ack(ACCEPTED), 1.2)
    assert command.accepted


@pytest.mark.parametrize("seed", range(5))
def test_bad_link(sortie: Sortie, seed: int) -> None:
    """Over 30 % loss each way a command is carried out, and known to be, as the vehicle's state shows."""
    craft = vehicle(sortie, Impairment(loss=0.3, delay_s=0.2, duplicate=0.1, reorder=0.1), seed=seed)
    mode = Command(craft.peer, craft.own, dialect.MAV_CMD_DO_SET_MODE, 1.0, 5.0)
    run(craft, mode)
    assert mode.accepted
    assert link_of(craft).machine.state.mode == 5


def test_every_result_is_told() -> None:
    """Each result, none, and one that is not known yet, has words of its own."""
    said = [result_said(result) for result in (None, *range(5), 6, 77)]
    assert len(set(said)) == len(said)


class Aborted:
    """An abort with a clock of its own."""

    def __init__(self) -> None:
        self.abort, self.now_s = Abort(VEHICLE, OWN), 0.0

    def passes(self, seconds: float) -> list[int]:
        """Let time pass; return the commands that were sent."""
        said: list[int] = []
        for _ in range(round(seconds / 0.05)):
            said += commands(self.abort.urgent(self.now_s))
            self.now_s += 0.05
        return said

    def hears(self, result: int, command: int = RTL) -> list[int]:
        """Let the vehicle answer; return the commands that were sent."""
        return commands(self.abort.hear(ack(result, command), self.now_s))


def commands(said: Outgoing) -> list[int]:
    """Return the commands of what is said."""
    return [message.command for message in said]


def test_abort_repeats_fast() -> None:
    """An unanswered abort is sent at once, and four times a second for a minute; then it says so."""
    aborted = Aborted()
    assert aborted.abort.urgent(0.0)
    said = aborted.passes(60.0)
    assert set(said) == {RTL}
    assert len(said) > 180
    assert not aborted.abort.done
    aborted.passes(5.0)
    assert aborted.abort.done
    assert not aborted.abort.accepted
    assert "did not answer" in aborted.abort.text


def test_abort_is_accepted_once() -> None:
    """An accepted abort stops the camera's distance trigger, and sends nothing more."""
    aborted = Aborted()
    aborted.passes(0.1)
    assert aborted.hears(ACCEPTED) == [206]
    assert aborted.abort.accepted
    assert not aborted.passes(10.0)


@pytest.mark.parametrize("result", [DENIED, UNSUPPORTED, FAILED])
def test_abort_lands_where_it_cannot_return(result: int) -> None:
    """A vehicle that refuses to return is told to land at once; what it says to that is the end."""
    for last, accepted in ((ACCEPTED, True), (DENIED, False)):
        aborted = Aborted()
        aborted.passes(0.1)
        assert aborted.hears(result) == [LAND]
        assert set(aborted.passes(1.0)) == {LAND}
        assert not aborted.hears(ACCEPTED, RTL)
        aborted.hears(last, LAND)
        assert (aborted.abort.done, aborted.abort.accepted) == (True, accepted)


def test_answer_before_the_abort() -> None:
    """An answer to someone's return before the abort was asked for is not taken for one."""
    aborted = Aborted()
    assert not aborted.hears(ACCEPTED)
    assert not aborted.abort.done
    assert aborted.passes(0.1) == [RTL]
