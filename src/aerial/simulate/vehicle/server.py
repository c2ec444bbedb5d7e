"""A simulated vehicle behind a TCP or UDP port, in real time or faster."""

import selectors
import socket
import time
from dataclasses import dataclass, field

from aerial.errors import InputError
from aerial.simulate.vehicle.channel import Channel
from aerial.simulate.vehicle.machine import Machine
from aerial.simulate.vehicle.setup import Impairment

_TICK_S = 0.01
# So much simulated time between two looks at the ports, where the processor allows it.
_FINE_S = 0.1
# Asked to run faster than it can, the vehicle lets time go after so long, and goes on hearing.
_BEHIND_S = 0.05
# A datagram comes from no connection that ends: who was silent for so long has gone.
_SILENT_S = 60.0
_READ = 65_536
# More bytes than this without one being taken by the client, and they are thrown away as a radio would.
_BACKLOG = 1_000_000


@dataclass(slots=True)
class _Client:
    """One ground station: its way in and out, and what is left to write."""

    socket: socket.socket
    address: tuple[object, ...] | None
    port: int
    up: Channel
    down: Channel
    heard_s: float = 0.0
    rest: bytes = b""
    unsent: bytearray = field(default_factory=bytearray)


class Server:
    """Serves ``machine`` on ``address`` ("tcp:HOST:PORT" or "udp:HOST:PORT", port 0: any).

    ``speedup``: simulated seconds a second. What the link does to frames it does in real time.

    Raises:
        InputError: the address is none, or is in use.
    """

    def __init__(
        self, machine: Machine, address: str, *, speedup: float, impairment: Impairment, seed: int
    ) -> None:
        self._machine, self._speedup, self._way, self._seed = machine, speedup, impairment, seed
        kind, _, rest = address.partition(":")
        host, _, port = rest.rpartition(":")
        if kind not in ("tcp", "udp") or not host or not port.isdigit() or int(port) > 65_535:
            raise InputError(f"{address!r} is no address.", hint="Give tcp:HOST:PORT or udp:HOST:PORT.")
        self._tcp = kind == "tcp"
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM if self._tcp else socket.SOCK_DGRAM)
        try:
            if self._tcp:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((host, int(port)))
            if self._tcp:
                self._socket.listen()
        except OSError as exc:
            raise InputError(
                f"{address} cannot be used: {exc.strerror or exc}.", hint="Give another port, or 0 for any."
            ) from exc
        self._socket.setblocking(False)
        self.address = f"{kind}:{host}:{self._socket.getsockname()[1]}"
        self._clients: list[_Client] = []
        self._ports = 0
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)

    def run(self) -> None:
        """Serve until the process ends."""
        began, before = time.monotonic(), 0.0
        while True:
            self._selector.select(min(_TICK_S, _FINE_S / self._speedup))
            now = time.monotonic() - began
            self._receive(now)
            for client in self._clients:
                for frame in client.up.due(now):
                    self._machine.receive(frame, client.port)
            self._machine.step(self._machine.now_s + min(now - before, _BEHIND_S) * self._speedup)
            before = now
            for client in list(self._clients):
                for frame in self._machine.take(client.port):
                    client.down.put(frame, now)
                self._write(client, now)
                if not self._tcp and now - client.heard_s > _SILENT_S:
                    self._leave(client)

    def _client(self, sock: socket.socket, address: tuple[object, ...] | None) -> _Client:
        self._ports += 1
        client = _Client(
            socket=sock,
            address=address,
            port=self._ports,
            up=Channel(self._way, self._seed + 2 * self._ports),
            down=Channel(self._way, self._seed + 2 * self._ports + 1),
        )
        self._machine.take(client.port)
        self._clients.append(client)
        return client

    def _receive(self, now_s: float) -> None:
        if self._tcp:
            self._accept()
            for client in list(self._clients):
                try:
                    data = client.socket.recv(_READ)
                except BlockingIOError:
                    continue
                except OSError:
                    data = b""
                if data:
                    self._put(client, data, now_s)
                else:
                    self._leave(client)
            return
        while True:
            try:
                data, address = self._socket.recvfrom(_READ)
            except BlockingIOError:
                return
            except OSError:
                continue
            known = next((client for client in self._clients if client.address == address), None)
            self._put(known or self._client(self._socket, address), data, now_s)

    def _accept(self) -> None:
        try:
            sock, _ = self._socket.accept()
        except BlockingIOError:
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._selector.register(sock, selectors.EVENT_READ)
        self._client(sock, None)

    def _put(self, client: _Client, data: bytes, now_s: float) -> None:
        # What is lost on the air is frames: a stream is cut at their marks, as well as it can be.
        client.heard_s = now_s
        frames, rest = frames_of(client.rest + data)
        if self._tcp:
            client.rest = rest
        for frame in frames:
            client.up.put(frame, now_s)

    def _write(self, client: _Client, now_s: float) -> None:
        due = client.down.due(now_s)
        if not self._tcp:
            for frame in due:
                try:
                    client.socket.sendto(frame, client.address)  # type: ignore[arg-type]  # as it came
                except OSError:
                    continue
            return
        client.unsent += b"".join(due)
        if not client.unsent:
            return
        try:
            sent = client.socket.send(client.unsent)
            del client.unsent[:sent]
        except BlockingIOError:
            if len(client.unsent) > _BACKLOG:
                client.unsent.clear()
        except OSError:
            self._leave(client)

    def _leave(self, client: _Client) -> None:
        if client in self._clients:
            self._clients.remove(client)
            self._machine.forget(client.port)
            if self._tcp:
                self._selector.unregister(client.socket)
                client.socket.close()


def frames_of(data: bytes) -> tuple[list[bytes], bytes]:
    """Split bytes at MAVLink 2 frames; return them and the frame that is not whole yet.

    What begins with no frame goes along as it is.
    """
    found: list[bytes] = []
    at = 0
    while at < len(data):
        end = len(data)
        if data[at] == 0xFD:
            head = data[at : at + 3]
            end = at + (12 + head[1] + (13 if head[2] & 1 else 0) if len(head) == 3 else 3)
            if end > len(data):
                return found, data[at:]
        found.append(data[at:end])
        at = end
    return found, b""
