"""The whole simulated vehicle without any I/O: bytes in, simulated time forward, bytes out.

Answers go back to the port that the question came from; what nobody asked for goes to every port that has
spoken. ``stored`` and ``state`` are the truth, for whoever checks what was claimed.
"""

from collections.abc import Callable

from aerial.flight.mavlink import Codec, Message, Signer, dialect
from aerial.simulate.vehicle.craft import Craft
from aerial.simulate.vehicle.flying import Flying
from aerial.simulate.vehicle.items import Kind
from aerial.simulate.vehicle.parameters import Parameters
from aerial.simulate.vehicle.place import Place
from aerial.simulate.vehicle.plans import Plans, Stored, Surroundings
from aerial.simulate.vehicle.setup import Setup
from aerial.simulate.vehicle.state import State
from aerial.simulate.vehicle.telemetry import Telemetry

COMPONENT = 1
_ACCEPTED = int(dialect.MAV_RESULT_ACCEPTED)
_BOOTS_S = 2.0
# The shortest time that matters to anything but the body, which has steps of its own.
_STEP_S = 0.02


class Machine:
    """A vehicle; ``signer``: frames without a right signature are not heard, and what is sent is signed."""

    def __init__(self, setup: Setup, signer: Callable[[], Signer] | None = None) -> None:
        self._setup, self._signer = setup, signer
        self.parameters = Parameters((("MAV_SYSID", setup.system), *setup.parameters))
        self.stored = Stored()
        self._codecs: dict[int, Codec] = {}
        self._out: dict[int, list[bytes]] = {}
        self._ports: dict[tuple[int, int], int] = {}
        self._boot(0.0)

    def _boot(self, at_s: float) -> None:
        # Since when, and for how long it is powered; ``state`` keeps to the rounds of its loop.
        self._booted_s, self._on_s = at_s, 0.0
        place = Place(self._setup.home, self._setup.home_amsl_m)
        self.flying = Flying(
            Craft(self._setup, self.parameters, self.stored, self._text, self._tell_all, place)
        )
        self.state: State = self.flying.state
        self.plans = Plans(
            self.stored,
            Surroundings(
                home=lambda: self.flying.home(),
                mode=lambda: self.state.mode,
                armed=lambda: self.state.armed,
                current=lambda: self.state.current,
                say=self._text,
                changed=self._changed,
            ),
        )
        self.telemetry = Telemetry(
            self.state, place, self.stored, (self._setup.wind_speed_m_s, self._setup.wind_from_deg)
        )
        self._had_home = self._rebooting = False

    def reboot(self) -> None:
        """Power off and on: what is stored stays, everything else begins anew, transfers are forgotten.

        What was sent before is still to be taken.
        """
        self._codecs.clear()
        self._boot(self.now_s)

    @property
    def now_s(self) -> float:
        """Return the simulated time since the first power-up."""
        return self._booted_s + self._on_s

    def receive(self, data: bytes, port: int = 0) -> None:
        """Take bytes that came in on a port; what is not for this vehicle is ignored."""
        if not self._awake:
            return
        for message in self._codec(port).feed(data):
            if self._awake:
                self._hear(message, port)

    @property
    def _awake(self) -> bool:
        return self.state.time_s >= _BOOTS_S or not self._booted_s

    def step(self, to_s: float) -> None:
        """Let time pass until ``to_s`` since the first power-up."""
        until = to_s - self._booted_s
        while self._on_s < until - 1e-9:
            quiet = self.state.landed and not self.state.armed and not self.plans.busy
            soon = self.telemetry.next_s if quiet else 0.0
            self._on_s = min(until, max(soon, self._on_s + _STEP_S))
            self.flying.step(self._on_s)
            self._after_step()

    def _after_step(self) -> None:
        if self.state.home_set and not self._had_home:
            self._had_home = True
            self.plans.home_was_set()
        for message, sender in self.plans.tick(self.state.time_s):
            # Who has gone gets no answer, as on the air.
            if sender in self._ports:
                self._send(message, self._ports[sender])
        if self._awake:
            for message in self.telemetry.due():
                self._tell_all(message)

    def take(self, port: int = 0) -> list[bytes]:
        """Return the frames to send on a port, and forget them."""
        self._codec(port)
        found, self._out[port] = self._out[port], []
        return found

    def forget(self, port: int) -> None:
        """Forget a port that was closed."""
        self._codecs.pop(port, None)
        self._out.pop(port, None)
        self._ports = {sender: at for sender, at in self._ports.items() if at != port}

    def _codec(self, port: int) -> Codec:
        if port not in self._codecs:
            signer = None if self._signer is None else self._signer()
            self._codecs[port] = Codec(system=self._setup.system, component=COMPONENT, signer=signer)
            self._out.setdefault(port, [])
        return self._codecs[port]

    def _send(self, message: Message, port: int) -> None:
        codec = self._codec(port)
        self._out[port].append(codec.pack(message))

    def _tell_all(self, message: Message) -> None:
        for port in self._codecs:
            self._send(message, port)

    def _text(self, severity: int, text: str) -> None:
        self._tell_all(dialect.MAVLink_statustext_message(severity, text[:50].encode("ascii", "replace")))

    def _changed(self, kind: Kind) -> None:
        if kind == "mission":
            self.flying.mission_changed()
            self.parameters["MIS_TOTAL"] = len(self.stored.mission)
        elif kind == "fence":
            self.flying.fence_changed()
            # Polygons have an item more than corners, and the list has one.
            rings = sum(1 / item.params[0] for item in self.stored.fence if item.command in (5001, 5002))
            self.parameters["FENCE_TOTAL"] = (
                len(self.stored.fence) + round(rings) + 1 if self.stored.fence else 0
            )
        else:
            self.parameters["RALLY_TOTAL"] = len(self.stored.rally)

    def _hear(self, message: Message, port: int) -> None:
        sender = (message.get_srcSystem(), message.get_srcComponent())
        if sender == (self._setup.system, COMPONENT):
            return
        self._ports[sender] = port
        kind = message.get_type()
        if getattr(message, "target_system", 0) not in (0, self._setup.system):
            return
        if kind.startswith("MISSION_") and kind != "MISSION_SET_CURRENT":
            answers = self.plans.hear(message, sender, self.state.time_s)
        elif kind.startswith("PARAM_"):
            answers = self.parameters.hear(message)
        elif kind in ("COMMAND_LONG", "COMMAND_INT"):
            answers = self._command(message, sender)
        else:
            answers = self._other(kind, message)
        for answer in answers:
            self._send(answer, port)
        if self._rebooting:
            self.reboot()

    def _other(self, kind: str, message: Message) -> list[Message]:
        if kind == "HEARTBEAT":
            station = message.get_srcSystem() == self.parameters["MAV_GCS_SYSID"]
            if station and message.type == dialect.MAV_TYPE_GCS:
                self.flying.heard_station(self.state.time_s)
        elif kind == "TIMESYNC" and message.tc1 == 0:
            return [dialect.MAVLink_timesync_message(round(self.state.time_s * 1e9) + 1, message.ts1)]
        elif kind == "SET_MODE":
            params = (1.0, float(message.custom_mode), 0.0, 0.0, 0.0, 0.0, 0.0)
            self.flying.command(dialect.MAV_CMD_DO_SET_MODE, params, 0)
        elif kind == "MISSION_SET_CURRENT":
            params = (float(message.seq), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
            if self.flying.command(dialect.MAV_CMD_DO_SET_MISSION_CURRENT, params, 0) == _ACCEPTED:
                # A message, not a command: this is its acknowledgement.
                return [self.telemetry.one(dialect.MAVLINK_MSG_ID_MISSION_CURRENT)]
        else:
            self.flying.hear(message)
        return []

    def _command(self, message: Message, sender: tuple[int, int]) -> list[Message]:
        first = (message.param1, message.param2, message.param3, message.param4)
        if message.get_type() == "COMMAND_LONG":
            params = (*first, message.param5, message.param6, message.param7)
            frame = 0
        else:
            params = (*first, message.x / 1e7, message.y / 1e7, message.z)
            frame = message.frame
        if message.command == dialect.MAV_CMD_SET_MESSAGE_INTERVAL:
            result = self.telemetry.set_interval(_whole(params[0]), params[1])
        elif message.command == dialect.MAV_CMD_REQUEST_MESSAGE:
            told = self.telemetry.one(_whole(params[0]))
            result = int(dialect.MAV_RESULT_FAILED if told is None else dialect.MAV_RESULT_ACCEPTED)
            if told is not None:
                return [dialect.MAVLink_command_ack_message(message.command, result, 0, 0, *sender), told]
        elif message.command == dialect.MAV_CMD_PREFLIGHT_REBOOT_SHUTDOWN:
            self._rebooting = params[0] == 1 and not self.state.armed
            result = _ACCEPTED if self._rebooting else int(dialect.MAV_RESULT_FAILED)
        else:
            result = self.flying.command(message.command, params, frame)
        return [dialect.MAVLink_command_ack_message(message.command, result, 0, 0, *sender)]


def _whole(value: float) -> int:
    return int(value) if abs(value) < 2**24 else -1
