"""Which original photographs may be deleted, and the deletion itself.

A town makes about 0.3 TB of photographs a cycle. Hashes, mosaics, chips and reports always stay; only the
folder ``photos`` of a survey goes. Nothing is ever deleted that the plan does not name, and no plan is
carried out that a person has not seen: confirming needs the plan's own hash.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from aerial.codec import read_record, sha256_json, write_json
from aerial.errors import EvidenceError
from aerial.evidence.bag import why_unusable
from aerial.records import SurveyPhoto
from aerial.records.record import record

REMOVED_FILE = "photos-removed.json"
_GB = 1e9


@record
class PhotoFolder:
    """The photographs of one survey: ``on`` its local day, ``folder`` relative to the town's, POSIX.

    ``reference``: the cell's mosaics share its frame. ``stitched``: its mosaic was made.
    """

    cell: str
    survey: str
    on: date
    folder: str
    size_bytes: int
    reference: bool
    stitched: bool


@record
class Claim:
    """Somebody needs the photographs of some surveys of a cell.

    ``what``: an undecided suspect, an open case, or a closed one, which counts for ``keep_case_days``
    from ``closed_on``. ``name``: its key.
    """

    cell: str
    surveys: tuple[str, ...]
    what: Literal["suspect", "open case", "closed case"]
    name: str
    closed_on: date | None = None


@record
class Rule:
    """``keep_days``: no photograph younger than this goes; ``keep_case_days``: what the law asks for cases.

    ``budget_gb``: above this, in 10^9 bytes, the oldest go; None: nothing ever does. ``baseline_days``:
    how much older the survey is that slow growth is compared with, as in the settings.
    """

    keep_days: int
    keep_case_days: int
    budget_gb: float | None
    baseline_days: int


@record
class Judged:
    """One folder, and why it goes or stays, in a sentence."""

    photos: PhotoFolder
    why: str


@record
class RetentionPlan:
    """What may go and what stays, each oldest first; ``over_bytes``: above the budget even afterwards."""

    today: date
    remove: tuple[Judged, ...]
    keep: tuple[Judged, ...]
    bytes_before: int
    bytes_after: int
    over_bytes: int

    @property
    def sha256(self) -> str:
        """What a person confirms: the hash of the plan."""
        return sha256_json(self)


@record
class Removal:
    """What was deleted from one survey, written before the first file goes; ``done``: all are gone."""

    cell: str
    survey: str
    plan_sha256: str
    why: str
    by: str
    at: datetime
    files: int
    size_bytes: int
    done: bool


def plan_retention(
    folders: Sequence[PhotoFolder], claims: Sequence[Claim], rule: Rule, today: date
) -> RetentionPlan:
    """Return which photographs go so that the budget is met, oldest first, and why each other one stays.

    Raises:
        EvidenceError: the rule would keep nothing: a negative number of days or budget.
    """
    if rule.keep_days < 0 or rule.keep_case_days < 0 or (rule.budget_gb or 0) < 0:
        raise EvidenceError(
            "Days and budget of the retention rule cannot be negative.", hint="Correct [retention]."
        )
    budget = None if rule.budget_gb is None else rule.budget_gb * _GB
    before = after = sum(folder.size_bytes for folder in folders)
    remove, keep = [], []
    for folder in sorted(folders, key=lambda f: (f.on, f.cell, f.survey)):
        why = _why_kept(folder, folders, claims, rule, today)
        if why is None and (budget is None or after <= budget):
            why = "The disk budget is met." if budget is not None else "No disk budget is set."
        if why is not None:
            keep.append(Judged(photos=folder, why=why))
            continue
        days = (today - folder.on).days
        remove.append(Judged(photos=folder, why=f"{days} days old, and nothing needs it any more."))
        after -= folder.size_bytes
    over = 0 if budget is None else max(0, round(after - budget))
    return RetentionPlan(
        today=today,
        remove=tuple(remove),
        keep=tuple(keep),
        bytes_before=before,
        bytes_after=after,
        over_bytes=over,
    )


def _why_kept(
    folder: PhotoFolder,
    folders: Sequence[PhotoFolder],
    claims: Sequence[Claim],
    rule: Rule,
    today: date,
) -> str | None:
    for claim in claims:
        if claim.cell != folder.cell or folder.survey not in claim.surveys:
            continue
        if claim.what == "suspect":
            return f"Suspect {claim.name} is not decided yet."
        if claim.what == "open case" or claim.closed_on is None:
            return f"Case {claim.name} is open."
        if (today - claim.closed_on).days < rule.keep_case_days:
            return f"Case {claim.name} was closed less than {rule.keep_case_days} days ago."
    if not folder.stitched:
        return "Its mosaic is not made yet."
    if folder.reference:
        return "It is the reference of its cell."
    cell = sorted((f for f in folders if f.cell == folder.cell), key=_order)
    if folder == cell[-1]:
        return "It is the newest of its cell."
    old = [f for f in cell if (cell[-1].on - f.on).days >= rule.baseline_days]
    if old and folder == old[-1]:
        return "It is the baseline that its cell is compared with."
    if (today - folder.on).days < rule.keep_days:
        return f"It is younger than {rule.keep_days} days."
    return None


def _order(folder: PhotoFolder) -> tuple[date, int]:
    # <YYYY-MM-DD>-<n>: ten flights of one day are not sorted as text.
    number = folder.survey.rpartition("-")[2]
    return folder.on, int(number) if number.isdigit() else 0


def carry_out(plan: RetentionPlan, town: Path, *, confirm: str, by: str, at: datetime) -> tuple[Removal, ...]:
    """Delete what ``plan`` names below the town's folder; return what was removed, a record each.

    ``confirm`` must be ``plan.sha256``: the plan that ``by`` has seen. Only files that ``photos.json``
    names with their hash are deleted. ``photos-removed.json`` is written before the first and completed
    after the last: killed in between and called again with the same plan, it goes on.

    Raises:
        EvidenceError: not confirmed or by nobody; a folder is not one of this town's surveys.
    """
    if confirm != plan.sha256:
        raise EvidenceError(
            "This is not the plan that was confirmed; nothing was deleted.",
            hint="Show the plan again, and confirm that one.",
        )
    if not by.strip():
        raise EvidenceError("Nobody's name stands for the deletion.", hint="Give --by NAME.")
    # All are looked at before the first goes.
    listed = {item.photos.folder: _listed(town, item.photos) for item in plan.remove}
    return tuple(
        _remove(town / item.photos.folder, listed[item.photos.folder], item, plan.sha256, by, at)
        for item in plan.remove
    )


def _listed(town: Path, photos: PhotoFolder) -> tuple[Path, ...]:
    """Return the files of a survey that may be deleted: those whose hashes stay in ``photos.json``."""
    folder = town / photos.folder
    expected = f"surveys/{photos.cell}/{photos.survey}"
    if why_unusable(photos.folder) or photos.folder != expected or (folder / "photos").is_symlink():
        raise EvidenceError(
            f"{photos.folder} is not the folder of survey {photos.survey} of cell {photos.cell}.",
            hint="Make the plan again from the town's own surveys.",
        )
    files = []
    for item in read_record(tuple[SurveyPhoto, ...], folder / "photos.json"):
        name = item.file.path
        if why_unusable(name) or not name.startswith("photos/"):
            raise EvidenceError(
                f"photos.json of {photos.folder} names {name!r}, which is no photograph of it.",
                hint="Restore the survey's folder from a copy; nothing was deleted.",
            )
        files.append(folder / name)
    return tuple(files)


def _remove(
    folder: Path, files: Sequence[Path], item: Judged, plan_sha256: str, by: str, at: datetime
) -> Removal:
    told = folder / REMOVED_FILE
    there = [path for path in files if path.is_file() or path.is_symlink()]
    begun = read_record(Removal, told) if told.is_file() else None
    if begun is not None and begun.done and not there:
        return begun
    # One that was begun and cut short tells of all its files, whichever plan goes on with it.
    if begun is None or begun.done:
        begun = Removal(
            cell=item.photos.cell,
            survey=item.photos.survey,
            plan_sha256=plan_sha256,
            why=item.why,
            by=by,
            at=at,
            files=len(there),
            size_bytes=sum(path.lstat().st_size for path in there),
            done=False,
        )
        write_json(told, begun)
    for path in there:
        # Originals are read-only, which some systems take for undeletable.
        if not path.is_symlink():
            path.chmod(0o600)
        path.unlink()
    done = replace(begun, done=True)
    write_json(told, done)
    return done
