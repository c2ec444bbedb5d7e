"""An area to cells, each as large as one flight can cover."""

import math
from collections.abc import Sequence
from pathlib import Path

from aerial.areas import Cell, area_within, cut_cells, read_area, read_lines, write_features
from aerial.autopilots.items import line_hold_s
from aerial.errors import InputError
from aerial.records.aircraft import Aircraft, CameraProfile

# Of the battery; the same that a plan keeps when nothing else is asked for.
_RESERVE = 0.2


def plan_cells(area: Path, out: Path, *, max_area_m2: float, lines: Sequence[Path] = ()) -> tuple[Cell, ...]:
    """Cut the area in a file into cells of at most ``max_area_m2``, write them to ``out``, return them.

    ``lines``: files of roads and rivers along which cells part.

    Raises:
        InputError: a file is not what it should be, or the cells would be too many.
        CrsError: a file declares no CRS, or its coordinates do not fit it.
    """
    outline = read_area(area)
    natural = [line for path in lines for line in read_lines(path)]
    cells = cut_cells(outline, max_area_m2=max_area_m2, lines=natural)
    write_features(out, cells)
    return cells


def area_of_flight(
    aircraft: Aircraft,
    camera: CameraProfile,
    *,
    minutes: float,
    gsd_m: float | None = None,
    height_m: float | None = None,
    overlap_front: float,
    overlap_side: float,
) -> float:
    """Return the area (m2) that one flight of ``minutes`` covers, climb and landing included.

    Exactly one of ``gsd_m`` and ``height_m`` (over ground) is given; overlaps are shares 0-1. The
    speed is that of cruise, less where the camera cannot fire as often.

    Raises:
        InputError: a value is none, or the battery does not last so long with a fifth in reserve.
    """
    if (gsd_m is None) == (height_m is None):
        raise InputError(
            "Give a ground pixel size or a height, one of them.", hint="Give --gsd-cm or --height-m."
        )
    _require_positive("The flight time", minutes)
    for name, share in (("front", overlap_front), ("side", overlap_side)):
        if not 0 <= share < 0.95:
            raise InputError(
                f"A {name} overlap of {share * 100:g} % cannot be flown.",
                hint="Give 0 to 94 percent, such as 80 70.",
            )
    lasts = aircraft.cruise_s * (1 - _RESERVE) / 60
    if minutes > lasts:
        raise InputError(
            f"{aircraft.name} flies {lasts:.0f} minutes with {_RESERVE:.0%} of its battery in reserve, "
            f"not {minutes:g}.",
            hint=f"Give at most --max-minutes {math.floor(lasts)}.",
        )
    per_gsd = camera.focal_mm * camera.width_px / camera.sensor_width_mm
    gsd_m = gsd_m if gsd_m is not None else (height_m or 0.0) / per_gsd
    _require_positive("The ground pixel size", gsd_m)
    height_m = gsd_m * per_gsd
    spacing_m = camera.width_px * gsd_m * (1 - overlap_side)
    trigger_m = camera.height_px * gsd_m * (1 - overlap_front)
    fires_m_s = trigger_m / camera.min_trigger_interval_s if camera.min_trigger_interval_s > 0 else math.inf
    speed_m_s = min(aircraft.cruise_m_s, fires_m_s)
    flown_s = minutes * 60 - height_m / aircraft.climb_m_s - height_m / aircraft.descent_m_s
    area_m2 = area_within(flown_s, spacing_m, speed_m_s, _turn_s(aircraft, speed_m_s, spacing_m))
    if area_m2 < spacing_m**2:
        raise InputError(
            f"In {minutes:g} minutes {aircraft.name} covers nothing from {height_m:.0f} m.",
            hint="Give more minutes, or a lower height.",
        )
    return area_m2


def _require_positive(what: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise InputError(f"{what} {value:g} is not possible.", hint="Give a number above 0.")


def _turn_s(aircraft: Aircraft, speed_m_s: float, spacing_m: float) -> float:
    """Return what the turn to the next line takes longer than one spacing at full speed."""
    straight_s = spacing_m / speed_m_s
    hold_s = line_hold_s(aircraft.autopilot)
    if aircraft.turn == "coordinated" and not hold_s:
        return (math.pi / 2 - 1) * straight_s
    # Halt and start on the lines lose half of their time; the way between is flown from rest to rest.
    a_m_s2 = aircraft.acceleration_m_s2
    reaches = spacing_m * a_m_s2 >= speed_m_s**2
    between_s = straight_s + speed_m_s / a_m_s2 if reaches else 2 * math.sqrt(spacing_m / a_m_s2)
    return speed_m_s / a_m_s2 + between_s - straight_s + 2 * hold_s
