"""``aerial fly`` as a pilot types it: real processes on both sides of a port of the loopback."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.plan.samples import sample_plan

from aerial.autopilots.triggers import of_sortie
from aerial.codec import write_json
from aerial.flight.log import read_log
from aerial.photos.metadata import read_photo
from aerial.plan.profiles import read_aircraft
from aerial.plan.read import read_plan
from aerial.records import Plan
from aerial.steps.fly_rehearse import settings_for

ENOUGH_S = 90.0
# Simulated seconds a second, where something is done in mid-flight: a busy machine starts Python in seconds.
SLOW = 8
KEY = "ab" * 32


@dataclass
class Said:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass
class Field:
    """A laptop: its home, its plan, and the vehicle's link."""

    root: Path
    link: str

    @property
    def plan(self) -> Path:
        """Return the plan's folder."""
        return self.root / "plan"

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """Begin a command of ``aerial fly``."""
        home = {"HOME": str(self.root), "USERPROFILE": str(self.root), "AERIAL_LINK": self.link}
        return subprocess.Popen(
            [sys.executable, "-m", "aerial_cli.main", "fly", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=os.environ | home | environment,
        )

    def run(self, *arguments: str, **environment: str) -> Said:
        """Run a command of ``aerial fly`` to its end."""
        return ended(self.start(*arguments, **environment))

    def log(self, of: Path | None = None) -> Path:
        """Return the only flight log."""
        (found,) = ((of or self.plan) / "flights").glob("*.jsonl")
        return found

    def events(self, name: str, of: Path | None = None) -> list[dict[str, Any]]:
        """Return the events of one name in the flight log."""
        return [event for event in read_log(self.log(of)) if event["event"] == name]

    def flown(self, shots: int) -> None:
        """Wait until so many photographs are in the log."""
        until = time.monotonic() + ENOUGH_S
        while not list((self.plan / "flights").glob("*")) or len(self.events("shot")) < shots:
            assert time.monotonic() < until
            time.sleep(0.05)


def ended(process: "subprocess.Popen[str]") -> Said:
    """Wait for the end of a command; never a traceback."""
    try:
        out, err = process.communicate(timeout=ENOUGH_S)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"It did not end: {process.args}\n{err}") from None
    assert "Traceback" not in err, err
    return Said(process.returncode, out, err)


def small_plan(folder: Path, **changed: Any) -> Plan:
    """Write a plan of a few lines for an aircraft with ArduPilot."""
    given: dict[str, Any] = {"lines": 2, "length_m": 240.0, "sorties": 1}
    plan = replace(sample_plan(**(given | changed)), aircraft="holybro_x500_v2", camera="mapir_survey3w")
    write_json(folder / "plan.json", plan)
    return plan


@contextmanager
def field(
    root: Path, *more: str, speedup: int = 50, lines: int = 2, of: Plan | None = None
) -> Iterator[Field]:
    """Yield a plan, and a vehicle at its take-off point that is set as the checks ask."""
    plan = of or small_plan(root / "plan", lines=lines)
    sortie = plan.sorties[0]
    home = f"{sortie.takeoff.lon_deg:.8f},{sortie.takeoff.lat_deg:.8f},{sortie.takeoff_amsl_m}"
    command = [sys.executable, "-m", "aerial.simulate.vehicle", "--listen", "tcp:127.0.0.1:0"]
    command += ["--speedup", str(speedup), "--home", home, *more]
    for name, value in settings_for(plan, sortie, read_aircraft(plan.aircraft)):
        command += ["--param", f"{name}={value:g}"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield Field(root, json.loads(process.stdout.readline())["address"])
    finally:
        process.communicate()


def whole(root: Path) -> tuple[Field, dict[str, Said]]:
    """Check an empty vehicle, upload, compare, start, watch to the end."""
    with field(root) as at:
        plan = str(at.plan)
        return at, {
            "check": at.run("check", plan, "--json"),
            "upload": at.run("upload", plan),
            "compare": at.run("compare", plan),
            "start": at.run("start", plan, "--confirm", "1"),
        }


def aborted(root: Path) -> tuple[Field, dict[str, Said]]:
    """Abort a flight from another process; fly the rest with a new battery."""
    with field(root, speedup=SLOW, lines=5) as at:
        plan = str(at.plan)
        said = {"upload": at.run("upload", plan)}
        flight = at.start("start", plan, "--confirm", "1")
        at.flown(5)
        said |= {"abort": at.run("abort"), "start": ended(flight)}
    with field(root, of=read_plan(at.plan / "plan.json")) as at:
        said["resume"] = at.run("resume", plan)
        (rest,) = (at.plan / "resumed").glob("*")
        return at, said | {"rest": at.run("start", str(rest), "--confirm", "1")}


def killed(root: Path) -> tuple[Field, dict[str, Said]]:
    """Kill the watching process in mid-flight, watch on; clear and restore what the vehicle holds."""
    with field(root, speedup=SLOW, lines=5) as at:
        plan = str(at.plan)
        said = {"upload": at.run("upload", plan), "wrong": at.run("start", plan, "--confirm", "9")}
        said["logs"] = Said(len(list(at.plan.glob("flights/*"))), "", "")
        flight = at.start("start", plan, "--confirm", "1")
        at.flown(5)
        flight.kill()
        flight.communicate()
        said["killed"] = Said(flight.returncode, at.log().read_text("utf-8"), "")
        said["watch"] = at.run("watch", plan)
        said["clear"] = at.run("upload", plan, "--clear", "mission")
        said["cleared"] = at.run("compare", plan, "--json")
        return at, said


def interrupted(root: Path) -> tuple[Field, dict[str, Said]]:
    """Press Ctrl-C while a flight is watched; bring the vehicle home over a link of its own."""
    with field(root, speedup=SLOW, lines=5) as at:
        plan = str(at.plan)
        said = {"upload": at.run("upload", plan)}
        flight = at.start("start", plan, "--confirm", "1")
        at.flown(3)
        flight.send_signal(signal.SIGINT)
        said |= {"start": ended(flight), "abort": at.run("abort")}
        return at, said | {"watch": at.run("watch", plan)}


def lossy(root: Path) -> tuple[Field, dict[str, Said]]:
    """Upload while one frame in ten is lost; start a vehicle that is not ready."""
    with field(root, "--loss", "0.1", "--delay-s", "0.05", speedup=1) as at:
        plan = str(at.plan)
        said = {"upload": at.run("upload", plan), "again": at.run("upload", plan, "--clear", "fence")}
        return at, said | {"start": at.run("start", plan, "--confirm", "1")}


def signed(root: Path) -> tuple[Field, dict[str, Said]]:
    """Speak to a vehicle that wants signed frames, with its key and with another."""
    key, other = root / "key", root / "other"
    root.mkdir(parents=True)
    for path, text in ((key, KEY), (other, "a pass phrase")):
        path.touch(0o600)
        path.write_text(text, "utf-8")
    with field(root, "--key-file", str(key)) as at:
        plan = str(at.plan)
        said = {
            "key": at.run("upload", plan, "--key-file", str(key)),
            "environment": at.run("compare", plan, AERIAL_MAVLINK_KEY=KEY),
            "none": at.run("compare", plan),
            "other": at.run("compare", plan, "--key-file", str(other)),
            "restore": at.run("upload", plan, "--restore", "--key-file", str(key)),
        }
        return at, said | {"restored": at.run("compare", plan, "--json", "--key-file", str(key))}


def simulated(root: Path) -> tuple[Field, dict[str, Said]]:
    """Fly with sim:, and rehearse with photographs."""
    at = Field(root, "sim:?speedup=50")
    small_plan(at.plan)
    small_plan(root / "tiny", lines=1, length_m=25.0, distance_m=20.0, height_m=60.0)
    return at, {
        "start": at.run("start", str(at.plan)),
        "rehearse": at.run("rehearse", str(root / "tiny"), "--photos", str(root / "photos")),
    }


SCENES = (aborted, signed, killed, whole, interrupted, simulated, lossy)
Scenes = dict[str, Future[tuple[Field, dict[str, Said]]]]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenes]:
    """Four flights at a time: each mostly waits for its radio, and begins with the start of Python."""
    with ThreadPoolExecutor(4) as pool:
        yield {
            one.__name__: pool.submit(one, tmp_path_factory.mktemp("fly") / one.__name__) for one in SCENES
        }


def test_a_sortie_from_upload_to_landing(scenes: Scenes) -> None:
    """Checked, uploaded, compared, started and watched, a sortie ends with exit 0; data lies on stdout."""
    at, said = scenes["whole"].result()
    findings = {finding["code"]: finding["level"] for finding in json.loads(said["check"].out)}
    assert said["check"].code == 1
    assert findings["held-mission"] == findings["held-fence"] == "fail"
    assert findings["position"] == findings["battery"] == "pass"
    assert said["upload"].code == 0, said["upload"].err
    assert not said["upload"].out
    assert said["upload"].err.count("read back and equal") == 3
    assert said["compare"].code == 0
    assert re.findall(r"^(\w+) +\d+ +yes$", said["compare"].out, re.M) == ["mission", "fence", "rally"]
    assert said["start"].code == 0, said["start"].err
    assert not re.search(r"^fail ", said["start"].out, re.M)
    shots = len(at.events("shot"))
    assert f"Landed. {shots} photographs were taken" in said["start"].err
    assert shots >= 30
    assert [event["complete"] for event in at.events("end")] == [True]
    assert not list((at.root / ".aerial" / "flights").glob("*"))


def test_abort_from_another_process(scenes: Scenes) -> None:
    """An abort of another process ends with 0, the vehicle lands, and the watch says what comes next."""
    at, said = scenes["aborted"].result()
    assert said["abort"].code == 0
    assert said["abort"].err.endswith(": The vehicle returns home.\n")
    assert [event.get("accepted") for event in at.events("abort")] == [None, True]
    assert said["start"].code == 1
    assert "The mission did not run to its end. Next: aerial fly resume" in said["start"].err
    assert "was not asked for" not in said["start"].err
    assert [event["complete"] for event in at.events("end")] == [False]


def test_the_rest_is_flown_after_an_abort(scenes: Scenes) -> None:
    """The rest lies in resumed/, is uploaded with proof and flown to its end; both leave no gap."""
    at, said = scenes["aborted"].result()
    assert said["resume"].code == 0, said["resume"].err
    assert said["resume"].err.count("read back and equal") == 3
    assert said["rest"].code == 0, said["rest"].err
    (rest,) = (at.plan / "resumed").glob("*")
    assert f"Next: aerial fly start {rest}" in said["resume"].err
    plan, left = read_plan(at.plan / "plan.json"), read_plan(rest / "plan.json")
    before = len(of_sortie(plan.sorties[0])) - len(of_sortie(left.sorties[0]))
    assert 0 < before <= len(at.events("shot"))
    assert [event["complete"] for event in at.events("end", rest)] == [True]


def test_kill_in_flight(scenes: Scenes) -> None:
    """After kill -9 the log is whole to its last line, and a new watch takes it up and counts all."""
    at, said = scenes["killed"].result()
    assert said["killed"].code == -signal.SIGKILL
    lines = said["killed"].out.splitlines()
    assert all(json.loads(line)["event"] for line in lines)
    assert at.log().read_text("utf-8").startswith(said["killed"].out)
    assert said["watch"].code == 0, said["watch"].err
    (end,) = at.events("end")
    assert end["complete"]
    assert end["untold"] > 0
    assert end["photos"] == len(at.events("shot")) + end["untold"]
    assert end["photos"] >= 75
    assert "were not heard of" in said["watch"].err


def test_a_wrong_number_arms_nothing(scenes: Scenes) -> None:
    """Another number than the vehicle's is refused before anything is armed or logged."""
    _, said = scenes["killed"].result()
    assert said["wrong"].code == 1
    assert "was not confirmed" in said["wrong"].err
    assert "--confirm 1" in said["wrong"].err
    assert said["logs"].code == 0


def test_clear(scenes: Scenes) -> None:
    """A cleared mission is read back as none; the fence stays."""
    _, said = scenes["killed"].result()
    assert said["clear"].code == 0, said["clear"].err
    assert said["cleared"].code == 1
    held = {one["kind"]: one["differences"] for one in json.loads(said["cleared"].out)}
    assert held["mission"] and held["fence"] == []


def test_control_c_leaves_the_flight_alone(scenes: Scenes) -> None:
    """Ctrl-C ends with 130 and says that the flight goes on; the link alone suffices for an abort."""
    at, said = scenes["interrupted"].result()
    assert said["start"].code == 130
    assert "the flight goes on" in said["start"].err
    assert f"aerial fly abort --link {at.link}" in said["start"].err
    assert said["abort"].code == 0, said["abort"].err
    assert said["watch"].code == 1
    assert "did not run to its end" in said["watch"].err
    assert len(at.events("end")) == 1


def test_upload_over_a_lossy_link(scenes: Scenes) -> None:
    """With one frame in ten lost each way and 50 ms of delay an upload is proved."""
    _, said = scenes["lossy"].result()
    assert said["upload"].code == 0, said["upload"].err
    assert said["upload"].err.count("read back and equal") == 3
    assert said["again"].code == 0


def test_a_failing_check_refuses(scenes: Scenes) -> None:
    """What lacks its fence is not started, whatever is confirmed."""
    at, said = scenes["lossy"].result()
    assert said["start"].code == 1
    assert "A check failed" in said["start"].err
    assert re.search(r"^fail +held-fence", said["start"].out, re.M)
    assert not list(at.plan.glob("flights/*"))


def test_signed_link(scenes: Scenes) -> None:
    """The key of a file or of the environment opens a signed link; without it nobody answers."""
    _, said = scenes["signed"].result()
    assert said["key"].code == said["environment"].code == 0, said["key"].err
    assert said["none"].code == said["other"].code == 1
    assert "does not answer those that are not signed" in said["none"].err
    assert "wrongly signed" in said["other"].err
    assert "signing key" in said["other"].err
    assert not any(KEY in one.err + one.out for one in said.values())


def test_restore(scenes: Scenes) -> None:
    """What the vehicle held before an upload, here nothing, is given back."""
    _, said = scenes["signed"].result()
    assert said["restore"].code == 0, said["restore"].err
    held = json.loads(said["restored"].out)
    assert all(one["differences"] for one in held)


def test_simulated_link(scenes: Scenes) -> None:
    """sim: needs no confirmation, holds the sortie by itself, and leaves the real vehicle's files alone."""
    at, said = scenes["simulated"].result()
    assert said["start"].code == 0, said["start"].err
    assert at.events("end", at.plan / "simulated")[0]["complete"]
    assert sorted(path.name for path in at.plan.iterdir()) == ["plan.json", "simulated"]


def test_rehearsal_with_photographs(scenes: Scenes) -> None:
    """A rehearsal tells the settings and the end, and its photographs are JPEG files with positions."""
    at, said = scenes["simulated"].result()
    assert said["rehearse"].code == 0, said["rehearse"].err
    assert not said["rehearse"].out
    assert "The vehicle is set to: BATT_CAPACITY" in said["rehearse"].err
    assert "Landed. 2 photographs were taken, 2 were planned." in said["rehearse"].err
    files = sorted((at.root / "photos").glob("*.JPG"))
    assert len(files) == 2
    plan = read_plan(at.root / "tiny" / "plan.json")
    for file, due in zip(files, of_sortie(plan.sorties[0]), strict=True):
        photo = read_photo(file.parent, file.name)
        assert photo.at is not None
        assert photo.at.lat_deg == pytest.approx(due.at.lat_deg, abs=2e-5)
