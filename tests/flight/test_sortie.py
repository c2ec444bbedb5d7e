"""A whole sortie with a simulated vehicle: checked, uploaded, started, watched to its end."""

from pathlib import Path

import numpy as np
from tests.flight.conftest import link_of, vehicle

from aerial import geo
from aerial.autopilots.triggers import of_sortie
from aerial.flight.log import FlightLog, read_log
from aerial.progress import SILENT
from aerial.records import Plan, Sortie
from aerial.steps import fly
from aerial.steps.fly_link import Vehicle
from aerial.steps.fly_watch import Ended, Status, start, watch


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
