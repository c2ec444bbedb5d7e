"""The scenarios that benchmarks/nodeodm.py runs against NodeODM itself, here against the fake."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tests.ortho.fake_nodeodm import FakeNode, packed, serving
from tests.ortho.odm_scenarios import SCENARIOS, Bench
from tests.photos.made import scene, write_photo

from aerial.ortho.odm import OdmEngine
from aerial.photos import read_photos
from aerial.progress import SILENT
from aerial.raster.grid import Grid
from aerial.raster.write import write_cog
from aerial.records import StitchJob

PHOTOS = 6
UTM = Grid(crs="EPSG:32649", affine=(0.5, 0, 790_000.0, 0, -0.5, 2_524_500.0), width_px=60, height_px=40)


@dataclass
class FakeRunning:
    """The fake as a node of a bench."""

    node: FakeNode

    @property
    def url(self) -> str:
        """The node's address."""
        return self.node.url

    def kill(self) -> None:
        """Answer nothing any more."""
        self.node.away = True

    def restart(self) -> None:
        """Answer again, having forgotten the tasks."""
        self.node.restart()
        self.node.away = False

    def held(self) -> dict[str, dict[str, int]]:
        """Return name and size of the photographs of every task."""
        return {
            name: {file: len(data) for file, data in task["images"].items()}
            for name, task in self.node.tasks.items()
        }

    def others(self) -> dict[str, dict[str, bytes]]:
        """Return the other files of every task."""
        return {name: task["others"] for name, task in self.node.tasks.items()}

    def states(self) -> dict[str, int]:
        """Return the state of every task."""
        return {name: 50 if task.get("canceled") else 40 for name, task in self.node.tasks.items()}


@dataclass
class FakeBench:
    """Nodes of the fake, all with one archive."""

    job: StitchJob
    work: Path
    archive: bytes

    def node(
        self,
        *,
        token: str = "",
        max_images: int | None = None,
        seconds: float = 0,
        drop_uploads: bool = False,
        fail_tasks: bool = False,
    ) -> AbstractContextManager[FakeRunning]:
        """Start a node; see ``Bench``."""
        node = FakeNode(
            token=token,
            max_images=max_images,
            seconds=seconds / 5,
            drop_half=drop_uploads,
            fails=fail_tasks,
            archive=self.archive,
            polls_needed=1,
        )
        return self._running(node)

    @contextmanager
    def _running(self, node: FakeNode) -> Iterator[FakeRunning]:
        with serving(node):
            yield FakeRunning(node)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small ortho and its heights, as ODM packs them."""
    folder = tmp_path_factory.mktemp("odm")
    write_cog(folder / "o.tif", UTM, np.moveaxis(scene(5, 60, 40), 2, 0), mask=True)
    write_cog(folder / "d.tif", UTM, np.full((1, 40, 60), 12.5, np.float32), nodata=-9999.0)
    return packed(
        {
            "odm_orthophoto/odm_orthophoto.tif": (folder / "o.tif").read_bytes(),
            "odm_dem/dsm.tif": (folder / "d.tif").read_bytes(),
            "task_output.txt": b"running\n",
        }
    )


@pytest.fixture
def bench(tmp_path: Path, archive: bytes, monkeypatch: pytest.MonkeyPatch) -> FakeBench:
    """Six small photographs, and an engine that does not wait long."""
    monkeypatch.setattr(OdmEngine, "poll_s", 0.02)
    monkeypatch.setattr(OdmEngine, "retry_s", 0.05)
    monkeypatch.setattr(OdmEngine, "patience_s", 5.0)
    for index in range(PHOTOS):
        write_photo(
            tmp_path / "photos" / f"DJI_{index:04d}.JPG",
            image_HW3=scene(index, 160, 120),
            at=(113.83 + 1e-4 * index, 22.81),
        )
    job = StitchJob(folder=tmp_path / "photos", photos=read_photos(tmp_path / "photos", SILENT))
    return FakeBench(job, tmp_path / "work", archive)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_each_ends_right(scenario: Callable[[Bench], str], bench: FakeBench) -> None:
    """What a node and the way to it may do ends as the scenario says, in time, with no thread left."""
    before = threading.active_count()
    began = time.monotonic()
    assert scenario(bench)
    assert time.monotonic() - began < 60
    # Those that served a client that was killed end when they find its connection closed.
    patience = time.monotonic() + 20
    while threading.active_count() > before + 2 and time.monotonic() < patience:
        time.sleep(0.05)
    assert threading.active_count() <= before + 2, [thread.name for thread in threading.enumerate()]
