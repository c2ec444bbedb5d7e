"""Records of what supports a case: the files that are there, and those that are not."""

from pathlib import Path
from typing import Literal

from aerial.records import FileRef
from aerial.records.record import record

Role = Literal[
    "picture",
    "comparison",
    "survey",
    "mosaic",
    "photograph",
    "flight",
    "model",
    "zones",
    "on site",
]


@record
class SupportingFile:
    """A file that goes into the package: ``ref.path`` is its name there, ``source`` where it lies.

    ``recorded``: the hash was taken when the file came into being or into the town. Where it was not
    (files of an older version), ``ref`` holds the hash that it had when it was gathered.
    """

    ref: FileRef
    role: Role
    source: Path
    recorded: bool = True


@record
class MissingFile:
    """What supports the case and is not in the package: ``why``, in a few words; its hash, where known."""

    path: str
    role: Role
    sha256: str | None
    why: str


@record
class Supporting:
    """All that supports one case; no path is in both."""

    files: tuple[SupportingFile, ...]
    missing: tuple[MissingFile, ...]
