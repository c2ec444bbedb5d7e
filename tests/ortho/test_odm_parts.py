"""The parts of the ODM engine: what is sent under which name, what is refused, what a log proves."""

import io
import json
import shutil
import socket
import ssl
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.ortho.fake_nodeodm import FakeNode, packed, serving
from tests.ortho.odm_scenarios import Told
from tests.photos.made import scene, write_photo
from tests.system import lacking

from aerial.codec import read_record
from aerial.errors import InputError, NodeError, PhotoError
from aerial.geo import LonLat
from aerial.ortho.odm import OdmEngine, fetch, parcels
from aerial.ortho.odm.client import Node
from aerial.ortho.odm.told import read_log
from aerial.photos import read_photos
from aerial.progress import SILENT
from aerial.raster.grid import Grid
from aerial.raster.write import write_cog
from aerial.records import Photo, StitchJob, StitchQuality

UTM = Grid(crs="EPSG:32649", affine=(0.5, 0, 790_000.0, 0, -0.5, 2_524_500.0), width_px=60, height_px=40)
ALIGNED = [
    "[INFO]    Alignment matrix: [[1 0]]",
    "[INFO] Transformed /d/m.laz",
    "[INFO] Transformed /d/t.obj",
]


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What ODM returns, small: a mosaic with a hole of 4 m by 5 m, and its heights."""
    folder = tmp_path_factory.mktemp("odm")
    valid_HW = np.ones((40, 60), bool)
    valid_HW[10:20, 20:28] = False
    write_cog(folder / "o.tif", UTM, np.moveaxis(scene(5, 60, 40), 2, 0), valid_HW=valid_HW, mask=True)
    write_cog(folder / "d.tif", UTM, np.full((1, 40, 60), 12.5, np.float32), nodata=-9999.0)
    return {
        "odm_orthophoto/odm_orthophoto.tif": (folder / "o.tif").read_bytes(),
        "odm_dem/dsm.tif": (folder / "d.tif").read_bytes(),
    }


@pytest.fixture
def node(members: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeNode]:
    """A node on loopback, and an engine that does not wait long."""
    monkeypatch.setattr(OdmEngine, "poll_s", 0.01)
    monkeypatch.setattr(OdmEngine, "retry_s", 0.01)
    monkeypatch.setattr(OdmEngine, "patience_s", 0.3)
    with serving(FakeNode(archive=packed(members), polls_needed=1)) as running:
        yield running


@pytest.fixture
def job(tmp_path: Path, node: FakeNode) -> StitchJob:
    """Three small photographs for the node."""
    for index in range(3):
        at = (113.83 + 1e-4 * index, 22.81)
        write_photo(tmp_path / "photos" / f"P{index}.JPG", image_HW3=scene(index, 80, 60), at=at)
    photos = read_photos(tmp_path / "photos", SILENT)
    return StitchJob(folder=tmp_path / "photos", photos=photos, nodes=(node.url,))


def photo(file: str, **values: object) -> Photo:
    """Return a photograph of which only the name and what is given is known."""
    empty = dict.fromkeys(Photo.__dataclass_fields__)
    return Photo(**{**empty, "file": file, "width_px": 4, "height_px": 3, **values})  # type: ignore[arg-type]


def quality_of(job: StitchJob, work: Path) -> StitchQuality:
    """Stitch and return the quality."""
    OdmEngine().stitch(job, work, SILENT)
    return read_record(StitchQuality, work / "quality.json")


def test_sent_names_differ_and_mean_nothing_to_the_node() -> None:
    """No two are alike in any case; white space, masks and names of NodeODM's own are gone."""
    files = (
        "a/X 1.JPG",
        "b/x 1.jpg",
        "a_X_1.JPG",
        "align.tif",
        "seed.tif",
        "M_mask.jpg",
        "照片.jpg",
        "..jpg",
    )
    names = parcels.sent_names([photo(file) for file in files])
    assert len({name.casefold() for name in names.values()}) == len(files)
    assert names["照片.jpg"] == "照片.jpg"
    assert not any(set(name) & set(" \t\"';/\\") for name in names.values())
    assert not any(name.casefold() in ("align.tif", "seed.tif") for name in names.values())
    assert not any(Path(name).stem.endswith("_mask") or name.startswith(".") for name in names.values())
    assert {Path(n).suffix.casefold() for n in names.values()} == {".jpg", ".tif"}


def test_geo_txt_has_positions_and_accuracies_under_the_sent_names() -> None:
    """ODM's columns: name, lon, lat, height, three angles, accuracies; what is not known is left out."""
    at = LonLat(lon_deg=113.83, lat_deg=22.81)
    photos = [
        photo("a 1.jpg", at=at, altitude_m=51.5, rtk_std_m=0.02),
        photo("b.jpg", at=at, altitude_m=50.0),
        photo("c.jpg", at=at, rtk_std_m=0.02),
        photo("d.jpg"),
    ]
    lines = parcels.geo_txt(photos, parcels.sent_names(photos)).splitlines()
    assert lines == [
        "EPSG:4326",
        "a_1.jpg 113.830000000 22.810000000 51.500 0 0 0 0.020 0.020",
        "b.jpg 113.830000000 22.810000000 50.000",
        "c.jpg 113.830000000 22.810000000",
    ]


def test_control_points_follow_the_names_that_are_sent(tmp_path: Path) -> None:
    """Folders tell two photographs of one name apart; without them the line is refused, not guessed."""
    names = {"a/X.JPG": "a_X.JPG", "b/X.JPG": "b_X.JPG", "Y.JPG": "Y.JPG"}
    path = tmp_path / "gcp.txt"
    path.write_text(
        "EPSG:4547\n# note\n1 2 3 4 5 a/x.jpg g1\n1 2 3 4 5 b\\X.JPG\n1 2 3 4 5 Y.JPG\n1 2 3 4 5 Z.JPG\n"
    )
    sent = parcels.gcp_list(path, names).splitlines()
    assert sent == ["EPSG:4547", "1 2 3 4 5 a_X.JPG g1", "1 2 3 4 5 b_X.JPG", "1 2 3 4 5 Y.JPG"]
    for text, message in (
        ("EPSG:4547\n1 2 3 4 5 X.JPG\n", "name of 2 photographs"),
        ("EPSG:4547\n1 2 3 4\n", "Line 2 .* 4 columns"),
        ("EPSG:4547\n1 2 3 4 5 Y.JPG\n", "1 lines"),
        ("", "0 lines"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            parcels.gcp_list(path, names)


def test_a_program_among_the_photographs_is_refused(job: StitchJob, node: FakeNode, tmp_path: Path) -> None:
    """By its name, and by its content under a photograph's name; nothing is sent."""
    (job.folder / "x.py").write_text("print()")
    (job.folder / "x.jpg").write_text("print()")
    for file, message in (("x.py", "none of the kinds"), ("x.jpg", "is no photograph")):
        with pytest.raises(NodeError, match=message):
            OdmEngine().stitch(replace(job, photos=(*job.photos, photo(file))), tmp_path / "w", SILENT)
    assert not [path for path, _ in node.seen if path.startswith("/task")]


def test_what_a_node_cannot_do_is_refused_and_not_left_out(job: StitchJob, tmp_path: Path) -> None:
    """A reference picture and a calibration are for the local engine."""
    asked = replace(job, reference_ortho=tmp_path / "o.tif", calibration=tmp_path / "c.json")
    codes = [finding.code for finding in OdmEngine().check(asked) if finding.level == "fail"]
    assert codes == ["unsupported", "unsupported"]


def test_a_log_proves_an_alignment_only_by_all_of_it() -> None:
    """Points and picture were both moved, and no step failed: ODM goes on and ends well without."""
    assert read_log(ALIGNED).aligned
    for index in range(3):
        assert not read_log(ALIGNED[:index] + ALIGNED[index + 1 :]).aligned
    for line in (
        "[WARNING] Cannot compute alignment matrix: no features",
        "[WARNING] Cannot transform textured model: disk",
        "[WARNING] Alignment to /x/align.tif will be skipped.",
    ):
        told = read_log([*ALIGNED, line])
        assert not told.aligned
        assert told.why_not == line


@pytest.mark.parametrize("aligned", [True, False])
def test_a_survey_stands_on_the_reference_only_if_the_log_says_so(
    job: StitchJob, node: FakeNode, tmp_path: Path, aligned: bool
) -> None:
    """Else it stands on GPS, and a remark says why."""
    reference = tmp_path / "april"
    write_cog(reference / "dsm.tif", UTM, np.full((2, 40, 60), 12.5, np.float32), nodata=-9999.0)
    node.log = ALIGNED if aligned else ["[WARNING] Cannot compute alignment matrix: no features"]
    quality = quality_of(replace(job, previous=reference), tmp_path / "work")
    assert quality.basis is not None
    assert quality.georef == quality.basis.how == ("reference" if aligned else "gps")
    assert any(("does not say how well" if aligned else "no features") in r for r in quality.remarks)
    (task,) = node.tasks.values()
    assert set(task["others"]) == {"align.tif"}


@pytest.mark.parametrize("used", [True, False])
def test_control_points_count_only_if_the_log_says_so(
    job: StitchJob, node: FakeNode, tmp_path: Path, used: bool
) -> None:
    """And they are sent as what NodeODM takes for them."""
    gcp = tmp_path / "points.txt"
    gcp.write_text("EPSG:4547\n" + "".join(f"1 2 3 4 5 P{i}.JPG\n" for i in range(3)))
    node.log = ["[INFO]    3 GCP points will be used for georeferencing"] if used else ["running"]
    quality = quality_of(replace(job, gcp=gcp), tmp_path / "work")
    assert quality.georef == ("gcp" if used else "gps")
    assert used or any("does not tell that it used points.txt" in remark for remark in quality.remarks)
    (task,) = node.tasks.values()
    assert set(task["others"]) == {"gcp_list.txt"}


def test_cameras_are_compared_with_their_own_positions(
    job: StitchJob, node: FakeNode, members: dict[str, bytes], tmp_path: Path
) -> None:
    """Residuals come from the node's cameras, and one that stands far away is named; so is the hole."""
    lons = (113.83 + 1e-5, 113.8301 + 1e-5, 113.8302 + 6e-3)
    shots = ",".join(
        json.dumps({"properties": {"filename": f"P{i}.JPG"}, "geometry": {"coordinates": [lon, 22.81, 60]}})
        for i, lon in enumerate(lons)
    )
    node.archive = packed({**members, "odm_report/shots.geojson": b'{"features": [%s]}' % shots.encode()})
    quality = quality_of(job, tmp_path / "work")
    assert quality.residual_median_m == pytest.approx(1.03, abs=0.02)
    assert any("P2.JPG (616 m)" in remark for remark in quality.remarks)
    (hole,) = quality.holes
    assert hole.area_m2 == pytest.approx(20, abs=6)
    assert quality.coverage == pytest.approx(1 - 20 / 600, abs=0.03)


def test_a_task_with_a_photograph_too_many_is_sent_again(
    job: StitchJob, node: FakeNode, tmp_path: Path
) -> None:
    """The wrong one is removed at the node."""
    node.doubles_once = True
    told = Told()
    OdmEngine().stitch(job, tmp_path / "work", told)
    assert "holds 4 photographs instead of the 3" in told.said[-1]
    (task,) = node.tasks.values()
    assert len(task["images"]) == 3


def test_a_full_disk_is_told_before_the_upload_and_before_the_download(
    job: StitchJob, node: FakeNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent for nothing; with room again the same task is fetched."""
    free = [10**6]
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda _: SimpleNamespace(free=free[0]))
    with pytest.raises(NodeError, match=r"needs \d+\.\d GB on the disk"):
        OdmEngine().stitch(job, tmp_path / "work", SILENT)
    assert not node.created
    with monkeypatch.context() as patch:
        free[0] = 10**12
        patch.setattr(node, "archive", node.archive)
        told = Told(
            lambda name, _: free.__setitem__(0, 10**6 if name.startswith("Stitching on") else free[0])
        )
        with pytest.raises(NodeError, match="The result needs"):
            OdmEngine().stitch(job, tmp_path / "work", told)
    free[0] = 10**12
    OdmEngine().stitch(job, tmp_path / "work", SILENT)
    assert node.created == 1


@pytest.mark.parametrize("member", ["odm_orthophoto/odm_orthophoto.tif", "odm_report/shots.geojson"])
def test_an_archive_that_would_fill_the_disk_is_refused(
    job: StitchJob, node: FakeNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, member: str
) -> None:
    """By the sizes that it declares, before anything of it is written."""
    monkeypatch.setattr(fetch, "_LARGE_BYTES", 10**5)
    monkeypatch.setattr(fetch, "_MOST_TEXT_BYTES", 10**5)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, bytes(3 * 10**6))
    node.archive = buffer.getvalue()
    with pytest.raises(NodeError, match="no result of a survey"):
        OdmEngine().stitch(job, tmp_path / "work", SILENT)
    assert not list((tmp_path / "work").rglob("*.tif"))


def test_a_photograph_that_vanishes_is_named_and_the_rest_is_not_sent_twice(
    job: StitchJob, node: FakeNode, tmp_path: Path
) -> None:
    """Put back, the same command sends what is missing."""
    last = job.folder / job.photos[-1].file
    aside = tmp_path / "aside"

    def vanish(name: str, done: int) -> None:
        if name.startswith("Sending") and last.exists():
            last.rename(aside)

    with pytest.raises(PhotoError, match=r"P2.JPG cannot be read"):
        OdmEngine().stitch(job, tmp_path / "work", Told(vanish))
    aside.rename(last)
    OdmEngine().stitch(job, tmp_path / "work", SILENT)
    (task,) = node.tasks.values()
    assert sorted(task["images"]) == ["P0.JPG", "P1.JPG", "P2.JPG"]
    uploads = [path for path, _ in node.seen if "/upload/" in path]
    assert len(set(uploads)) == 1, "it is one task"


def test_a_finished_mosaic_needs_no_node(job: StitchJob, node: FakeNode, tmp_path: Path) -> None:
    """Killed before it was handed over, the result is still there when the node is not."""
    first = OdmEngine().stitch(job, tmp_path / "work", SILENT)
    node.away = True
    assert OdmEngine().stitch(job, tmp_path / "work", SILENT) == first


def test_cancel_needs_a_task_and_its_node(job: StitchJob, node: FakeNode, tmp_path: Path) -> None:
    """It never ends a task at another node."""
    with pytest.raises(NodeError, match="No task is at work"):
        OdmEngine().cancel(tmp_path / "work", job.nodes, SILENT)

    def interrupt(name: str, _: int) -> None:
        if name.startswith("Stitching on"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        OdmEngine().stitch(job, tmp_path / "work", Told(interrupt))
    with pytest.raises(NodeError, match="The task is at"):
        OdmEngine().cancel(tmp_path / "work", ("http://127.0.0.1:9",), SILENT)
    OdmEngine().cancel(tmp_path / "work", job.nodes, SILENT)
    (task,) = node.tasks.values()
    assert task["canceled"]
    assert not (tmp_path / "work" / "odm.json").exists()


def test_an_old_node_and_a_node_with_two_tokens_are_refused(job: StitchJob, node: FakeNode) -> None:
    """Both would be found out in the middle."""
    node.version = "1.4.0"
    assert "too old" in OdmEngine().check(job)[0].message
    twice = replace(job, nodes=(node.url, f"{node.url}/?token=a"))
    assert "two tokens" in OdmEngine().check(twice)[0].message


@contextmanager
def listening(answer: bytes = b"") -> Iterator[tuple[int, list[bytes]]]:
    """Take connections, note their first bytes, and say ``answer``."""
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    got.append(client.recv(4096))
                    client.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1], got
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_no_clear_text_leaves_for_an_https_node_on_any_port() -> None:
    """On the wire: a port that speaks no TLS gets the beginning of a handshake, and no token follows."""
    with listening(b"HTTP/1.1 200 OK\r\n\r\n{}") as (port, got):
        with pytest.raises(NodeError, match="does not speak https"):
            Node.at(f"https://127.0.0.1:{port}/?token=SECRET").info()
        assert got
        assert all(first[:1] == b"\x16" and b"SECRET" not in first for first in got)


def test_no_redirect_is_followed_and_no_proxy_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token goes to the address that was named, whatever the machine or the node say."""
    with listening(b"") as (other, seen):
        head = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{other}/\r\nContent-Length: 0\r\n\r\n"
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{other}")
        with listening(head.encode()) as (port, got):
            with pytest.raises(NodeError, match="sends on to another address"):
                Node.at(f"http://127.0.0.1:{port}/?token=SECRET").info()
            assert b"token=SECRET" in got[0]
        assert not seen


def test_a_node_that_echoes_the_token_does_not_get_it_into_a_message(node: FakeNode) -> None:
    """Nor control characters, nor a page of text."""
    spy = Node.at(f"{node.url}/?token=SE%20CRET%2F1")
    text = spy.clean("a\x1b[31m SE CRET/1 SE+CRET%2F1 SE%20CRET%2F1 " + "x" * 999)
    assert "CRET" not in text
    assert "\x1b" not in text
    assert len(text) < 400


def test_certificates_are_checked_against_the_authorities_that_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node with a certificate of its own gets nothing until its authority is named."""
    if not shutil.which("openssl"):
        lacking("openssl makes the certificate")
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert,
         "-days", "1", "-subj", "/CN=node", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    with serving(FakeNode(token="SECRET"), tls) as node:  # noqa: S106  # of a server that lives for one test
        url = f"{node.url}/?token=SECRET"
        with pytest.raises(NodeError, match="is not trusted") as caught:
            Node.at(url).info()
        assert "SSL_CERT_FILE" in caught.value.hint
        assert not node.seen
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(cert))
        assert Node.at(url).info().version == "2.2.4"
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "absent.pem"))
        with pytest.raises(NodeError, match=r"absent.pem.* is not there"):
            Node.at(url).info()
