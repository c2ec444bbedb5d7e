"""Every error that a user of aerial can meet.

The tree::

    AerialError
    ├── InputError            a file, folder or value that was given cannot be used
    │   ├── PhotoError        photographs: absent, broken, without position, of two places
    │   ├── RasterError       a GeoTIFF: absent, broken, empty
    │   │   └── CrsError      without a CRS, or of one that does not fit
    │   └── ModelError        a model: absent, of another schema, its weights not the ones it names
    ├── PlanError             no flight can be planned: nothing left, out of reach, too little battery
    ├── LinkError             a link to a vehicle cannot be opened, broke, or nobody answers
    ├── FlightError           the vehicle refused, holds something else, or must not be flown like this
    ├── StitchError           the photographs do not make one block
    │   └── NodeError         the stitching node (NodeODM) refused, failed or is not there
    ├── AlignError            the two surveys cannot be laid over each other well enough
    ├── LedgerError           the database: not there, of another schema, an act that does not fit its state
    ├── SecrecyError          something must not leave: secrecy unset, no sign-off, too much or too fine
    ├── DeliveryError         a case did not reach its destination (Rejected, Busy, Ambiguous: sinks/sink.py)
    ├── EvidenceError         a package or an audit log is not what was recorded
    ├── WorkspaceError        the town's folder: not there, not whole, of another schema
    └── PluginError           an engine, detector or sink that is not installed or does not load

Catch ``AerialError`` to catch them all::

    try:
        detect_pair(before, after, out)
    except AerialError as error:
        print(error, error.hint)

Misuse by a programmer raises ``ValueError`` or ``TypeError`` instead.
"""

from functools import partial
from typing import Any


class AerialError(Exception):
    """An expected failure: what happened, and what the user can do next.

    ``hint`` is one sentence in the imperative; the command line shows it under the message.
    """

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with the hint: errors come out of other processes too."""
        return partial(type(self), hint=self.hint), self.args


class InputError(AerialError):
    """A file, folder or value that was given cannot be used."""


class PhotoError(InputError):
    """Photographs are absent, broken, without position, or of two places."""


class RasterError(InputError):
    """A raster is absent, broken or holds nothing."""


class CrsError(RasterError):
    """A coordinate reference system is absent or does not fit the other one."""


class ModelError(InputError):
    """A model is absent, of another schema, or its weights are not the ones that it names."""


class StitchError(AerialError):
    """The photographs do not make one block."""


class NodeError(StitchError):
    """A stitching node refused the work, failed, or cannot be reached."""


class AlignError(AerialError):
    """Two surveys cannot be laid over each other well enough to be compared."""


class WorkspaceError(AerialError):
    """The town's folder is not there, not whole, or of another schema."""


class PluginError(AerialError):
    """An engine or detector is not installed or does not load."""


class PlanError(AerialError):
    """No flight can be planned: nothing is left of the area, it is out of reach, a battery is too small."""


class LinkError(AerialError):
    """A link to a vehicle cannot be opened, broke, or nobody answers on it."""


class FlightError(AerialError):
    """A vehicle refused, holds something else than it should, or must not be flown like this."""


class LedgerError(AerialError):
    """The ledger is not there, of another schema, or an act does not fit what it holds."""


class SecrecyError(AerialError):
    """Something must not leave: secrecy is unset, a sign-off is missing, it is too large or too fine."""


class DeliveryError(AerialError):
    """A case did not reach its destination."""


class EvidenceError(AerialError):
    """An evidence package or an audit log is not what was recorded."""
