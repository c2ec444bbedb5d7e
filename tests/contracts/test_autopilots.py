"""One suite over every autopilot: what ``Autopilot`` promises, each of them keeps."""

import math
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.autopilots.town import towns
from tests.plan.samples import plans, sample_plan

from aerial.autopilots.ardupilot import ArduPilot
from aerial.autopilots.base import Autopilot
from aerial.autopilots.items import mission_items
from aerial.autopilots.px4 import Px4
from aerial.errors import FlightError
from aerial.records import MissionItem, Plan

AUTOPILOTS: tuple[Autopilot, ...] = (ArduPilot(), Px4())
each = pytest.mark.parametrize("autopilot", AUTOPILOTS, ids=lambda one: one.name)

COMMANDS = (16, 20, 22, 93, 115, 178, 206, 530, 1000, 1001, 2000, 5001, 5002, 5003, 5100)
NUMBERS = st.floats(-1000, 1000, width=32) | st.just(math.nan)


@st.composite
def items(draw: st.DrawFn) -> tuple[MissionItem, ...]:
    """Items as anyone might send them."""
    found = []
    for seq in range(draw(st.integers(1, 5))):
        command = draw(st.sampled_from(COMMANDS))
        params = (
            draw(NUMBERS),
            draw(NUMBERS),
            draw(NUMBERS),
            draw(NUMBERS),
            draw(st.floats(-90, 90)),
            draw(st.floats(-180, 180)),
            draw(st.floats(-80_000, 80_000)),
        )
        found.append(
            MissionItem(
                seq=seq, frame=draw(st.sampled_from((0, 2, 3, 5, 6, 10, 11))), command=command, params=params
            )
        )
    return tuple(found)


def bits(some: tuple[MissionItem, ...]) -> list[object]:
    """Return items so that NaN equals NaN and nothing else is forgiven."""
    return [(item.seq, item.frame, item.command, *map(repr, item.params)) for item in some]


def test_all_autopilots_are_under_this_contract() -> None:
    """The suite holds every class that the package registers, under its own name."""
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    declared = tomllib.loads(text)["project"]["entry-points"]["aerial.autopilots"]
    found = {}
    for name, where in declared.items():
        module, _, attribute = where.partition(":")
        found[name] = getattr(import_module(module), attribute)
    assert found == {one.name: type(one) for one in AUTOPILOTS}


@each
@settings(max_examples=25, deadline=None)
@given(plan=plans())
def test_missions_are_numbered_and_start_with_home_where_there_is_one(
    autopilot: Autopilot, plan: Plan
) -> None:
    """Numbered from 0; item 0 is home over sea level if the autopilot has one, else the take-off."""
    for sortie in plan.sorties:
        sent = autopilot.encode(sortie)
        assert [item.seq for item in sent] == list(range(len(sent)))
        assert sent == mission_items(sortie, autopilot.name) or autopilot.name == "px4"  # type: ignore[arg-type]
        first = (sent[0].frame, sent[0].command)
        assert first == ((0, 16) if autopilot.has_home_item else (3, 22))
        assert sent[-1].command == 20


@each
@settings(max_examples=100, deadline=None)
@given(sent=items())
def test_what_is_stored_is_stored_again_as_it_is(autopilot: Autopilot, sent: tuple[MissionItem, ...]) -> None:
    """``as_stored`` twice is ``as_stored`` once, to the bit, and keeps order, number and command."""
    once = autopilot.as_stored(sent)
    assert bits(autopilot.as_stored(once)) == bits(once)
    assert [(item.seq, item.command) for item in once] == [(item.seq, item.command) for item in sent]


@each
@settings(max_examples=25, deadline=None)
@given(plan=plans())
def test_what_is_sent_comes_back_the_same_to_a_pilot(autopilot: Autopilot, plan: Plan) -> None:
    """Of our own missions 1 cm of place and height is lost at most, and nothing of speeds and distances."""
    for sortie in plan.sorties:
        sent = autopilot.encode(sortie)
        for one, other in zip(sent[1:], autopilot.as_stored(sent)[1:], strict=True):
            assert other.params[4:6] == pytest.approx(one.params[4:6], abs=5.1e-8)
            assert one.params[6] - 0.0101 < other.params[6] <= one.params[6] + 1e-4
            if one.command in (178, 206, 1000):
                assert other.params[:4] == pytest.approx(one.params[:4], rel=1e-6, nan_ok=True)
            if one.command == 16:
                assert other.params[0] == one.params[0]


@each
@settings(max_examples=15, deadline=None)
@given(plan=towns(most_zones=3))
def test_fence_and_rally_points_come_back_as_they_were_sent(autopilot: Autopilot, plan: Plan) -> None:
    """Nothing of them is lost: the comparison after an upload is exact. Neither exceeds the limits."""
    sortie = plan.sorties[0]
    try:
        fence = autopilot.fence(plan, sortie)
    except FlightError:
        return
    rally = autopilot.rally(plan, sortie)
    assert bits(autopilot.as_stored(fence)) == bits(fence)
    assert len(fence) <= autopilot.limits.fence_corners
    assert 0 < len(rally) <= autopilot.limits.rally_points
    for point, kept in zip(rally, autopilot.as_stored(rally), strict=True):
        assert (point.command, point.frame, kept.frame) == (5100, 3, 3)
        assert kept.params[6] == point.params[6] >= sortie.return_height_m


@each
def test_nothing_answered_is_no_silent_pass(autopilot: Autopilot) -> None:
    """Without any parameter what matters is warned of, each with what to do, and nothing passes."""
    findings = autopilot.preflight({}, sample_plan(sorties=1).sorties[0])
    assert {"camera", "return_height", "fence", "station_lost", "remote_lost"} <= {
        finding.code for finding in findings
    }
    assert {finding.level for finding in findings} <= {"warn", "fail"}
    assert all(finding.message and finding.hint for finding in findings)


@each
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_any_answer_is_judged(autopilot: Autopilot, data: st.DataObject) -> None:
    """Whatever values come: findings, with a hint where something is to be done, and never a crash."""
    names = data.draw(st.sets(st.sampled_from(autopilot.parameters)))
    params = {name: data.draw(st.sampled_from((-1.0, 0.0, 1.0, 3.0, 4.0, 90.0, 1e5))) for name in names}
    sortie = sample_plan(sorties=1, relief_m=data.draw(st.sampled_from((0.0, 30.0)))).sorties[0]
    for finding in autopilot.preflight(params, sortie):
        assert finding.level == "pass" or finding.hint


class Watched(dict[str, float]):
    """Answers that note which were looked for."""

    def __init__(self, answers: dict[str, float], looked: set[str]) -> None:
        super().__init__(answers)
        self.looked = looked

    def __contains__(self, name: object) -> bool:
        self.looked.add(str(name))
        return super().__contains__(name)

    def __getitem__(self, name: str) -> float:
        self.looked.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return the answer."""
        self.looked.add(name)
        return super().get(name, default)


@each
def test_the_parameters_asked_for_are_those_that_are_looked_at(autopilot: Autopilot) -> None:
    """None is looked at that is not in ``parameters``, which are asked for, and none is there for nothing."""
    sortie = sample_plan(sorties=1).sorties[0]
    looked: set[str] = set()
    for value in (None, 0.0, 1.0, 15.0):
        answers = {} if value is None else dict.fromkeys(autopilot.parameters, value)
        autopilot.preflight(Watched(answers, looked), sortie)
    assert looked == set(autopilot.parameters)
    assert list(autopilot.parameters) == sorted(autopilot.parameters)


@each
def test_modes_have_one_name_and_one_number(autopilot: Autopilot) -> None:
    """Every name leads to its number and back; unknown numbers are told, unknown names are errors."""
    for name in ("rtl", "land"):
        assert autopilot.mode_name(autopilot.mode_number(name)) == name
    assert autopilot.mode_name(99) == "mode 99"
    with pytest.raises(KeyError):
        autopilot.mode_number("none")


def test_mode_numbers_are_those_of_the_firmwares() -> None:
    """ArduCopter counts them; PX4 puts main and sub mode into the upper bytes."""
    copter, px4 = (cast(Autopilot, one) for one in AUTOPILOTS)
    numbers = {
        "stabilize": 0, "alt_hold": 2, "auto": 3, "guided": 4, "loiter": 5, "rtl": 6, "land": 9,
        "brake": 17, "smart_rtl": 21, "auto_rtl": 27,
    }  # fmt: skip
    assert {name: copter.mode_number(name) for name in numbers} == numbers
    assert px4.mode_number("mission") == 4 << 16 | 4 << 24
    assert px4.mode_number("rtl") == 4 << 16 | 5 << 24
    assert px4.mode_name(3 << 16) == "position"
