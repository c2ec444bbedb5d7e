"""The engine: a job to a node and its mosaic back, whatever breaks in between."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from aerial import geo
from aerial.codec import sha256_file, sha256_json
from aerial.errors import AerialError, NodeError
from aerial.ortho.odm.choose import choose, nodes_of
from aerial.ortho.odm.client import Lost, Node, NotNow
from aerial.ortho.odm.fetch import LOG, OUTPUTS, RETURNED, fetch, require_space
from aerial.ortho.odm.journal import Journal, Sent
from aerial.ortho.odm.options import Options, options_for
from aerial.ortho.odm.parcels import gcp_list, pack, sent_names, unsuitable
from aerial.ortho.odm.result import NAME, VERSION, Ground, normalise
from aerial.ortho.odm.told import read_log
from aerial.ortho.odm.upload import Patience, upload
from aerial.ortho.odm.watch import Failed, Miscounted, Watch, commit, knows
from aerial.progress import SILENT, Progress
from aerial.records import Finding, Mosaic, StitchJob

# How often the photographs are sent anew in one call, when the node has lost them.
_RESENDS = 2
# A mosaic and its heights, a pixel, compressed, in the archive and out of it; photographs see beyond
# their positions. For a first look at the disk: what the node announces is checked exactly.
_BYTES_A_PIXEL, _BEYOND_M = 8, 60.0
_DEFAULT_GSD_M = 0.05


class OdmEngine:
    """Stitches on one of the job's ``nodes``; see ``StitchEngine``."""

    name, version = NAME, VERSION
    poll_s = 3.0
    retry_s = 2.0
    patience_s = 900.0

    def check(self, job: StitchJob) -> Sequence[Finding]:
        """Return what speaks against the job; asks the nodes, sends nothing."""
        found = list(_findings(job))
        try:
            nodes = nodes_of(job.nodes)
            chosen = choose(nodes, _files(job), len(job.photos), SILENT)
        except NodeError as error:
            code = "too_many" if "at most" in str(error) else "node"
            return (_fail(code, error), *found)
        try:
            options_for(job, chosen.node.options(), chosen.node.name)
        except AerialError as error:
            found.append(_fail("options", error))
        found += [
            Finding(
                level="warn",
                code="clear_text",
                message=f"The token of {node.name} travels in clear text.",
                hint="Use https, or keep the node on a network that you trust.",
            )
            for node in nodes
            if node.is_open_to_listeners()
        ]
        return tuple(found)

    def stitch(self, job: StitchJob, work: Path, progress: Progress) -> Mosaic:
        """Stitch the photographs of ``job`` on a node; ``work`` remembers the task.

        Raises:
            NodeError: no node can be used, the task fails, or it returns no mosaic.
            PhotoError: a photograph is gone or changes while it is sent.
        """
        journal = Journal(work)
        known = journal.read()
        digest = _digest(job) if known else ""
        if known and known.job == digest and known.mosaic and _is_there(known.mosaic, work):
            return known.mosaic
        for finding in self.check(job):
            if finding.level == "fail":
                raise NodeError(finding.message, hint=finding.hint)
            progress.say(f"{finding.message} {finding.hint}")
        digest = digest or _digest(job)
        node = self._node(job, known, digest, progress)
        options = options_for(job, node.options(), node.name)
        run = _Run(self, job, work, journal, digest, node, options, progress)
        for again in range(_RESENDS + 1):
            try:
                return run.once()
            except (Lost, Miscounted, NotNow) as error:
                if again == _RESENDS or isinstance(error, NotNow):
                    raise NodeError(str(error), hint=_hint(error, options)) from None
                progress.say(f"{error} The photographs are sent again.")
                run.drop(error)
        raise AssertionError("the last round returns or raises")

    def cancel(self, work: Path, nodes: Sequence[str], progress: Progress) -> None:
        """Cancel the task that ``work`` remembers, at its node, and forget it.

        Raises:
            NodeError: there is none, its node is not among ``nodes``, or cannot be reached.
        """
        journal = Journal(work)
        known = journal.read()
        if known is None:
            raise NodeError("No task is at work for this folder.", hint="Nothing needs to be canceled.")
        node = next((node for node in nodes_of(nodes) if node.name == known.node), None)
        if node is None:
            raise NodeError(f"The task is at {known.node}.", hint="Name that node with --node.")
        try:
            node.end(known.task, "cancel")
        except Lost:
            progress.say(
                f"{node.name} has no such task: what was uploaded for it is removed there by itself."
            )
        else:
            progress.say(f"The task at {node.name} is canceled.")
        journal.forget()

    def _node(self, job: StitchJob, known: Sent | None, digest: str, progress: Progress) -> Node:
        """Return the node that has the task already, else the one with the shortest queue."""
        nodes = nodes_of(job.nodes)
        if known and known.mosaic is None:
            bound = next((node for node in nodes if node.name == known.node), None)
            if bound and known.job == digest:
                return bound
            reason = "which is not named now" if not bound else "for other photographs or options"
            progress.say(f"A task of an earlier call is left at {known.node}, {reason}.")
        return choose(nodes, _files(job), len(job.photos), progress).node


@dataclass(slots=True)
class _Run:
    """One call: the job, its node, and how far it has come."""

    engine: OdmEngine
    job: StitchJob
    work: Path
    journal: Journal
    digest: str
    node: Node
    options: Options
    progress: Progress

    @property
    def patience(self) -> Patience:
        return Patience(self.engine.retry_s, self.engine.patience_s)

    def once(self) -> Mosaic:
        """Bring the job from wherever it is to its mosaic; raises ``Lost`` where it has to begin again."""
        seconds: dict[str, float] = {}
        sent = self._known() or self.journal.begin(self.node.name, self.digest)
        names = sent_names(self.job.photos)
        with _timed(seconds, "send"):
            sent = self._delivered(sent, names)
        if sent.stage == "committed":
            with _timed(seconds, "node"):
                self._wait(sent)
            with _timed(seconds, "fetch"):
                fetch(self.node, sent.task, self.journal.folder, self.patience, self.progress)
            sent = self.journal.at(sent, "fetched")
        returned = self.journal.folder / RETURNED
        mosaic = normalise(self.job, self.work, returned, names, self._ground(sent), seconds, self.progress)
        self.journal.write(replace(sent, mosaic=mosaic))
        self.journal.clear()
        return mosaic

    def drop(self, error: NodeError) -> None:
        """Forget the task; one that holds the wrong photographs is removed at the node too."""
        sent = self.journal.read()
        if isinstance(error, Miscounted) and sent:
            try:
                self.node.end(sent.task, "remove")
            except NodeError as failed:
                self.progress.say(f"The wrong task stays at {self.node.name}: {failed}")
        self.journal.forget()

    def _known(self) -> Sent | None:
        """Return the task that an earlier call named, if it can still come to something."""
        sent = self.journal.read()
        if sent is None or sent.job != self.digest or sent.node != self.node.name or sent.mosaic:
            return None
        if sent.stage == "fetched" and not (self.journal.folder / RETURNED).is_dir():
            return replace(sent, stage="committed")
        return sent

    def _delivered(self, sent: Sent, names: Mapping[str, str]) -> Sent:
        """Bring the photographs to the node and the task to its commit."""
        if sent.stage in ("committed", "fetched"):
            return sent
        # Committed, and killed before the answer was written down?
        if sent.stage == "open" and knows(self.node, sent.task, self.patience):
            return self.journal.at(sent, "committed")
        self.journal.folder.mkdir(parents=True, exist_ok=True)
        require_space(self.work, _result_bytes(self.job), "The mosaic")
        with self._going_on("What has arrived is remembered: the same command sends the rest."):
            parcels = pack(self.job, names, self.journal.folder)
            if sent.stage == "named":
                self.patience.until_answered(lambda: self.node.open(sent.task, self._fields()))
                sent = self.journal.at(sent, "open")
            upload(self.node, sent.task, parcels, self.journal, self.patience, self.progress)
            commit(self.node, sent.task, self.patience)
        return self.journal.at(sent, "committed")

    def _fields(self) -> dict[str, str]:
        return {
            "name": self.job.folder.resolve().name,
            "options": self.options.as_field(),
            # The node would make tiles for its own viewers.
            "skipPostProcessing": "true",
            "outputs": _json_list(OUTPUTS),
        }

    def _wait(self, sent: Sent) -> None:
        watch = Watch(
            photos=len(self.job.photos),
            poll_s=self.engine.poll_s,
            patience=self.patience,
        )
        with self._going_on(
            f"{self.node.name} goes on with the task: the same command waits for it, --cancel ends it."
        ):
            try:
                watch.until_done(self.node, sent.task, self.progress)
            except Failed:
                self.journal.forget()
                raise

    def _ground(self, sent: Sent) -> Ground:
        """Return what the survey stands on, as the task's own log tells."""
        if self.job.previous is None and self.job.gcp is None:
            return Ground(node=self.node.name, told=None)
        return Ground(node=self.node.name, told=read_log(self._log(sent)))

    def _log(self, sent: Sent) -> Iterator[str]:
        path = self.journal.folder / RETURNED / LOG
        if path.is_file():
            with path.open(encoding="utf-8", errors="replace") as file:
                yield from file
        # A node that was restarted has forgotten what it showed; one in between packs no log.
        try:
            yield from self.node.output(sent.task, 0)
        except NodeError:
            return

    @contextmanager
    def _going_on(self, message: str) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            self.progress.say(message)
            raise


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    seconds[stage] = round(time.monotonic() - began, 3)


def _json_list(names: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


def _hint(error: NodeError, options: Options) -> str:
    numeric = options.numeric()
    if isinstance(error, Lost | NotNow) and numeric:
        return (
            f"{error.hint} NodeODM 2.2.4 at commit 8ad3e30 ends on any option with a number "
            f"({', '.join(numeric)}): run commit d53feb5, or leave the number out."
        )
    return error.hint


def _fail(code: str, error: AerialError) -> Finding:
    return Finding(level="fail", code=code, message=str(error), hint=error.hint)


def _files(job: StitchJob) -> int:
    """Return how many files are sent: the node's limit counts all of them."""
    return len(job.photos) + sum(path is not None for path in (job.positions, job.gcp, job.previous))


def _findings(job: StitchJob) -> Iterator[Finding]:
    """Yield what speaks against the job whatever the node says."""

    def fail(code: str, message: str, hint: str) -> Finding:
        return Finding(level="fail", code=code, message=message, hint=hint)

    if len(job.photos) < 2:
        yield fail(
            "too_few",
            f"{len(job.photos)} photograph(s) cannot be stitched.",
            "Give all photographs of the flight.",
        )
    wrong = unsuitable(job)
    if wrong:
        yield fail("photographs", f"{wrong}.", "Leave the file out.")
    placed = sum(photo.at is not None for photo in job.photos)
    if len(job.photos) >= 2 and placed < 2 and job.gcp is None:
        yield fail(
            "positions",
            f"{placed} of {len(job.photos)} photographs say where they were taken.",
            "Give photographs with GPS in their EXIF, --positions, or control points.",
        )
    if job.gcp is not None:
        try:
            gcp_list(job.gcp, sent_names(job.photos))
        except AerialError as error:
            yield _fail("gcp", error)
    for given, option in ((job.reference_ortho, "--reference"), (job.calibration, "--calibration")):
        if given is not None:
            yield fail("unsupported", f"A stitching node takes no {option}.", "Use the local engine for it.")
    if job.previous is not None and not (job.previous / "dsm.tif").is_file():
        yield fail(
            "previous",
            f"{job.previous} holds no dsm.tif that a node could align the survey to.",
            "Give the output folder of `aerial stitch` as --previous.",
        )
    elif job.previous is not None:
        yield Finding(
            level="warn",
            code="own_frame",
            message="A stitching node joins no earlier block: it aligns heights to heights, and goes on "
            "where that fails.",
            hint="Use the local engine for surveys that are compared.",
        )


def _digest(job: StitchJob) -> str:
    """Return what makes two jobs the same task: files, their sizes and times, and all that is asked for."""

    def state(path: Path | None) -> object:
        return None if path is None or not path.is_file() else [path.name, sha256_file(path)]

    def stat(path: Path) -> list[int] | None:
        try:
            return [path.stat().st_size, path.stat().st_mtime_ns]
        except OSError:
            return None

    return sha256_json(
        [
            OdmEngine.version,
            job.photos,
            [stat(job.folder / photo.file) for photo in job.photos],
            job.gsd_m,
            job.crs,
            job.preset,
            state(job.gcp),
            state(job.positions),
            state(job.previous / "dsm.tif" if job.previous else None),
            sorted(job.options),
        ]
    )


def _is_there(mosaic: Mosaic, work: Path) -> bool:
    refs = [ref for ref in (mosaic.ortho, mosaic.dsm) if ref]
    return (work / "quality.json").is_file() and all(
        (work / ref.path).is_file() and sha256_file(work / ref.path) == ref.sha256 for ref in refs
    )


def _result_bytes(job: StitchJob) -> int:
    placed = [photo.at for photo in job.photos if photo.at is not None]
    if not placed:
        return 0
    xy_N2 = geo.in_frame(geo.local_frame(placed[0]), placed)
    width_m, height_m = xy_N2.max(axis=0) - xy_N2.min(axis=0) + 2 * _BEYOND_M
    return int(_BYTES_A_PIXEL * width_m * height_m / (job.gsd_m or _DEFAULT_GSD_M) ** 2)
