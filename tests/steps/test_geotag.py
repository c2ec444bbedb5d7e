"""A folder and a log in, copies with positions out; the originals are never touched."""

import csv
import hashlib
from pathlib import Path

import pytest
from tests.flight.logs import dataflash, line
from tests.photos.made import scene, write_photo

from aerial.codec import read_json
from aerial.errors import InputError, PhotoError
from aerial.photos.metadata import list_photos, read_photo
from aerial.progress import Progress
from aerial.steps import geotag as step
from aerial.steps.geotag import COLUMNS, geotag


class Quiet:
    """Progress that nobody sees; ``stop_after`` advances it breaks off, like a kill."""

    def __init__(self, stop_after: int = 10**9) -> None:
        self.left = stop_after

    def phase(self, name: str, total: int) -> None:
        """See ``Progress``."""

    def advance(self, units: int = 1) -> None:
        """Break off when it is time."""
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt

    def say(self, message: str) -> None:
        """See ``Progress``."""


QUIET: Progress = Quiet()


def flown(folder: Path, *, dropped: tuple[int, ...] = (7,)) -> tuple[Path, Path]:
    """Write photographs of 14 shots, of which some were dropped, and the flight's .BIN."""
    photos = folder / "DCIM"
    picture = scene(5, 96, 72)
    number = 0
    for shot in range(1, 15):
        if shot not in dropped:
            number += 1
            # A turn of 10 s after the sixth shot tells the lines apart.
            seconds = 2 * shot + (10 if shot > 6 else 0) + 5
            write_photo(
                photos / "100MSDCF" / f"DSC{number:05d}.JPG",
                image_HW3=picture,
                at=None,
                seconds=seconds,
                equivalent_mm=24,
            )
    log = folder / "42.BIN"
    log.write_bytes(
        dataflash(range(1, 7))
        + b"".join(dataflash([n], TimeUS=(98 + 2 * n + 10) * 1e6)[89 * 3 :] for n in range(7, 15))
    )
    return photos, log


def hashes(folder: Path) -> dict[str, str]:
    """Return the hash of every file."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_copies_carry_the_positions_of_their_shots(tmp_path: Path) -> None:
    """Each copy reads back with its own shot's position; the dropped one is named; originals stay."""
    photos, log = flown(tmp_path)
    before = hashes(photos)
    done = geotag(photos, log, out=tmp_path / "out", sidecar=None, progress=QUIET)
    assert [shot.index for shot in done.tags.dropped] == [7]
    names = list_photos(tmp_path / "out")
    assert names == list_photos(photos)
    for name, shot in zip(names, [n for n in range(1, 15) if n != 7], strict=True):
        said = read_photo(tmp_path / "out", name)
        assert said.at is not None
        assert said.at.lat_deg == pytest.approx(22.8 + 1e-4 * shot, abs=1e-7)
        assert (said.altitude_m, said.relative_height_m) == (110.25, 100.5)
    assert hashes(photos) == before
    told = read_json(tmp_path / "out" / "geotags.json")
    assert (told["log_kind"], told["shots"], len(told["tags"]["tagged"])) == ("dataflash", 14, 13)


def test_a_sidecar_holds_a_row_for_each_photograph(tmp_path: Path) -> None:
    """CSV with the named columns; nothing else is written."""
    photos, log = flown(tmp_path)
    geotag(photos, log, out=None, sidecar=tmp_path / "geo.csv", progress=QUIET)
    with (tmp_path / "geo.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [int(row["shot"]) for row in rows] == [n for n in range(1, 15) if n != 7]
    assert (rows[0]["lat_deg"], rows[0]["altitude_amsl_m"], rows[0]["yaw_deg"]) == (
        "22.80010000",
        "110.250",
        "271.250",
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["42.BIN", "DCIM", "geo.csv"]


def test_nothing_is_written_where_the_match_is_refused(tmp_path: Path) -> None:
    """A line that lost its first or its last shot: no folder, no file."""
    photos, _ = flown(tmp_path, dropped=tuple(range(7, 15)))
    log = tmp_path / "one-line.BIN"
    log.write_bytes(dataflash(range(1, 8)))
    with pytest.raises(PhotoError, match="in two ways"):
        geotag(photos, log, out=tmp_path / "out", sidecar=None, progress=QUIET)
    assert not (tmp_path / "out").exists()


def test_interrupted_at_any_photograph_no_file_is_half_and_the_rest_follows(tmp_path: Path) -> None:
    """What is there under its name is whole; run again, everything is there, and no part is left."""
    photos, log = flown(tmp_path)
    before, out = hashes(photos), tmp_path / "out"
    for stop_after in range(13, 26, 3):
        with pytest.raises(KeyboardInterrupt):
            geotag(photos, log, out=out, sidecar=None, progress=Quiet(stop_after))
        assert not (out / "geotags.json").exists()
        for path in out.rglob("*.JPG"):
            assert read_photo(path.parent, path.name).at is not None
    geotag(photos, log, out=out, sidecar=None, progress=QUIET)
    assert len(list_photos(out)) == 13
    assert [path for path in out.rglob("*") if path.name.endswith(".part")] == []
    assert hashes(photos) == before


def test_a_copy_that_reads_back_otherwise_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that wrote another place is found out before the file has its name."""
    photos, log = flown(tmp_path)
    honest = step.with_position

    def lying(jpeg: bytes, shot: object, name: str, *, utc: bool) -> bytes:
        return honest(jpeg, shot, name, utc=utc).replace(b"N\0", b"S\0", 1)  # type: ignore[arg-type]

    monkeypatch.setattr(step, "with_position", lying)
    with pytest.raises(PhotoError, match="does not read back"):
        geotag(photos, log, out=tmp_path / "out", sidecar=None, progress=QUIET)
    assert list((tmp_path / "out").rglob("*.JPG")) == []


def test_the_originals_folder_and_folders_of_others_are_not_written_to(tmp_path: Path) -> None:
    """Neither the folder itself, nor one in it or around it, nor one that holds other photographs."""
    photos, log = flown(tmp_path)
    for out in (photos, photos / "tagged", tmp_path):
        with pytest.raises(InputError, match="are not apart"):
            geotag(photos, log, out=out, sidecar=None, progress=QUIET)
    write_photo(tmp_path / "other" / "IMG_1.JPG")
    with pytest.raises(InputError, match="photographs of something else: IMG_1"):
        geotag(photos, log, out=tmp_path / "other", sidecar=None, progress=QUIET)


def test_a_file_that_is_no_photograph_is_named(tmp_path: Path) -> None:
    """It gets no position; its shot counts as dropped."""
    photos, log = flown(tmp_path)
    (photos / "100MSDCF" / "DSC00003.JPG").write_bytes(b"\xff\xd8\xff")
    done = geotag(photos, log, out=tmp_path / "out", sidecar=None, progress=QUIET)
    assert "DSC00003.JPG" in next(f.message for f in done.findings if f.code == "unreadable")
    assert [shot.index for shot in done.tags.dropped] == [3, 7]


def test_shots_that_the_log_lacks_are_told(tmp_path: Path) -> None:
    """Of a log that came over the radio the lost numbers are named."""
    photos, _ = flown(tmp_path, dropped=())
    log = tmp_path / "flight.jsonl"
    times = {n: 2.0 * n + (10 if n > 6 else 0) for n in range(1, 15)}
    log.write_text("".join(line(n, time_s=1.79e9 + t) for n, t in times.items() if n != 4))
    done = geotag(photos, log, out=None, sidecar=None, progress=QUIET)
    assert done.missing_indices == (4,)
    assert done.tags.unlogged == ("100MSDCF/DSC00004.JPG",)
    assert "shots_lost" in [finding.code for finding in done.findings]
