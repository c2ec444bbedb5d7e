"""The verdict on every photograph of a folder: usable or not, and why, in words.

A rule rejects only on evidence in the file itself or against the rest of its own set; where the
metadata does not tell (a camera without gimbal, an altitude of unknown datum), it stays silent
rather than guess. Thresholds are properties of cameras and flights, not of any data set.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from aerial.codec import sha256_file
from aerial.errors import PhotoError
from aerial.photos.content import Content, measure, thumbnail_side_px
from aerial.photos.metadata import list_photos, read_photo
from aerial.photos.places import distance_km, group_places, is_stray, local_metres, require_one_place
from aerial.photos.positions import read_positions, require_named, with_position
from aerial.photos.tails import find_tails
from aerial.progress import Progress
from aerial.records import Photo, PhotoCheck
from aerial.records.record import record

_NO_POSITION = "no GPS position"
# An orthomosaic is made of views from above; beyond this a picture shows walls and horizon.
_MOST_OFF_NADIR_DEG = 30.0
_SMALLEST_PX = 640
# Below this share of the others' height a picture was taken on the way up or down, or by hand.
_LOW_SHARE = 0.5
_LOW_FLIGHT_M = 10.0
_UNLIKE_SHARE = 0.25
_SPREADS = 6.0
_ALTITUDE_NOISE_M = 20.0
# What a sharp edge has left after a blur of about 2 pixels; nothing in focus measures so little.
_BLURRED = 1.5
_MOVING_M_S = 1.5
_NEXT_SHOT_S = 10.0
_FEWEST = 3


@record
class _Entry:
    photo: Photo
    size_bytes: int
    content: Content
    bad: list[str]
    remarks: list[str]


def check_photos(
    folder: Path,
    progress: Progress,
    positions: Path | None = None,
    *,
    keep: Callable[[str, bytes], None] | None = None,
) -> tuple[PhotoCheck, ...]:
    """Return the verdict on every photograph below ``folder``, sorted by file name.

    ``positions``: a file (``geo.txt``) whose positions stand in for those of the EXIF. ``keep`` is
    given the name and a small JPEG of each that can be read, in no order.

    Raises:
        PhotoError: no photograph is there, all of them went away during the check, or ``positions``
            is of others.
        InputError: ``positions`` cannot be read.
    """
    names = list_photos(folder)
    told = read_positions(positions) if positions else {}
    if positions:
        require_named(names, told, positions)
    progress.phase("Checking photographs", len(names))
    entries: dict[str, _Entry] = {}
    broken: dict[str, str] = {}
    thumbnail_px = thumbnail_side_px(len(names)) if keep else 0

    def look(name: str) -> None:
        try:
            photo, size_bytes = read_photo(folder, name), (folder / name).stat().st_size
            if positions:
                photo = with_position(photo, told)
            content = measure(folder / name, thumbnail_px=thumbnail_px)
            if keep is not None and content.picture is not None:
                keep(name, content.picture)
                content = replace(content, picture=None)
            entries[name] = _Entry(photo=photo, size_bytes=size_bytes, content=content, bad=[], remarks=[])
        except (PhotoError, OSError) as error:
            broken[name] = str(error) if (folder / name).exists() else _gone(name)
        progress.advance()

    # The decoder runs outside the interpreter's lock.
    with ThreadPoolExecutor(max_workers=2) as pool:
        for _ in pool.map(look, names):
            pass
    if all(broken.get(name) == _gone(name) for name in names):
        raise PhotoError(
            f"The photographs in {folder} went away while they were looked at.",
            hint="Put the memory card back, or copy its files to the disk and check them there.",
        )
    ordered = [entries[name] for name in names if name in entries]
    _judge_alone(ordered)
    _judge_bytes(folder, ordered)
    for rule in (
        _judge_sizes,
        _judge_places,
        _judge_heights,
        _judge_tails,
        _judge_sharpness,
        _judge_repeats,
    ):
        rule(ordered)
    return tuple(
        PhotoCheck(file=name, ok=False, reasons=(broken[name],), photo=None)
        if name in broken
        else _verdict(entries[name])
        for name in names
    )


def usable_photos(checks: Sequence[PhotoCheck]) -> tuple[Photo, ...]:
    """Return the photographs that a mosaic can be made of.

    Those of which nothing is wrong but that they have no position are among them: overlap places
    them, and control points or a reference place them all.

    Raises:
        PhotoError: they are of two places, or fewer than three are usable.
    """
    require_one_place([check.photo for check in checks if check.photo is not None])
    usable = tuple(
        check.photo for check in checks if check.photo is not None and (check.ok or check.only_unplaced)
    )
    if len(usable) < _FEWEST:
        reasons = Counter(check.reasons[0].removeprefix(check.file) for check in checks if not check.ok)
        told = "; ".join(f"{count} x {reason.strip()}" for reason, count in reasons.most_common(3))
        raise PhotoError(
            f"Of {len(checks)} photograph(s) {len(usable)} can be used" + (f" ({told})." if told else "."),
            hint=f"A mosaic needs {_FEWEST} at the very least: give all photographs of the flight, as the "
            "camera wrote them.",
        )
    return usable


def _gone(name: str) -> str:
    return f"{name} was there when the check began and is gone"


def _verdict(entry: _Entry) -> PhotoCheck:
    return PhotoCheck(
        file=entry.photo.file,
        ok=not entry.bad,
        reasons=(*entry.bad, *entry.remarks),
        photo=entry.photo,
        only_unplaced=entry.bad == [_NO_POSITION],
    )


def _judge_alone(entries: Sequence[_Entry]) -> None:
    """Judge each photograph by itself."""
    for entry in entries:
        photo, content = entry.photo, entry.content
        if photo.at is None:
            entry.bad.append(_NO_POSITION)
        if max(photo.width_px, photo.height_px) < _SMALLEST_PX:
            entry.bad.append(f"only {photo.width_px} x {photo.height_px} pixels: a thumbnail")
        if content.bright < 30:
            entry.bad.append("almost black: lens covered or no light")
        elif content.dark > 245:
            entry.bad.append("almost white: overexposed")
        elif content.lost > 0.02:
            entry.bad.append(f"the lower {100 * content.lost:.0f} % of the picture is missing")
        pitch = photo.gimbal_pitch_deg
        if pitch is not None:
            off_deg = abs((pitch + 90 + 180) % 360 - 180)
            if off_deg > _MOST_OFF_NADIR_DEG:
                entry.bad.append(f"not looking down: the gimbal was {off_deg:.0f}° off nadir")
        elif content.sky > 0.85:
            entry.bad.append("not looking down: there is sky in the picture")


def _judge_bytes(folder: Path, entries: Sequence[_Entry]) -> None:
    """Reject later copies of the same bytes."""
    by_size: dict[int, list[_Entry]] = {}
    for entry in entries:
        by_size.setdefault(entry.size_bytes, []).append(entry)
    for group in by_size.values():
        first: dict[str, str] = {}
        for entry in group if len(group) > 1 else ():
            try:
                digest = sha256_file(folder / entry.photo.file)
            except OSError:
                entry.bad.append(_gone(entry.photo.file))
                continue
            if digest in first:
                entry.bad.append(f"the same file as {first[digest]}")
            first.setdefault(digest, entry.photo.file)


def _judge_sizes(entries: Sequence[_Entry]) -> None:
    """Judge frames that are unlike the most frequent one."""
    sizes = [tuple(sorted((e.photo.width_px, e.photo.height_px))) for e in entries]
    if not sizes:
        return
    usual = max(set(sizes), key=lambda size: (sizes.count(size), size))
    for entry, size in zip(entries, sizes, strict=True):
        text = f"{entry.photo.width_px} x {entry.photo.height_px} pixels where the others have "
        text += f"{usual[1]} x {usual[0]}"
        if size[1] / size[0] > 1.9 and usual[1] / usual[0] < 1.9:
            entry.bad.append(f"{text}: a panorama")
        elif 2 * size[1] <= usual[1]:
            entry.bad.append(f"{text}: a reduced copy")
        elif size != usual:
            entry.remarks.append(text)


def _judge_places(entries: Sequence[_Entry]) -> None:
    """Reject what lies apart from the largest place."""
    groups = group_places([e.photo for e in entries])
    reason: dict[str, str] = {}
    for group in groups[1:]:
        text = f"{distance_km(group, groups[0]):.1f} km from the other {len(groups[0])} photographs: "
        text += "a wrong position" if is_stray(group, groups[0]) else "another place"
        reason.update(dict.fromkeys((photo.file for photo in group), text))
    for entry in entries:
        if entry.photo.file in reason:
            entry.bad.append(reason[entry.photo.file])


def _judge_heights(entries: Sequence[_Entry]) -> None:
    """Judge heights against the set: on the ground, taking off, or flown at another height."""
    usable = [e for e in entries if not e.bad]
    with_height = [e for e in usable if e.photo.relative_height_m is not None]
    if len(with_height) >= 3:
        usual_m = float(np.median([e.photo.relative_height_m or 0 for e in with_height]))
        _judge_relative(entries, usual_m, _spread([e.photo.relative_height_m or 0 for e in with_height]))
        return
    with_altitude = [e.photo.altitude_m for e in usable if e.photo.altitude_m is not None]
    if len(with_altitude) >= 5:
        _judge_altitudes(entries, float(np.median(with_altitude)), _spread(with_altitude))


def _spread(values: Sequence[float]) -> float:
    """Return a robust standard deviation (1.4826 times the median absolute deviation)."""
    return float(1.4826 * np.median(np.abs(np.asarray(values) - np.median(values))))


def _judge_relative(entries: Sequence[_Entry], usual_m: float, spread_m: float) -> None:
    surveying = _surveying(entries)
    for entry in entries:
        height_m = entry.photo.relative_height_m
        if height_m is None:
            continue
        # Where a flight follows hills, take-off may be above the ground that is surveyed.
        low_m = max(_LOW_SHARE * max(usual_m, _LOW_FLIGHT_M), 3 * spread_m)
        if usual_m - height_m > low_m and entry.photo.file not in surveying:
            entry.bad.append(
                f"taken {max(height_m, 0):.0f} m above take-off where the others are at {usual_m:.0f} m: "
                "on the ground or on the way up or down"
            )
        elif abs(height_m - usual_m) > max(_UNLIKE_SHARE * abs(usual_m), _SPREADS * spread_m):
            entry.remarks.append(f"flown at {height_m:.0f} m where the others are at {usual_m:.0f} m")


def _judge_altitudes(entries: Sequence[_Entry], usual_m: float, spread_m: float) -> None:
    """Judge by GPS altitude, whose datum is unknown and which drifts: only differences, widely."""
    surveying = _surveying(entries)
    limit_m = max(_SPREADS * spread_m, _ALTITUDE_NOISE_M)
    for entry in entries:
        if entry.photo.altitude_m is None or abs(entry.photo.altitude_m - usual_m) <= limit_m:
            continue
        apart_m = entry.photo.altitude_m - usual_m
        if apart_m < 0 and entry.photo.file not in surveying:
            entry.bad.append(
                f"taken {-apart_m:.0f} m below the others: on the ground or on the way up or down"
            )
        else:
            side = "above" if apart_m > 0 else "below"
            entry.remarks.append(f"flown {abs(apart_m):.0f} m {side} the others")


def _surveying(entries: Sequence[_Entry]) -> set[str]:
    """Return the files taken in steady forward flight, as lines that follow the terrain are.

    The shot before and the shot after (each within 10 s) are reached by moving on, not by climbing.
    """
    timed = [e.photo for e in entries if e.photo.taken_at and e.photo.at]
    timed.sort(key=lambda photo: (photo.taken_at, photo.file))
    metres_N2 = local_metres([photo.at for photo in timed if photo.at])
    moving = []
    for i in range(len(timed) - 1):
        a, b = timed[i], timed[i + 1]
        seconds = (b.taken_at - a.taken_at).total_seconds() if a.taken_at and b.taken_at else 0.0
        heights = [p.relative_height_m if p.relative_height_m is not None else p.altitude_m for p in (a, b)]
        climb_m = abs(heights[1] - heights[0]) if heights[0] is not None and heights[1] is not None else 0.0
        step_m = float(np.linalg.norm(metres_N2[i + 1] - metres_N2[i]))
        moving.append(0 < seconds <= _NEXT_SHOT_S and step_m > max(_MOVING_M_S * seconds, 1.5 * climb_m))
    return {timed[i].file for i in range(1, len(timed) - 1) if moving[i - 1] and moving[i]}


def _judge_tails(entries: Sequence[_Entry]) -> None:
    """Reject what was taken on the way to the lines of the survey and back."""
    tails = find_tails([e.photo for e in entries])
    for entry in entries:
        if not entry.bad and entry.photo.file in tails:
            entry.bad.append(tails[entry.photo.file])


def _judge_sharpness(entries: Sequence[_Entry]) -> None:
    """Reject blur: little is left at pixel scale, clearly less than in the rest of the set."""
    usable = [e for e in entries if not e.bad] or list(entries)
    if not usable:
        return
    usual = float(np.median([e.content.sharpness for e in usable]))
    detail = float(np.median([e.content.detail for e in usable]))
    for entry in entries:
        content = entry.content
        # Calm water has no edges that could be sharp.
        if content.detail < 0.1 * detail:
            entry.remarks.append("almost no detail: it may not join the mosaic")
        elif content.sharpness < min(_BLURRED, 0.75 * usual):
            entry.bad.append("blurred: moved or out of focus")


def _judge_repeats(entries: Sequence[_Entry]) -> None:
    """Reject re-encoded copies: same second, same position, same picture."""
    seen: dict[tuple[object, ...], list[_Entry]] = {}
    for entry in (e for e in entries if e.photo.taken_at and e.photo.at):
        at = entry.photo.at
        key = (entry.photo.taken_at, at and round(at.lon_deg, 7), at and round(at.lat_deg, 7))
        for other in seen.get(key, []):
            alike = float(np.mean(entry.content.thumb_HW * other.content.thumb_HW))
            if alike > 0.995 and not any("the same file" in reason for reason in entry.bad):
                entry.bad.append(f"the same picture as {other.photo.file}")
                break
        seen.setdefault(key, []).append(entry)
