"""The ledger of a laptop into the town's."""

from pathlib import Path

from aerial.errors import LedgerError
from aerial.ledger.merge import MergeReport, merge
from aerial.ledger.store import Ledger, open_ledger


def merge_ledger(ledger: Ledger, other: str) -> MergeReport:
    """Take another ledger, a file's path or a PostgreSQL URL, into this one; return what came over.

    The other one is written, too: it hands its deliveries over (``ledger.merge``).

    Raises:
        LedgerError: it is not there, is this one itself or no ledger, or its audit log is not whole.
    """
    # Opening would make an empty ledger of a mistyped name.
    file = other.removeprefix("sqlite:///")
    if "://" not in file and not Path(file).is_file():
        raise LedgerError(
            f"There is no ledger {other}.", hint="Name the laptop's file, such as laptop3/ledger.sqlite."
        )
    with open_ledger(other) as source:
        return merge(ledger, source)
