"""What the figures of a mosaic are worth: each against its limits, and one word on the whole.

The limits are those of a comparison that looks for things of a roof's size: beyond half a metre
between two surveys false alarms multiply, a height that errs by a twentieth moves a roof by
decimetres. They say when to look, not what is illegal; they are one set for all flights.
"""

from collections.abc import Callable
from typing import Literal

from aerial.records import Mosaic, StitchQuality
from aerial.records.record import record

Level = Literal["good", "look", "bad", "unknown"]
Word = Literal["fit to compare", "look before use", "not fit"]

# A hole in which a roof has room.
ROOF_M2 = 20.0


@record
class Figure:
    """One line of the table: what was found, what is asked for, what that means."""

    name: str
    value: str
    limit: str
    level: Level
    meaning: str


def verdict(figures: tuple[Figure, ...]) -> Word:
    """Return the word on a mosaic: its worst figure decides; what is unknown does not."""
    levels = {figure.level for figure in figures}
    if "bad" in levels:
        return "not fit"
    return "look before use" if "look" in levels else "fit to compare"


def figures_of(quality: StitchQuality, mosaic: Mosaic) -> tuple[Figure, ...]:
    """Return the figures of a mosaic in the order of their weight."""
    return tuple(figure for rule in _RULES if (figure := rule(quality, mosaic)) is not None)


def _registered(quality: StitchQuality, _: Mosaic) -> Figure:
    share = quality.registered / max(quality.photos, 1)
    return Figure(
        name="Photographs in the block",
        value=f"{quality.registered} of {quality.photos} ({_percent(share)})",
        limit="98 % (look), 80 % (not fit)",
        level=_at_least(share, 0.98, 0.8),
        meaning="The others are listed below with the reason. Where they were taken, ground may be missing.",
    )


def _placed(_: StitchQuality, mosaic: Mosaic) -> Figure:
    ce95_m = mosaic.georef.ce95_m
    return Figure(
        name="Position on the ground",
        value=f"{GEOREF[mosaic.georef.how]}; 95 % of points within {_metres(ce95_m)}",
        limit="5 m (look), 20 m (not fit)",
        level="look" if ce95_m is None else _at_most(ce95_m, 5.0, 20.0),
        meaning="How far the whole mosaic may be off. It enters the position error of every suspect.",
    )


def _basis(quality: StitchQuality, _: Mosaic) -> Figure | None:
    basis = quality.basis
    if basis is None or basis.residual_median_m is None:
        return None
    # Between two surveys a decimetre counts; a receiver's positions are good to metres and average out.
    look, bad = (0.3, 1.0) if basis.how in ("reference", "ortho", "gcp", "rtk") else (3.0, 10.0)
    misfit = basis.checked_m if basis.checked_m is not None else basis.residual_median_m
    return Figure(
        name="Fit to what it stands on",
        value=f"{_metres(misfit)} at {basis.points} {_POINTS.get(basis.how, 'points')} ({basis.source})"
        + ("; measured at points that were kept out" if basis.checked_m is not None else ""),
        limit=f"{look:g} m (look), {bad:g} m (not fit)",
        level=_at_most(misfit, look, bad),
        meaning="Median horizontal distance between the block and its control.",
    )


def _gps(quality: StitchQuality, _: Mosaic) -> Figure:
    residual = quality.residual_median_m
    return Figure(
        name="Cameras against their own positions",
        value=f"median {_metres(residual)}, 95 % within {_metres(quality.residual_p95_m)}",
        limit="median 3 m (look), 10 m (not fit)",
        level="unknown" if residual is None else _at_most(residual, 3.0, 10.0),
        meaning="More than the receiver's own error says that the block is bent, or the positions are wrong.",
    )


def _reprojection(quality: StitchQuality, _: Mosaic) -> Figure:
    pixels = quality.reprojection_px
    return Figure(
        name="Fit of the photographs to each other",
        value="not told" if pixels is None else f"{pixels:.2f} px",
        limit="1.5 px (look), 2.5 px (not fit)",
        level="unknown" if pixels is None else _at_most(pixels, 1.5, 2.5),
        meaning="How far tie points lie from where the block expects them. False blocks have 2 px and more.",
    )


def _height(quality: StitchQuality, _: Mosaic) -> Figure:
    ratio = quality.height_check
    return Figure(
        name="Flying height, block against drone",
        value="not told" if ratio is None else f"{100 * (ratio - 1):+.1f} %",
        limit="5 % (look), 15 % (not fit)",
        level="unknown" if ratio is None else _at_most(abs(ratio - 1), 0.05, 0.15),
        meaning="A wrong focal length makes all heights too large or too small by this much.",
    )


def _coverage(quality: StitchQuality, _: Mosaic) -> Figure:
    share = quality.coverage
    return Figure(
        name="Ground that is covered",
        value="not told" if share is None else _percent(share),
        limit="90 % (look), 60 % (not fit)",
        level="unknown" if share is None else _at_least(share, 0.9, 0.6),
        meaning="Share of the mosaic's outline that holds pixels.",
    )


def _holes(quality: StitchQuality, _: Mosaic) -> Figure | None:
    if quality.coverage is None and not quality.holes:
        return None
    largest = max((hole.area_m2 for hole in quality.holes), default=0.0)
    return Figure(
        name="Holes",
        value="none"
        if not quality.holes
        else f"{len(quality.holes)}, {sum(h.area_m2 for h in quality.holes):.0f} m² in all, "
        f"the largest {largest:.0f} m²",
        limit=f"{ROOF_M2:.0f} m² each (look)",
        level="look" if largest >= ROOF_M2 else "good",
        meaning="Nothing can be found in a hole; a roof has room in one of 20 m².",
    )


def _parts(quality: StitchQuality, _: Mosaic) -> Figure | None:
    if not quality.parts:
        return None
    outside = sum(len(part.files) for part in quality.parts if not part.in_mosaic)
    return Figure(
        name="Parts",
        value="one" if len(quality.parts) == 1 else f"{len(quality.parts)}; outside: {outside} photograph(s)",
        limit="one",
        level="good" if len(quality.parts) == 1 else "look",
        meaning="Photographs that fit together, but not to the mosaic, make a part of their own.",
    )


def _seams(quality: StitchQuality, _: Mosaic) -> Figure | None:
    step = quality.seam_step
    if step is None:
        return None
    return Figure(
        name="Seams",
        value=f"median step {step.median:.1f} of 255 grey levels, 95 % below {step.p95:.1f}, "
        f"{step.length_m:.0f} m long",
        limit="median 10 (look)",
        level="look" if step.median > 10 else "good",
        meaning="How unlike the two photographs are along the seams, before blending.",
    )


def _heights(quality: StitchQuality, _: Mosaic) -> Figure | None:
    heights = quality.heights
    if heights is None:
        return None
    spread = "" if heights.spread_median_m is None else f"; views differ by {heights.spread_median_m:.2f} m"
    return Figure(
        name="Surface model",
        value=f"{_percent(heights.measured)} measured, the rest filled{spread} (median)",
        limit="60 % (look), 30 % (not fit); 0.3 m (look)",
        level=_worst(
            _at_least(heights.measured, 0.6, 0.3),
            "good" if (heights.spread_median_m or 0.0) <= 0.3 else "look",
        ),
        meaning="Filled cells are guesses between measured ones: band 2 of dsm.tif says where.",
    )


def _preset(quality: StitchQuality, _: Mosaic) -> Figure | None:
    if quality.preset is None:
        return None
    return Figure(
        name="Preset",
        value=quality.preset,
        limit="quality",
        level="good" if quality.preset == "quality" else "look",
        meaning="fast is for looking at in the field; compare what was made with quality.",
    )


_RULES: tuple[Callable[[StitchQuality, Mosaic], Figure | None], ...] = (
    _registered,
    _placed,
    _basis,
    _gps,
    _reprojection,
    _height,
    _coverage,
    _holes,
    _parts,
    _seams,
    _heights,
    _preset,
)
GEOREF = {
    "reference": "in the frame of the reference survey",
    "ortho": "laid on an orthomosaic from elsewhere",
    "rtk": "by RTK positions",
    "gcp": "by ground control points",
    "gps": "by GPS positions",
    "declared": "as the file declares",
}
_POINTS = {
    "reference": "matches",
    "ortho": "matches",
    "gcp": "control points",
    "rtk": "positions",
    "gps": "positions",
}
_ORDER: tuple[Level, ...] = ("bad", "look", "unknown", "good")


def _worst(*levels: Level) -> Level:
    return min(levels, key=_ORDER.index)


def _at_least(value: float, look: float, bad: float) -> Level:
    return "good" if value >= look else "look" if value >= bad else "bad"


def _at_most(value: float, look: float, bad: float) -> Level:
    return _at_least(-value, -look, -bad)


def _percent(share: float) -> str:
    # Rounded down: 99.97 % must not read as all.
    return f"{int(share * 1000) / 10:.1f} %"


def _metres(value: float | None) -> str:
    return "an unknown distance" if value is None else f"{value:.2f} m"
