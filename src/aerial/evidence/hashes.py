"""``hashes.json``: the hashes that files had when they came into a folder, by name.

Photographs, mosaics and chips have their hashes in the records that name them; this is for the rest: what a
quality report, a flight log, a model or a zone was when the step used it.
"""

from collections.abc import Mapping
from pathlib import Path

from aerial.codec import from_plain, read_json, sha256_file, write_json
from aerial.errors import InputError

FILE = "hashes.json"


def note_hashes(folder: Path, files: Mapping[str, Path]) -> None:
    """Add the hashes of ``files`` (name -> file) to those of ``folder``; a name noted again is replaced."""
    known = noted_hashes(folder)
    write_json(
        folder / FILE, dict(sorted({**known, **{n: sha256_file(p) for n, p in files.items()}}.items()))
    )


def noted_hashes(folder: Path) -> dict[str, str]:
    """Return the hashes noted in ``folder`` by name; nothing where nothing was noted.

    Raises:
        InputError: the file is there and is not what ``note_hashes`` wrote.
    """
    path = folder / FILE
    if not path.exists():
        return {}
    hashes = from_plain(dict[str, str], read_json(path), source=str(path))
    if not all(len(value) == 64 for value in hashes.values()):
        raise InputError(f"{path} holds what is no SHA-256.", hint="Restore the file.")
    return hashes
