"""How much work goes into a mosaic: what ``fast`` saves and ``quality`` spends."""

from dataclasses import dataclass

from aerial.records import Preset


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """The sizes of the work.

    ``least_px``: features are searched from the coarsest octave that keeps so many pixels of the
    working size, which is the same in every preset so that blocks of all can be joined.
    ``max_features`` of a photograph; ``neighbours`` that it is matched with, and ``references`` of the
    reference survey, if there is one; ``tracks_per_photo`` that mapping uses. ``pairs_per_photo`` are
    matched for heights. ``dsm_pixels``: sizes of a DSM cell that are allowed, in pixels of the ortho.
    ``fine_sight``: whether walls hide is asked at the DSM's size, not only at half a metre.
    ``two_bands``: brightness passes over gradually at seams.
    """

    least_px: int
    max_features: int
    neighbours: int
    references: int
    tracks_per_photo: int
    pairs_per_photo: int
    dsm_pixels: tuple[int, ...]
    fine_sight: bool
    two_bands: bool


# At 80/70 % overlap about 40 neighbours share ground with a photograph; 20 of them tie a block
# together even where positions err by half the line spacing. Twice the features change no pose by a
# millimetre on 40 simulated photographs and cost twice the matching. 400 tracks a photograph fix its
# pose six times over; all the others come back when the finished model is triangulated anew. With
# 120 instead of 200 the adjustment of 300 simulated photographs took 0.37 instead of 0.44 s a
# photograph, and cameras lay as near to the truth (benchmarks/stitch.py).
QUALITY = Effort(
    least_px=1_000_000,
    max_features=4096,
    neighbours=20,
    references=12,
    tracks_per_photo=400,
    pairs_per_photo=3,
    dsm_pixels=(2, 4, 8),
    fine_sight=True,
    two_bands=True,
)
FAST = Effort(
    least_px=500_000,
    max_features=4096,
    neighbours=12,
    references=6,
    tracks_per_photo=120,
    pairs_per_photo=3,
    dsm_pixels=(4, 8),
    fine_sight=False,
    two_bands=False,
)


def effort_of(preset: Preset) -> Effort:
    """Return the sizes of a preset."""
    return FAST if preset == "fast" else QUALITY
