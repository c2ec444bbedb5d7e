"""Files to a node: several at once, each confirmed, and none of them twice or in part.

An upload that broke leaves what had arrived at the node, under the photograph's name, and NodeODM
stores the next attempt beside it under another: the survey would hold a torn photograph. So a file
whose fate is not known is never sent again by itself. When all others are there, the doubtful ones go
in one seed.zip, which the node unpacks over whatever it has of them.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from aerial.ortho.odm.client import Lost, Node, NotNow, Unclear
from aerial.ortho.odm.journal import Journal
from aerial.ortho.odm.parcels import SEED, Parcel, Stop, Stopped, seed
from aerial.progress import Progress

UPLOADS = 4
_LONGEST_PAUSE = 16  # times the first pause


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a node may be away: pauses from ``pause_s`` on, doubled, until ``total_s`` have passed."""

    pause_s: float
    total_s: float

    def keep(self, error: NotNow, began_at: float, number: int, stop: Stop | None = None) -> None:
        """Pause before attempt ``number`` + 1; raises ``error`` when it has taken too long."""
        if time.monotonic() - began_at > self.total_s:
            raise error
        pause_s = self.pause_s * min(2**number, _LONGEST_PAUSE)
        if stop is None:
            time.sleep(pause_s)
        elif stop.wait(pause_s):
            raise Stopped

    def until_answered(self, ask: Callable[[], None]) -> None:
        """Do what may be done twice without harm until the node answers."""
        began_at, number = time.monotonic(), 0
        while True:
            try:
                return ask()
            except NotNow as error:
                self.keep(error, began_at, number)
                number += 1


def upload(
    node: Node,
    task: str,
    parcels: Sequence[Parcel],
    journal: Journal,
    patience: Patience,
    progress: Progress,
) -> None:
    """Send what the node does not have yet.

    Raises:
        Lost: the node does not know the task (any more), or nobody can tell what it has of it.
        PhotoError: a photograph is gone or changes.
        NodeError: the node refuses, or is away for too long.
    """
    there, doubtful = journal.uploads(task)
    progress.phase(f"Sending to {node.name}", len(parcels))
    progress.advance(sum(parcel.name in there for parcel in parcels))
    if SEED in doubtful:
        raise _untold(node)
    waiting = [parcel for parcel in parcels if parcel.name not in there | doubtful]
    stop = Stop()
    pool = ThreadPoolExecutor(UPLOADS)
    try:
        futures = {pool.submit(_send, node, task, parcel, journal, patience, stop) for parcel in waiting}
        _collect(futures, progress)
    finally:
        # Interrupted or refused: what is under way ends in the middle and counts as doubtful.
        stop.set()
        pool.shutdown(cancel_futures=True)
    _, doubtful = journal.uploads(task)
    again = [parcel for parcel in parcels if parcel.name in doubtful]
    if again:
        packed = seed(again, journal.folder / SEED)
        if not _send(node, task, packed, journal, patience, Stop()):
            raise _untold(node)
        journal.note(task, "sent", *(parcel.name for parcel in again))
        packed.path.unlink()
        progress.advance(len(again))


def _collect(futures: set[Future[bool]], progress: Progress) -> None:
    while futures:
        done, futures = wait(futures, timeout=1.0, return_when=FIRST_COMPLETED)
        for future in done:
            progress.advance(int(future.result()))


def _send(node: Node, task: str, parcel: Parcel, journal: Journal, patience: Patience, stop: Stop) -> bool:
    """Send one file; return whether the node confirmed it (False: nobody knows what it has)."""
    began_at, number = time.monotonic(), 0
    while not stop.is_set():
        journal.note(task, "begun", parcel.name)
        try:
            node.upload(task, parcel, stop)
        except Unclear:
            return False
        except NotNow as error:
            journal.note(task, "not sent", parcel.name)
            patience.keep(error, began_at, number, stop)
            number += 1
        else:
            journal.note(task, "sent", parcel.name)
            return True
    raise Stopped


def _untold(node: Node) -> Lost:
    return Lost(
        f"The connection to the stitching node {node.name} broke so that nobody knows what it has.",
        hint="Check the network; the same command sends the photographs again.",
    )
