"""A task at a node, from its commit to its end."""

import time
from dataclasses import dataclass

from pyodm.types import TaskInfo, TaskStatus

from aerial.errors import NodeError
from aerial.ortho.odm.client import Lost, Node, NotNow
from aerial.ortho.odm.upload import Patience
from aerial.progress import Progress

_LOOKS = 3  # for a task that the node is just making
_LAST_LINES = 30
_ENDS = {TaskStatus.FAILED: "failed", TaskStatus.CANCELED: "was told to cancel"}


class Miscounted(NodeError):  # noqa: N818  # a state of the task
    """The task does not hold the photographs that were sent."""


class Failed(NodeError):  # noqa: N818  # a state of the task
    """The task has ended without a result."""


def commit(node: Node, task: str, patience: Patience) -> None:
    """Close the uploads, once: an answer that was lost is looked up, for the task may well be there.

    Raises:
        Lost: the node has neither the task nor its uploads.
    """
    began_at, number = time.monotonic(), 0
    while True:
        lost: Lost | None = None
        try:
            node.commit(task)
        except Lost as error:
            lost = error
        except NotNow as error:
            patience.keep(error, began_at, number)
            number += 1
        else:
            return
        # Closing and making the task are two steps at the node: between them it knows neither.
        for look in range(_LOOKS if lost else 1):
            time.sleep(patience.pause_s * look)
            if knows(node, task, patience):
                return
        if lost:
            raise lost


def knows(node: Node, task: str, patience: Patience) -> bool:
    """Tell whether the node has the task; waits for a node that is away."""
    try:
        state(node, task, patience)
    except Lost:
        return False
    return True


def state(node: Node, task: str, patience: Patience) -> TaskInfo:
    """Return the task's state; waits for a node that is away. Raises ``Lost``."""
    began_at, number = time.monotonic(), 0
    while True:
        try:
            return node.task(task)
        except NotNow as error:
            patience.keep(error, began_at, number)
            number += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How a task is waited for; ``photos`` were sent."""

    photos: int
    poll_s: float
    patience: Patience

    def until_done(self, node: Node, task: str, progress: Progress) -> TaskInfo:
        """Wait for the end of the task and return its state.

        Raises:
            Lost: the node does not know the task any more.
            Miscounted: the task does not hold what was sent.
            Failed: it failed or was canceled; the message holds the cause.
            NodeError: the node is away for too long.
        """
        progress.phase(f"Stitching on {node.name}", 100)
        done, queued = 0, False
        while True:
            info = state(node, task, self.patience)
            if info.status in _ENDS:
                raise Failed(
                    f"The stitching node {node.name} {_ENDS[info.status]}: {cause(node, task, info)}",
                    hint="Look at the photographs with aerial photos check, or use the local engine.",
                )
            self._count(node, info)
            if info.status == TaskStatus.QUEUED and not queued:
                queued = True
                progress.say(f"The task waits in the queue of {node.name}.")
            # 100 belongs to the end: a node tells it before its archive is packed.
            now = 100 if info.status == TaskStatus.COMPLETED else min(int(info.progress), 99)
            progress.advance(max(now - done, 0))
            done = max(done, now)
            if info.status == TaskStatus.COMPLETED:
                return info
            time.sleep(self.poll_s)

    def _count(self, node: Node, info: TaskInfo) -> None:
        # Until the node has unpacked and sorted what came, it tells an estimate: every file, packed or not.
        looked = info.status != TaskStatus.RUNNING or info.progress > 0
        if looked and info.images_count != self.photos:
            raise Miscounted(
                f"The stitching node {node.name} holds {info.images_count} photographs instead of the "
                f"{self.photos} that were sent.",
                hint="Check the network between here and the node, then run the same command.",
            )


def cause(node: Node, task: str, info: TaskInfo) -> str:
    """Return why a task failed: its state often says nothing, the last lines of its output do."""
    lines = [str(info.last_error)] if info.last_error else []
    try:
        lines += [line.strip() for line in node.output(task, -_LAST_LINES)]
    except NodeError:
        lines.append("")
    words = ("error", "not enough", "fail", "timed out", "memory")
    telling = [line for line in lines if any(word in line.casefold() for word in words)]
    shown = (telling or [line for line in lines if line])[-3:]
    return node.clean(" / ".join(shown)) or "it does not say why."
