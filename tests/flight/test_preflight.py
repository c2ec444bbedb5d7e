"""What a vehicle on the ground says for and against a sortie: each finding passes, warns and fails."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.flight.conftest import run, vehicle
from tests.flight.test_command import VEHICLE, heard, ticks
from tests.plan.samples import sample_plan

from aerial.autopilots.ardupilot import ArduPilot
from aerial.flight.mavlink import Message, dialect
from aerial.flight.preflight import AskVersion, Version, check_held, check_vehicle
from aerial.flight.watch import Seen
from aerial.geo import LonLat, from_lonlat, local_frame, to_lonlat
from aerial.records import Finding, Plan, Sortie
from aerial.steps.fly import request_streams

OFFICIAL = Version(major=4, minor=6, patch=1, kind="official")


def good(sortie: Sortie) -> Seen:
    """Return a vehicle that is ready."""
    return Seen(
        at=sortie.takeoff,
        home=sortie.takeoff,
        home_amsl_m=sortie.takeoff_amsl_m,
        battery_share=1.0,
        fix=4,
        satellites=15,
        armed=False,
        prearm_ok=True,
    )


def heartbeat(kind: int = 2) -> Message:
    """Return a heartbeat."""
    return dialect.MAVLink_heartbeat_message(kind, 3, 0, 0, 4, 3)


def findings(
    plan: Plan, seen: Seen, version: Version | None = OFFICIAL, beat: Message | None = None
) -> dict[str, Finding]:
    """Return the findings by their code."""
    found = check_vehicle(seen, beat or heartbeat(), version, ArduPilot(), plan, plan.sorties[0])
    assert all(bool(one.hint) == (one.level != "pass") for one in found)
    assert len({one.code for one in found}) == len(found)
    return {one.code: one for one in found}


def beside(sortie: Sortie, metres: float) -> LonLat:
    """Return a place so far east of the take-off point."""
    return to_lonlat(local_frame(sortie.takeoff), metres, 0.0)


def test_ready(plan: Plan, sortie: Sortie) -> None:
    """A vehicle that is ready passes every check."""
    assert {code: one.level for code, one in findings(plan, good(sortie)).items()} == dict.fromkeys(
        ("autopilot", "position", "battery", "home", "prearm"), "pass"
    )


@pytest.mark.parametrize(
    ("beat", "version", "level", "word"),
    [
        (heartbeat(kind=1), OFFICIAL, "fail", "multirotor"),
        (heartbeat(kind=10), OFFICIAL, "fail", "multirotor"),
        (heartbeat(), None, "warn", "does not tell its version"),
        (heartbeat(), replace(OFFICIAL, kind="beta"), "warn", "4.6.1-beta is no release"),
        (heartbeat(kind=13), OFFICIAL, "pass", "ardupilot 4.6.1"),
    ],
)
def test_firmware(
    plan: Plan, sortie: Sortie, beat: Message, version: Version | None, level: str, word: str
) -> None:
    """Another kind of vehicle fails; an unknown version, or one that is no release, warns."""
    found = findings(plan, good(sortie), version, beat)["autopilot"]
    assert found.level == level
    assert word in found.message


Change = Callable[[Seen, Sortie], None]


def sets(**fields: object) -> Change:
    """Return a change of what was heard."""

    def change(seen: Seen, _sortie: Sortie) -> None:
        for name, value in fields.items():
            setattr(seen, name, value)

    return change


def moved(metres: float) -> Change:
    """Return a home elsewhere."""

    def change(seen: Seen, sortie: Sortie) -> None:
        seen.home = beside(sortie, metres)

    return change


@pytest.mark.parametrize(
    ("change", "code", "level", "word"),
    [
        (sets(fix=None), "position", "fail", "nothing of its GPS"),
        (sets(fix=2), "position", "fail", "fix type 2"),
        (sets(at=None), "position", "fail", "three dimensions"),
        (sets(fix=3, satellites=7), "position", "warn", "7 satellites"),
        (sets(satellites=8), "position", "pass", "8 satellites"),
        (sets(satellites=None), "position", "pass", "unknown number of satellites"),
        (sets(battery_share=None), "battery", "warn", "does not tell its charge"),
        (sets(battery_share=0.5), "battery", "fail", "50%"),
        (sets(battery_share=0.9), "battery", "pass", "90%"),
        (moved(9.0), "home", "pass", "9.0 m"),
        (moved(11.0), "home", "warn", "11.0 m"),
        (moved(49.0), "home", "warn", "49.0 m"),
        (moved(51.0), "home", "fail", "51.0 m"),
        (sets(home=LonLat(lon_deg=23.8, lat_deg=0.0)), "home", "fail", "10000000.0 m"),
        (sets(home=None, at=None), "home", "fail", "no home yet"),
        (sets(home=None), "home", "pass", "0.0 m"),
        (sets(home_amsl_m=12.5 + 16), "home-height", "warn", "+16 m"),
        (sets(home_amsl_m=12.5 - 16), "home-height", "warn", "-16 m"),
        (sets(armed=True), "armed", "fail", "armed already"),
        (sets(prearm_ok=False), "prearm", "fail", "do not pass."),
        (
            sets(prearm_ok=False, texts=["PreArm: Compass", "Radio failsafe"]),
            "prearm",
            "fail",
            ": PreArm: Compass",
        ),
        (sets(prearm_ok=None), "prearm", "warn", "does not tell"),
    ],
)
def test_state(plan: Plan, sortie: Sortie, change: Change, code: str, level: str, word: str) -> None:
    """Each thing that is wrong is found with its figure; what is well is told too."""
    seen = good(sortie)
    change(seen, sortie)
    found = findings(plan, seen)[code]
    assert found.level == level
    assert word in found.message


def test_home_height_within_errors(plan: Plan, sortie: Sortie) -> None:
    """A home that is higher by less than a GPS errs is no finding."""
    seen = good(sortie)
    for off_m in (-14.0, 14.0):
        seen.home_amsl_m = (sortie.takeoff_amsl_m or 0.0) + off_m
        assert "home-height" not in findings(plan, seen)


def test_battery_counts_the_reserve(plan: Plan, sortie: Sortie) -> None:
    """The charge must hold the sortie's share and the plan's reserve, neither alone."""
    seen = good(sortie)
    needed = sortie.battery_share + plan.parameters.reserve
    for share, level in ((needed + 0.001, "pass"), (needed - 0.001, "fail")):
        seen.battery_share = share
        assert findings(plan, seen)["battery"].level == level


def test_distance_is_of_the_earth(sortie: Sortie) -> None:
    """The place that the tests call so far east is so far east."""
    x, y = from_lonlat(local_frame(sortie.takeoff), beside(sortie, 51.0))
    assert (x, y) == pytest.approx((51.0, 0.0), abs=1e-6)


def test_plan_checks() -> None:
    """A plan that was never checked warns; what its checks left is passed on; nothing left passes."""
    (found,) = check_held(sample_plan())
    assert found.level == "warn"
    assert found.hint
    passed = Finding(level="pass", code="height", message="ok")
    failed = Finding(level="fail", code="zone", message="inside", hint="Leave it.")
    assert [one.level for one in check_held(sample_plan(findings=(passed,)))] == ["pass"]
    assert check_held(sample_plan(findings=(passed, failed))) == (failed,)


def version_message(word: int) -> Message:
    """Return AUTOPILOT_VERSION as it is heard."""
    zeros = [0] * 8
    return heard(
        dialect.MAVLink_autopilot_version_message(0, word, 0, 0, 0, zeros, zeros, zeros, 0, 0, 0, [0] * 18)
    )


@pytest.mark.parametrize(
    ("word", "text"),
    [
        (0x040601FF, "4.6.1"),
        (0x04070000, "4.7.0-dev"),
        (0x04060240, "4.6.2-alpha"),
        (0x01100080, "1.16.0-beta"),
        (0x040600C0, "4.6.0-rc"),
        (0x04060007, "4.6.0-type 7"),
    ],
)
def test_version(word: int, text: str) -> None:
    """The four bytes of flight_sw_version are major, minor, patch and kind."""
    ask = AskVersion(VEHICLE)
    ask.start(0.0)
    ask.hear(version_message(word), 0.1)
    assert ask.done
    assert str(ask.version) == text


def test_version_that_is_not_told() -> None:
    """It is asked for five times, then it is unknown."""
    ask = AskVersion(VEHICLE)
    said = [*ask.start(0.0), *(message for _, message in ticks(ask, 0.05, 30.0))]
    assert len(said) == 5
    assert {(message.command, message.param1) for message in said} == {(512, 148)}
    assert ask.done
    assert ask.version is None


def test_simulated_vehicle(plan: Plan, sortie: Sortie) -> None:
    """A simulated vehicle at the take-off point, asked as the command asks, is ready."""
    craft = vehicle(sortie)
    request_streams(craft)
    craft.station.wait(6.0)
    ask = AskVersion(craft.peer)
    run(craft, ask)
    assert ask.version is not None
    found = check_vehicle(
        craft.watch.seen, craft.station.heartbeat, ask.version, craft.autopilot, plan, sortie
    )
    assert not [one for one in found if one.level == "fail"]
    assert {one.code for one in found} == {"autopilot", "position", "battery", "home", "prearm"}
