"""What a task's log tells of the ground that the survey stands on.

ODM goes on without alignment when it fails, and without control points where none is seen, and ends
well: only its log tells. What the log does not tell did not happen.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_GCP_USED = re.compile(r"(\d+) GCP points will be used for georeferencing")
_ALIGN_FAILED = re.compile(
    r"Cannot compute alignment matrix|Cannot transform (point cloud|textured model)|Alignment to .* skipped"
    r"|Unsupported alignment file"
)


@dataclass(frozen=True, slots=True)
class Told:
    """``aligned``: points and picture were moved onto the reference; ``why_not`` is the log's own line.

    ``gcp_lines``: observations of control points that were used.
    """

    aligned: bool
    why_not: str
    gcp_lines: int


def read_log(lines: Iterable[str]) -> Told:
    """Return what the lines of a task's log tell; they are read once, whatever their number."""
    matrix = points = picture = False
    why_not, gcp_lines = "", 0
    for line in lines:
        used = _GCP_USED.search(line)
        if used:
            gcp_lines = max(gcp_lines, int(used[1]))
        elif _ALIGN_FAILED.search(line):
            why_not = why_not or line.strip()
        elif "Alignment matrix:" in line:
            matrix = True
        elif "Transformed " in line:
            points = points or line.rstrip().endswith(".laz")
            picture = picture or line.rstrip().endswith(".obj")
    aligned = matrix and points and picture and not why_not
    return Told(aligned, why_not or ("" if aligned else "its log does not tell of one"), gcp_lines)
