"""The stitching benchmark's table and its targets."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

Row = dict[str, Any]

MOST_S = {"fast": 1.5, "quality": 6.0}
MOST_MB = 4000.0
# A block that stands on GPS may be off by metres, but not by tens; a false one was off by 92 m.
HONEST_MEDIAN_M, HONEST_REPROJECTION_PX = 5.0, 2.0

COLUMNS: tuple[tuple[str, Callable[[Row], Any]], ...] = (
    ("set", lambda r: r["set"]),
    ("by", lambda r: r.get("preset") or r.get("peer")),
    ("photos", lambda r: r.get("photos")),
    ("Mpx", lambda r: r.get("mpx")),
    ("cm", lambda r: r.get("gsd_cm")),
    ("s/photo", lambda r: r.get("s_photo")),
    (
        "features+matching+adjustment+surface+ortho+rest",
        lambda r: _several(
            r, "s_features", "s_matching", "s_adjustment", "s_surface", "s_ortho", "s_rest", by=" + "
        ),
    ),
    ("CPU s", lambda r: r.get("cpu_s_photo")),
    ("peak GB", lambda r: r["peak_mb"] / 1000 if r.get("peak_mb") else None),
    ("registered", lambda r: f"{r['registered']}/{r['photos']}" if "registered" in r else None),
    ("false", lambda r: r.get("cameras_false")),
    ("ortho RMS, p95 m", lambda r: _several(r, "ortho_rms_m", "ortho_p95_m")),
    ("flights apart m (RMS)", lambda r: r.get("between_rms_m")),
    ("aligned px (median, p95)", lambda r: _several(r, "aligned_median_px", "aligned_p95_px")),
    ("DSM NMAD, p95, dome m", lambda r: _several(r, "dsm_nmad_m", "dsm_p95_m", "dsm_dome_m")),
    ("roofs", lambda r: r.get("roofs")),
    ("roofs <= 0.3, 0.5 m", lambda r: _several(r, "roofs_within_0.3m", "roofs_within_0.5m")),
    ("lean median, p95 m", lambda r: _several(r, "lean_median_m", "lean_p95_m")),
    ("lean <= 0.3 m", lambda r: r.get("lean_within_0.3m")),
    ("cut, over 2 %, of whole", lambda r: _cut(r) if "roofs_cut" in r else None),
    ("seam median, p95", lambda r: _several(r, "seam_median", "seam_p95")),
    ("holes", lambda r: f"{r['holes']} ({r['holes_m2']} m2)" if r.get("holes") else r.get("holes")),
    ("coverage", lambda r: r.get("coverage")),
    ("note", lambda r: r.get("note") or r.get("source") or " ".join(r.get("refused", []))),
)


def _cut(row: Row) -> str:
    return f"{row['roofs_cut']}, {row.get('roofs_cut_much', '-')} of {row['roofs_seen_whole']}"


def _several(row: Row, *names: str, by: str = ", ") -> str | None:
    if all(row.get(name) is None for name in names):
        return None
    return by.join("-" if row.get(name) is None else f"{row[name]:.3g}" for name in names)


def print_table(rows: list[Row]) -> None:
    """Print all rows as one Markdown table to stderr; columns that no row fills are left out."""
    cells = [[_text(value(row)) for _, value in COLUMNS] for row in rows]
    kept = [i for i in range(len(COLUMNS)) if any(line[i] != "-" for line in cells)]
    print("| " + " | ".join(COLUMNS[i][0] for i in kept) + " |", file=sys.stderr)
    print("|" + "---|" * len(kept), file=sys.stderr)
    for line in cells:
        print("| " + " | ".join(line[i] for i in kept) + " |", file=sys.stderr)


def _text(value: Any) -> str:
    if value is None or value == "":
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def fell_short(row: Row) -> Iterator[str]:
    """Tell which targets a row of ours misses; a figure that it should have and has not is a miss."""
    if row["set"] == "bogota_niza":
        yield from _honest(row)
        return
    if row["s_photo"] > MOST_S[row["preset"]]:
        yield f"{row['s_photo']} s a photograph > {MOST_S[row['preset']]}"
    if row["peak_mb"] > MOST_MB:
        yield f"{row['peak_mb']:.0f} MB > {MOST_MB:.0f}"
    if row["registered"] < 0.98 * row["photos"]:
        yield f"{row['registered']} of {row['photos']} photographs registered"
        return
    if row.get("cameras_false"):
        yield f"{row['cameras_false']} false cameras"
    if "between_rms_m" in row and row["between_rms_m"] > 0.15:
        yield f"flights {row['between_rms_m']} m apart > 0.15"
    if "aligned" in row:
        yield f"not aligned: {row['aligned']}"
    for name, most in (("aligned_median_px", 0.3), ("aligned_p95_px", 1.0)):
        if row.get(name, 0.0) > most:
            yield f"{name} {row[name]} > {most}"
    if row["preset"] == "quality" and "roofs" in row:
        yield from _roofs(row)


def _roofs(row: Row) -> Iterator[str]:
    if row["lean_p95_m"] is None or row["lean_p95_m"] > 0.3:
        yield f"roof lean p95 {row['lean_p95_m']} m > 0.3"
    if row["roofs_within_0.3m"] < 0.9:
        yield f"{row['roofs_within_0.3m']:.1%} of roofs within 0.3 m < 90 %"
    if row.get("roofs_cut") != 0:
        yield f"seams through {row.get('roofs_cut', 'unknown')} roofs"


def _honest(row: Row) -> Iterator[str]:
    """A refusal is honest; a block is where it agrees with GPS and with itself."""
    if row["registered"] == 0:
        if not row.get("refused"):
            yield "ended without a word"
        return
    if row["gps_median_m"] is None or row["gps_median_m"] > HONEST_MEDIAN_M:
        yield f"a block {row['gps_median_m']} m off its positions"
    if row["reprojection_px"] is None or row["reprojection_px"] > HONEST_REPROJECTION_PX:
        yield f"a block that fits its photographs to {row['reprojection_px']} px only"
