"""How much work goes into a mosaic: what ``fast`` saves and ``quality`` spends."""

from dataclasses import dataclass

from aerial.records import Preset


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """The sizes of the work.

    ``working_edge_px``: long edge at which features are extracted; ``max_features`` of a photograph;
    ``neighbours`` that a photograph is matched with. ``pairs_per_photo`` are matched for heights.
    ``dsm_pixels``: sizes of a DSM cell that are allowed, in pixels of the ortho. ``fine_sight``: whether
    walls hide is asked at the DSM's size, not only at half a metre. ``two_bands``: brightness passes
    over gradually at seams.
    """

    working_edge_px: int
    max_features: int
    neighbours: int
    pairs_per_photo: int
    dsm_pixels: tuple[int, ...]
    fine_sight: bool
    two_bands: bool


QUALITY = Effort(
    working_edge_px=2000,
    max_features=4096,
    neighbours=20,
    pairs_per_photo=3,
    dsm_pixels=(2, 4, 8),
    fine_sight=True,
    two_bands=True,
)
FAST = Effort(
    working_edge_px=2000,
    max_features=4096,
    neighbours=20,
    pairs_per_photo=3,
    dsm_pixels=(4, 8),
    fine_sight=False,
    two_bands=False,
)


def effort_of(preset: Preset) -> Effort:
    """Return the sizes of a preset."""
    return FAST if preset == "fast" else QUALITY
