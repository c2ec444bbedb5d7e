"""Claim: one flipped bit in any file of an evidence package, or in any audit row, is found, offline.

    python -m benchmarks.tamper [--each 40] [--container 4000] [--rows 500] [--large-mb 500] [--seed 71]

A package of one case is written as a folder and as a zip. Then, one at a time and without the root hash:
``--each`` random bits of every file, and every bit of ``bagit.txt`` and of the tag manifest;
``--container`` random bits of the zip, half of them in its headers and directory; one random bit of each
of ``--rows`` audit rows in the exported log, with manifest, tag manifest and sizes mended afterwards as a
forger would. *Found*: at least one finding fails. *Named*: a finding names the file that was changed; a bit
of the tag manifest may accuse the file that it speaks of instead.

Beside it: bagit, the Library of Congress' validator, on the untouched package, on the same bits of the
folder, and on the mended logs. Sockets raise while we verify. A package with photographs of ``--large-mb``
shows the speed and that memory does not grow.
"""

import argparse
import logging
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import bagit
from tests.evidence.made import NOW, evidence_of, flip, log, package_at, place, retag

from aerial.chain import ChainRow, Head, chained, heads
from aerial.codec import read_record, sha256_file, write_json
from aerial.evidence import bag
from aerial.evidence.container import open_container
from aerial.evidence.gather import gather
from aerial.evidence.hashes import note_hashes
from aerial.evidence.package import write_package
from aerial.evidence.verify import verify_package
from aerial.records import Survey, SurveyPhoto
from benchmarks.machine import emit, peak_mb


@contextmanager
def offline() -> Iterator[None]:
    """Let every attempt to open a socket raise."""

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    with patch.object(socket, "socket", refused):
        yield


def fails(path: Path) -> list[str]:
    """Return what fails, in sentences."""
    with offline():
        return [f.message for f in verify_package(path) if f.level == "fail"]


def theirs(path: Path) -> bool:
    """Tell whether the other validator takes the folder."""
    try:
        return bool(bagit.Bag(str(path)).validate())
    except (bagit.BagError, UnicodeError, ValueError):
        return False


def files_of(package: Path, rng: Random, each: int) -> dict[str, int]:
    """Flip bits of every file of the folder; return the counts."""
    counts = dict.fromkeys(("files", "bits", "found", "named", "found_by_bagit"), 0)
    for path in sorted(path for path in package.rglob("*") if path.is_file()):
        name = path.relative_to(package).as_posix()
        size = path.stat().st_size * 8
        whole = name in (bag.DECLARATION_FILE, bag.TAGS_FILE)
        counts["files"] += 1
        for bit in range(size) if whole else [rng.randrange(size) for _ in range(each)]:
            flip(path, bit)
            told = fails(package)
            counts["bits"] += 1
            counts["found"] += bool(told)
            counts["named"] += any(name in line for line in told) or (bool(told) and name == bag.TAGS_FILE)
            counts["found_by_bagit"] += not theirs(package)
            flip(path, bit)
    return counts


def container_of(zipped: Path, rng: Random, bits: int) -> dict[str, int]:
    """Flip bits of the zip, half of them where no content is."""
    with open_container(zipped) as (archive, members):
        headers = [member.header_offset for member in members.values()]
        directory = archive.start_dir
    size = zipped.stat().st_size
    counts = dict.fromkeys(("bits", "found"), 0)
    for number in range(bits):
        if number % 2:
            bit = rng.randrange(size * 8)
        elif number % 4:
            bit = rng.randrange(directory * 8, size * 8)
        else:
            bit = (rng.choice(headers) + rng.randrange(30)) * 8 + rng.randrange(8)
        flip(zipped, bit)
        counts["bits"] += 1
        counts["found"] += bool(fails(zipped))
        flip(zipped, bit)
    return counts


def long_log(rows: int) -> tuple[ChainRow, ...]:
    """Return a log of three devices."""
    made: list[ChainRow] = list(log())
    ends: dict[str, Head] = heads(made)
    for number in range(rows - len(made)):
        device = ("01LAPTOP", "01OFFICE", "01THIRD")[number % 3]
        row = chained(device, ends.get(device), NOW.isoformat(), "sighting", f"s{number}", {"n": number})
        ends[device] = (row.seq, row.hash)
        made.append(row)
    return tuple(made)


def rows_of(package: Path, rng: Random) -> dict[str, int]:
    """Flip one bit of every audit row and mend every hash around it."""
    path = package / "data/audit.jsonl"
    tags = {name: (package / name).read_bytes() for name in (*bag.TAGGED, bag.TAGS_FILE)}
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    counts = dict.fromkeys(("rows", "found", "found_by_bagit"), 0)
    for number, line in enumerate(lines):
        spoilt = bytearray(line)
        bit = rng.randrange(len(line) * 8)
        spoilt[bit // 8] ^= 1 << bit % 8
        path.write_bytes(b"".join([*lines[:number], bytes(spoilt), *lines[number + 1 :]]))
        retag(package)
        counts["rows"] += 1
        counts["found"] += bool(fails(package))
        counts["found_by_bagit"] += not theirs(package)
    path.write_bytes(whole)
    for name, data in tags.items():
        (package / name).write_bytes(data)
    return counts


def large(folder: Path, mb: int) -> dict[str, Any]:
    """Write and verify a package with photographs of ``mb`` in all."""
    suspect, places = place(folder / "large")
    each = mb * 1_000_000 // 2
    for home in (places.before, places.after):
        path = home / "photos/p1.jpg"
        with path.open("wb") as file:
            for _ in range(each // 1_000_000):
                file.write(Random(1).randbytes(1_000_000))
        photos = read_record(tuple[SurveyPhoto, ...], home / "photos.json")
        survey = read_record(Survey, home / "survey.json")
        _retell(home, path, photos, survey)
    evidence = evidence_of(suspect, gather(suspect, places))
    rows = log()
    begun = peak_mb()
    told = {}
    for name in ("l", "l.zip"):
        start = time.perf_counter()
        write_package(folder / name, [evidence], rows, heads(rows), raw_photographs=True, made_at=NOW)
        middle = time.perf_counter()
        whole = not fails(folder / name)
        end = time.perf_counter()
        told[name.replace("l.zip", "zip").replace("l", "folder")] = {
            "whole": whole,
            "write_mb_s": round(mb / (middle - start)),
            "verify_mb_s": round(mb / (end - middle)),
        }
    return {"mb": mb, **told, "memory_grew_mb": round(peak_mb() - begun, 1)}


def _retell(home: Path, path: Path, photos: tuple[SurveyPhoto, ...], survey: Survey) -> None:
    """Record the new hash of a photograph as an import would have."""
    ref = replace(photos[0].file, sha256=sha256_file(path))
    write_json(home / "photos.json", [replace(photos[0], file=ref), *photos[1:]])
    write_json(home / "survey.json", replace(survey, photos=(ref, *survey.photos[1:])))
    note_hashes(home, {"photos.json": home / "photos.json"})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("each", 40), ("container", 4000), ("rows", 500), ("large-mb", 500), ("seed", 71)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    logging.getLogger("bagit").setLevel(logging.CRITICAL)
    rng = Random(asked.seed)
    with TemporaryDirectory(prefix="aerial-") as temporary:
        folder = Path(temporary)
        big = large(folder, asked.large_mb)
        package_at(folder / "p", folder / "town", rows=(few := log()))
        package_at(folder / "p.zip", folder / "town2", rows=few)
        package_at(folder / "r", folder / "town3", rows=long_log(asked.rows))
        untouched = {
            "folder": not fails(folder / "p"),
            "zip": not fails(folder / "p.zip"),
            "bagit": theirs(folder / "p"),
        }
        figures: dict[str, Any] = {
            "untouched_whole": untouched,
            "files": files_of(folder / "p", rng, asked.each),
            "container": container_of(folder / "p.zip", rng, asked.container),
            "audit_rows_with_hashes_mended": rows_of(folder / "r", rng),
            "large": big,
        }
        figures["whole_afterwards"] = [not fails(folder / name) for name in ("p", "p.zip", "r")]
        shutil.rmtree(folder / "large")
    failed = [] if all(untouched.values()) else ["an untouched package is not whole"]
    failed += [] if all(figures["whole_afterwards"]) else ["a mended package is not whole"]
    for name, total in (("files", "bits"), ("container", "bits"), ("audit_rows_with_hashes_mended", "rows")):
        if figures[name]["found"] != figures[name][total]:
            failed.append(f"{name}: {figures[name][total] - figures[name]['found']} not found")
    if figures["files"]["named"] != figures["files"]["bits"]:
        failed.append("a file was changed and not named")
    return emit("tamper", figures, failed=failed)


if __name__ == "__main__":
    sys.exit(main())
