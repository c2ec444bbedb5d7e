"""A vehicle in the same process, on a link whose clock is simulated.

A flight takes as long as it takes to compute, and is the same every time.
"""

from collections.abc import Callable

from aerial.errors import LinkError
from aerial.simulate.vehicle.channel import Channel
from aerial.simulate.vehicle.machine import Machine
from aerial.simulate.vehicle.setup import Impairment

_STEP_S = 0.02


class VirtualLink:
    """A ``flight.links.Link`` to ``machine``; receiving lets time pass for both.

    ``cut``: no frame passes while it is true. ``every_step`` is called with the time after each step.
    """

    name = "virtual"

    def __init__(self, machine: Machine, impairment: Impairment | None = None, seed: int = 1) -> None:
        self.machine = machine
        self.cut = False
        self.every_step: Callable[[float], None] = lambda _now_s: None
        way = impairment or Impairment()
        self._up, self._down = Channel(way, seed), Channel(way, seed + 1)
        self._now_s = machine.now_s
        self._closed = False

    def now(self) -> float:
        """Return the simulated time in seconds."""
        return self._now_s

    def send(self, data: bytes) -> None:
        """Send one frame."""
        if self._closed:
            raise LinkError("The link is closed.", hint="Open it again.")
        if not self.cut:
            self._up.put(data, self._now_s)

    def receive(self, timeout_s: float) -> bytes:
        """Let time pass until something comes or ``timeout_s`` is over."""
        until = self._now_s + max(timeout_s, 1e-3)
        while True:
            self._now_s = min(self._now_s + _STEP_S, until)
            for frame in self._up.due(self._now_s):
                self.machine.receive(frame)
            self.machine.step(self._now_s)
            for frame in self.machine.take():
                if not self.cut:
                    self._down.put(frame, self._now_s)
            self.every_step(self._now_s)
            data = b"".join(self._down.due(self._now_s))
            if data or self._now_s >= until:
                return data

    def inject(self, data: bytes) -> None:
        """Put bytes on the way to the station that the vehicle did not send."""
        self._down.put(data, self._now_s)

    def close(self) -> None:
        """Close the link."""
        self._closed = True
