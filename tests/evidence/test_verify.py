"""Evidence packages as they are verified: every change is found and named, and nothing hostile does harm."""

import hashlib
import json
import os
import shutil
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from tests.evidence.made import KEY, flip, package_at, retag

from aerial.errors import EvidenceError
from aerial.evidence import bag
from aerial.evidence.container import write_container
from aerial.evidence.verify import verify_package
from aerial.records import Finding


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as a folder ``p`` and as ``p.zip``, and its root."""
    folder = tmp_path_factory.mktemp("made")
    package = package_at(folder / "p", folder / "town")
    package_at(folder / "p.zip", folder / "town2")
    (folder / "root").write_text(package.root_sha256)
    return folder


@pytest.fixture
def package(made: Path, tmp_path: Path) -> Path:
    """A copy of the folder, to be spoilt."""
    shutil.copytree(made / "p", tmp_path / "p")
    return tmp_path / "p"


def fails(path: Path, **given: str) -> list[Finding]:
    """Return what fails."""
    return [finding for finding in verify_package(path, **given) if finding.level == "fail"]


def test_an_untouched_package_is_whole(made: Path) -> None:
    """Folder and zip pass; without the root a warning says what cannot be known."""
    root = (made / "root").read_text()
    for path in (made / "p", made / "p.zip"):
        assert [finding.level for finding in verify_package(path, root=root)] == ["pass"]
        assert [finding.level for finding in verify_package(path)] == ["pass", "warn"]


def test_one_bit_in_every_file_is_found_and_the_file_named(made: Path, package: Path) -> None:
    """For each file of the package: a flipped bit fails without the root, and the finding names the file."""
    rng = Random(1)
    files = sorted(path for path in package.rglob("*") if path.is_file())
    assert len(files) > 35
    for path in files:
        flip(path, bit := rng.randrange(path.stat().st_size * 8))
        name = path.relative_to(package).as_posix()
        told = [finding.message for finding in fails(package)]
        # A tag manifest that was changed is told by what it says of the others.
        assert told and (any(name in line for line in told) or name == bag.TAGS_FILE), name
        flip(path, bit)
    assert not fails(package)


def test_every_bit_of_the_tag_files_counts(package: Path) -> None:
    """No bit of 120 in each tag file can change unseen, in names, hashes or line ends."""
    rng = Random(2)
    for name in (*bag.TAGGED, bag.TAGS_FILE):
        for bit in rng.sample(range((package / name).stat().st_size * 8), 120):
            flip(package / name, bit)
            assert fails(package), (name, bit)
            flip(package / name, bit)


def test_every_bit_of_the_container_counts(made: Path, tmp_path: Path) -> None:
    """Bits of headers, directory and end of the zip, which no reader looks at, are found as well."""
    zipped = tmp_path / "p.zip"
    shutil.copy(made / "p.zip", zipped)
    size = zipped.stat().st_size
    with zipfile.ZipFile(zipped) as archive:
        directory = archive.start_dir
        headers = [member.header_offset for member in archive.infolist()]
    rng = Random(3)
    bits = [rng.randrange(size * 8) for _ in range(60)]
    bits += [rng.randrange(directory * 8, size * 8) for _ in range(60)]
    bits += [(rng.choice(headers) + rng.randrange(30)) * 8 + rng.randrange(8) for _ in range(60)]
    for bit in bits:
        flip(zipped, bit)
        assert fails(zipped), bit
        flip(zipped, bit)
    assert not fails(zipped)


def test_a_changed_row_of_the_log_is_named(package: Path) -> None:
    """The device, row and subject of a changed audit row are in the finding."""
    log = package / "data/audit.jsonl"
    log.write_bytes(log.read_bytes().replace('"第5行"'.encode(), '"第9行"'.encode()))
    told = " ".join(finding.message for finding in fails(package))
    assert "audit.jsonl" in told and "row 4 of device 01LAPTOP" in told and "other-5" in told


def test_a_row_rewritten_with_all_hashes_is_found_by_the_chain(package: Path) -> None:
    """Whoever also mends manifest and tags still breaks the chain."""
    log = package / "data/audit.jsonl"
    log.write_bytes(log.read_bytes().replace('"第5行"'.encode(), '"第9行"'.encode()))
    retag(package)
    assert any(f.code == "audit" and "row 4 of device 01LAPTOP" in f.message for f in fails(package))


def test_a_log_cut_at_its_end_is_found_by_the_heads(package: Path) -> None:
    """A log without its last row, with every hash mended, does not reach its heads."""
    log = package / "data/audit.jsonl"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1]))
    retag(package)
    assert "audit" in {f.code for f in fails(package)}


def test_heads_of_an_earlier_day_are_found(package: Path) -> None:
    """Heads that name a row before the last one leave room for rows that nobody recorded."""
    heads = json.loads((package / "data/heads.json").read_text())
    rows = [json.loads(line) for line in (package / "data/audit.jsonl").read_bytes().splitlines()]
    first = next(row for row in rows if row["device"] == "01LAPTOP")
    heads["01LAPTOP"] = [first["seq"], first["hash"]]
    (package / "data/heads.json").write_text(json.dumps(heads))
    retag(package)
    assert any("heads.json" in finding.message for finding in fails(package))


def test_a_manifest_in_another_order_is_found(package: Path) -> None:
    """Two lines that changed places, with the tag manifest mended, are not as they were written."""
    manifest = package / bag.MANIFEST_FILE
    first, second, *rest = manifest.read_bytes().splitlines(keepends=True)
    manifest.write_bytes(b"".join([second, first, *rest]))
    tags = {name: hashlib.sha256((package / name).read_bytes()).hexdigest() for name in bag.TAGGED}
    (package / bag.TAGS_FILE).write_bytes(bag.manifest_text(tags))
    assert any("order" in finding.message for finding in fails(package))


def test_a_package_written_anew_as_a_whole_is_found_by_the_root(made: Path, package: Path) -> None:
    """With everything mended only the printed root tells, and it does; any case of its letters will do."""
    photo = next((package / "data").rglob("p1.jpg"))
    old = hashlib.sha256(photo.read_bytes()).hexdigest()
    photo.write_bytes(b"another")
    new = hashlib.sha256(b"another").hexdigest()
    files = package / "data/files.json"
    files.write_text(files.read_text().replace(old, new))
    retag(package)
    root = (made / "root").read_text()
    assert not fails(package)
    assert [f.code for f in fails(package, root=root)] == ["root"]
    assert not fails(made / "p", root=f" {root.upper()}\n")


def spoil_case(package: Path) -> None:
    """Change the area of the case."""
    path = package / "data/cases" / KEY / "case.json"
    path.write_text(path.read_text().replace('"area_m2": 100.0', '"area_m2": 900.0'))


def spoil_outline(package: Path) -> None:
    """Give the case an outline that crosses itself and reaches beyond the Earth."""
    path = package / "data/cases" / KEY / "case.json"
    data = json.loads(path.read_text())
    ring = data["suspect"]["outline"]["coordinates"][0]
    data["suspect"]["outline"]["coordinates"][0] = [
        ring[0],
        ring[2],
        ring[1],
        ring[3],
        [113.8, 1e300],
        ring[0],
    ]
    path.write_text(json.dumps(data))


def spoil_evidence(package: Path) -> None:
    """Change a hash in the case."""
    path = package / "data/cases" / KEY / "case.json"
    data = json.loads(path.read_text())
    data["evidence"][0]["sha256"] = "0" * 64
    path.write_text(json.dumps(data))


def spoil_listing(package: Path) -> None:
    """Take the first file out of the listing."""
    path = package / "data/files.json"
    path.write_text(json.dumps(json.loads(path.read_text())[1:]))


def spoil_heads(package: Path) -> None:
    """Make a head that is none."""
    (package / "data/heads.json").write_text('{"01LAPTOP": [1]}')


def spoil_log(package: Path) -> None:
    """Put a row of no chain into the case's log."""
    path = package / "data/cases" / KEY / "audit.jsonl"
    path.write_text('{"at":"forged"}\n')


def spoil_json(package: Path) -> None:
    """Nest deeper than a reader can."""
    (package / "data/cases" / KEY / "verdicts.json").write_text("[" * 100_000)


def add_case(package: Path) -> None:
    """Add the folder of a case under another key."""
    shutil.copytree(package / "data/cases" / KEY, package / "data/cases/s99-1")


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (spoil_case, "case"),
        (spoil_outline, "case"),
        (spoil_evidence, "evidence"),
        (spoil_listing, "listed"),
        (spoil_heads, "record"),
        (spoil_log, "audit"),
        (spoil_json, "record"),
        (add_case, "info"),
    ],
)
def test_records_that_disagree_are_found_though_every_hash_is_right(
    package: Path, spoil: Callable[[Path], None], code: str
) -> None:
    """Case, evidence, listing, heads and log are held against each other, without a traceback."""
    spoil(package)
    retag(package)
    assert code in {finding.code for finding in fails(package)}


def test_missing_and_extra_files_are_named(package: Path) -> None:
    """A file taken away, one added in data and one beside it are each named."""
    gone = next((package / "data").rglob("k1-after.jpg"))
    gone.unlink()
    (package / "data/added.txt").write_text("x")
    (package / "fetch.txt").write_text("http://example.org/x 1 data/x\n")
    (package / "data/hollow").mkdir()
    told = {finding.code: finding.message for finding in fails(package)}
    assert "k1-after.jpg" in told["missing"]
    assert "hollow" in told["name"]
    extra = [finding.message for finding in fails(package) if finding.code == "extra"]
    assert len(extra) == 2 and "fetch.txt" in extra[0] and "added.txt" in extra[1]


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "data/../../x", "data/a\\b", "data/C:x", "x"]
)
def test_a_manifest_that_names_files_outside_is_refused_and_nothing_is_read(package: Path, name: str) -> None:
    """A hostile path in the manifest is a finding with that path; only files that were found are opened."""
    manifest = package / bag.MANIFEST_FILE
    manifest.write_text(f"{'0' * 64}  {name}\n" + manifest.read_text())
    tags = {tag: hashlib.sha256((package / tag).read_bytes()).hexdigest() for tag in bag.TAGGED}
    (package / bag.TAGS_FILE).write_bytes(bag.manifest_text(tags))
    assert any(bag.told(name)[1:-1] in finding.message for finding in fails(package))


def test_a_manifest_with_foreign_line_ends_is_refused(package: Path) -> None:
    """CRLF, as a mail program makes it, is said to be what it is."""
    manifest = package / bag.MANIFEST_FILE
    manifest.write_bytes(manifest.read_bytes().replace(b"\n", b"\r\n"))
    assert any("line ends" in finding.message for finding in fails(package))


def test_links_are_not_followed(package: Path, tmp_path: Path) -> None:
    """A file replaced by a link to an equal one outside, and a linked folder, are refused."""
    target = next((package / "data").rglob("p1.jpg"))
    shutil.move(target, tmp_path / "outside.jpg")
    target.symlink_to(tmp_path / "outside.jpg")
    (package / "data/more").symlink_to(tmp_path)
    told = [f.message for f in fails(package) if f.code == "name"]
    assert len(told) == 2 and all("link" in line for line in told)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names and no pipes")
def test_pipes_and_names_that_are_no_text_do_not_stop_it(package: Path) -> None:
    """A named pipe is not opened, and a name that is not UTF-8 is told in plain letters."""
    os.mkfifo(package / "data/pipe")
    os.close(os.open(os.fsencode(package) + b"/data/\xff\xfe", os.O_CREAT))
    told = " ".join(finding.message for finding in fails(package))
    assert "pipe" in told and told.isascii() and "udcff" in told


def archive(path: Path, members: list[tuple[str, bytes]]) -> None:
    """Write a plain zip of other hands."""
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as zipped:
        warnings.simplefilter("ignore")
        for name, data in members:
            zipped.writestr(zipfile.ZipInfo(name), data)


@pytest.mark.parametrize("name", ["p/../../evil", "/etc/evil", "p\\evil", "C:evil", "p/data/ünï"])
def test_zips_of_other_hands_are_refused(tmp_path: Path, name: str) -> None:
    """Traversal, absolute and drive names and any foreign layout are findings, and nothing is unpacked."""
    archive(tmp_path / "x.zip", [("p/bagit.txt", bag.DECLARATION), (name, b"x")])
    assert fails(tmp_path / "x.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_hostile_names_in_our_own_layout_are_refused(tmp_path: Path) -> None:
    """A zip laid out exactly like ours but with a name that leaves its folder is refused by that name."""
    (tmp_path / "f").write_text("x")
    names = ["bagit.txt", "../../evil", "DATA/a", "data/a", "data/A", "x/./y"]
    write_container(tmp_path / "x.zip", "p", [(name, tmp_path / "f") for name in names])
    told = " ".join(f.message for f in fails(tmp_path / "x.zip") if f.code == "name")
    assert "evil" in told and "only by case" in told and "x/./y" in told


def test_links_duplicates_compression_and_claims_are_refused(tmp_path: Path) -> None:
    """A link, a name twice, a bomb, and ten gigabytes that are only claimed are refused in no time."""
    link = zipfile.ZipInfo("p/data/link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as zipped:
        zipped.writestr(link, "/etc/passwd")
    archive(tmp_path / "twice.zip", [("p/a", b"x"), ("p/a", b"y")])
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("p/a", bytes(10_000_000))
    archive(tmp_path / "claim.zip", [("p/a", b"x" * 100)])
    data = bytearray((tmp_path / "claim.zip").read_bytes())
    at = data.index(b"PK\x01\x02")
    struct.pack_into("<2L", data, at + 20, 0xFFFFFFF0, 0xFFFFFFF0)
    (tmp_path / "claim.zip").write_bytes(data)
    (tmp_path / "none.zip").write_bytes(b"PK" + bytes(50))
    for name in ("link", "twice", "bomb", "claim", "none"):
        assert [f.code for f in fails(tmp_path / f"{name}.zip")] == ["container"], name


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    """An absent path is an error with a hint; an empty folder lacks all four tag files."""
    with pytest.raises(EvidenceError, match="not there"):
        verify_package(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    assert len([f for f in fails(tmp_path / "empty") if f.code == "missing"]) == 4
