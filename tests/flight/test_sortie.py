"""A whole sortie with a simulated vehicle: checked, uploaded, started, watched to its end."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.flight.conftest import link_of, vehicle

from aerial import geo
from aerial.autopilots.triggers import of_sortie
from aerial.errors import FlightError
from aerial.flight.log import FlightLog, read_log
from aerial.flight.mavlink import Codec
from aerial.plan.refly import missing_points
from aerial.progress import SILENT
from aerial.records import Plan, Sortie
from aerial.simulate.vehicle.channel import Channel
from aerial.simulate.vehicle.setup import Impairment
from aerial.steps import fly
from aerial.steps.fly_link import Vehicle
from aerial.steps.fly_resume import resume_sortie
from aerial.steps.fly_watch import Ended, Status, last_log, log_of, new_log, start, watch


def flown(craft: Vehicle, plan: Plan, sortie: Sortie, folder: Path, said: list[str] | None = None) -> Ended:
    """Upload, check, start and watch; return how it ended."""
    assert all(proof.proved for proof in fly.upload(craft, plan, sortie, folder, SILENT))
    findings = fly.check(craft, plan, sortie, SILENT)
    assert not [finding for finding in findings if finding.level == "fail"]
    with FlightLog(folder / "flight.jsonl") as log:
        craft.watch._tell = log
        start(craft, log, (said or []).append)
        return follow(craft, plan, sortie, log, said)


def follow(
    craft: Vehicle, plan: Plan, sortie: Sortie, log: FlightLog, said: list[str] | None = None
) -> Ended:
    """Watch to the end."""
    statuses: list[Status] = []
    return watch(
        craft, plan, sortie, log, report=statuses.append, say=(said if said is not None else []).append
    )


def test_whole_sortie(plan: Plan, sortie: Sortie, tmp_path: Path) -> None:
    """Every photograph taken is told, counted and logged; the first of each line lies on its start."""
    craft = vehicle(sortie, wind_speed_m_s=5.0, wind_from_deg=60.0)
    said: list[str] = []
    ended = flown(craft, plan, sortie, tmp_path, said)
    shots = link_of(craft).machine.state.shots
    assert ended.complete
    assert not ended.missing
    assert ended.photos == len(shots)
    events = list(read_log(tmp_path / "flight.jsonl"))
    assert sum(event["event"] == "shot" for event in events) == len(shots)
    frame = geo.local_frame(sortie.takeoff)
    taken = np.array([geo.from_lonlat(frame, shot.at) for shot in shots])
    for line in {leg.line for leg in sortie.legs if leg.line is not None}:
        due = [geo.from_lonlat(frame, t.at) for t in of_sortie(sortie) if t.line == line]
        start_2, unit = np.array(due[0]), np.subtract(due[-1], due[0])
        unit = unit / np.hypot(*unit)
        along, aside = (taken - start_2) @ unit, np.abs((taken - start_2) @ np.array([-unit[1], unit[0]]))
        on = np.sort(along[(aside < 10) & (along > -5) & (along < 305)])
        assert aside[aside < 10].max() <= 1.0
        assert abs(on[0]) <= 1.0
        assert np.diff(on).max() <= 15.0 + sortie.speed_m_s * 0.02 + 0.1
    assert not said


def test_a_plan_for_another_firmware_is_refused(plan: Plan, sortie: Sortie) -> None:
    """A plan for a DJI aircraft fails the check of an ArduCopter: its battery was counted for the other."""
    findings = fly.check(vehicle(sortie), replace(plan, aircraft="dji_mavic3_enterprise"), sortie, SILENT)
    assert [one.level for one in findings if one.code == "aircraft"] == ["fail"]


def fly_on(craft: Vehicle, until: int) -> None:
    """Let the flight go on until so many photographs are taken."""
    state = link_of(craft).machine.state
    end = craft.station.link.now() + 900
    while len(state.shots) < until:
        assert craft.station.link.now() < end
        craft.station.pump(0.1)


def test_link_cut_for_20_s(plan: Plan, sortie: Sortie, tmp_path: Path) -> None:
    """With the link cut for 20 s nothing is lost: all photographs are taken, and counted as taken."""
    craft = vehicle(sortie)
    said: list[str] = []
    assert all(proof.proved for proof in fly.upload(craft, plan, sortie, tmp_path, SILENT))
    link = link_of(craft)

    def cut(now_s: float) -> None:
        shots = len(link.machine.state.shots)
        if shots >= 30 and not began:
            began.append(now_s)
        link.cut = bool(began) and now_s < began[0] + 20

    began: list[float] = []
    with FlightLog(tmp_path / "flight.jsonl") as log:
        craft.watch._tell = log
        fly.request_streams(craft)
        start(craft, log, said.append)
        link.every_step = cut
        ended = follow(craft, plan, sortie, log, said)
    assert ended.complete
    assert ended.photos == len(link.machine.state.shots)
    assert ended.untold > 3
    assert not ended.missing
    assert said[0].startswith("The link is lost")


def test_battery_swap_in_the_middle(plan: Plan, sortie: Sortie, tmp_path: Path) -> None:
    """Aborted in mid-flight and resumed with a new battery: no gap, and no line flown twice, in the union."""
    craft = vehicle(sortie)
    assert all(proof.proved for proof in fly.upload(craft, plan, sortie, tmp_path, SILENT))
    with FlightLog(log_of(tmp_path, sortie)) as log:
        craft.watch._tell = log
        fly.request_streams(craft)
        start(craft, log, [].append)
        fly_on(craft, 50)
        craft.watch.expected_modes.add("rtl")
        craft.station.urgent = craft.abort.urgent
        craft.station.listeners.append(craft.abort)
        ended = follow(craft, plan, sortie, log)
    assert not ended.complete
    first = [shot.at for shot in link_of(craft).machine.state.shots]
    rest, where = resume_sortie(plan, sortie, tmp_path)
    again = vehicle(rest.sorties[0])
    assert all(proof.proved for proof in fly.upload(again, rest, rest.sorties[0], where, SILENT))
    with FlightLog(where / "flight.jsonl") as log:
        again.watch._tell = log
        fly.request_streams(again)
        start(again, log, [].append)
        assert follow(again, rest, rest.sorties[0], log).complete
    second = [shot.at for shot in link_of(again).machine.state.shots]
    assert not missing_points(plan, [*first, *second])
    # Spacing drifts by centimetres, so a line may have one photograph less than planned: places are counted.
    frame = geo.local_frame(sortie.takeoff)
    taken_N2 = np.array([geo.from_lonlat(frame, at) for at in (*first, *second)])
    due_M2 = np.array([geo.from_lonlat(frame, one.at) for one in of_sortie(sortie)])
    near_MN = np.hypot(*np.moveaxis(due_M2[:, None] - taken_N2[None], 2, 0)) < 7.5
    assert 2 <= (near_MN.sum(axis=1) > 1).sum() <= 6


def test_pilot_takes_over(plan: Plan, sortie: Sortie, tmp_path: Path) -> None:
    """After a mode that we did not ask for, only heartbeats are sent, and an abort that is asked for."""
    craft = vehicle(sortie)
    assert all(proof.proved for proof in fly.upload(craft, plan, sortie, tmp_path, SILENT))
    link, said = link_of(craft), []
    sent: list[str] = []
    send = link.send

    def spy(data: bytes) -> None:
        sent.extend(message.get_type() for message in Codec(system=9, component=9).feed(data))
        send(data)

    with FlightLog(tmp_path / "flight.jsonl") as log:
        craft.watch._tell = log
        fly.request_streams(craft)
        start(craft, log, said.append)
        fly_on(craft, 10)
        link.machine.flying.pilot_takes(5)
        craft.station.wait(2.0)
        link.send = spy  # type: ignore[method-assign]
        craft.station.wait(20.0)
        assert craft.watch.pilot_has_control
        assert set(sent) == {"HEARTBEAT", "TIMESYNC"}
        sent.clear()
        craft.station.urgent = craft.abort.urgent
        craft.station.listeners.append(craft.abort)
        craft.station.wait(2.0)
        assert sent[0] == "COMMAND_LONG"
        assert craft.abort.accepted
        assert link.machine.state.mode == 6


def test_abort_gets_through_a_bad_link(plan: Plan, sortie: Sortie, tmp_path: Path) -> None:
    """On a link that loses half of all frames each way, an abort is accepted within seconds."""
    craft = vehicle(sortie)
    assert all(proof.proved for proof in fly.upload(craft, plan, sortie, tmp_path, SILENT))
    with FlightLog(tmp_path / "flight.jsonl") as log:
        craft.watch._tell = log
        start(craft, log, [].append)
        fly_on(craft, 5)
        link = link_of(craft)
        way = Impairment(loss=0.5, delay_s=0.2)
        link._up, link._down = Channel(way, 1), Channel(way, 2)
        craft.station.urgent = craft.abort.urgent
        craft.station.listeners.append(craft.abort)
        began = link.now()
        while not craft.abort.done:
            craft.station.pump(0.02)
        assert craft.abort.accepted
        assert link.now() - began < 10


def test_it_never_takes_off(plan: Plan, sortie: Sortie, tmp_path: Path) -> None:
    """A started vehicle that switches its motors off on the ground ends the watch with an error."""
    craft = vehicle(sortie)
    assert all(proof.proved for proof in fly.upload(craft, plan, sortie, tmp_path, SILENT))
    with FlightLog(new_log(tmp_path, sortie)) as log:
        craft.watch._tell = log
        start(craft, log, [].append)
        link_of(craft).machine.flying._disarm()
        with pytest.raises(FlightError, match="did not take off"):
            follow(craft, plan, sortie, log)


def test_which_log(sortie: Sortie, tmp_path: Path) -> None:
    """A watch takes up a log that has no end, unless it is an hour old; a resume the last that has shots."""
    logs = tmp_path / "flights"
    logs.mkdir()
    flown, refused = logs / "20260101T000000Z-s1.jsonl", logs / "20260101T000100Z-s1.jsonl"
    flown.write_text('{"event": "shot"}\n')
    assert log_of(tmp_path, sortie) == flown
    assert new_log(tmp_path, sortie) != flown
    refused.write_text('{"event": "command"}\n')
    assert last_log(tmp_path, sortie) == flown
    assert log_of(tmp_path, sortie) == refused
    os.utime(refused, (0, 0))
    assert log_of(tmp_path, sortie) not in (flown, refused)
    refused.write_text('{"event": "end"}\n')
    assert log_of(tmp_path, sortie) not in (flown, refused)
