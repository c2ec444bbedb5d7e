"""What every destination of cases offers, and how it says that something went wrong."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from aerial.errors import DeliveryError
from aerial.records import Case, Receipt, SinkConfig, SiteResult


class Rejected(DeliveryError):
    """The peer understood and refused: sending the same again is useless until somebody changes something."""


class Misplaced(Rejected):
    """The peer holds the case, and not at its place: an officer would be sent elsewhere."""


class Busy(DeliveryError):
    """The peer took nothing and wants to be asked again later; nothing was stored there."""

    def __init__(self, message: str, *, hint: str, retry_after_s: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class Ambiguous(DeliveryError):
    """Nobody knows whether the peer stored it: look it up before it is sent again."""


class CaseSink(Protocol):
    """A destination of cases. Constructed with its ``SinkConfig`` and the secret that it names.

    ``idempotent``: the same case sent twice, by whomever, is stored once, by the peer's own doing. Every
    method raises ``Busy`` or ``Ambiguous`` when the peer cannot be reached.
    """

    name: str
    idempotent: bool

    def __init__(self, config: SinkConfig, secret: str | None) -> None:
        """Refuse a configuration that cannot work; nothing is sent."""
        ...

    def find(self, external_key: str) -> Receipt | None:
        """Return what the peer holds under the key (the oldest, where there are several), or None."""
        ...

    def copies(self, external_key: str) -> tuple[Receipt, ...]:
        """Return everything that the peer holds under the key, oldest first."""
        ...

    def send(self, case: Case, files: Sequence[Path]) -> None:
        """Hand over one case with its outward files; returning is no receipt.

        Raises:
            Rejected, Busy, Ambiguous: see there.
        """
        ...

    def results(self, cursor: str | None) -> tuple[Sequence[SiteResult], str | None]:
        """Return what happened to cases since ``cursor`` (None: from the beginning), and the next cursor."""
        ...
