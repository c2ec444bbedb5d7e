"""Whether the ground between the photographs is covered, before anybody leaves the field."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial.photos.places import group_places, local_metres
from aerial.records import Finding, Photo

Floats = NDArray[np.float64]
_THIN = 3
_MOST_CELLS = 1500


def find_gaps(photos: Sequence[Photo]) -> tuple[Finding, ...]:
    """Return holes and thin cover in the ground between usable photographs.

    For holes a photograph counts for the disc that its frame holds whatever the yaw, at its height
    over take-off on flat ground (errs on the side of naming a gap); for thin cover, for the disc of
    the frame's area. Ground is expected to be
    covered where photographs lie around it, within three disc radii.
    """
    groups = group_places(photos)
    known = [p for p in (groups[0] if groups else ()) if p.relative_height_m and p.focal_px and p.at]
    known = [p for p in known if (p.relative_height_m or 0) > 5]
    if len(known) < 3:
        return (
            Finding(
                level="warn",
                code="coverage_unknown",
                message="The cover of the ground is not known: the photographs do not tell their height.",
                hint="Look at the mosaic for holes.",
            ),
        )
    metres_N2 = local_metres([p.at for p in known if p.at is not None])
    scale_N = np.array([(p.relative_height_m or 0) / (p.focal_px or 1) for p in known])
    inner_N = scale_N * [min(p.width_px, p.height_px) / 2 for p in known]
    equal_N = scale_N * [np.sqrt(p.width_px * p.height_px / np.pi) for p in known]
    low_2, reach_m = metres_N2.min(axis=0), float(np.median(inner_N))
    extent_m = float((metres_N2.max(axis=0) - low_2).max()) + 8 * float(equal_N.max())
    cell_m = max(reach_m / 6, extent_m / _MOST_CELLS)
    centres_N2 = (metres_N2 - low_2 + 4 * equal_N.max()) / cell_m
    side = int(extent_m / cell_m) + 1
    count_HW = _count(centres_N2, inner_N / cell_m, side)
    covered_HW = (count_HW > 0).astype(np.uint8)
    size = 2 * round(3 * reach_m / cell_m) + 1
    closing = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    padded_HW = cv2.copyMakeBorder(covered_HW, size, size, size, size, cv2.BORDER_CONSTANT, value=0)
    expected_HW = cv2.morphologyEx(padded_HW, cv2.MORPH_CLOSE, closing)[size:-size, size:-size]
    hole_HW = ((expected_HW > 0) & (count_HW == 0)).astype(np.uint8)
    thin = float(np.mean(_count(centres_N2, equal_N / cell_m, side)[expected_HW > 0] < _THIN))
    return _findings(hole_HW, cell_m, reach_m, thin)


def _count(centres_N2: Floats, radii_N: Floats, side: int) -> NDArray[np.uint16]:
    count_HW = np.zeros((side, side), np.uint16)
    for (x, y), radius in zip(centres_N2, radii_N, strict=True):
        disc_HW = np.zeros((side, side), np.uint8)
        cv2.circle(disc_HW, (round(x), round(y)), max(round(radius), 1), 1, -1)
        count_HW += disc_HW
    return count_HW


def _findings(hole_HW: NDArray[np.uint8], cell_m: float, reach_m: float, thin: float) -> tuple[Finding, ...]:
    found: list[Finding] = []
    _, _, stats, _ = cv2.connectedComponentsWithStats(hole_HW, connectivity=4)
    areas_m2 = sorted((float(s[cv2.CC_STAT_AREA]) * cell_m**2 for s in stats[1:]), reverse=True)
    holes_m2 = [area for area in areas_m2 if area > reach_m**2]
    if holes_m2:
        found.append(
            Finding(
                level="warn",
                code="gap",
                message=f"The photographs leave {len(holes_m2)} gap(s), the largest of {holes_m2[0]:.0f} m².",
                hint="Fly the missing part before leaving; the mosaic will have holes there.",
            )
        )
    if thin > 0.5:
        found.append(
            Finding(
                level="warn",
                code="thin",
                message=f"{100 * thin:.0f} % of the ground is on fewer than {_THIN} photographs.",
                hint="Fly with more overlap: 80 % forward and 70 % sideways serve well.",
            )
        )
    return tuple(found)
