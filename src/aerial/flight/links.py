"""Byte links to a vehicle: serial, UDP, TCP.

serial:/dev/ttyUSB0:57600   serial:COM5:57600
udp:0.0.0.0:14550           listens; answers whoever spoke first
udpout:192.168.1.10:14555   sends first
tcp:127.0.0.1:5760          connects
"""

import re
import socket
import time
from typing import Protocol

from aerial.errors import LinkError

_READ = 65_536
_CONNECT_S = 10.0
_SILENT_S = 5.0
_HINT = "Give serial:PORT:BAUD, udp:ADDRESS:PORT, udpout:ADDRESS:PORT, tcp:ADDRESS:PORT or sim:."


class Link(Protocol):
    """Bytes to and from a vehicle. ``now`` is the clock that ``receive`` waits by, in seconds."""

    name: str

    def now(self) -> float:
        """Return the time; it only goes forward."""
        ...

    def send(self, data: bytes) -> None:
        """Send; what cannot be sent is lost, as on the air.

        Raises:
            LinkError: the link is gone for good.
        """

    def receive(self, timeout_s: float) -> bytes:
        """Return what has come, waiting at most ``timeout_s`` for the first byte; empty: nothing came.

        Raises:
            LinkError: the link is gone for good.
        """
        ...

    def close(self) -> None:
        """Free the port."""


def open_link(address: str) -> Link:
    """Return the link that ``address`` names.

    Raises:
        LinkError: the address is not one, or cannot be opened.
    """
    kind, _, rest = address.partition(":")
    if kind == "serial":
        found = re.fullmatch(r"(.+):(\d{3,7})", rest)
        if found is None:
            raise LinkError(f"{address!r} names no serial port with a speed.", hint=_HINT)
        return SerialLink(found[1], int(found[2]))
    if kind not in ("udp", "udpout", "tcp"):
        raise LinkError(f"{address!r} is not a link.", hint=_HINT)
    found = re.fullmatch(r"\[?([^\[\]]*)\]?:(\d{1,5})", rest)
    if found is None or not 0 < int(found[2]) < 65_536:
        raise LinkError(f"{address!r} has no address and port.", hint=_HINT)
    try:
        if kind == "tcp":
            return TcpLink(found[1], int(found[2]))
        return UdpLink(found[1], int(found[2]), listens=kind == "udp")
    # A name that cannot be one ("a..b") is a ValueError.
    except (OSError, ValueError) as exc:
        raise LinkError(
            f"{address} cannot be opened: {getattr(exc, 'strerror', None) or exc}.",
            hint="Check the address, that nothing else uses it, and that the vehicle or its radio is on.",
        ) from exc


class UdpLink:
    """Datagrams; one that listens answers whoever spoke first.

    When that one has been silent for five seconds, another port of the same address takes its place: a
    radio bridge that was restarted speaks from a new one.
    """

    def __init__(self, host: str, port: int, *, listens: bool) -> None:
        self.name = f"{'udp' if listens else 'udpout'}:{host}:{port}"
        family, _, _, _, address = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_DGRAM)[0]  # noqa: S104 - the user named it
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._listens = listens
        self._heard_s = float("-inf")
        self._peer: tuple[object, ...] | None = None if listens else address
        if listens:
            try:
                self._socket.bind(address)
            except OSError:
                self._socket.close()
                raise

    def now(self) -> float:
        """Return the monotonic clock."""
        return time.monotonic()

    def send(self, data: bytes) -> None:
        """Send one datagram, once a peer is known."""
        if self._peer is None:
            return
        try:
            self._socket.sendto(data, self._peer)
        except OSError:
            # No route for the moment, or a full buffer: lost, as on the air.
            return

    def receive(self, timeout_s: float) -> bytes:
        """Return one datagram."""
        self._socket.settimeout(max(timeout_s, 1e-4))
        try:
            data, sender = self._socket.recvfrom(_READ)
        except (TimeoutError, ConnectionError):
            return b""
        except OSError as exc:
            raise LinkError(
                f"{self.name} broke: {exc.strerror or exc}.", hint="Connect again, then aerial fly watch."
            ) from exc
        if not self._listens:
            return data
        now = self.now()
        if self._peer is None or (sender[0] == self._peer[0] and now - self._heard_s > _SILENT_S):
            self._peer = sender
        if sender != self._peer:
            # Whoever else finds the port is not the vehicle.
            return b""
        self._heard_s = now
        return data

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class TcpLink:
    """A stream to a simulator or a bridge."""

    def __init__(self, host: str, port: int) -> None:
        self.name = f"tcp:{host}:{port}"
        self._socket = socket.create_connection((host, port), timeout=_CONNECT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def now(self) -> float:
        """Return the monotonic clock."""
        return time.monotonic()

    def send(self, data: bytes) -> None:
        """Send all of it."""
        try:
            self._socket.settimeout(_CONNECT_S)
            self._socket.sendall(data)
        except OSError as exc:
            raise self._gone(exc) from exc

    def receive(self, timeout_s: float) -> bytes:
        """Return what has come."""
        self._socket.settimeout(max(timeout_s, 1e-4))
        try:
            data = self._socket.recv(_READ)
        except TimeoutError:
            return b""
        except OSError as exc:
            raise self._gone(exc) from exc
        if not data:
            raise self._gone(ConnectionError("the other side closed it"))
        return data

    def _gone(self, exc: OSError) -> LinkError:
        return LinkError(
            f"{self.name} broke: {exc.strerror or exc}.", hint="Connect again, then aerial fly watch."
        )

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class SerialLink:
    """A radio or a cable."""

    def __init__(self, port: str, baud: int) -> None:
        import serial

        self.name = f"serial:{port}:{baud}"
        try:
            self._port = serial.Serial(port, baud, timeout=0, write_timeout=1.0)
        except (serial.SerialException, ValueError, OSError) as exc:
            raise LinkError(
                f"{port} cannot be opened at {baud} baud: {exc}",
                hint="Check the name of the port, that nothing else uses it, and your rights to it.",
            ) from exc
        self._errors = (serial.SerialException, OSError)
        self._slow = serial.SerialTimeoutException

    def now(self) -> float:
        """Return the monotonic clock."""
        return time.monotonic()

    def send(self, data: bytes) -> None:
        """Send; what the radio does not take within a second is lost."""
        try:
            self._port.write(data)
        except self._slow:
            return
        except self._errors as exc:
            raise self._gone(exc) from exc

    def receive(self, timeout_s: float) -> bytes:
        """Return what has come."""
        try:
            self._port.timeout = max(timeout_s, 0.0)
            first = self._port.read(1)
            return bytes(first + self._port.read(self._port.in_waiting)) if first else b""
        except self._errors as exc:
            raise self._gone(exc) from exc

    def _gone(self, exc: Exception) -> LinkError:
        return LinkError(f"{self.name} broke: {exc}.", hint="Plug the radio in again, then aerial fly watch.")

    def close(self) -> None:
        """Close the port."""
        self._port.close()
