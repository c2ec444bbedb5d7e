"""A virtual vehicle, its station, and a plan to fly."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.plan.samples import sample_plan

from aerial.autopilots.ardupilot import ArduPilot
from aerial.flight.abort import Abort
from aerial.flight.exchange import Exchange
from aerial.flight.station import STATION, Station
from aerial.flight.watch import Watch
from aerial.records import Plan, Sortie
from aerial.simulate.vehicle.machine import Machine
from aerial.simulate.vehicle.setup import Impairment, Setup
from aerial.simulate.vehicle.virtual import VirtualLink
from aerial.steps.fly_link import Tells, Vehicle

# What a pilot sets for a flight with a polygon fence.
SET = (
    ("FENCE_TYPE", 4.0), ("FENCE_ENABLE", 1.0), ("RTL_ALT_M", 120.0), ("BATT_FS_LOW_ACT", 2.0),
    ("BATT_LOW_MAH", 600.0), ("FS_GCS_ENABLE", 1.0), ("FS_OPTIONS", 2.0),
)  # fmt: skip


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions and signing times of a test are its own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def plan() -> Plan:
    """A plan of one sortie, six lines of 300 m."""
    return replace(sample_plan(lines=6, sorties=1), aircraft="holybro_x500_v2", camera="mapir_survey3w")


@pytest.fixture
def sortie(plan: Plan) -> Sortie:
    """Its sortie."""
    return plan.sorties[0]


def vehicle(
    sortie: Sortie,
    impairment: Impairment | None = None,
    *,
    booted_s: float = 30.0,
    seed: int = 1,
    **setup: object,
) -> Vehicle:
    """Return a virtual vehicle at the take-off point, and a station that speaks to it."""
    given: dict[str, object] = {
        "parameters": SET,
        "home": sortie.takeoff,
        "home_amsl_m": sortie.takeoff_amsl_m or 0.0,
    }
    machine = Machine(Setup(seed=seed, **(given | setup)))  # type: ignore[arg-type]
    machine.step(booted_s)
    station = Station(VirtualLink(machine, impairment, seed))
    peer = station.find_vehicle(60.0)
    watch = Watch(peer, ArduPilot(), Tells())
    station.listeners.append(watch)
    return Vehicle(
        address="virtual", station=station, autopilot=ArduPilot(), peer=peer, own=STATION, watch=watch,
        abort=Abort(peer, STATION),
    )  # fmt: skip


def link_of(vehicle: Vehicle) -> VirtualLink:
    """Return the virtual link of a vehicle."""
    link = vehicle.station.link
    assert isinstance(link, VirtualLink)
    return link


def run(vehicle: Vehicle, exchange: Exchange, limit_s: float = 4000.0) -> None:
    """Run an exchange to its end."""
    assert vehicle.station.run(exchange, limit_s)
