"""Photographs without positions and the log of their flight in, photographs with positions out."""

import csv
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from aerial.codec import replacing, sha256_file, write_json
from aerial.errors import InputError, PhotoError
from aerial.flight.logs import Log, read_log
from aerial.photos.embed import with_position
from aerial.photos.geotag import Geotags, Tagged, match_photos, missing_indices
from aerial.photos.metadata import list_photos, read_photo
from aerial.progress import Progress
from aerial.records import Finding, Photo
from aerial.records.record import record

FILE = "geotags.json"
# EXIF holds micro-seconds of arc (0.03 mm) and millimetres.
_SAME_DEG, _SAME_M = 1e-9, 0.0011
# What a copy says otherwise than its original.
_WRITTEN = ("file", "at", "altitude_m", "relative_height_m", "rtk_std_m")
COLUMNS = ("file", "lon_deg", "lat_deg", "altitude_amsl_m", "height_above_home_m", "roll_deg", "pitch_deg",
           "yaw_deg", "shot", "residual_s")  # fmt: skip


@record
class Geotagged:
    """Who is who, and what the log said.

    ``missing_indices``: what the vehicle counted and the log lacks. ``log_sha256``: of the log's bytes.
    """

    log: str
    log_kind: str
    log_sha256: str
    shots: int
    missing_indices: tuple[int, ...]
    tags: Geotags
    findings: tuple[Finding, ...]


def geotag(
    folder: Path, log_file: Path, *, out: Path | None, sidecar: Path | None, progress: Progress
) -> Geotagged:
    """Match the photographs in ``folder`` to a flight's log; write copies to ``out``, or a ``sidecar``.

    The originals are never changed. Each copy is read back and compared before it has its name;
    ``geotags.json`` in ``out`` is written last. ``sidecar``: CSV, a row a photograph.

    Raises:
        InputError: the log is none, or ``out`` is not to be written to.
        PhotoError: no photographs, or they fit the log in no way or in several.
    """
    names = list_photos(folder)
    if out is not None:
        _require_own_folder(folder, out, names)
    log = read_log(log_file)
    photos, findings = _read(folder, names, progress)
    tags = match_photos(photos, log.shots, lossy=log.lossy)
    done = Geotagged(
        log=log_file.name,
        log_kind=log.kind,
        log_sha256=sha256_file(log_file),
        shots=len(log.shots),
        missing_indices=missing_indices(log.shots),
        tags=tags,
        findings=(*log.findings, *findings, *tags.findings, *_lost(log)),
    )
    if out is not None:
        by_name = {photo.file: photo for photo in photos}
        _write_copies(folder, out, tags, by_name, utc=log.utc, progress=progress)
        write_json(out / FILE, done)
    if sidecar is not None:
        _write_sidecar(sidecar, tags.tagged)
    return done


def _require_own_folder(folder: Path, out: Path, names: Sequence[str]) -> None:
    here, there = folder.resolve(), out.resolve()
    if there == here or here in there.parents or there in here.parents:
        raise InputError(
            f"{out} and the photographs' own folder are not apart; the originals are never touched.",
            hint="Give a folder beside it with --out.",
        )
    strange = set(list_photos(out)) - set(names) if out.is_dir() and _holds_photos(out) else set()
    if strange:
        raise InputError(
            f"{out} holds photographs of something else: {min(strange)} and {len(strange) - 1} more.",
            hint="Give a new folder with --out.",
        )


def _holds_photos(folder: Path) -> bool:
    try:
        return bool(list_photos(folder))
    except PhotoError:
        return False


def _read(folder: Path, names: Sequence[str], progress: Progress) -> tuple[list[Photo], list[Finding]]:
    progress.phase("Reading photographs", len(names))
    photos, unreadable = [], []
    for name in names:
        try:
            photos.append(read_photo(folder, name))
        except PhotoError:
            unreadable.append(name)
        progress.advance()
    if not unreadable:
        return photos, []
    some = ", ".join(unreadable[:5]) + (" …" if len(unreadable) > 5 else "")
    return photos, [
        Finding(
            level="warn",
            code="unreadable",
            message=f"{len(unreadable)} file(s) cannot be read as JPEG and were left out: {some}.",
            hint="Copy them from the memory card again.",
        )
    ]


def _lost(log: Log) -> list[Finding]:
    lost = missing_indices(log.shots)
    if not lost:
        return []
    return [
        Finding(
            level="warn",
            code="shots_lost",
            message=f"The log lacks {len(lost)} shot(s) that the vehicle counted; their photographs get no "
            "position.",
            hint="Use the vehicle's own log (.BIN): it lacks none.",
        )
    ]


def _write_copies(
    folder: Path, out: Path, tags: Geotags, photos: dict[str, Photo], *, utc: bool, progress: Progress
) -> None:
    (out / FILE).unlink(missing_ok=True)
    named = {tag.file for tag in tags.tagged}
    for stale in list_photos(out) if _holds_photos(out) else ():
        # Of a run before, with another log.
        if stale not in named:
            (out / stale).unlink()
    progress.phase("Writing positions", len(tags.tagged))
    for tag in tags.tagged:
        source, target = folder / tag.file, out / tag.file
        jpeg = with_position(source.read_bytes(), tag.shot, tag.file, utc=utc)
        with replacing(target) as part:
            part.write_bytes(jpeg)
            _require_same(read_photo(part.parent, part.name), photos[tag.file], tag)
            stat = source.stat()
            os.utime(part, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        progress.advance()


def _require_same(written: Photo, original: Photo, tag: Tagged) -> None:
    """Refuse a copy that does not say what was meant, or that lost what the original says."""
    shot = tag.shot
    told = (written.altitude_m, written.relative_height_m)
    meant = (shot.altitude_amsl_m, shot.height_above_home_m)
    fits = (
        written.at is not None
        and abs(written.at.lon_deg - shot.at.lon_deg) <= _SAME_DEG
        and abs(written.at.lat_deg - shot.at.lat_deg) <= _SAME_DEG
        and all(
            one is None if two is None else one is not None and abs(one - two) <= _SAME_M
            for one, two in zip(told, meant, strict=True)
        )
    )
    changed = {name: getattr(written, name) for name in _WRITTEN}
    if not fits or replace(original, **changed) != written:
        raise PhotoError(
            f"The copy of {tag.file} does not read back as it was written.",
            hint="Write the positions to a file beside the photographs with --sidecar.",
        )


def _write_sidecar(path: Path, tagged: Sequence[Tagged]) -> None:
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for tag in tagged:
            shot = tag.shot
            place = (f"{shot.at.lon_deg:.8f}", f"{shot.at.lat_deg:.8f}")
            heights = (shot.altitude_amsl_m, shot.height_above_home_m)
            attitude = (shot.roll_deg, shot.pitch_deg, shot.yaw_deg)
            told = ["" if value is None else f"{value:.3f}" for value in (*heights, *attitude)]
            rows.writerow([tag.file, *place, *told, shot.index, f"{tag.residual_s:.3f}"])
