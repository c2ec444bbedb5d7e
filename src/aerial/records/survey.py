"""One cell, flown once."""

from datetime import datetime

from aerial.records.file import FileRef
from aerial.records.mosaic import Mosaic
from aerial.records.photo import Photo
from aerial.records.record import record


@record
class Survey:
    """One cell, flown once: ``survey`` is ``<YYYY-MM-DD>-<n>``; ``started_at`` the first photograph."""

    cell: str
    survey: str
    started_at: datetime
    photos: tuple[FileRef, ...]
    mosaic: Mosaic | None


@record
class SurveyPhoto:
    """One imported photograph: the copy, where it came from in the given folder, its metadata.

    ``photo`` is None where the file cannot be read; the original is kept all the same.
    """

    file: FileRef
    source: str
    photo: Photo | None
