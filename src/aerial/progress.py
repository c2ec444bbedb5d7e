"""How long work says how far it has come.

The library never prints. It is handed a ``Progress`` and reports phases to it; the command line
draws them as bars on stderr, and ``SILENT`` drops them.
"""

from typing import Protocol


class Progress(Protocol):
    """Receives the phases of long work; one phase is open at a time."""

    def phase(self, name: str, total: int) -> None:
        """Begin a phase of ``total`` equal units, which ends the one before; ``name`` is for people."""

    def advance(self, units: int = 1) -> None:
        """Count ``units`` of the open phase as done."""

    def say(self, message: str) -> None:
        """Tell the user one sentence that they need to know while the work goes on."""


class SilentProgress:
    """A ``Progress`` that drops everything."""

    def phase(self, name: str, total: int) -> None:
        """Drop the phase."""

    def advance(self, units: int = 1) -> None:
        """Drop the count."""

    def say(self, message: str) -> None:
        """Drop the message."""


SILENT: Progress = SilentProgress()
