"""The key and its clock: as other stations sign, kept secret, and never backwards."""

import hashlib
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pymavlink.dialects.v20 import ardupilotmega as peer
from tests.flight.test_mavlink import KEY, text

from aerial.autopilots.ardupilot import ArduPilot
from aerial.errors import InputError, LinkError
from aerial.flight.exchange import Script
from aerial.flight.mavlink import Codec
from aerial.flight.mission.prove import prove
from aerial.flight.signing import ENVIRONMENT, KeySigner, read_key
from aerial.flight.station import STATION, Station
from aerial.records import MissionItem
from aerial.simulate.vehicle.machine import Machine
from aerial.simulate.vehicle.setup import Setup
from aerial.simulate.vehicle.virtual import VirtualLink

NOW_S = 1.8e9


def at(clock_s: float) -> Callable[[], float]:
    """Return a clock that stands."""
    return lambda: clock_s


def stamp(signer: KeySigner) -> int:
    """Return the time that a signer uses next."""
    return int.from_bytes(signer.signature(b"frame")[1:7], "little")


def of_peer(link: int = 0) -> peer.MAVLink:
    """Return pymavlink's own signing side."""
    found = peer.MAVLink(None, srcSystem=1, srcComponent=1)
    found.signing.secret_key = KEY
    found.signing.link_id = link
    found.signing.timestamp = int((NOW_S - 1_420_070_400) * 100_000)
    found.signing.sign_outgoing = True
    return found


def test_pymavlink_signs_alike() -> None:
    """Frame for frame our bytes are those of pymavlink's signing, and each hears the other."""
    theirs = of_peer()
    ours = Codec(system=1, component=1, signer=KeySigner(KEY, clock=at(NOW_S - 1e-5)))
    listener = Codec(system=255, component=25, signer=KeySigner(KEY, clock=at(NOW_S)))
    for number in range(5):
        frame = bytes(text(number).pack(theirs))
        theirs.seq = number + 1
        mine = ours.pack(text(number))
        assert mine[:-13] == frame[:-13]
        assert mine[-13] == frame[-13]
        # Their clock and ours round the last 10 us differently.
        assert abs(int.from_bytes(mine[-12:-6], "little") - int.from_bytes(frame[-12:-6], "little")) <= 1
        assert len(listener.feed(frame)) == 1
    their_ears = of_peer()
    for number in range(5, 8):
        (heard,) = their_ears.parse_buffer(bytearray(ours.pack(text(number))))
        assert heard.get_signed()


def test_same_bytes_at_the_same_time() -> None:
    """At one time, one link and one number the whole frame is pymavlink's, signature included."""
    theirs = of_peer(link=3)
    frame = bytes(text(0).pack(theirs))
    clock_s = int.from_bytes(frame[-12:-6], "little") / 100_000 + 1_420_070_400
    # The first time after the clock's is used; floats of seconds hold 10 us only nearly.
    signers = [KeySigner(KEY, link=3, clock=at(clock_s + off * 1e-5)) for off in (0, -1, -2, 1)]
    assert frame in [Codec(system=1, component=1, signer=signer).pack(text(0)) for signer in signers]


def test_hexadecimal_key(tmp_path: Path) -> None:
    """64 hexadecimal digits are the key itself, with a line's end behind them too."""
    path = tmp_path / "key"
    path.write_text(KEY.hex().upper() + "\n")
    path.chmod(0o600)
    assert read_key(path) == KEY


def test_pass_phrase(tmp_path: Path) -> None:
    """Any other text is a pass phrase, whose SHA-256 is the key."""
    path = tmp_path / "key"
    path.write_text("天眼 of the town\n", encoding="utf-8")
    path.chmod(0o600)
    assert read_key(path) == hashlib.sha256("天眼 of the town".encode()).digest()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such rights")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o666])
def test_key_of_others(tmp_path: Path, mode: int) -> None:
    """A key file that anyone else has rights to is refused, with the command that mends it."""
    path = tmp_path / "key"
    path.write_text(KEY.hex())
    path.chmod(mode)
    with pytest.raises(InputError) as caught:
        read_key(path)
    assert "chmod 600" in caught.value.hint


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff\xfe\xfa"])
def test_no_key_in_the_file(tmp_path: Path, content: bytes | None) -> None:
    """A key file that is absent, empty or no text is refused: nothing is sent unsigned by mistake."""
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)
    with pytest.raises(InputError):
        read_key(path)


def test_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file the environment's key counts; without that there is none."""
    monkeypatch.setenv(ENVIRONMENT, KEY.hex())
    assert read_key(None) == KEY
    monkeypatch.setenv(ENVIRONMENT, "  ")
    assert read_key(None) is None
    monkeypatch.delenv(ENVIRONMENT)
    assert read_key(None) is None


def test_the_key_is_never_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a text of the signer, nor an error, nor the log, nor the file of its time holds the key."""
    caplog.set_level(logging.DEBUG)
    phrase = "a pass phrase that nobody may see"
    path = tmp_path / "key"
    path.write_text(phrase)
    path.chmod(0o644)
    said = []
    if sys.platform != "win32":
        with pytest.raises(InputError) as caught:
            read_key(path)
        said += [str(caught.value), repr(caught.value), caught.value.hint]
    path.chmod(0o600)
    key = read_key(path)
    assert key is not None
    memory = tmp_path / "time"
    signer = KeySigner(key, memory=memory, clock=at(NOW_S))
    codec = Codec(system=1, component=1, signer=signer)
    frame = codec.pack(text(0))
    said += [repr(signer), str(signer), repr(codec), caplog.text, memory.read_text()]
    for told in said:
        assert phrase not in told
        assert key.hex() not in told.lower()
        assert repr(key) not in told
    assert key not in frame


def test_the_time_never_goes_back(tmp_path: Path) -> None:
    """After a restart with a clock that was set back, and after many, no time is used again."""
    memory = tmp_path / "time"
    last = 0
    for clock_s in (NOW_S, NOW_S - 3600, NOW_S - 7200, NOW_S + 1, NOW_S - 10):
        signer = KeySigner(KEY, memory=memory, clock=at(clock_s))
        for _ in range(50):
            now = stamp(signer)
            assert now > last
            last = now


def test_a_vehicle_ahead_is_followed() -> None:
    """Having heard a vehicle whose clock is ahead, we sign later than it did, so that it hears us."""
    ours, vehicle = KeySigner(KEY, clock=at(NOW_S)), KeySigner(KEY, clock=at(NOW_S + 500))
    frame = Codec(system=1, component=1, signer=vehicle).pack(text(0))
    assert Codec(system=255, component=25, signer=ours).feed(frame)
    assert stamp(ours) > int.from_bytes(frame[-12:-6], "little")


def test_restarts_do_not_run_ahead(tmp_path: Path) -> None:
    """Ten commands in five minutes leave the time at the clock's, near that of other stations."""
    memory = tmp_path / "time"
    for restart in range(10):
        signer = KeySigner(KEY, memory=memory, clock=at(NOW_S + 30 * restart))
        ahead = stamp(signer) / 100_000 + 1_420_070_400 - (NOW_S + 30 * restart)
        assert ahead < 10


def test_quick_restarts_hear_the_vehicle(tmp_path: Path) -> None:
    """Three commands within three seconds still hear a vehicle whose clock is right."""
    for restart in range(3):
        clock = at(NOW_S + restart)
        station = Codec(system=255, component=25, signer=KeySigner(KEY, memory=tmp_path / "t", clock=clock))
        vehicle = Codec(system=1, component=1, signer=KeySigner(KEY, clock=clock))
        assert station.feed(vehicle.pack(text(0)))


@pytest.mark.parametrize("content", [b"", b"never", b"\xff\x00", b"-5", b"9" * 40, b"1e400", b"0x10"])
def test_broken_memory(tmp_path: Path, content: bytes) -> None:
    """Whatever the file of the time holds, signing begins with the clock, and mends it."""
    memory = tmp_path / "time"
    memory.write_bytes(content)
    signer = KeySigner(KEY, memory=memory, clock=at(NOW_S))
    assert abs(stamp(signer) / 100_000 + 1_420_070_400 - NOW_S) < 1
    assert int(memory.read_text()) > 0


def test_memory_that_cannot_be_written(tmp_path: Path) -> None:
    """Where the time cannot be kept, the command ends with an error of ours and a hint."""
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError):
        KeySigner(KEY, memory=tmp_path / "file" / "time", clock=at(NOW_S))


def test_disk_that_fills_up(tmp_path: Path) -> None:
    """A time that cannot be kept any more does not end the flight: frames are still signed."""
    (tmp_path / "folder").mkdir()
    seconds = [NOW_S]
    signer = KeySigner(KEY, memory=tmp_path / "folder" / "time", clock=lambda: seconds[0])
    (tmp_path / "folder" / "time").unlink()
    (tmp_path / "folder").rmdir()
    (tmp_path / "folder").write_text("in the way")
    first = stamp(signer)
    seconds[0] += 100
    assert stamp(signer) > first


def items() -> tuple[MissionItem, ...]:
    """Return a short mission."""
    home = MissionItem(seq=0, frame=0, command=16, params=(0, 0, 0, 0, 22.815, 113.8, 10.0))
    up = MissionItem(seq=1, frame=3, command=22, params=(0, 0, 0, 0, 22.815, 113.8, 30.0))
    return (home, up, MissionItem(seq=2, frame=3, command=16, params=(0, 0, 0, 0, 22.816, 113.8, 30.0)))


def signed_machine() -> Machine:
    """Return a vehicle that hears signed frames alone."""
    machine = Machine(Setup(), lambda: KeySigner(KEY))
    machine.step(30.0)
    return machine


def test_signed_upload() -> None:
    """A station with the vehicle's key finds it and uploads with proof."""
    machine = signed_machine()
    codec = Codec(system=STATION.system, component=STATION.component, signer=KeySigner(KEY))
    station = Station(VirtualLink(machine), codec)
    vehicle = station.find_vehicle(10.0)
    script = Script(prove(items(), "mission", ArduPilot(), vehicle, STATION))
    assert station.run(script, 60.0)
    assert script.result.proved
    assert len(machine.stored.mission) == 3


def test_unsigned_station_is_not_heard() -> None:
    """What a station without the key uploads does not arrive."""
    machine = signed_machine()
    station = Station(VirtualLink(machine))
    vehicle = station.find_vehicle(10.0)
    script = Script(prove(items(), "mission", ArduPilot(), vehicle, STATION))
    station.run(script, 300.0)
    assert script.done
    assert script.result.holds == "unknown"
    assert len(machine.stored.mission) <= 1


def test_unsigned_vehicle_is_not_found() -> None:
    """A station with a key does not find a vehicle that does not sign, and says why."""
    machine = Machine(Setup())
    machine.step(30.0)
    codec = Codec(system=STATION.system, component=STATION.component, signer=KeySigner(KEY))
    with pytest.raises(LinkError, match="unsigned or wrongly signed") as caught:
        Station(VirtualLink(machine), codec).find_vehicle(5.0)
    assert "signing key" in caught.value.hint
