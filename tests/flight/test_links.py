"""Byte links: addresses, whom a port answers, and what becomes of a link that ends."""

import contextlib
import os
import socket
import sys
from collections.abc import Iterator

import pytest
from tests.flight.test_mavlink import text

from aerial.errors import LinkError
from aerial.flight import links
from aerial.flight.links import Link, open_link
from aerial.flight.mavlink import Codec

WAIT_S = 5.0


@pytest.mark.parametrize(
    "address",
    [
        "",
        "14550",
        "bluetooth:12",
        "COM3:57600",
        "udp",
        "udp:",
        "udp:0.0.0.0",
        "udp:0.0.0.0:",
        "udp:0.0.0.0:0",
        "udp:0.0.0.0:65536",
        "udp:0.0.0.0:123456",
        "udp:0.0.0.0:-1",
        "tcp:127.0.0.1:many",
        "tcp:127.0.0..1:5760",
        "tcp:" + "a" * 70 + ":5760",
        "udpout:a\0b:14550",
        "udp:192.0.2.1:14550",
        "serial:",
        "serial:/dev/ttyUSB0",
        "serial:/dev/ttyUSB0:fast",
        "serial:/dev/no-such-port:57600",
    ],
)
def test_bad_addresses(address: str) -> None:
    """An address that is none, or cannot be opened, is refused with a hint; nothing else is raised."""
    with pytest.raises(LinkError) as caught:
        open_link(address)
    assert caught.value.hint


def test_nobody_listens() -> None:
    """A TCP port that nobody serves is refused with the address in the message."""
    port = free_port()
    with pytest.raises(LinkError, match=f"tcp:127.0.0.1:{port} cannot be opened"):
        open_link(f"tcp:127.0.0.1:{port}")


def test_port_in_use() -> None:
    """A UDP port that another program holds is refused."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        with pytest.raises(LinkError):
            open_link(f"udp:127.0.0.1:{other.getsockname()[1]}")


def free_port() -> int:
    """Return a port that nothing uses now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def opened(address: str) -> Iterator[Link]:
    """Open and close a link."""
    link = open_link(address)
    try:
        yield link
    finally:
        link.close()


@contextlib.contextmanager
def speaker(host: str = "127.0.0.1") -> Iterator[socket.socket]:
    """Open a datagram socket that waits a while."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind((host, 0))
        one.settimeout(WAIT_S)
        yield one


def silent(one: socket.socket) -> bool:
    """Tell whether nothing waits at a socket."""
    one.setblocking(False)
    try:
        one.recv(1000)
    except BlockingIOError:
        return True
    finally:
        one.settimeout(WAIT_S)
    return False


def test_udp_answers_who_spoke_first() -> None:
    """A listening port sends nothing before it was spoken to, then answers the first speaker alone."""
    port = free_port()
    with opened(f"udp:127.0.0.1:{port}") as link, speaker() as first, speaker() as second:
        link.send(b"too early")
        first.sendto(b"one", ("127.0.0.1", port))
        assert link.receive(WAIT_S) == b"one"
        second.sendto(b"two", ("127.0.0.1", port))
        assert link.receive(WAIT_S) == b""
        link.send(b"answer")
        assert first.recv(100) == b"answer"
        assert silent(second)
        first.sendto(b"three", ("127.0.0.1", port))
        assert link.receive(WAIT_S) == b"three"


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is there on Linux alone")
def test_udp_follows_a_restarted_bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    """After five seconds of silence another port of the same address is answered, never another address."""
    port, later_s = free_port(), [0.0]
    clock = links.time.monotonic
    monkeypatch.setattr(links.time, "monotonic", lambda: clock() + later_s[0])
    with (
        opened(f"udp:0.0.0.0:{port}") as link,
        speaker() as first,
        speaker("127.0.0.2") as stranger,
        speaker() as again,
    ):
        first.sendto(b"one", ("127.0.0.1", port))
        assert link.receive(WAIT_S) == b"one"
        later_s[0] = 6.0
        stranger.sendto(b"two", ("127.0.0.1", port))
        assert link.receive(WAIT_S) == b""
        again.sendto(b"three", ("127.0.0.1", port))
        assert link.receive(WAIT_S) == b"three"
        link.send(b"answer")
        assert again.recv(100) == b"answer"
        assert silent(first)


def test_udpout_speaks_first() -> None:
    """A sending link speaks to its address before anyone spoke to it, and hears the answer."""
    with speaker() as vehicle, opened(f"udpout:127.0.0.1:{vehicle.getsockname()[1]}") as link:
        assert link.receive(0.0) == b""
        link.send(b"hello")
        data, sender = vehicle.recvfrom(100)
        vehicle.sendto(b"yes", sender)
        assert (data, link.receive(WAIT_S)) == (b"hello", b"yes")


def test_udp_where_nobody_listens() -> None:
    """A refused datagram (ICMP) is no end of the link: the vehicle may come later."""
    with opened(f"udpout:127.0.0.1:{free_port()}") as link:
        for _ in range(3):
            link.send(b"hello")
            assert link.receive(0.01) == b""


def test_tcp_carries_and_ends() -> None:
    """TCP carries bytes both ways; when the other side closes, that is an error with a hint, not silence."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        opened(f"tcp:127.0.0.1:{server.getsockname()[1]}") as link,
    ):
        other, _ = server.accept()
        link.send(b"hello")
        assert other.recv(100) == b"hello"
        assert link.receive(0.0) == b""
        other.sendall(b"yes")
        assert link.receive(WAIT_S) == b"yes"
        other.close()
        with pytest.raises(LinkError, match="broke") as caught:
            link.receive(WAIT_S)
        assert caught.value.hint


def test_tcp_reset() -> None:
    """A connection that is reset is an error of ours both in receiving and in sending."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        opened(f"tcp:127.0.0.1:{server.getsockname()[1]}") as link,
    ):
        other, _ = server.accept()
        # Lingering for no time resets instead of closing.
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        other.close()
        with pytest.raises(LinkError):
            link.receive(WAIT_S)
        with pytest.raises(LinkError):
            for _ in range(10):
                link.send(bytes(1000))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo terminals")
def test_serial() -> None:
    """Over a serial port frames go both ways untouched, every byte value in them."""
    master, slave = os.openpty()
    with opened(f"serial:{os.ttyname(slave)}:57600") as link:
        os.close(slave)
        codec, vehicle = Codec(system=255, component=25), Codec(system=1, component=1)
        link.send(bytes(range(256)))
        assert read(master, 256) == bytes(range(256))
        # Behind it as much as the false heads in the noise may claim.
        os.write(master, bytes(range(256)) + vehicle.pack(text(1)) + bytes(300))
        heard = []
        while not heard:
            data = link.receive(WAIT_S)
            assert data
            heard = codec.feed(data)
        assert heard[0].text == "number 1"
    os.close(master)


def read(file: int, count: int) -> bytes:
    """Read so many bytes."""
    data = b""
    while len(data) < count:
        data += os.read(file, count - len(data))
    return data


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo terminals")
def test_serial_port_that_vanishes() -> None:
    """A radio that is pulled out is an error of ours with a hint, in receiving and in sending."""
    master, slave = os.openpty()
    with opened(f"serial:{os.ttyname(slave)}:57600") as link:
        os.close(slave)
        os.close(master)
        with pytest.raises(LinkError, match="broke") as caught:
            for _ in range(3):
                link.receive(0.05)
        assert caught.value.hint
        with pytest.raises(LinkError):
            link.send(b"hello")
