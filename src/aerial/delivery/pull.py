"""What happened to cases at a destination, into the ledger: stages and officers' results."""

from collections.abc import Callable

from aerial.ledger import cases
from aerial.ledger.store import Ledger
from aerial.records import SiteResult
from aerial.sinks.sink import CaseSink

# A destination that never ends is cut short; the cursor keeps the place.
_MOST_PAGES = 10_000


def pull(ledger: Ledger, name: str, sink: CaseSink, told: Callable[[SiteResult], None]) -> int:
    """Read what is new at the destination and record it; return how much was.

    A page and the cursor behind it are one transaction: killed in between, the page is read again, and an
    act that is known is not recorded twice. An act on a case that is not known here is kept for the day on
    which a laptop brings it. ``told`` gets each new act.

    Raises:
        Busy, Ambiguous: the destination does not answer; what was read is kept.
    """
    new = 0
    for _ in range(_MOST_PAGES):
        with ledger.read() as tx:
            cursor = cases.cursor(tx, name)
        acts, following = sink.results(cursor)
        with ledger.begin() as tx:
            for act in acts:
                if cases.add_result(tx, name, act):
                    new += 1
                    told(act)
            if following is not None:
                cases.set_cursor(tx, name, following)
        if following is None or following == cursor or not acts:
            return new
    return new
