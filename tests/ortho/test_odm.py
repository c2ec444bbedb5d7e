"""The ODM engine against a node that answers as NodeODM was seen to answer."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.ortho.fake_nodeodm import FakeNode, packed, serving
from tests.photos.made import scene, write_flight, write_photo

from aerial.codec import read_record
from aerial.errors import NodeError
from aerial.ortho.odm import OdmEngine
from aerial.ortho.odm.client import Node
from aerial.ortho.odm.watch import Watch
from aerial.photos import read_photos
from aerial.progress import SILENT
from aerial.raster.grid import Grid
from aerial.raster.read import open_raster
from aerial.raster.write import write_cog
from aerial.records import StitchJob, StitchQuality

TOKEN = "SECRET"  # noqa: S105  # of a server that lives for one test
UTM = Grid(crs="EPSG:32649", affine=(0.05, 0, 790_000.0, 0, -0.05, 2_524_500.0), width_px=300, height_px=200)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What ODM returns: ortho with alpha, DSM, shots; plus something it was not asked for."""
    folder = tmp_path_factory.mktemp("odm")
    image_CHW = np.moveaxis(scene(5, 300, 200), 2, 0)
    valid_HW = np.ones((200, 300), bool)
    valid_HW[:, :30] = False
    write_cog(folder / "o.tif", UTM, image_CHW, valid_HW=valid_HW, mask=True)
    write_cog(folder / "d.tif", UTM, np.full((1, 200, 300), 12.5, np.float32), nodata=-9999.0)
    shots = (
        b'{"features": ['
        + b",".join(b'{"properties": {"filename": "DJI_000%d.JPG"}}' % i for i in (1, 2, 3))
        + b"]}"
    )
    return packed(
        {
            "odm_orthophoto/odm_orthophoto.tif": (folder / "o.tif").read_bytes(),
            "odm_dem/dsm.tif": (folder / "d.tif").read_bytes(),
            "odm_report/shots.geojson": shots,
            "../outside.txt": b"never written",
        }
    )


@pytest.fixture
def node(archive: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeNode]:
    """A node on loopback; the engine asks it often."""
    monkeypatch.setattr(OdmEngine, "poll_s", 0.01)
    monkeypatch.setattr(OdmEngine, "retry_s", 0.01)
    monkeypatch.setattr(OdmEngine, "patience_s", 0.3)
    with serving(FakeNode(archive=archive)) as running:
        yield running


@pytest.fixture
def job(tmp_path: Path, node: FakeNode) -> StitchJob:
    """Four photographs for the node."""
    write_flight(tmp_path / "photos", 4)
    return StitchJob(
        folder=tmp_path / "photos", photos=read_photos(tmp_path / "photos", SILENT), nodes=(node.url,)
    )


def with_node(job: StitchJob, url: str) -> StitchJob:
    """Return the job for another node."""
    return StitchJob(folder=job.folder, photos=job.photos, nodes=(url,))


def test_the_mosaic_comes_back_in_the_form_of_every_engine(
    job: StitchJob, node: FakeNode, tmp_path: Path
) -> None:
    """Metric CRS of the place, COG with alpha, DSM, quality; nothing is left or written elsewhere."""
    mosaic = OdmEngine().stitch(job, tmp_path / "work", SILENT)
    assert mosaic.grid.crs == "EPSG:4547"
    assert mosaic.georef.how == "gps"
    quality = read_record(StitchQuality, tmp_path / "work" / "quality.json")
    assert (quality.photos, quality.registered, list(quality.rejected)) == (4, 3, ["DJI_0004.JPG"])
    assert quality.coverage == pytest.approx(0.9, abs=0.1)
    assert open_raster(tmp_path / "work" / "dsm.tif").nodata == -9999
    names = sorted(path.name for path in (tmp_path / "work").iterdir())
    assert names == ["dsm.tif", "odm.json", "ortho.tif", "quality.json"]
    assert not (tmp_path / "outside.txt").exists()
    (task,) = node.tasks.values()
    assert {"name": "dsm", "value": True} in task["options"]
    assert all(isinstance(option["value"], bool | str) for option in task["options"])
    assert "odm_dem/dsm.tif" in task["outputs"]


def test_a_killed_call_finds_its_task_again(
    job: StitchJob, node: FakeNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The photographs are sent once, though the first call ended while the node was at work."""
    with monkeypatch.context() as patch:
        patch.setattr(Watch, "until_done", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            OdmEngine().stitch(job, tmp_path / "work", SILENT)
    first = OdmEngine().stitch(job, tmp_path / "work", SILENT)
    assert node.created == 1
    assert OdmEngine().stitch(job, tmp_path / "work", SILENT) == first


def test_a_node_that_loses_every_task_is_given_up(
    job: StitchJob, node: FakeNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The photographs are sent three times at most; one version dies on numbers, and it is said."""
    node.dies_on_numbers = True
    coarse = replace(job, gsd_m=0.1)
    with pytest.raises(NodeError, match="has lost the task") as caught:
        OdmEngine().stitch(coarse, tmp_path / "work", SILENT)
    assert node.created == 3
    assert (
        "8ad3e30 ends on any option with a number (dem-resolution, orthophoto-resolution)"
        in caught.value.hint
    )
    OdmEngine().stitch(job, tmp_path / "work", SILENT)
    assert node.created == 4, "without a number it does"


def test_a_failed_task_tells_the_cause_from_its_output(
    job: StitchJob, node: FakeNode, tmp_path: Path
) -> None:
    """The status has an empty message; and trying again is a new task."""
    node.fails = True
    with pytest.raises(NodeError, match="Not enough overlap"):
        OdmEngine().stitch(job, tmp_path / "work", SILENT)
    node.fails = False
    OdmEngine().stitch(job, tmp_path / "work", SILENT)
    assert node.created == 2


def test_too_many_photographs_are_refused_before_they_are_sent(
    job: StitchJob, node: FakeNode, tmp_path: Path
) -> None:
    """The node itself would say so only after the whole upload."""
    node.max_images = 3
    with pytest.raises(NodeError, match="takes 3 photographs at most, not 4"):
        OdmEngine().stitch(job, tmp_path / "work", SILENT)
    assert node.created == 0


def test_dropped_uploads_are_sent_again(job: StitchJob, node: FakeNode, tmp_path: Path) -> None:
    """All photographs arrive, once each."""
    node.drop_uploads = 3
    OdmEngine().stitch(job, tmp_path / "work", SILENT)
    (task,) = node.tasks.values()
    assert sorted(task["images"]) == [f"DJI_000{i}.JPG" for i in (1, 2, 3, 4)]


def test_two_photographs_of_one_name_are_sent_under_two(node: FakeNode, tmp_path: Path) -> None:
    """The node would rename one of them, and which one is chance."""
    for card in ("100MEDIA", "101MEDIA"):
        write_photo(tmp_path / "photos" / card / "DJI_0001.JPG")
    photos = read_photos(tmp_path / "photos", SILENT)
    OdmEngine().stitch(
        StitchJob(folder=tmp_path / "photos", photos=photos, nodes=(node.url,)), tmp_path / "w", SILENT
    )
    (task,) = node.tasks.values()
    assert sorted(task["images"]) == ["100MEDIA_DJI_0001.JPG", "101MEDIA_DJI_0001.JPG"]


@pytest.mark.parametrize(
    ("token", "path", "message"),
    [
        ("", "", "refused the token"),
        ("wrong", "/", "refused the token"),
        ("SECRET", "", None),
    ],
)
def test_the_token_is_needed_and_never_told(
    job: StitchJob, node: FakeNode, tmp_path: Path, token: str, path: str, message: str | None
) -> None:
    """NodeODM answers a wrong token with HTTP 200; neither journal nor message holds one."""
    node.token = TOKEN
    own = with_node(job, f"{node.url}{path}?token={token}")
    if message is None:
        OdmEngine().stitch(own, tmp_path / "work", SILENT)
        assert "SECRET" not in (tmp_path / "work" / "odm.json").read_text()
        return
    with pytest.raises(NodeError, match=message) as caught:
        OdmEngine().stitch(own, tmp_path / "work", SILENT)
    assert "token=TOKEN" in caught.value.hint


def test_an_unreachable_node_is_named_without_its_token(job: StitchJob, tmp_path: Path) -> None:
    """The library's own message would hold the whole URL."""
    with pytest.raises(NodeError, match="cannot be reached") as caught:
        OdmEngine().stitch(with_node(job, "http://127.0.0.1:9/?token=SECRET"), tmp_path / "work", SILENT)
    assert "SECRET" not in str(caught.value) + caught.value.hint
    assert caught.value.__cause__ is None


def test_https_stays_https_on_every_port() -> None:
    """Pyodm would send the token in clear text to port 8443."""
    assert Node.at("https://h:8443/?token=t").name == "https://h:8443"
    assert Node.at("http://h/base/").name == "http://h:80/base"
    assert Node.at("http://far:3000/?token=t").is_open_to_listeners()
    assert not Node.at("https://far:3000/?token=t").is_open_to_listeners()
    assert "SECRET" not in repr(Node.at("https://h/?token=SECRET"))
    for url in (
        "ftp://h",
        "h:3000",
        "http://",
        "http://h:99999",
        "http://user:pass@h:3000",
        "http://h/?token=a&token=b",
        "http://h/?tokn=a",
        "http://h/#token=a",
    ):
        with pytest.raises(NodeError, match="not the URL"):
            Node.at(url)


@pytest.mark.parametrize(
    ("archive_bytes", "message"),
    [
        (b"no archive", "broken archive"),
        (packed({"odm_orthophoto/odm_orthophoto.tif": b""}), "no usable mosaic"),
        (packed({}), "no usable mosaic"),
    ],
)
def test_a_task_that_returns_nothing_usable_is_refused(
    job: StitchJob, node: FakeNode, tmp_path: Path, archive_bytes: bytes, message: str
) -> None:
    """NodeODM completes tasks with empty files."""
    node.archive = archive_bytes
    with pytest.raises(NodeError, match=message):
        OdmEngine().stitch(job, tmp_path / "work", SILENT)
    assert not (tmp_path / "work" / "ortho.tif").exists()


def test_what_is_not_nodeodm_is_named(
    job: StitchJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A router's web page answers with HTTP 200 too."""
    with serving(FakeNode()) as other:
        monkeypatch.setattr(
            "tests.ortho.fake_nodeodm._Requests._json", lambda self, *_: self._send(b"<html>", "text/html")
        )
        with pytest.raises(NodeError, match="is not NodeODM"):
            OdmEngine().stitch(with_node(job, other.url), tmp_path / "work", SILENT)


def test_check_says_what_speaks_against_a_job(job: StitchJob, node: FakeNode, tmp_path: Path) -> None:
    """No node, too few photographs, an earlier survey to join."""
    engine = OdmEngine()
    assert engine.check(job) == ()
    assert [f.code for f in engine.check(StitchJob(folder=job.folder, photos=job.photos))] == ["node"]
    few = replace(job, photos=job.photos[:1], previous=tmp_path)
    assert [(f.level, f.code) for f in engine.check(few)] == [("fail", "too_few"), ("fail", "previous")]
    (tmp_path / "dsm.tif").touch()
    assert [(f.level, f.code) for f in engine.check(few)] == [("fail", "too_few"), ("warn", "own_frame")]
