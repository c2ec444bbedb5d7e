"""Which of several nodes gets a task."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyodm.types import NodeInfo

from aerial.errors import NodeError
from aerial.ortho.odm.client import Node, NotNow
from aerial.progress import Progress

# Before it, tasks could not be uploaded in parts, nor their outputs be chosen.
_OLDEST = (1, 5)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node and what it says of itself."""

    node: Node
    info: NodeInfo


def nodes_of(urls: Sequence[str]) -> tuple[Node, ...]:
    """Return the nodes of the given URLs.

    Raises:
        NodeError: there is none, one is not a node's, or one is given with two tokens.
    """
    if not urls:
        raise NodeError("No stitching node is named.", hint="Name one: --node http://HOST:3000.")
    nodes: dict[str, Node] = {}
    for node in map(Node.at, urls):
        if nodes.setdefault(node.name, node) != node:
            raise NodeError(f"{node.name} is named with two tokens.", hint="Name each node once.")
    return tuple(nodes.values())


def choose(nodes: Sequence[Node], files: int, photos: int, progress: Progress) -> Candidate:
    """Return the node whose queue is shortest for the machines it has, of those that take the job.

    The first named wins where they are equal. Those that cannot be used are passed over with a word.

    Raises:
        NodeError: none can be used; the error of the first.
    """
    errors: list[NodeError] = []
    able: list[Candidate] = []
    for node in nodes:
        try:
            able.append(_fit(node, files, photos))
        except NodeError as error:
            errors.append(error)
    if not able:
        # What can be cured by waiting is the last to be told.
        raise min(errors, key=lambda error: isinstance(error, NotNow))
    for passed in errors:
        progress.say(f"{passed} It is passed over.")
    return min(able, key=lambda candidate: _queue(candidate.info))


def _fit(node: Node, files: int, photos: int) -> Candidate:
    info = node.info()
    version = tuple(int(part) for part in str(info.version).split(".")[:2] if part.isdigit())
    if version < _OLDEST:
        raise NodeError(
            f"The stitching node {node.name} is NodeODM {info.version}, which is too old.",
            hint="Run NodeODM 2 (docs/scaling.md says which commit).",
        )
    if info.max_images is not None and files > info.max_images:
        more = f" and {files - photos} more file(s)" if files > photos else ""
        raise NodeError(
            f"{node.name} takes {info.max_images} photographs at most, not {photos}{more}.",
            hint="Start the node with a larger --max_images, or stitch with the local engine.",
        )
    return Candidate(node, info)


def _queue(info: NodeInfo) -> float:
    return (info.task_queue_count or 0) / max(info.max_parallel_tasks or 1, 1)
