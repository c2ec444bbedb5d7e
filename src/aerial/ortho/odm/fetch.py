"""What a task has made, from the node to the disk: only what is wanted, by blocks, and never more than fits.

NodeODM gives out one file, all.zip; what is in it was chosen when the task was opened. It sends no
parts of it, so that a download that broke begins again.
"""

import shutil
import time
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from aerial.errors import NodeError
from aerial.ortho.odm.client import Node, NotNow
from aerial.ortho.odm.upload import Patience
from aerial.progress import Progress

ORTHO, DSM, SHOTS = "odm_orthophoto/odm_orthophoto.tif", "odm_dem/dsm.tif", "odm_report/shots.geojson"
LOG = "task_output.txt"
# What is asked for; of what is read as text, no more than this is taken.
RETURNED = "returned"
OUTPUTS = (ORTHO, DSM, SHOTS, LOG)
_MOST_TEXT_BYTES = 256 * 2**20
# DEFLATE packs nothing more than 1032 times. A picture of a place packs a few times, heights with wide
# empty borders some hundred: what claims more, and is large, was made to fill the disk.
_MOST_RATIO, _LARGE_BYTES = 500, 2**30
_SPARE_BYTES = 256 * 2**20


def fetch(node: Node, task: str, folder: Path, patience: Patience, progress: Progress) -> Path:
    """Return a folder with the wanted files of a finished task, under their own names.

    Raises:
        NodeError: the archive is broken or hostile, the disk too small, or the node away for too long.
    """
    for attempt in range(2):
        archive = _download(node, task, folder, patience, progress)
        try:
            return _unpack(archive, folder / RETURNED, node)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
            archive.unlink()
            if attempt:
                break
    raise NodeError(
        f"The stitching node {node.name} returned a broken archive.",
        hint="Look at the task on the node; run the same command: it downloads again.",
    )


def _download(node: Node, task: str, folder: Path, patience: Patience, progress: Progress) -> Path:
    target = folder / "all.zip"
    folder.mkdir(parents=True, exist_ok=True)
    began_at, number = time.monotonic(), 0
    while True:
        part = folder / "all.zip.part"
        try:
            with node.download(task, "all.zip") as (size, blocks), part.open("wb") as file:
                # Packed, unpacked, and written again in the project's form.
                require_space(folder, 3 * size, "The result")
                # In megabytes, so that small and large archives count in whole units.
                progress.phase("Downloading the mosaic", max(size >> 20, 1))
                written = 0
                for block in blocks:
                    file.write(block)
                    before, written = written, written + len(block)
                    progress.advance((written >> 20) - (before >> 20))
            return part.replace(target)
        except NotNow as error:
            patience.keep(error, began_at, number)
            number += 1


def _unpack(archive: Path, folder: Path, node: Node) -> Path:
    """Take the known members out of the archive; whatever else it holds stays inside."""
    part = folder.with_name(f"{folder.name}.part")
    for old in (part, folder):
        shutil.rmtree(old, ignore_errors=True)
    part.mkdir(parents=True)
    with zipfile.ZipFile(archive) as packed:
        there = {info.filename: info for info in packed.infolist()}
        wanted = [there[name] for name in OUTPUTS if name in there]
        for info in wanted:
            text = info.filename in (SHOTS, LOG) and info.file_size > _MOST_TEXT_BYTES
            large = info.file_size > _LARGE_BYTES
            if text or (large and info.file_size > _MOST_RATIO * max(info.compress_size, 1)):
                raise NodeError(
                    f"{info.filename} from the stitching node {node.name} would be "
                    f"{info.file_size / 1e9:.1f} GB: that is no result of a survey.",
                    hint="Look at the task on the node, and whether the node is yours.",
                )
        require_space(part, 2 * sum(info.file_size for info in wanted), "The result")
        for info in wanted:
            # Its name inside the archive is one of ours, and its name here has no folder.
            with (
                packed.open(info) as source,
                (part / PurePosixPath(info.filename).name).open("wb") as target,
            ):
                shutil.copyfileobj(source, target, 2**20)
    archive.unlink()
    return part.replace(folder)


def require_space(folder: Path, needed_bytes: int, what: str) -> None:
    """Raise ``NodeError`` where the disk of ``folder`` has less room than that, and a little to spare."""
    free = shutil.disk_usage(folder).free
    if free < needed_bytes + _SPARE_BYTES:
        raise NodeError(
            f"{what} needs {(needed_bytes + _SPARE_BYTES) / 1e9:.1f} GB on the disk of {folder}, which has "
            f"{free / 1e9:.1f} GB left.",
            hint="Make room, or give an --out on another disk; then run the same command.",
        )
