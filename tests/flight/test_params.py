"""Parameters by name: read over bad links, given up where nobody knows them, set and confirmed."""

import struct

import pytest
from tests.flight.conftest import SET, link_of, run, vehicle
from tests.flight.test_command import VEHICLE, heard, ticks

from aerial.autopilots.ardupilot import ArduPilot
from aerial.flight.exchange import Peer
from aerial.flight.mavlink import Message, dialect
from aerial.flight.params import ReadParameters, SetParameter
from aerial.records import Sortie
from aerial.simulate.vehicle.parameters import STOCK
from aerial.simulate.vehicle.setup import Impairment

KNOWN = tuple(name for name in ArduPilot().parameters if name in STOCK)
UNKNOWN = tuple(name for name in ArduPilot().parameters if name not in STOCK)


def value(name: str, number: float, system: int = 1) -> Message:
    """Return a parameter as it is heard."""
    return heard(dialect.MAVLink_param_value_message(name.encode(), number, 9, 100, 3), system)


def float32(number: float) -> float:
    """Return what 32 bits hold of a number."""
    return float(struct.unpack("<f", struct.pack("<f", number))[0])


def test_read(sortie: Sortie) -> None:
    """Every known name is read with the vehicle's value; names of other firmware are given up."""
    craft = vehicle(sortie)
    assert KNOWN
    assert UNKNOWN
    reading = ReadParameters(ArduPilot().parameters, craft.peer)
    run(craft, reading)
    held = link_of(craft).machine.parameters
    assert reading.values == {name: pytest.approx(float32(held[name])) for name in KNOWN}
    assert all(reading.values[name] == pytest.approx(number) for name, number in SET if name in KNOWN)
    assert reading.progress == (len(KNOWN), 0)


@pytest.mark.parametrize("seed", range(20))
def test_bad_link(sortie: Sortie, seed: int) -> None:
    """Over 30 % loss each way every known name is read."""
    craft = vehicle(sortie, Impairment(loss=0.3, delay_s=0.25, duplicate=0.05, reorder=0.05), seed=seed)
    reading = ReadParameters(ArduPilot().parameters, craft.peer)
    run(craft, reading, 600.0)
    assert set(reading.values) == set(KNOWN)


def test_few_at_once() -> None:
    """At most eight questions wait for their answers; an answer lets the next be asked."""
    names = [f"NAME_{number}" for number in range(20)]
    reading = ReadParameters(names, VEHICLE)
    said = reading.start(0.0)
    assert [message.param_id for message in said] == names[:8]
    assert all((message.param_index, message.target_system) == (-1, 1) for message in said)
    assert [message.param_id for message in reading.hear(value("NAME_3", 2.0), 0.1)] == [names[8]]
    assert reading.values == {"NAME_3": 2.0}


def test_unknown_names() -> None:
    """A name that nobody answers is asked for some times, then given up, and has no value."""
    reading = ReadParameters(["NOT_THERE"], VEHICLE)
    said = [*reading.start(0.0), *(message for _, message in ticks(reading, 0.05, 60.0))]
    assert 5 <= len(said) <= 20
    assert reading.done
    assert not reading.values


def test_no_names() -> None:
    """Nothing to read is done at once."""
    assert ReadParameters((), VEHICLE).done


def test_values_of_others() -> None:
    """Another vehicle's value, a name that was not asked for, or another message, is not taken."""
    reading = ReadParameters(["ONE"], VEHICLE)
    reading.start(0.0)
    for message in (
        value("ONE", 1.0, system=2),
        value("TWO", 2.0),
        heard(dialect.MAVLink_heartbeat_message(2, 3, 0, 0, 4, 3)),
    ):
        reading.hear(message, 0.1)
    assert not reading.values
    assert not reading.done


def test_set(sortie: Sortie) -> None:
    """A parameter is set in the vehicle, over a bad link too, and what it now holds is told."""
    craft = vehicle(sortie, Impairment(loss=0.3, delay_s=0.2), seed=3)
    setting = SetParameter("RTL_ALT_M", 87.3, craft.peer)
    run(craft, setting)
    assert setting.value == pytest.approx(87.3, abs=1e-4)
    assert link_of(craft).machine.parameters["RTL_ALT_M"] == pytest.approx(87.3, abs=1e-4)


def test_set_unknown(sortie: Sortie) -> None:
    """A parameter that the vehicle does not know is given up, with no value."""
    craft = vehicle(sortie)
    setting = SetParameter("NOT_THERE", 1.0, craft.peer)
    run(craft, setting, 60.0)
    assert setting.value is None


def test_set_is_confirmed_by_value() -> None:
    """Another value than the wanted one (the old one, a limit) is no confirmation; it is told in the end."""
    setting = SetParameter("ONE", 5.0, VEHICLE)
    setting.start(0.0)
    setting.hear(value("ONE", 4.0), 0.1)
    setting.hear(value("TWO", 5.0), 0.1)
    setting.hear(value("ONE", 5.0, system=2), 0.1)
    setting.hear(value("ONE", float("nan")), 0.1)
    assert not setting.done
    setting.hear(value("ONE", 4.0), 0.2)
    assert 4 <= len(ticks(setting, 0.2, 60.0)) <= 10
    assert setting.done
    assert setting.value == 4.0


@pytest.mark.parametrize("wanted", [0.0, 0.1, 1e-6, 1234.567, 2.0**24, 1e9, -3.3])
def test_set_through_32_bits(wanted: float) -> None:
    """What 32 bits hold of the wanted value confirms it."""
    setting = SetParameter("ONE", wanted, Peer(system=1, component=1))
    setting.start(0.0)
    setting.hear(value("ONE", wanted), 0.1)
    assert setting.done
    assert setting.value == pytest.approx(wanted, rel=1e-6)
