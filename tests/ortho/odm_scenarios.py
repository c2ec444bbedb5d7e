"""What a stitching node and the way to it may do, and how each ends right.

One suite for two kinds of nodes: the loopback fake (``test_odm_scenarios.py``) and NodeODM itself, run from
its source (``benchmarks/nodeodm.py``). A scenario asks a ``Bench`` for nodes, puts a ``Relay`` on the way
where something is to break there, and looks at what the node holds in the end.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from aerial.codec import read_record
from aerial.errors import AerialError
from aerial.ortho.odm import OdmEngine
from aerial.progress import SILENT
from aerial.records import StitchJob, StitchQuality


class RunningNode(Protocol):
    """One node of a bench; ``kill`` and ``restart`` are those of its process."""

    url: str

    def kill(self) -> None:
        """End the process at once."""
        ...

    def restart(self) -> None:
        """Start it again."""
        ...

    def held(self) -> dict[str, dict[str, int]]:
        """Return the photographs of every task at the node: task, name, size in bytes."""
        ...

    def others(self) -> dict[str, dict[str, bytes]]:
        """Return the other files of every task: task, name, content."""
        ...

    def states(self) -> dict[str, int]:
        """Return the state of every task."""
        ...


class Bench(Protocol):
    """Starts nodes; ``job`` is a survey of a few photographs, in a folder that may be written to."""

    job: StitchJob
    work: Path

    def node(
        self,
        *,
        token: str = "",
        max_images: int | None = None,
        seconds: float = 0,
        drop_uploads: bool = False,
        fail_tasks: bool = False,
    ) -> AbstractContextManager[RunningNode]:
        """Start a node; ``seconds`` of work a task takes."""
        ...


@dataclass
class Relay:
    """A way to a node that breaks where it is told to; ``seen`` are the first lines of all requests.

    ``tear``: so many bytes of an upload's body get through, then the connection breaks, for the uploads whose
    numbers are in ``torn``. ``mute``: the answers to requests whose first line holds it are lost, once.
    ``cut_downloads``: so many downloads end after ``tear`` bytes. ``slow_s``: a pause in every upload.
    """

    to: str
    url: str = ""
    tear: int = 2000
    torn: set[int] = field(default_factory=set)
    mute: str = ""
    cut_downloads: int = 0
    slow_s: float = 0.0
    seen: list[str] = field(default_factory=list)
    uploads: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self, client: socket.socket) -> None:
        """Pass one request on (the engine opens a connection for each) and its answer back."""
        with client, suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                part = client.recv(65536)
                if not part:
                    return
                head += part
            body = head.index(b"\r\n\r\n") + 4
            upload, torn, muted, cut = self._fate(head.split(b"\r\n", 1)[0].decode())
            host, port = self.to.removeprefix("http://").split(":")
            with socket.create_connection((host, int(port)), timeout=30) as server:
                server.sendall(head[:body])
                back = threading.Thread(
                    target=_back, args=(server, client, muted, self.tear if cut else None)
                )
                back.start()
                try:
                    self._forward(client, server, back, head[body:], upload, torn)
                finally:
                    for end in (server, client) if torn else (server,):
                        # The client of a request that ends here in the middle is gone.
                        with suppress(OSError):
                            end.shutdown(socket.SHUT_RDWR if torn else socket.SHUT_WR)
                    back.join(30)

    def _fate(self, first: str) -> tuple[bool, bool, bool, bool]:
        """Note a request; return whether it is an upload, is torn, gets no answer, or half of one."""
        upload = "/task/new/upload/" in first
        with self.lock:
            self.seen.append(first)
            self.uploads += upload
            muted = bool(self.mute) and self.mute in first
            if muted:
                self.mute = ""
            cut = "/download/" in first and self.cut_downloads > 0
            self.cut_downloads -= cut
            return upload, upload and self.uploads in self.torn, muted, cut

    def _forward(
        self,
        client: socket.socket,
        server: socket.socket,
        back: threading.Thread,
        rest: bytes,
        upload: bool,
        torn: bool,
    ) -> None:
        passed = 0
        while True:
            if rest:
                if upload and self.slow_s:
                    time.sleep(self.slow_s)
                if torn and passed + len(rest) > self.tear:
                    server.sendall(rest[: self.tear - passed])
                    time.sleep(0.1)
                    return
                server.sendall(rest)
                passed += len(rest)
            rest = b""
            if select.select([client], [], [], 0.05)[0]:
                rest = client.recv(65536)
                if not rest:
                    return
            elif not back.is_alive():
                return


def _back(server: socket.socket, client: socket.socket, muted: bool, most: int | None) -> None:
    passed = 0
    with suppress(OSError):
        while True:
            part = server.recv(65536)
            if not part:
                break
            if muted:
                continue
            if most is not None and passed + len(part) > most:
                client.sendall(part[: most - passed])
                break
            client.sendall(part)
            passed += len(part)
    for end in (client, server):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def relay(to: RunningNode, **faults: Any) -> Iterator[Relay]:
    """Run a relay before a node."""
    way = Relay(to=to.url, **faults)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        way.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.settimeout(0.05)
        over = threading.Event()

        def accept() -> None:
            while not over.is_set():
                try:
                    client, _ = listening.accept()
                except TimeoutError:
                    continue
                threading.Thread(target=way.serve, args=(client,), daemon=True).start()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield way
        finally:
            over.set()
            thread.join()


class Told:
    """A progress that remembers what it was told; ``at`` is called with the phase and its units so far."""

    def __init__(self, at: Callable[[str, int], None] | None = None) -> None:
        self.phases: list[list[Any]] = []
        self.said: list[str] = []
        self._at = at

    def phase(self, name: str, total: int) -> None:
        """Remember the phase: its name, total, and the units as they come."""
        self.phases.append([name, total, []])

    def advance(self, units: int = 1) -> None:
        """Remember the units."""
        self.phases[-1][2].append(units)
        if self._at:
            self._at(self.phases[-1][0], sum(self.phases[-1][2]))

    def say(self, message: str) -> None:
        """Remember the message."""
        self.said.append(message)
        if self._at:
            self._at(message, 0)


def sizes(job: StitchJob) -> dict[str, int]:
    """Return the sizes of a job's photographs by the last part of their names."""
    return {Path(p.file).name: (job.folder / p.file).stat().st_size for p in job.photos}


def at(job: StitchJob, *urls: str, **changes: Any) -> StitchJob:
    """Return the job for other nodes."""
    return replace(job, nodes=urls, **changes)


def stitch(bench: Bench, job: StitchJob, told: Told | None = None) -> StitchQuality:
    """Stitch in the bench's folder and return the quality; the ortho must be there."""
    OdmEngine().stitch(job, bench.work, told or SILENT)
    assert (bench.work / "ortho.tif").is_file()
    return read_record(StitchQuality, bench.work / "quality.json")


def refused(bench: Bench, job: StitchJob, told: Told | None = None) -> AerialError:
    """Return the error with which the job is refused; nothing is left of a mosaic."""
    try:
        OdmEngine().stitch(job, bench.work, told or SILENT)
    except AerialError as error:
        assert error.hint
        assert not (bench.work / "ortho.tif").exists()
        return error
    raise AssertionError("it was not refused")


def interrupt_at(text: str, units: int = 0) -> Told:
    """Return a progress that interrupts, as Ctrl-C does, when a phase or message holds ``text``."""

    def at_(name: str, done: int) -> None:
        if text in name and done >= units:
            raise KeyboardInterrupt

    return Told(at_)


def interrupted(bench: Bench, job: StitchJob, told: Told) -> None:
    """Run the job up to the interruption."""
    try:
        OdmEngine().stitch(job, bench.work, told)
    except KeyboardInterrupt:
        return
    raise AssertionError("it was not interrupted")


def only(node: RunningNode) -> dict[str, int]:
    """Return the photographs of the node's only task."""
    (photos,) = node.held().values()
    return photos


def create_progress_download(bench: Bench) -> str:
    """All photographs arrive whole; progress never falls, and is full at the end alone."""
    told = Told()
    with bench.node(seconds=1) as node:
        quality = stitch(bench, at(bench.job, node.url), told)
        assert only(node) == sizes(bench.job)
    (waiting,) = [phase for phase in told.phases if phase[0].startswith("Stitching on")]
    assert all(units >= 0 for units in waiting[2])
    assert sum(waiting[2]) == waiting[1] == 100
    (sending,) = [phase for phase in told.phases if phase[0].startswith("Sending")]
    assert sum(sending[2]) == sending[1] == len(bench.job.photos)
    assert quality.photos == len(bench.job.photos)
    return f"{quality.photos} photographs, mosaic at {quality.gsd_m:.2f} m"


def interrupt_resume_cancel(bench: Bench) -> str:
    """Ctrl-C leaves the task running, the same command goes on with it; cancel ends it at the node."""
    with bench.node(seconds=2) as node:
        job = at(bench.job, node.url)
        told = interrupt_at("Stitching on")
        interrupted(bench, job, told)
        assert "--cancel ends it" in told.said[-1]
        (first,) = node.held()
        said = Told()
        OdmEngine().cancel(bench.work, job.nodes, said)
        assert "is canceled" in said.said[-1]
        assert node.states() == {first: 50}
        stitch(bench, job)
        assert len(node.held()) == 2, "a canceled task is not taken up again"
    return "canceled at the node; the next command sent anew"


def same_command_waits_for_the_same_task(bench: Bench) -> str:
    """Interrupted during the wait and called again: the photographs are sent once."""
    with bench.node(seconds=1) as node:
        job = at(bench.job, node.url)
        interrupted(bench, job, interrupt_at("Stitching on"))
        stitch(bench, job)
        assert only(node) == sizes(bench.job)
    return "one task"


def node_killed_and_restarted(bench: Bench) -> str:
    """The node forgets the task: it is sent again by itself, to the end."""
    killed: list[str] = []

    def kill(name: str, done: int) -> None:
        if name.startswith("Stitching on") and not killed:
            killed.extend(node.held())
            node.kill()
            threading.Timer(0.2, node.restart).start()

    told = Told(kill)
    with bench.node(seconds=1) as node:
        stitch(bench, at(bench.job, node.url), told)
        (photos,) = [held for task, held in node.held().items() if task not in killed]
        assert photos == sizes(bench.job)
    assert any("has lost the task" in said and "sent again" in said for said in told.said)
    return "sent again by itself"


def half_of_the_uploads_dropped(bench: Bench) -> str:
    """Every photograph arrives once, and the progress counts what has arrived."""
    told = Told()
    with bench.node(drop_uploads=True) as node:
        stitch(bench, at(bench.job, node.url), told)
        assert only(node) == sizes(bench.job)
    (sending,) = [phase for phase in told.phases if phase[0].startswith("Sending")]
    assert sum(sending[2]) == len(bench.job.photos)
    return "each photograph once"


def wrong_token(bench: Bench) -> str:
    """Refused before anything is sent; the token is in no message and no file."""
    with bench.node(token="RIGHT") as node:  # noqa: S106  # of a server that lives for one scenario
        for url in (node.url, f"{node.url}/?token=WRONG-ONE"):
            error = refused(bench, at(bench.job, url))
            assert "refused the token" in str(error)
            assert "WRONG-ONE" not in str(error) + error.hint
        assert not node.held()
        stitch(bench, at(bench.job, f"{node.url}/?token=RIGHT"))
        for path in bench.work.rglob("*.json*"):
            assert "RIGHT" not in path.read_text(), path
    return "HTTP 200 with an error, told as what it is"


def two_nodes_two_tokens(bench: Bench) -> str:
    """On the wire, no request to one node holds the other's token, nor any to one without a token."""
    a, b = "TOKEN-OF-A", "TOKEN-OF-B"
    with (
        bench.node(token=a) as one,
        bench.node(token=b) as two,
        bench.node() as three,
        relay(one) as to_one,
        relay(two) as to_two,
        relay(three) as to_three,
    ):
        urls = (f"{to_one.url}/?token={a}", f"{to_two.url}/?token={b}", to_three.url)
        work = bench.work
        for number, first in enumerate(urls):
            bench.work = work / str(number)
            stitch(bench, at(bench.job, first, *(url for url in urls if url != first)))
        bench.work = work
    for way, token in ((to_one, f"token={a}"), (to_two, f"token={b}"), (to_three, "")):
        assert len(way.seen) > 5
        for line in way.seen:
            assert (token in line) if token else ("token" not in line), line
            assert sum(other in line for other in (a, b)) == bool(token), line
    return f"{len(to_one.seen)} + {len(to_two.seen)} + {len(to_three.seen)} requests looked at"


def more_photographs_than_the_node_takes(bench: Bench) -> str:
    """Refused before the upload; other files count in the node's limit too."""
    photos = len(bench.job.photos)
    positions = bench.job.folder.parent / "geo.txt"
    positions.write_text("EPSG:4326\n")
    with bench.node(max_images=photos - 1) as node, bench.node(max_images=photos) as exact:
        error = refused(bench, at(bench.job, node.url))
        assert f"takes {photos - 1} photographs at most, not {photos}" in str(error)
        error = refused(bench, at(bench.job, exact.url, positions=positions))
        assert f"takes {photos} photographs at most, not {photos} and 1 more file" in str(error)
        assert not node.held()
        assert not exact.held()
        stitch(bench, at(bench.job, node.url, exact.url))
        assert only(exact) == sizes(bench.job)
    return "refused before anything was sent; the larger node was taken"


def failing_task(bench: Bench) -> str:
    """Its cause is told from its output, and the next command is a new task."""
    with bench.node(fail_tasks=True) as node:
        error = refused(bench, at(bench.job, node.url))
        assert "failed: " in str(error)
        assert not str(error).endswith("failed: ")
        refused(bench, at(bench.job, node.url))
        assert len(node.held()) == 2
    return str(error).split("failed: ", 1)[1][:60]


def client_killed_while_sending(bench: Bench) -> str:
    """Killed with -9 in the middle of uploads: the rest is sent, and no photograph is torn or twice there."""
    with bench.node() as node, relay(node, slow_s=0.25) as way:
        job = at(bench.job, way.url)
        code = (
            "import sys; from pathlib import Path; from dataclasses import replace\n"
            "from aerial.ortho.odm import OdmEngine; from aerial.photos import read_photos\n"
            "from aerial.progress import SILENT; from aerial.records import StitchJob\n"
            "folder = Path(sys.argv[1])\n"
            "job = StitchJob(folder=folder, photos=read_photos(folder, SILENT), nodes=(sys.argv[3],))\n"
            "OdmEngine().stitch(job, Path(sys.argv[2]), SILENT)\n"
        )
        client = subprocess.Popen(
            [sys.executable, "-c", code, str(job.folder), str(bench.work), way.url], start_new_session=True
        )
        try:
            journal = bench.work / "odm-uploads.jsonl"
            until(lambda: journal.is_file() and journal.read_text().count('"sent"') >= 1)
        finally:
            os.killpg(client.pid, signal.SIGKILL)
            client.wait()
        before, way.slow_s = way.uploads, 0.0
        told = Told()
        stitch(bench, job, told)
        assert only(node) == sizes(bench.job)
        again = way.uploads - before
    assert again < len(job.photos), f"{again} after {before}: {told.said}"
    return f"killed after {before} uploads had begun, {again} more requests"


def torn_uploads(bench: Bench) -> str:
    """A connection that breaks leaves half a photograph at the node: it is replaced, not stored beside."""
    with bench.node() as node, relay(node, torn={2, 3}) as way:
        stitch(bench, at(bench.job, way.url))
        assert only(node) == sizes(bench.job)
        assert way.uploads == len(bench.job.photos) + 1, f"{way.uploads}: the doubtful go in one more"
    return "two torn uploads replaced"


def answer_of_the_commit_lost(bench: Bench) -> str:
    """The task was made though its maker never heard: it is found, not made twice."""
    with bench.node(seconds=1) as node, relay(node, mute="/task/new/commit/") as way:
        stitch(bench, at(bench.job, way.url))
        assert only(node) == sizes(bench.job)
    return "found by its name"


def answer_of_the_opening_lost(bench: Bench) -> str:
    """The name of the task is its key: opened twice it is still one."""
    with bench.node() as node, relay(node, mute="/task/new/init") as way:
        stitch(bench, at(bench.job, way.url))
        assert only(node) == sizes(bench.job)
    return "opened once"


def download_torn(bench: Bench) -> str:
    """A download that ends early begins again; nothing is taken from its half."""
    with bench.node() as node, relay(node, cut_downloads=2) as way:
        stitch(bench, at(bench.job, way.url))
        assert sum("/download/" in line for line in way.seen) == 3
    return "third download whole"


def unknown_and_wrong_options(bench: Bench) -> str:
    """A misspelt name, a wrong type, no such choice, a value out of range: before anything is sent."""
    with bench.node() as node, relay(node) as way:
        for option, hint in (
            (("ortophoto-resolution", "5"), "orthophoto-resolution"),
            (("dsm", "yes"), "Nothing was sent"),
            (("pc-quality", "hihg"), "pc-quality=high"),
            (("mesh-octree-depth", "15"), "Nothing was sent"),
            (("mesh-octree-depth", "2.5"), "Nothing was sent"),
            (("orthophoto-resolution", "0"), "Nothing was sent"),
            (("crop", "-1"), "Nothing was sent"),
            (("crop", "nan"), "Nothing was sent"),
            (("boundary", "{"), "Nothing was sent"),
            (("skip-orthophoto", "true"), "Leave it out"),
            (("end-with", "opensfm"), "Leave it out"),
        ):
            error = refused(bench, at(bench.job, way.url, options=(option,)))
            assert hint in error.hint, (option, error.hint)
        assert not [line for line in way.seen if line.startswith("POST")]
        stitch(bench, at(bench.job, node.url, options=(("crop", "0"), ("pc-quality", "low"))))
    return "11 refused, 2 taken"


def same_names_in_two_folders(bench: Bench) -> str:
    """Files of one name, in capitals or not, are sent under two, and geo.txt names those."""
    positions = bench.job.folder.parent / "geo.txt"
    positions.write_text("EPSG:4326\n")
    job, folder = bench.job, bench.job.folder
    for index, photo in enumerate(job.photos):
        target = folder / f"{100 + index}MEDIA" / ("a b.JPG" if index % 2 else "A B.jpg")
        target.parent.mkdir()
        (folder / photo.file).rename(target)
    photos = tuple(
        replace(photo, file=f"{100 + i}MEDIA/" + ("a b.JPG" if i % 2 else "A B.jpg"))
        for i, photo in enumerate(job.photos)
    )
    with bench.node() as node:
        stitch(bench, at(replace(job, photos=photos), node.url, positions=positions))
        held = only(node)
        (others,) = node.others().values()
    named = {line.split()[0] for line in others["geo.txt"].decode().splitlines()[1:]}
    assert len({name.casefold() for name in held}) == len(photos)
    assert named == set(held)
    assert sorted(held.values()) == sorted((folder / p.file).stat().st_size for p in photos)
    return ", ".join(sorted(held)[:2])


def dead_node_among_several(bench: Bench) -> str:
    """A node that is not there is passed over with a word."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        dead = f"http://127.0.0.1:{free.getsockname()[1]}"
    told = Told()
    with bench.node() as node:
        stitch(bench, at(bench.job, dead, node.url), told)
        assert only(node) == sizes(bench.job)
    assert any(dead in said and "passed over" in said for said in told.said)
    return "passed over"


def shortest_queue(bench: Bench) -> str:
    """The node with nothing to do gets the task, though it is named last; resumed, the task stays there."""
    with bench.node(seconds=4) as busy, bench.node(seconds=1) as idle:
        work, bench.work = bench.work, bench.work / "other"
        interrupted(bench, at(bench.job, busy.url), interrupt_at("Stitching on"))
        bench.work = work
        both = at(bench.job, busy.url, idle.url)
        interrupted(bench, both, interrupt_at("Stitching on"))
        assert (len(busy.held()), len(idle.held())) == (1, 1)
        stitch(bench, both)
        assert (len(busy.held()), len(idle.held())) == (1, 1)
    return "the idle one"


def align_that_nobody_confirms(bench: Bench) -> str:
    """A log that tells of no alignment is none: the mosaic stands on GPS, and it is said."""
    with bench.node() as node:
        job = at(bench.job, node.url)
        work, bench.work = bench.work, bench.work / "first"
        stitch(bench, job)
        first, bench.work = bench.work, work
        quality = stitch(bench, replace(job, previous=first))
        aligned = [files for files in node.others().values() if "align.tif" in files]
    assert len(aligned) == 1
    assert quality.georef == "gps"
    assert any("did not align" in remark for remark in quality.remarks)
    return quality.remarks[0][:70]


def until(true: Callable[[], bool], most_s: float = 60) -> None:
    """Wait until something is so."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < most_s, "it does not happen"
        time.sleep(0.02)


SCENARIOS: tuple[Callable[[Bench], str], ...] = (
    create_progress_download,
    same_command_waits_for_the_same_task,
    interrupt_resume_cancel,
    node_killed_and_restarted,
    half_of_the_uploads_dropped,
    wrong_token,
    two_nodes_two_tokens,
    more_photographs_than_the_node_takes,
    failing_task,
    client_killed_while_sending,
    torn_uploads,
    answer_of_the_commit_lost,
    answer_of_the_opening_lost,
    download_torn,
    unknown_and_wrong_options,
    same_names_in_two_folders,
    dead_node_among_several,
    shortest_queue,
    align_that_nobody_confirms,
)
