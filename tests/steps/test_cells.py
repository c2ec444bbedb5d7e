"""How large a cell one flight covers."""

from dataclasses import replace

import pytest
from tests.plan.made import CAMERA, aircraft

from aerial.steps.cells import area_of_flight


@pytest.mark.parametrize("autopilot", ["ardupilot", "px4"])
def test_stops_and_holds_at_the_ends_of_lines_make_cells_smaller(autopilot: str) -> None:
    """Where the mission halts at each line's ends a flight covers less, whatever turn says."""

    def covered(**changes: str) -> float:
        flyer = replace(aircraft(autopilot="dji"), **changes)  # type: ignore[arg-type]
        return area_of_flight(flyer, CAMERA, minutes=15, height_m=80, overlap_front=0.8, overlap_side=0.7)

    rounding, stopping = covered(turn="coordinated"), covered(turn="stop")
    holding = covered(turn="stop", autopilot=autopilot)
    assert holding < stopping < rounding
    assert covered(turn="coordinated", autopilot=autopilot) == holding
