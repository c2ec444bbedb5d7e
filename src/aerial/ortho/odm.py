"""The stitch engine ``odm``: one NodeODM node does the work, over HTTP.

OpenDroneMap is AGPL software and runs as a service of its own; nothing of it is part of this
program. What comes back is written in the same form as the local engine's.
"""

import shutil
import time
import uuid
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from pyodm.types import TaskStatus

from aerial.codec import read_json, sha256_json, write_json
from aerial.errors import InputError, NodeError
from aerial.ortho.node import OneNode
from aerial.ortho.odm_result import DSM, ORTHO, SHOTS, normalise
from aerial.progress import Progress
from aerial.records import Finding, Mosaic, StitchJob

# What ODM makes without being asked. Naming it would be a numeric option, and one version of
# NodeODM (2.2.4 at 8ad3e30) ends its whole process on any of those.
_DEFAULT_GSD_M = 0.05
_UPLOADS = 4


class OdmEngine:
    """Stitches on the first of the job's ``nodes``; see ``StitchEngine``."""

    name = "odm"
    version = "1"
    poll_s = 3.0
    retry_s = 5.0

    def check(self, job: StitchJob) -> Sequence[Finding]:
        """Return what speaks against the job; asks the node, sends nothing."""
        try:
            node = self._node(job)
            with node.translating():
                most = node.info().max_images
        except NodeError as error:
            return (Finding(level="fail", code="node", message=str(error), hint=error.hint),)
        found = []
        if most is not None and len(job.photos) > most:
            found.append(
                Finding(
                    level="fail",
                    code="too_many",
                    message=f"{node.name} takes {most} photographs at most, not {len(job.photos)}.",
                    hint="Start the node with a larger --max_images, or stitch with the local engine.",
                )
            )
        if len(job.photos) < 2:
            found.append(
                Finding(
                    level="fail",
                    code="too_few",
                    message=f"{len(job.photos)} photograph(s) cannot be stitched.",
                    hint="Give all photographs of the flight.",
                )
            )
        if node.is_open_to_listeners():
            found.append(
                Finding(
                    level="warn",
                    code="clear_text",
                    message=f"The token of {node.name} travels in clear text.",
                    hint="Use https, or keep the node on a network that you trust.",
                )
            )
        if job.previous is not None:
            found.append(
                Finding(
                    level="warn",
                    code="own_frame",
                    message="A stitching node does not join an earlier block; GPS alone places the mosaic.",
                    hint="Use the local engine for surveys that are compared.",
                )
            )
        return tuple(found)

    def stitch(self, job: StitchJob, work: Path, progress: Progress) -> Mosaic:
        """Stitch the photographs of ``job`` on the node; ``work`` remembers the task.

        Raises:
            NodeError: the node cannot be reached, refuses, fails, or returns no mosaic.
        """
        for finding in self.check(job):
            if finding.level == "fail":
                raise NodeError(finding.message, hint=finding.hint)
            progress.say(f"{finding.message} {finding.hint}")
        started = time.monotonic()
        node, journal = self._node(job), work / "odm.json"
        sizes = [(job.folder / photo.file).stat().st_size for photo in job.photos]
        digest = sha256_json([job.photos, job.gsd_m, sizes])
        task = self._known_task(node, journal, digest) or self._send(job, node, work, digest, progress)
        self._wait(node, task, journal, progress)
        node_seconds = time.monotonic() - started
        progress.phase("Downloading the mosaic", 1)
        if (work / ".odm").exists():
            shutil.rmtree(work / ".odm")
        with node.translating():
            archive = Path(task.download_zip(str(work / ".odm"), parallel_downloads=1))
        _extract(archive, work / ".odm", node)
        progress.advance()
        mosaic = normalise(job, work, work / ".odm", _sent_names(job), node.name, node_seconds, progress)
        shutil.rmtree(work / ".odm")
        return mosaic

    def _node(self, job: StitchJob) -> OneNode:
        if not job.nodes:
            raise NodeError("No stitching node is named.", hint="Name one: --node http://HOST:3000.")
        return OneNode(job.nodes[0])

    def _known_task(self, node: OneNode, journal: Path, digest: str) -> Any | None:
        """Return the task that an earlier call sent, if the node still has it and it may succeed."""
        try:
            known = read_json(journal)
        except InputError:
            return None
        if known.get("node") != node.name or known.get("job") != digest:
            return None
        task = node.get_task(known["task"])
        try:
            with node.translating():
                status = task.info().status
        except NodeError as error:
            if "lost the task" in str(error):
                return None
            raise
        return task if status not in (TaskStatus.FAILED, TaskStatus.CANCELED) else None

    def _send(self, job: StitchJob, node: OneNode, work: Path, digest: str, progress: Progress) -> Any:
        name = str(uuid.uuid4())
        # Written first: a task that was accepted while we were killed is found again by its name.
        write_json(work / "odm.json", {"node": node.name, "task": name, "job": digest})
        options: dict[str, object] = {"dsm": True}
        if job.gsd_m is not None and abs(job.gsd_m - _DEFAULT_GSD_M) > 1e-9:
            options |= {"orthophoto-resolution": 100 * job.gsd_m, "dem-resolution": 100 * job.gsd_m}
        progress.phase(f"Sending photographs to {node.name}", 100)
        done = 0

        def advance(percent: float) -> None:
            nonlocal done
            progress.advance(int(percent) - done)
            done = int(percent)

        with node.translating():
            return node.create_task(
                _files_to_send(job, work / ".odm" / "sent"),
                options,
                name=job.folder.name,
                progress_callback=advance,
                skip_post_processing=True,
                outputs=[ORTHO, DSM, SHOTS],
                parallel_uploads=_UPLOADS,
                retry_timeout=self.retry_s,
                task_uuid=name,
            )

    def _wait(self, node: OneNode, task: Any, journal: Path, progress: Progress) -> None:
        progress.phase(f"Stitching on {node.name}", 100)
        done, missed = 0, 0
        while True:
            try:
                with node.translating():
                    info = task.info()
                missed = 0
            except NodeError as error:
                missed += 1
                if missed > 5 or "lost the task" in str(error):
                    raise
                time.sleep(missed * self.retry_s)
                continue
            progress.advance(max(int(info.progress) - done, 0))
            done = max(done, int(info.progress))
            if info.status == TaskStatus.COMPLETED:
                return
            if info.status in (TaskStatus.FAILED, TaskStatus.CANCELED):
                journal.unlink(missing_ok=True)
                raise NodeError(
                    f"The stitching node {node.name} {_END[info.status]}: {_cause(node, task, info)}",
                    hint="Look at the photographs with aerial photos check, or use the local engine.",
                )
            time.sleep(self.poll_s)


_END = {TaskStatus.FAILED: "failed", TaskStatus.CANCELED: "was told to cancel"}


def _cause(node: OneNode, task: Any, info: Any) -> str:
    """Return why a task failed: the status says nothing, the last lines of its output do."""
    lines = [info.last_error] if info.last_error else []
    try:
        with node.translating():
            lines += [str(line).strip() for line in task.output(-30)]
    except NodeError:
        lines.append("")
    telling = [
        line for line in lines if any(word in line.casefold() for word in ("error", "not enough", "fail"))
    ]
    return " / ".join((telling or [line for line in lines if line])[-3:]) or "it does not say why."


def _sent_names(job: StitchJob) -> dict[str, str]:
    """Return the name under which each photograph is sent; all differ.

    The node renames one of two files of one name, and which one is chance.
    """
    counts = Counter(PurePosixPath(photo.file).name.casefold() for photo in job.photos)
    return {
        photo.file: PurePosixPath(photo.file).name
        if counts[PurePosixPath(photo.file).name.casefold()] == 1
        else "_".join(PurePosixPath(photo.file).parts)
        for photo in job.photos
    }


def _files_to_send(job: StitchJob, folder: Path) -> list[str]:
    chosen = []
    for file, name in _sent_names(job).items():
        path = job.folder / file
        if path.name != name:
            folder.mkdir(parents=True, exist_ok=True)
            path = Path(shutil.copyfile(path, folder / name))
        chosen.append(str(path))
    return chosen


def _extract(archive: Path, folder: Path, node: OneNode) -> None:
    """Take the known members out of the archive, by streams; whatever else it holds stays inside."""
    try:
        with zipfile.ZipFile(archive) as packed:
            names = set(packed.namelist())
            for member in (ORTHO, DSM, SHOTS):
                if member in names:
                    with (
                        packed.open(member) as source,
                        (folder / PurePosixPath(member).name).open("wb") as target,
                    ):
                        shutil.copyfileobj(source, target)
    except zipfile.BadZipFile as exc:
        raise NodeError(
            f"The stitching node {node.name} returned a broken archive.",
            hint="Run the same command again: it downloads again.",
        ) from exc
