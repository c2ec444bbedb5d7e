"""The protocol of a stitch engine (plugin group ``aerial.stitch_engines``)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from aerial.progress import Progress
from aerial.records import Finding, Mosaic, StitchJob


class StitchEngine(Protocol):
    """Makes one mosaic of photographs.

    ``check`` says before hours of work what would fail (levels of ``Finding``; ``fail`` refuses).
    ``stitch`` leaves ``ortho.tif``, ``dsm.tif``, ``quality.json`` (``StitchQuality``) and, where the
    engine can be joined by later surveys, ``block/`` in ``work``; paths in the returned ``Mosaic``
    are relative to ``work``. ``work`` is the engine's journal: killed at any moment and called
    again with the same job and folder, it goes on and ends with the same mosaic.

    Raises (``stitch``):
        StitchError: the photographs do not make one block, or a node failed.
    """

    name: str
    version: str

    def check(self, job: StitchJob) -> Sequence[Finding]:
        """Return what speaks against the job, without doing it."""
        ...

    def stitch(self, job: StitchJob, work: Path, progress: Progress) -> Mosaic:
        """Stitch the photographs of ``job``."""
        ...
