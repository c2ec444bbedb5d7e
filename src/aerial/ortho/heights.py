"""A block's height over its ground against what its photographs say: finds a wrong focal length.

Scale comes from the positions, height from scale and focal length. A focal length that is wrong by a
tenth puts cameras and ground a tenth too far apart, which nothing else in a straight-down block shows.
But relative heights count from the take-off, and the ground may lie lower or higher than that.
"""

from collections.abc import Sequence

import numpy as np

from aerial.ortho.block import Block, BlockPhoto
from aerial.records import Photo

# A flight of 80 m over ground that lies 12 m beside the take-off; brighton_beach, on a slope, has 0.92.
TOLERANCE = 0.15
# Over the same ground one lens cannot stand a tenth higher than the other.
LENS_TOLERANCE = 0.08
MIN_PHOTOS = 3


def height_ratio(block: Block, photos: Sequence[Photo]) -> float | None:
    """Return the block's height over ground as a ratio of the photographs' own relative height."""
    ratio = _ratio(block, block.photos, photos)
    return None if ratio is None else round(ratio, 4)


def height_remarks(block: Block, photos: Sequence[Photo]) -> tuple[str, ...]:
    """Return in words which lens or block stands at another height than its photographs say."""
    of = {p.file: p for p in photos}
    lenses: dict[tuple[str, int], list[BlockPhoto]] = {}
    for photo in block.photos:
        name = of[photo.file].model or "a camera without name"
        lenses.setdefault((name, round(photo.camera.focal_x_px)), []).append(photo)
    ratios = {
        lens: ratio
        for lens, some in lenses.items()
        if len(some) >= MIN_PHOTOS and (ratio := _ratio(block, some, photos)) is not None
    }
    remarks = []
    for (name, focal_px), ratio in ratios.items():
        beside = [other for lens, other in ratios.items() if lens != (name, focal_px)]
        nearest = min(beside, key=lambda other: abs(other - 1), default=None)
        if (
            nearest is not None
            and abs(ratio - 1) > abs(nearest - 1)
            and abs(ratio / nearest - 1) > LENS_TOLERANCE
        ):
            remarks.append(
                f"Photographs of {name} with a focal length of {focal_px} px stand at {ratio:.2f} times "
                f"their own height, the others at {nearest:.2f} times: that focal length is wrong "
                "(a digital zoom, an edited file)."
            )
        elif abs(ratio - 1) > TOLERANCE:
            remarks.append(
                f"{name}: the block stands at {ratio:.2f} times the height over take-off that its "
                f"photographs state. The ground lies {'lower' if ratio > 1 else 'higher'} than the "
                f"take-off, or the focal length of {focal_px} px is wrong (a digital zoom, an "
                "edited file) and all heights are wrong with it."
            )
    return tuple(remarks)


def _ratio(block: Block, some: Sequence[BlockPhoto], photos: Sequence[Photo]) -> float | None:
    relative = {p.file: p.relative_height_m for p in photos}
    above = [(p, height_m) for p in some if (height_m := relative[p.file]) is not None]
    if not above or len(block.points_N3) == 0 or np.median([height_m for _, height_m in above]) < 1:
        return None
    ground_m = float(np.median(block.points_N3[:, 2]))
    cameras_m = float(np.median([p.pose.centre_3[2] for p, _ in above]))
    return (cameras_m - ground_m) / float(np.median([height_m for _, height_m in above]))
