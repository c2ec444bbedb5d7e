"""An abort of one terminal reaches the process that holds the link, and no one else's does."""

import json
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aerial.flight.command import Command
from aerial.flight.session import Answer, Session, abort_sessions, session_folder
from aerial.records import Sortie
from aerial.simulate.vehicle.machine import Machine
from aerial.simulate.vehicle.setup import Impairment, Setup
from aerial.simulate.vehicle.virtual import VirtualLink
from aerial.steps.fly_link import vehicle_on

ELSEWHERE = """
import sys
from pathlib import Path
from aerial.flight.session import abort_sessions
for answer in abort_sessions(folder=Path(sys.argv[1])):
    sys.stdout.write(f"{answer.link} {answer.done} {answer.text}")
"""


@contextmanager
def session(folder: Path, link: str = "udp::14550") -> Iterator[Session]:
    """Open a session and close it."""
    one = Session(link, folder)
    try:
        yield one
    finally:
        one.close()


def asked(folder: Path, link: str | None = None) -> tuple[threading.Thread, list[Answer]]:
    """Ask for an abort from another thread; return it and the answers as they come."""
    found: list[Answer] = []
    thread = threading.Thread(target=lambda: found.extend(abort_sessions(link, folder)))
    thread.start()
    return thread, found


def entry(folder: Path) -> dict[str, object]:
    """Return what the one session's file says."""
    (file,) = folder.glob("*.json")
    found: dict[str, object] = json.loads(file.read_text())
    return found


def test_other_process(tmp_path: Path) -> None:
    """An abort that another process asks for is requested here, and that process is told how it went."""
    with session(tmp_path) as one:
        other = subprocess.Popen(
            [sys.executable, "-c", ELSEWHERE, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert one.requested.wait(30)
        one.answer(done=True, text="The vehicle returns home.")
        said, _ = other.communicate(timeout=30)
    assert said == "udp::14550 True The vehicle returns home."


def test_no_session(tmp_path: Path) -> None:
    """Where no process holds a link there is no answer, and no folder is needed."""
    assert abort_sessions(folder=tmp_path / "absent") == ()


@pytest.mark.parametrize(
    "said",
    ["abort", "abort ", "abort 0123", "ABORT {token}", "{token}", "land {token}", "abort {token}0", "\xff"],
)
def test_wrong_token(tmp_path: Path, said: str) -> None:
    """Whoever does not know the token, or wants something else than an abort, is told nothing."""
    with session(tmp_path) as one:
        told = entry(tmp_path)
        with socket.create_connection(("127.0.0.1", int(str(told["port"])))) as client:
            client.sendall(said.format(token=told["token"]).encode("latin-1") + b"\n")
            client.settimeout(10)
            assert client.recv(100) == b""
        assert not one.requested.is_set()


def test_endless_line(tmp_path: Path) -> None:
    """A line without end is not read on, and the session hears the next that asks."""
    with session(tmp_path) as one:
        port = int(str(entry(tmp_path)["port"]))
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"abort " + b"a" * 5000)
            thread, answers = asked(tmp_path)
            assert one.requested.wait(10)
            one.answer(done=False, text="refused")
            thread.join(10)
    assert answers == [Answer(link="udp::14550", done=False, text="refused")]


def test_dead_processes(tmp_path: Path) -> None:
    """The file of a process that is gone is removed; that of a living one and a stranger's stay."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    (tmp_path / "dead.json").write_text(json.dumps({"link": "udp::1", "port": port, "token": "t", "pid": 1}))
    (tmp_path / "broken.json").write_text("{")
    with session(tmp_path) as one:
        one.answer(done=True, text="yes")
        assert [answer.link for answer in abort_sessions(folder=tmp_path)] == ["udp::14550"]
        assert not (tmp_path / "dead.json").exists()
        assert len(list(tmp_path.glob("*.json"))) == 2


def test_deaf_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that lives and cannot be connected to is told as unheard; its file stays for the next try."""

    def deaf(*_args: object, **_kwargs: object) -> socket.socket:
        raise TimeoutError

    with session(tmp_path):
        monkeypatch.setattr("aerial.flight.session.socket.create_connection", deaf)
        (answer,) = abort_sessions(folder=tmp_path)
        assert (answer.link, answer.done) == ("udp::14550", False)
        assert entry(tmp_path)


def test_process_that_dies(tmp_path: Path) -> None:
    """A process that ends before it answers is told as one that did not abort."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        told = {"link": "udp::1", "port": server.getsockname()[1], "token": "t", "pid": 1}
        (tmp_path / "one.json").write_text(json.dumps(told))
        thread, answers = asked(tmp_path)
        client, _ = server.accept()
        client.close()
        thread.join(10)
    assert [(answer.link, answer.done) for answer in answers] == [("udp::1", False)]


def test_vehicle_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asked is told after a while that the vehicle is silent, not that the flight has ended."""
    monkeypatch.setattr("aerial.flight.session._WAIT_S", 0.1)
    with session(tmp_path) as one:
        (answer,) = abort_sessions(folder=tmp_path)
        assert one.requested.is_set()
    assert (answer.done, answer.text.split(";")[0]) == (False, "The vehicle has not answered yet")


def test_one_link_of_two(tmp_path: Path) -> None:
    """With a link named, that one alone is aborted."""
    with session(tmp_path, "udp::1") as one, session(tmp_path, "udp::2") as two:
        two.answer(done=True, text="yes")
        assert [answer.link for answer in abort_sessions("udp::2", tmp_path)] == ["udp::2"]
        assert two.requested.is_set()
        assert not one.requested.is_set()


def test_all_are_asked_before_one_is_waited_for(tmp_path: Path) -> None:
    """Two flights both hear of the abort though neither has answered yet."""
    with session(tmp_path, "udp::1") as one, session(tmp_path, "udp::2") as two:
        thread, answers = asked(tmp_path)
        assert one.requested.wait(10)
        assert two.requested.wait(10)
        assert not answers
        one.answer(done=True, text="one")
        two.answer(done=True, text="two")
        thread.join(10)
    assert {(answer.link, answer.text) for answer in answers} == {("udp::1", "one"), ("udp::2", "two")}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such rights")
def test_rights(tmp_path: Path) -> None:
    """The file with the token, and the folder it lies in, are their user's alone."""
    folder = tmp_path / "flights"
    with session(folder):
        (file,) = folder.glob("*.json")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_closed(tmp_path: Path) -> None:
    """A closed session leaves no file, nobody listens any more, and who waits for it is told."""
    one = Session("udp::1", tmp_path)
    port = int(str(entry(tmp_path)["port"]))
    thread, answers = asked(tmp_path)
    assert one.requested.wait(10)
    one.close()
    thread.join(10)
    assert [(answer.done, answer.text) for answer in answers] == [
        (False, "The flight ended before the vehicle answered.")
    ]
    assert not list(tmp_path.iterdir())
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=2.0)


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_abort_of_another_terminal_brings_it_home(
    sortie: Sortie, loss: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An abort asked for elsewhere reaches a flying vehicle over a bad link, and its answer comes back."""
    opened: list[Session] = []

    def open_session(link: str) -> Session:
        opened.append(Session(link))
        return opened[0]

    monkeypatch.setattr("aerial.steps.fly_link.Session", open_session)
    machine = Machine(Setup(home=sortie.takeoff, seed=4))
    machine.step(30.0)
    link = VirtualLink(machine, Impairment(loss=loss, delay_s=0.1), 4)
    with vehicle_on(link, "udp::14550", timeout_s=60.0) as craft:
        craft.watch.expected_modes.add("guided")
        for command, *params in ((176, 1.0, 4.0), (400, 1.0), (22, *(0.0,) * 6, 20.0)):
            asked_for = Command(craft.peer, craft.own, int(command), *params)
            assert craft.station.run(asked_for, 60.0)
            assert asked_for.accepted
        craft.station.wait(20.0)
        thread, answers = asked(session_folder())
        # Simulated time stands still until the other has asked.
        assert opened[0].requested.wait(10)
        until = craft.station.link.now() + 5000.0
        while not craft.abort.done and craft.station.link.now() < until:
            craft.station.pump(0.02)
        thread.join(10)
        assert answers == [Answer(link="udp::14550", done=True, text="The vehicle returns home.")]
        craft.station.wait(12.0)
        assert (machine.state.mode, craft.watch.seen.mode) == (6, "rtl")
        assert not craft.watch.pilot_has_control
    assert not list(session_folder().glob("*"))
