"""The text beside the map of a plan: totals, sorties, what the checks said; and fonts that can write it."""

import textwrap
from functools import lru_cache

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

from aerial.records import Plan

_LEVELS = {"warn": "#9a5b00", "fail": "#b00020"}
_CJK = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Microsoft YaHei",
    "SimHei",
    "PingFang SC",
    "Heiti SC",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
)
_LATIN = "DejaVu Sans"  # matplotlib brings it
_ROWS = 43  # lines of text that the panel beside the map holds
_MOST_SORTIES = 14


def draw_panel(figure: Figure, plan: Plan, *, wide: bool) -> None:
    """Write totals, sorties and findings: beside the map, or below a wide one."""
    blocks = (_facts(plan), _batteries(plan))
    if wide:
        for x, text in zip((0.02, 0.29), blocks, strict=True):
            figure.text(x, 0.33, text, va="top", fontsize=10, family="DejaVu Sans Mono", linespacing=1.3)
        _findings(figure, plan, 0.63, 0.33, rows=20)
        return
    text = "\n\n".join(blocks)
    figure.text(0.68, 0.94, text, va="top", fontsize=10, family="DejaVu Sans Mono", linespacing=1.3)
    used = text.count("\n") + 2
    _findings(figure, plan, 0.68, 0.94 - used * 0.0202, rows=max(_ROWS - used, 6))


def _facts(plan: Plan) -> str:
    asked, totals = plan.parameters, plan.totals
    degree = "\N{DEGREE SIGN}"
    plural = "" if totals.sorties == 1 else "s"
    rows = [
        ("flight time", f"{totals.duration_s / 60:.0f} min in {totals.sorties} sortie{plural}"),
        ("photographs", f"{totals.photos}"),
        ("area", f"{totals.area_m2 / 1e4:.1f} ha, {totals.lines} lines"),
        ("height", f"{asked.height_agl_m:.0f} m over ground"),
        ("ground sample", f"{asked.gsd_m * 100:.1f} cm"),
        ("overlap", f"{asked.overlap_front * 100:.0f} % front, {asked.overlap_side * 100:.0f} % side"),
        ("line spacing", f"{plan.line_spacing_m:.1f} m at {plan.direction_deg % 180:.0f}{degree}"),
        ("trigger", f"every {plan.trigger_distance_m:.1f} m"),
        ("speed on lines", _speeds(plan)),
        ("camera pitch", f"{asked.pitch_deg:.0f}{degree}"),
        ("aircraft", plan.aircraft[:26]),
        ("camera", plan.camera[:26]),
    ]
    if asked.wind is not None:
        rows.append(("wind", f"{asked.wind.speed_m_s:.0f} m/s from {asked.wind.from_deg % 360:.0f}{degree}"))
    if asked.approval:
        rows.append(("approval", readable(asked.approval, "recorded")[:26]))
    return "\n".join(f"{name:<15}{value}" for name, value in rows)


def _speeds(plan: Plan) -> str:
    speeds = sorted({round(sortie.speed_m_s, 1) for sortie in plan.sorties})
    return f"{speeds[0]:g} m/s" if len(speeds) == 1 else f"{speeds[0]:g} to {speeds[-1]:g} m/s"


def _batteries(plan: Plan) -> str:
    rows = ["sortie   min  photos battery  take-off lat, lon"]
    rows += [
        f"{sortie.number:>6}{sortie.duration_s / 60:>6.1f}{sortie.photos:>8}"
        f"{sortie.battery_share * 100:>6.0f} %  "
        f"{sortie.takeoff.lat_deg:.5f}, {sortie.takeoff.lon_deg:.5f}"
        for sortie in plan.sorties[:_MOST_SORTIES]
    ]
    if len(plan.sorties) > _MOST_SORTIES:
        rows.append(f"   and {len(plan.sorties) - _MOST_SORTIES} more")
    return "\n".join(rows)


def _findings(figure: Figure, plan: Plan, x: float, y: float, *, rows: int) -> None:
    """Write the findings that are not passed, the failed first; what does not fit is counted."""
    told = sorted((one for one in plan.findings if one.level in _LEVELS), key=lambda one: one.level != "fail")
    if not told:
        text = "every check passed" if plan.findings else "no checks recorded"
        figure.text(x, y, text, va="top", fontsize=10, family=fonts())
        return
    for number, finding in enumerate(told):
        message = readable(finding.message, finding.code)
        lines = textwrap.wrap(f"{finding.level.upper()}: {message}", 50)
        if len(lines) > rows - 1:
            figure.text(x, y, f"and {len(told) - number} more findings", va="top", fontsize=9.5)
            return
        figure.text(
            x,
            y,
            "\n".join(lines),
            va="top",
            fontsize=9.5,
            color=_LEVELS[finding.level],
            family=fonts(),
            fontweight="bold" if finding.level == "fail" else "normal",
            linespacing=1.25,
        )
        rows -= len(lines) + 1
        y -= 0.0205 * (len(lines) + 0.5)


@lru_cache(maxsize=1)
def fonts() -> list[str]:
    """Return the font families: matplotlib's own, and a Chinese one where the system has it."""
    present = {font.name for font in fontManager.ttflist}
    return [_LATIN, *(name for name in _CJK if name in present)][:2]


def readable(text: str, instead: str) -> str:
    """Return ``text`` if every character has a glyph, else ``instead``."""
    files = [get_font(findfont(FontProperties(family=name))) for name in fonts()]
    drawn = all(char.isspace() or any(file.get_char_index(ord(char)) for file in files) for char in text)
    # A dollar sign would begin a formula.
    return (text if drawn else instead).replace("$", r"\$")
