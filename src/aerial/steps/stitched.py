"""The mosaic folder of a survey: what is made beside comes into it whole.

An engine works in ``.work``. What it made is described by ``.work/ready.json`` once all of it is there,
with hashes; from then on nothing is computed any more, only renamed, and a run that finds
``ready.json`` ends what the killed one began. Files are taken for whole by their hashes alone.
"""

import shutil
from pathlib import Path

from aerial.codec import read_json, read_record, sha256_file, sync_folder, write_json
from aerial.errors import InputError
from aerial.evidence.hashes import note_hashes
from aerial.ortho.verdict import Word, figures_of, verdict
from aerial.records import FileRef, Mosaic, StitchQuality
from aerial.records.record import record
from aerial.steps.fresh import is_intact

JOURNAL, READY, PAGE = ".work", "ready.json", "quality.html"
# Which photograph each piece of the mosaic was taken from; engines that know write it.
TAKEN = "taken.tif"


@record
class Ready:
    """A mosaic that waits in the journal to be handed over; ``inputs`` is what it was made of.

    ``files``: all that is moved, relative to the journal and then to the mosaic folder.
    """

    inputs: str
    mosaic: Mosaic
    quality: StitchQuality
    files: tuple[FileRef, ...]


def sweep(out: Path) -> None:
    """Remove what a killed run left half written; nothing else runs here."""
    for folder in (out, out / JOURNAL):
        for leftover in folder.glob(".*"):
            if leftover.name.endswith(".part") or leftover.name.startswith((".grey-", ".mapping")):
                _remove(leftover)
    for leftover in (out / JOURNAL).glob("*/.*.part"):
        _remove(leftover)


def begun(out: Path) -> bool:
    """Tell whether ``out`` holds a mosaic, or one that waits to be handed over."""
    return (out / "mosaic.json").exists() or (out / JOURNAL / READY).exists()


def known(out: Path, inputs: str) -> StitchQuality | None:
    """Return the quality of the mosaic in ``out``, if it is whole and was made of ``inputs``."""
    if not (out / "mosaic.json").is_file():
        return None
    try:
        mosaic = read_record(Mosaic, out / "mosaic.json")
        quality = read_record(StitchQuality, out / "quality.json")
        same = read_json(out / "inputs.json") == {"inputs": inputs}
    except InputError:
        return None
    return quality if same and all(is_intact(out, ref) for ref in _files(mosaic)) else None


def word_on(out: Path) -> Word:
    """Return the verdict on the mosaic in ``out``, as its quality page begins.

    Raises:
        InputError: no mosaic is there.
    """
    mosaic = read_record(Mosaic, out / "mosaic.json")
    return verdict(figures_of(read_record(StitchQuality, out / "quality.json"), mosaic))


def prepare(out: Path, inputs: str, mosaic: Mosaic, quality: StitchQuality) -> None:
    """Say in the journal that everything is there."""
    work = out / JOURNAL
    beside = [path for path in (work / "block").glob("*") if mosaic.block] + [work / PAGE, work / TAKEN]
    named = {ref.path: ref for ref in _files(mosaic)}
    for path in sorted(beside):
        name = path.relative_to(work).as_posix()
        if name not in named and path.is_file():
            named[name] = FileRef(path=name, sha256=sha256_file(path))
    ready = Ready(inputs=inputs, mosaic=mosaic, quality=quality, files=tuple(named.values()))
    write_json(work / READY, ready)


def hand_over(out: Path) -> bool:
    """Move a mosaic that is ready out of the journal, and clear the journal; tell whether one was.

    ``mosaic.json`` of an earlier one goes first and comes last: with it in the folder, everything
    beside it is what it names.
    """
    work = out / JOURNAL
    try:
        ready = read_record(Ready, work / READY)
    except InputError:
        return False
    # ``block/`` moves as one.
    parts: dict[str, list[FileRef]] = {}
    for ref in ready.files:
        parts.setdefault(Path(ref.path).parts[0], []).append(ref)
    waiting = [name for name, refs in parts.items() if all(is_intact(work, ref) for ref in refs)]
    if not all(name in waiting or all(is_intact(out, r) for r in refs) for name, refs in parts.items()):
        # Torn by a power cut: the engine makes it anew.
        (work / READY).unlink()
        return False
    (out / "mosaic.json").unlink(missing_ok=True)
    sync_folder(out)
    for name in waiting:
        if (out / name).is_dir():
            shutil.rmtree(out / name)
        (work / name).replace(out / name)
    for name in {"dsm.tif", "block", PAGE, TAKEN} - set(parts):
        # Of the mosaic before, which had one.
        _remove(out / name)
    sync_folder(out)
    write_json(out / "quality.json", ready.quality)
    write_json(out / "inputs.json", {"inputs": ready.inputs})
    write_json(out / "mosaic.json", ready.mosaic)
    names = ("quality.json", PAGE, "inputs.json", "mosaic.json")
    note_hashes(out, {name: out / name for name in names if (out / name).exists()})
    clear(out)
    return True


def clear(out: Path) -> None:
    """Remove the journal; ``ready.json`` last, so that what is left of it is known for what it is."""
    work = out / JOURNAL
    if not work.exists():
        return
    for entry in work.iterdir():
        if entry.name != READY:
            _remove(entry)
    shutil.rmtree(work, ignore_errors=True)


def _files(mosaic: Mosaic) -> tuple[FileRef, ...]:
    return tuple(ref for ref in (mosaic.ortho, mosaic.dsm, mosaic.block) if ref)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
