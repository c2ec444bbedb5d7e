"""What a destination holds beside what the ledger believes: doubles, what vanished, what moved."""

from collections.abc import Sequence
from typing import Literal

from aerial import geo
from aerial.delivery.worker import SAME_PLACE_M
from aerial.ledger import cases, outbox
from aerial.ledger.store import Ledger
from aerial.progress import SILENT, Progress
from aerial.records import Receipt
from aerial.records.record import record
from aerial.sinks.sink import CaseSink

Difference = Literal["double", "vanished", "moved", "there"]


@record
class Discrepancy:
    """One difference between ledger and destination; ``remote_ids`` are all that the peer holds of the case.

    "double": more than one copy. "vanished": confirmed once, and not there any more. "moved": there, at
    another place. "there": not counted as delivered yet, and there all the same; the next push counts it.
    """

    external_key: str
    sink: str
    what: Difference
    remote_ids: tuple[str, ...]
    text: str


def reconcile(
    ledger: Ledger, name: str, sink: CaseSink, progress: Progress = SILENT
) -> tuple[Discrepancy, ...]:
    """Ask the destination for every case that ever went there, and return what differs; changes nothing.

    Raises:
        Busy, Ambiguous: the destination does not answer.
    """
    with ledger.read() as tx:
        rows = [row for row in outbox.rows(tx, sink=name) if row.sent_at is not None]
    progress.phase(f"Reconcile {name}", len(rows))
    found = []
    for row in rows:
        with ledger.read() as tx:
            case = cases.case(tx, row.external_key)
        copies = sink.copies(row.external_key)
        found += _differences(row, case.at, copies)
        progress.advance()
    return tuple(found)


def _differences(row: outbox.Row, at: geo.LonLat, copies: Sequence[Receipt]) -> list[Discrepancy]:
    ids = tuple(copy.remote_id for copy in copies)

    def told(what: Difference, text: str) -> Discrepancy:
        return Discrepancy(external_key=row.external_key, sink=row.sink, what=what, remote_ids=ids, text=text)

    if not copies:
        return [told("vanished", "was confirmed and is not there now")] if row.state == "confirmed" else []
    if len(copies) > 1:
        return [told("double", f"{len(copies)} copies: {', '.join(ids)}")]
    apart_m = geo.distance_m(at, copies[0].at)
    if apart_m > SAME_PLACE_M:
        return [told("moved", f"{apart_m:.1f} m from where it was sent")]
    return [] if row.state == "confirmed" else [told("there", f"{row.state} here, there as {ids[0]}")]
