"""Photographs from a memory card to a survey: copied, hashed, read-only."""

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath

from shapely.geometry import MultiPoint

from aerial.areas import Cell, read_cells
from aerial.codec import read_json, replacing, sha256_file, sha256_json, write_json
from aerial.errors import InputError, PhotoError, WorkspaceError
from aerial.evidence.hashes import note_hashes
from aerial.flight.log import read_log
from aerial.geo import WGS84, metric_crs_at, reproject
from aerial.photos import list_photos, require_one_place
from aerial.photos.metadata import read_photo
from aerial.progress import Progress
from aerial.records import FileRef, Photo, Survey, SurveyPhoto
from aerial.records.record import record
from aerial.workspace import Town, locked, record_survey, survey_order, surveys_of

# A flight begins beside its cell, and GPS errs by metres.
_NEAR_M = 300.0
_ONE_FLIGHT = timedelta(hours=18)
# A camera that does not tell its offset from UTC may be this far from the clock of a flight log.
_CLOCKS = timedelta(hours=15)


@record
class Imported:
    """A survey, and whether its photographs had been imported before."""

    survey: Survey
    again: bool


def import_photos(town: Town, cell: str, folder: Path, progress: Progress) -> Imported:
    """Copy the photographs of one flight over ``cell`` into the town and return their survey.

    Bad photographs are copied too: originals are kept, stitching leaves them out. The same
    photographs again give the same survey; an import that was cut short is taken up.

    Raises:
        PhotoError: no photographs, none with a time or a position, or of two places, or elsewhere.
        InputError: the town has no such cell.
        WorkspaceError: some of the photographs, but not all, are in a survey already.
    """
    outline = find_cell(town, cell)
    names = list_photos(folder)
    progress.phase("Reading photographs", len(names))
    photos: dict[str, Photo | None] = {}
    hashes: dict[str, str] = {}
    for name in names:
        try:
            photos[name] = read_photo(folder, name)
        except PhotoError as error:
            photos[name] = None
            progress.say(f"{error} It is kept, and left out of the mosaic.")
        hashes[name] = sha256_file(folder / name)
        progress.advance()
    readable = [photo for photo in photos.values() if photo is not None]
    _require_flight(readable, outline, folder)
    taken = [photo.taken_at for photo in readable if photo.taken_at]
    started_at, ended_at = min(taken), max(taken)
    if ended_at - started_at > _ONE_FLIGHT:
        progress.say("The photographs are of more than one day; they become one survey.")
    with locked(town.cell_folder(cell)):
        known = _known(town, cell, set(hashes.values()))
        if known is not None:
            return Imported(survey=known, again=True)
        target = _claim(town, cell, started_at.date().isoformat(), sha256_json(sorted(hashes.values())))
        refs = _copy_all(folder, target, hashes, progress)
        listed = [SurveyPhoto(file=refs[name], source=name, photo=photos[name]) for name in refs]
        write_json(target / "photos.json", listed)
        logs = _keep_flights(town, cell, target, started_at, ended_at)
        note_hashes(target, {"photos.json": target / "photos.json", **logs})
        survey = Survey(
            cell=cell,
            survey=target.name,
            started_at=started_at,
            photos=tuple(refs.values()),
            mosaic=None,
        )
        record_survey(town, survey)
        (target / "import.json").unlink()
        return Imported(survey=survey, again=False)


def find_cell(town: Town, cell: str) -> Cell:
    """Return the town's cell called ``cell``.

    Raises:
        InputError: there is none; the hint lists some.
    """
    cells = {found.id: found for found in read_cells(town.cells_file)}
    if cell not in cells:
        some = ", ".join(sorted(cells)[:8]) + (", …" if len(cells) > 8 else "")
        raise InputError(f"The town has no cell {cell!r}.", hint=f"Use one of: {some}.")
    return cells[cell]


def _require_flight(photos: Sequence[Photo], cell: Cell, folder: Path) -> None:
    if not any(photo.taken_at for photo in photos):
        raise PhotoError(
            f"No photograph in {folder} tells when it was taken.",
            hint="Copy the camera's own files; programs that edit pictures drop their EXIF data.",
        )
    positions = [photo.at for photo in photos if photo.at is not None]
    if not positions:
        raise PhotoError(
            f"No photograph in {folder} has a GPS position.",
            hint="Copy the camera's own files; messengers and editors drop positions.",
        )
    require_one_place(photos)
    crs = metric_crs_at(positions[0])
    points = reproject(MultiPoint([(at.lon_deg, at.lat_deg) for at in positions]), WGS84, crs)
    away_m = points.distance(reproject(cell.outline, WGS84, crs))
    if away_m > _NEAR_M:
        raise PhotoError(
            f"The photographs were taken {away_m / 1000:.1f} km from cell {cell.id}.",
            hint="Name the cell that was flown, or the folder of its flight.",
        )


def _known(town: Town, cell: str, hashes: set[str]) -> Survey | None:
    """Return the survey that holds exactly these photographs; refuse one that holds a part of them."""
    for survey in surveys_of(town, cell):
        held = {ref.sha256 for ref in survey.photos}
        if held == hashes:
            return survey
        if held & hashes:
            raise WorkspaceError(
                f"{len(held & hashes)} of the {len(hashes)} photographs are already in survey "
                f"{survey.survey}.",
                hint="Import the others alone as a survey of their own, or give the folder of one flight.",
            )
    return None


def _claim(town: Town, cell: str, day: str, digest: str) -> Path:
    """Return the folder of these photographs: the one that an earlier try began, or a new one."""
    folder = town.cell_folder(cell)
    numbers = [0]
    for path in folder.glob(f"{day}-*"):
        numbers.append(survey_order(path.name)[1])
        if (path / "import.json").is_file() and read_json(path / "import.json") == {"photos": digest}:
            return path
    target = folder / f"{day}-{max(numbers) + 1}"
    write_json(target / "import.json", {"photos": digest})
    return target


def _copy_all(
    folder: Path, target: Path, hashes: Mapping[str, str], progress: Progress
) -> dict[str, FileRef]:
    progress.phase("Copying photographs", len(hashes))
    refs = {}
    for name, copy in _unique_names(list(hashes)).items():
        path = target / "photos" / copy
        if not path.exists():
            with replacing(path) as part:
                shutil.copyfile(folder / name, part)
                part.chmod(0o600)
        if sha256_file(path) != hashes[name]:
            path.chmod(0o600)
            path.unlink()
            raise PhotoError(
                f"{name} was not copied whole, or changed while it was copied.",
                hint="Check the memory card and the disk, then import again.",
            )
        path.chmod(0o444)
        refs[name] = FileRef(path=f"photos/{copy}", sha256=hashes[name])
        progress.advance()
    return refs


def _keep_flights(
    town: Town, cell: str, target: Path, started_at: datetime, ended_at: datetime
) -> dict[str, Path]:
    """Copy plan and logs of the flight that took the photographs beside them; return them by name.

    A cell is flown once in a cycle: the logs of those hours are the flight's, whatever the clocks say.
    The plan is the one in force now: it may be made anew for the next cycle.
    """
    found = [path for path in [town.plan_file(cell)] if path.is_file()]
    for log in sorted((town.plan_folder(cell) / "flights").glob("*.jsonl")):
        times = [_moment(event.get("time")) for event in read_log(log)]
        known = [time for time in times if time is not None]
        if known and min(known) <= ended_at + _CLOCKS and max(known) >= started_at - _CLOCKS:
            found.append(log)
    kept = {f"flights/{path.name}": path for path in found}
    for name, path in kept.items():
        with replacing(target / name) as part:
            shutil.copyfile(path, part)
    return {name: target / name for name in kept}


def _moment(text: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return time if time.tzinfo else None


def _unique_names(names: Sequence[str]) -> dict[str, str]:
    """Return a file name for each path: its own, or with its folders where two are alike.

    Cameras start again at DJI_0001 in the next folder; file systems may not tell a from A.
    """
    counts = Counter(PurePosixPath(name).name.casefold() for name in names)
    taken: set[str] = {plain for plain, count in counts.items() if count == 1}
    unique = {}
    for name in names:
        plain = PurePosixPath(name).name
        if counts[plain.casefold()] > 1:
            joined = "_".join(PurePosixPath(name).parts)
            plain, number = joined, 2
            while plain.casefold() in taken:
                plain, number = (
                    f"{PurePosixPath(joined).stem}_{number}{PurePosixPath(joined).suffix}",
                    number + 1,
                )
            taken.add(plain.casefold())
        unique[name] = plain
    return unique
