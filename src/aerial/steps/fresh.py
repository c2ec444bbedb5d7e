"""The one rule for skipping a step, and the one way to record that it was done.

A step is skipped only when the hashes of its inputs, its settings and its version equal those
recorded, and its outputs still are what it wrote. The record is written last: a step that was
killed has none, or an old one that no longer fits, and is done again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from aerial.codec import read_record, sha256_file, sha256_json, write_json
from aerial.errors import InputError
from aerial.records import FileRef
from aerial.records.record import record


@record
class Stamp:
    """What a step was done with, and what it left; ``outputs`` are relative to the stamp's folder."""

    step: str
    version: str
    settings_sha256: str
    inputs: dict[str, str]
    outputs: tuple[FileRef, ...]


def once(
    stamp: Path,
    *,
    version: str,
    settings: object,
    inputs: Mapping[str, Path],
    work: Callable[[], Sequence[Path]],
) -> bool:
    """Do ``work`` unless ``stamp`` says that it was done with the same things; tell whether it was done.

    ``inputs``: name -> file. ``settings``: anything that ``codec`` can write. ``work`` returns the
    files that it left, in or below the folder of ``stamp``.
    """
    wanted = Stamp(
        step=stamp.stem,
        version=version,
        settings_sha256=sha256_json(settings),
        inputs={name: sha256_file(path) for name, path in sorted(inputs.items())},
        outputs=(),
    )
    if is_fresh(stamp, wanted):
        return False
    outputs = tuple(
        FileRef(path=path.relative_to(stamp.parent).as_posix(), sha256=sha256_file(path)) for path in work()
    )
    write_json(stamp, replace(wanted, outputs=outputs))
    return True


def is_fresh(stamp: Path, wanted: Stamp) -> bool:
    """Tell whether ``stamp`` records the step ``wanted`` and its outputs are unchanged."""
    try:
        found = read_record(Stamp, stamp)
    except InputError:
        # Absent, or written by a version that recorded other things.
        return False
    return replace(found, outputs=()) == wanted and all(is_intact(stamp.parent, ref) for ref in found.outputs)


def is_intact(folder: Path, ref: FileRef) -> bool:
    """Tell whether the file that ``ref`` names in ``folder`` still has the hash it had."""
    path = folder / ref.path
    return path.is_file() and sha256_file(path) == ref.sha256
