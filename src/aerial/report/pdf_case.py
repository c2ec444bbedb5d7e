"""One case on one sheet of paper."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from aerial.report.locate import ASPECT, LocationMap, kinds_drawn, on_paper
from aerial.report.pictures import Shown, for_paper
from aerial.report.qr import make_qr
from aerial.report.sheet import BLUE, INK, MARGIN, MARK, RIGHT, SOFT, Block, Colour, Sheet, leading
from aerial.report.text import LONGEST
from aerial.report.view import CaseView
from aerial.report.words import RESULTS, ZONES, Words

_PICTURE, _GAP = 60.0, 3.0
_PICTURES_Y, _MIDDLE_Y, _LOWER_Y, _PROOF_Y, _SEEN_Y, _SIGN_Y = 39.0, 107.0, 186.0, 230.0, 252.0, 265.0
_MAP_WIDTH = 84.0
_RIGHT_X = 100.0
_QR = 22.0
_COLOURS: dict[str, Colour] = {
    "cell": BLUE,
    "community": (123, 44, 191),
    "case": (228, 0, 43),
    "permit": (224, 123, 0),
    "known_building": (128, 128, 128),
    "farmland": (138, 154, 43),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePage:
    """What a page shows; ``overview`` are the bytes of a JPEG, ``qr_text`` what the code says."""

    view: CaseView
    pictures: tuple[Shown, ...]
    drawing: LocationMap
    overview: bytes | None
    qr_text: str


def draw_case(pdf: Sheet, page: CasePage, words: Words) -> None:
    """Add one page to ``pdf``."""
    view = page.view
    pdf.add_page()
    _head(pdf, page, words)
    for index, picture in enumerate(page.pictures):
        _picture(pdf, MARGIN + index * (_PICTURE + _GAP), picture, view, words)
    _map(pdf, page, words)
    right = RIGHT - _RIGHT_X
    y = pdf.write_facts(
        words("place"), view.place,
        Block(x=_RIGHT_X, y=_MIDDLE_Y - 3, width=right, bottom=_MIDDLE_Y + 50, label=38),
    )  # fmt: skip
    pdf.write_facts(
        words("what"), view.what, Block(x=_RIGHT_X, y=y, width=right, bottom=_LOWER_Y - 1, label=38)
    )
    pdf.write_facts(
        words("when"), view.when,
        Block(x=MARGIN, y=_LOWER_Y, width=_MAP_WIDTH, bottom=_PROOF_Y - 1, label=22),
    )  # fmt: skip
    pdf.write_facts(
        words("file"), view.file,
        Block(x=_RIGHT_X, y=_LOWER_Y, width=right, bottom=_PROOF_Y - 1, label=38),
    )  # fmt: skip
    pdf.write_facts(
        words("proof"), view.proof,
        Block(x=MARGIN, y=_PROOF_Y, width=RIGHT - MARGIN, bottom=_SEEN_Y, label=38, size=7.5),
    )  # fmt: skip
    y = pdf.write_text(
        MARGIN, _SEEN_Y + 3, words("only_suspected"), width=RIGHT - MARGIN, size=7.5, most=1, colour=SOFT
    )
    pdf.write_text(MARGIN, y, words("not_seen"), width=RIGHT - MARGIN, size=7.5, most=2, colour=SOFT)
    _signatures(pdf, words)


def _head(pdf: Sheet, page: CasePage, words: Words) -> None:
    view = page.view
    width = RIGHT - MARGIN - _QR - 4
    pdf.write_line(MARGIN, 15, words("suspected"), 10, MARK, bold=True)
    pdf.write_line(MARGIN, 22, pdf.cut(f"{view.number}. {view.key}", width, 14), 14, bold=True)
    line = f"{view.kind} · {words('stage')} {view.stage}"
    pdf.write_line(MARGIN, 27.5, pdf.cut(line, width, 9), 9, SOFT)
    if view.held:
        held = f"{words('held')}: {'; '.join(view.held)}"
        pdf.write_text(MARGIN, 31.8, held, width=width, size=7.5, most=1, colour=MARK)
    if len(page.qr_text) <= LONGEST:
        pdf.image(_qr(page.qr_text), x=RIGHT - _QR, y=9, w=_QR, h=_QR)
        caption = words("qr")
        pdf.write_line(RIGHT - _QR / 2 - pdf.width_of(caption, 6.5) / 2, 33.5, caption, 6.5, SOFT)
    pdf.rule(35.5, MARK, 0.5)


def _qr(text: str) -> Image.Image:
    squares_NN = np.array([list(row) for row in make_qr(text).matrix], np.uint8)
    dots = np.kron(np.pad(1 - squares_NN, 2, constant_values=1), np.ones((6, 6), np.uint8)) * 255
    return Image.fromarray(dots.astype(np.uint8), "L")


def _picture(pdf: Sheet, x: float, picture: Shown, view: CaseView, words: Words) -> None:
    caption = words(picture.label)
    dates = {"before": view.before_on, "after": view.after_on}
    if picture.label in dates:
        caption += f" {dates[picture.label]}"
    pdf.write_line(x, _PICTURES_Y + _PICTURE + 4, pdf.cut(caption, _PICTURE, 8), 8, SOFT)
    small = for_paper(picture.path) if picture.path else None
    if small is None:
        pdf.frame(x, _PICTURES_Y, _PICTURE, _PICTURE, filled=True)
        why = pdf.wrapped(words(picture.absent or "broken_picture"), _PICTURE - 8, 9, 3)
        for number, line in enumerate(why):
            at = x + (_PICTURE - pdf.width_of(line, 9)) / 2
            pdf.write_line(at, _PICTURES_Y + _PICTURE / 2 + number * leading(9), line, 9, SOFT)
        return
    data, width_px, height_px = small
    scale = _PICTURE / max(width_px, height_px)
    wide, high = width_px * scale, height_px * scale
    left, top = x + (_PICTURE - wide) / 2, _PICTURES_Y + (_PICTURE - high) / 2
    pdf.image(io.BytesIO(data), x=left, y=top, w=wide, h=high)
    pdf.frame(x, _PICTURES_Y, _PICTURE, _PICTURE)


def _map(pdf: Sheet, page: CasePage, words: Words) -> None:
    drawing = page.drawing
    pdf.write_line(MARGIN, _MIDDLE_Y + leading(8) - 3, words("location"), 9, MARK, bold=True)
    x, y, width, height = MARGIN, _MIDDLE_Y + 3, _MAP_WIDTH, _MAP_WIDTH / ASPECT
    corner = np.array([x, y])
    with pdf.rect_clip(x, y, width, height):
        if page.overview and drawing.picture:
            west, south, east, north = drawing.picture
            box = on_paper(drawing, np.array([[west, north], [east, south]]), width, height) + corner
            (left, top), (wide, high) = box[0], box[1] - box[0]
            pdf.image(io.BytesIO(page.overview), x=float(left), y=float(top), w=float(wide), h=float(high))
        lines = [
            (ring, [(float(a), float(b)) for a, b in on_paper(drawing, ring.xy_N2, width, height) + corner])
            for ring in drawing.rings
        ]
        # A white line under each is seen on every ground.
        for under in (True, False):
            for ring, points in lines:
                pdf.set_draw_color(*((255, 255, 255) if under else _COLOURS[ring.kind]))
                pdf.set_line_width(0.9 if under else 0.4)
                pdf.set_dash_pattern(*((1.6, 0.9) if ring.kind == "community" and not under else (0, 0)))
                pdf.polyline(points, polygon=ring.closed)
        pdf.set_dash_pattern()
        ((at_x, at_y),) = on_paper(drawing, np.array([drawing.at]), width, height) + corner
        for thickness, colour in ((1.0, (255, 255, 255)), (0.5, _COLOURS["case"])):
            pdf.set_draw_color(*colour)
            pdf.set_line_width(thickness)
            pdf.circle(float(at_x), float(at_y), 2.8)
    pdf.frame(x, y, width, height)
    _bar_and_north(pdf, drawing, (x, y, width, height))
    _legend(pdf, drawing, y + height + 4, words)


def _bar_and_north(pdf: Sheet, drawing: LocationMap, place: tuple[float, float, float, float]) -> None:
    x, y, width, height = place
    bar = drawing.bar_m / (drawing.window[2] - drawing.window[0]) * width
    text = f"{drawing.bar_m:g} m"
    pdf.set_fill_color(255, 255, 255)
    pdf.rect(x + 1, y + height - 6.5, max(bar, pdf.width_of(text, 7)) + 3, 5.5, style="F")
    pdf.rect(x + width - 6.5, y + 1, 5.5, 9, style="F")
    pdf.set_draw_color(*INK)
    pdf.set_line_width(0.35)
    left, base = x + 2.5, y + height - 2.2
    pdf.polyline([(left, base - 1), (left, base), (left + bar, base), (left + bar, base - 1)])
    pdf.write_line(left, base - 1.4, text, 7)
    middle = x + width - 3.75
    pdf.set_fill_color(*INK)
    pdf.polygon(
        [(middle, y + 1.6), (middle + 1.6, y + 5.8), (middle, y + 4.7), (middle - 1.6, y + 5.8)], style="F"
    )
    pdf.set_fill_color(245, 247, 249)
    pdf.write_line(middle - pdf.width_of("N", 8) / 2, y + 9.2, "N", 8)


def _legend(pdf: Sheet, drawing: LocationMap, y: float, words: Words) -> None:
    x = MARGIN
    for kind in kinds_drawn(drawing):
        name = words.of(ZONES, kind) if kind in ZONES else words(f"location_{kind}")
        if x + 5.5 + pdf.width_of(name, 7) > MARGIN + _MAP_WIDTH:
            x, y = MARGIN, y + leading(7)
        pdf.set_draw_color(*_COLOURS[kind])
        pdf.set_line_width(0.5)
        pdf.set_dash_pattern(*((1.6, 0.9) if kind == "community" else (0, 0)))
        pdf.line(x, y - 0.9, x + 4.5, y - 0.9)
        pdf.write_line(x + 5.5, y, name, 7, SOFT)
        x += 5.5 + pdf.width_of(name, 7) + 3.5
    pdf.set_dash_pattern()
    if not drawing.has_cell:
        pdf.write_line(MARGIN, y + leading(7), words("no_outline"), 7, SOFT)


def _signatures(pdf: Sheet, words: Words) -> None:
    height, x = 18.5, MARGIN
    pdf.set_draw_color(*INK)
    pdf.set_line_width(0.25)
    for word, width in (("signed_by", 45.0), ("signed_result", 98.0), ("signed_on", 43.0)):
        pdf.set_draw_color(*INK)
        pdf.set_line_width(0.25)
        pdf.rect(x, _SIGN_Y, width, height)
        pdf.write_line(x + 2, _SIGN_Y + 4.5, words(word), 8, SOFT)
        if word == "signed_result":
            for index, name in enumerate(RESULTS):
                at, y = x + 2 + index % 3 * width / 3, _SIGN_Y + 7 + index // 3 * 5.5
                pdf.rect(at, y, 2.8, 2.8)
                pdf.write_line(at + 3.8, y + 2.5, words.of(RESULTS, name), 8)
        x += width
