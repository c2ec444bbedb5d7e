"""Whether the photographs are still the ones that a stitch began with.

A memory card is pulled, a share breaks off, somebody tidies up: what is made of other bytes than
the rest of a block is wrong and looks right.
"""

from collections.abc import Sequence
from pathlib import Path

from aerial.errors import PhotoError
from aerial.records import Photo

_NAMED = 3
_ABSENT = (-1, -1)


class Originals:
    """The photographs of ``folder`` as they are now, by size and time of change.

    Raises:
        PhotoError: one of them is not there, or cannot be read.
    """

    def __init__(self, folder: Path, photos: Sequence[Photo]) -> None:
        self._folder, self._files = folder, tuple(photo.file for photo in photos)
        self._were = [mark(folder / file) for file in self._files]
        self._refuse([file for file, was in zip(self._files, self._were, strict=True) if was == _ABSENT])

    def changed(self) -> tuple[str, ...]:
        """Return the files that are gone or were written to since."""
        now = (mark(self._folder / file) for file in self._files)
        return tuple(file for file, was, is_ in zip(self._files, self._were, now, strict=True) if was != is_)

    def require(self) -> None:
        """Refuse to go on when one is gone or was written to since.

        Raises:
            PhotoError: names them.
        """
        self._refuse(self.changed())

    def _refuse(self, files: Sequence[str]) -> None:
        if not files:
            return
        named = ", ".join(files[:_NAMED]) + (f" and {len(files) - _NAMED} more" if files[_NAMED:] else "")
        gone = [file for file in files if not (self._folder / file).is_file()]
        what = "not there any more" if len(gone) == len(files) else "not what the stitch began with"
        raise PhotoError(
            f"{len(files)} of {len(self._files)} photographs in {self._folder} are {what}: {named}.",
            hint="Put the originals back (the memory card, the share), then run the same command again: it "
            "goes on where it stopped.",
        )


def mark(path: Path) -> tuple[int, int]:
    """Return a file's size and time of change (nanoseconds), (-1, -1) where it is not there."""
    try:
        status = path.stat()
    except OSError:
        return _ABSENT
    return status.st_size, status.st_mtime_ns
