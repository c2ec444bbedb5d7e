"""Claim: whatever NodeODM or the network does, a survey sent to it ends right: no photograph torn or twice.

    python -m benchmarks.nodeodm --node-odm DIR [--dies-on-numbers DIR2] [--rounds 1] [--only NAME]

``DIR`` is a checkout of github.com/OpenDroneMap/NodeODM at commit d53feb5 with ``npm install`` done
(docs/scaling.md); it runs in its own ``--test`` mode, where it takes uploads, queues, logs and packs as
ever and only ODM itself is left out. ``DIR2`` is one at commit 8ad3e30, whose process ends on any option that
is a number. The scenarios are those of the tests (tests/ortho/odm_scenarios.py): there they meet a fake on
loopback, here the program itself. Nodes are bound to loopback by a preloaded script, for NodeODM has no
option for it.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from tests.ortho.odm_scenarios import SCENARIOS, Bench, refused, until
from tests.photos.made import scene, write_photo

from aerial.errors import NodeError
from aerial.ortho.odm import OdmEngine
from aerial.ortho.odm.client import Node
from aerial.photos import read_photos
from aerial.progress import SILENT
from aerial.records import StitchJob
from benchmarks.machine import emit

PHOTOS = 6
_LOOPBACK = """
const net = require('net'), dgram = require('dgram');
const listen = net.Server.prototype.listen, bind = dgram.Socket.prototype.bind;
net.Server.prototype.listen = function (port, ...rest) {
  if (typeof port === 'number') rest.unshift('127.0.0.1');
  return listen.call(this, port, ...rest);
};
dgram.Socket.prototype.bind = function (port) { return bind.call(this, port, '127.0.0.1'); };
"""


@dataclass
class RealNode:
    """A process of NodeODM in a folder of its own."""

    checkout: Path
    folder: Path
    port: int
    options: tuple[str, ...]
    token: str
    url: str = ""
    starts: int = 0
    process: "subprocess.Popen[bytes] | None" = None
    log: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.url = f"http://127.0.0.1:{self.port}"
        for name in ("tmp", "tests/data"):
            (self.folder / name).mkdir(parents=True)
        for name in ("package.json", "config-default.json", "public", "docs", "tests/processing_results"):
            (self.folder / name).symlink_to(self.checkout / name)
        (self.folder / "loopback.js").write_text(_LOOPBACK)

    def restart(self) -> None:
        """Start the process and wait until it answers."""
        self.starts += 1
        with (self.folder / "node.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["node", "--require", str(self.folder / "loopback.js"), str(self.checkout / "index.js"),
                 "--test", "--port", str(self.port), *self.options],
                cwd=self.folder, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        node = Node.at(self.url + (f"/?token={self.token}" if self.token else ""))

        def answers() -> bool:
            if self.process is None or self.process.poll() is not None:
                raise RuntimeError((self.folder / "node.log").read_text()[-2000:])
            try:
                node.info()
            except NodeError:
                return False
            return True

        until(answers)

    def kill(self) -> None:
        """End the process at once."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def _tasks(self) -> list[Path]:
        return [path for path in (self.folder / "tests" / "data").iterdir() if path.is_dir()]

    def held(self) -> dict[str, dict[str, int]]:
        """Return name and size of the photographs of every task, from the node's own disk."""
        return {
            task.name: {file.name: file.stat().st_size for file in (task / "images").iterdir()}
            for task in self._tasks()
        }

    def others(self) -> dict[str, dict[str, bytes]]:
        """Return the other files of every task."""
        return {
            task.name: {file.name: file.read_bytes() for file in (task / "gcp").iterdir()}
            for task in self._tasks()
        }

    def states(self) -> dict[str, int]:
        """Return the state of every task, as the node tells it."""
        return {task.name: int(Node.at(self.url).task(task.name).status.value) for task in self._tasks()}


@dataclass
class RealBench:
    """Nodes of one checkout."""

    checkout: Path
    folder: Path
    job: StitchJob
    work: Path
    nodes: int = 0

    def node(
        self,
        *,
        token: str = "",
        max_images: int | None = None,
        seconds: float = 0,
        drop_uploads: bool = False,
        fail_tasks: bool = False,
    ) -> AbstractContextManager[RealNode]:
        """Start a node; see ``Bench``."""
        options = [f"--test_seconds={seconds:g}"]
        options += [f"--token={token}"] if token else []
        options += [f"--max_images={max_images}"] if max_images is not None else []
        options += ["--test_drop_uploads"] if drop_uploads else []
        options += ["--test_fail_tasks"] if fail_tasks else []
        return self._running(tuple(options), token)

    @contextmanager
    def _running(self, options: tuple[str, ...], token: str) -> Iterator[RealNode]:
        self.nodes += 1
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        folder = self.folder / f"node{self.nodes}"
        folder.mkdir()
        node = RealNode(self.checkout, folder, port, options, token)
        node.restart()
        try:
            yield node
        finally:
            node.kill()


def number_ends_the_process(bench: Bench) -> str:
    """The commit that dies on numbers: it is given up after three tasks, and the message says what to run."""
    with bench.node() as node:
        supervised = _supervise(cast(RealNode, node))
        error = refused(bench, replace(bench.job, nodes=(node.url,), gsd_m=0.1))
        starts = supervised()
        if "8ad3e30" not in error.hint or starts < 2:
            raise AssertionError(f"{starts} starts: {error} {error.hint}")
    with bench.node() as node:
        OdmEngine().stitch(replace(bench.job, nodes=(node.url,)), bench.work, SILENT)
    return f"the process was started {starts} times in all; without a number it lives"


def _supervise(node: RealNode) -> Callable[[], int]:
    """Start the process again whenever it ends, as a service manager does.

    Return what stops that, and tells how often it was started.
    """
    over = threading.Event()

    def run() -> None:
        while not over.wait(0.1):
            if node.process is not None and node.process.poll() is not None:
                node.restart()

    thread = threading.Thread(target=run)
    thread.start()

    def stop() -> int:
        over.set()
        thread.join()
        return node.starts

    return stop


def run(scenario: Callable[[Bench], str], checkout: Path) -> dict[str, Any]:
    """Run one scenario in a folder of its own and return how it ended."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        for index in range(PHOTOS):
            write_photo(
                folder / "photos" / f"DJI_{index:04d}.JPG",
                image_HW3=scene(index, 1600, 1200),
                at=(113.83 + 1e-4 * index, 22.81),
            )
        job = StitchJob(folder=folder / "photos", photos=read_photos(folder / "photos", SILENT))
        bench = RealBench(checkout, folder, job, folder / "work")
        began = time.monotonic()
        try:
            told, right = scenario(bench), True
        except Exception as error:  # whatever it is, it is the scenario's result
            last = traceback.extract_tb(error.__traceback__)[-1]
            told, right = f"{type(error).__name__}: {error} (line {last.lineno}: {last.line})", False
        return {"ends_right": right, "seconds": round(time.monotonic() - began, 1), "told": told}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--node-odm", type=Path, required=True)
    parser.add_argument("--dies-on-numbers", type=Path)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only")
    asked = parser.parse_args()
    OdmEngine.poll_s, OdmEngine.retry_s, OdmEngine.patience_s = 0.2, 0.3, 30.0
    todo = [(scenario, asked.node_odm.resolve()) for scenario in SCENARIOS]
    if asked.dies_on_numbers:
        todo.append((number_ends_the_process, asked.dies_on_numbers.resolve()))
    results: dict[str, Any] = {}
    failed = []
    for number in range(asked.rounds):
        for scenario, checkout in todo:
            name = scenario.__name__ + (f" {number + 1}" if asked.rounds > 1 else "")
            if asked.only and asked.only not in name:
                continue
            results[name] = run(scenario, checkout)
            print(name, results[name], file=sys.stderr, flush=True)
            if not results[name]["ends_right"]:
                failed.append(name)
    commits = {
        str(path.name): subprocess.run(
            ["git", "-C", str(path), "rev-parse", "--short", "HEAD"],
            capture_output=True, text=True, check=False,
        ).stdout.strip()
        for path in (asked.node_odm, asked.dies_on_numbers) if path
    }  # fmt: skip
    figures = {
        "nodeodm": commits,
        "node_js": subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip(),
        "scenarios": results,
    }
    return emit("nodeodm", figures, failed=failed)


if __name__ == "__main__":
    sys.exit(main())
