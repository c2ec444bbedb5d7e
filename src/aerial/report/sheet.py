"""Sheets of paper with text in the embedded font: what the pages of a PDF are written with.

All lengths in millimetres, y downwards; sizes of type in points.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fpdf import FPDF
from fpdf.enums import TextMode

from aerial.report.text import FONT, Typesetter
from aerial.report.view import Fact

WIDE, HIGH = 210.0, 297.0
MARGIN = 12.0
RIGHT = WIDE - MARGIN
BOTTOM = 284.0  # of what a page holds; the foot is below
_POINT_MM = 25.4 / 72

Colour = tuple[int, int, int]
INK: Colour = (27, 31, 36)
SOFT: Colour = (91, 101, 112)
MARK: Colour = (200, 16, 46)
LINE: Colour = (190, 197, 204)
PALE: Colour = (245, 247, 249)
BLUE: Colour = (11, 92, 173)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Where facts stand: top left corner, width, lowest line, width of the labels."""

    x: float
    y: float
    width: float
    bottom: float
    label: float
    size: float = 8.0


class Sheet(FPDF):
    """A4 sheets; ``foot`` is the text at the bottom of each, ``page_word`` its number's."""

    def __init__(self, *, title: str, foot: str, page_word: str, language: str, made_at: datetime) -> None:
        super().__init__(unit="mm", format="A4")
        self.set_auto_page_break(False)
        self.add_font("report", "", FONT)
        self.set_font("report", size=9)
        self.set_title(title)
        self.set_creator("aerial")
        self.set_lang("zh-CN" if language == "zh" else "en")
        self.set_creation_date(made_at)
        # Different from every colour of text, so that each piece of text restores what it changes.
        self.set_fill_color(*PALE)
        self.typeset = Typesetter()
        # Of one em in thousandths, by code point.
        self._face: Any = self.fonts["report"]
        self._widths: Any = self._face.cw
        self._foot, self._page_word = foot, page_word

    def footer(self) -> None:
        """Write the foot of a page."""
        self.write_line(MARGIN, 291.0, self.cut(self._foot, 150.0, 7), 7, SOFT)
        number = self._page_word.format(n=self.page_no())
        self.write_line(RIGHT - self.width_of(number, 7), 291.0, number, 7, SOFT)

    def close_font(self) -> None:
        """Close the font's file, which stays open for as long as glyphs may be asked for."""
        self._face.close()

    def width_of(self, text: str, size: float) -> float:
        """Return how wide ``text`` is."""
        widths = self._widths
        return float(sum(widths[ord(c)] for c in self.typeset(text))) * size * _POINT_MM / 1000

    def write_line(
        self, x: float, y: float, text: str, size: float, colour: Colour = INK, *, bold: bool = False
    ) -> None:
        """Write one line with its base line at ``y``."""
        self.set_font_size(size)
        self.set_text_color(*colour)
        if bold:
            # The face has one weight; a thin edge in the same ink makes the other.
            self.set_draw_color(*colour)
            self.set_line_width(size * 0.03)
            self.text_mode = TextMode.FILL_STROKE
        self.text(x, y, self.typeset(text))
        if bold:
            self.text_mode = TextMode.FILL

    def cut(self, text: str, width: float, size: float) -> str:
        """Return ``text`` as far as it fits into ``width``, with an ellipsis where it was cut."""
        return self.wrapped(text, width, size, 1)[0]

    def wrapped(self, text: str, width: float, size: float, most: int) -> list[str]:
        """Return ``text`` in at most ``most`` lines of ``width``, the last with an ellipsis if it was cut.

        Lines break between any two Chinese characters, else at a space where there is one.
        """
        widths, limit = self._widths, width * 1000 / (size * _POINT_MM)
        text = self.typeset(text)
        if sum(map(widths.__getitem__, map(ord, text))) <= limit:
            return [text]
        lines: list[str] = []
        start, used, position = 0, 0.0, 0
        while position < len(text):
            wide = float(widths[ord(text[position])])
            if used + wide > limit and position > start:
                end = _break(text, start, position)
                lines.append(text[start:end].strip())
                start = position = end
                used = 0.0
                continue
            used += wide
            position += 1
        lines.append(text[start:].strip())
        if len(lines) <= most:
            return lines
        last = lines[most - 1]
        room = limit - float(widths[ord("…")])
        while last and float(sum(widths[ord(c)] for c in last)) > room:
            last = last[:-1]
        return [*lines[: most - 1], last + "…"]

    def write_text(
        self, x: float, y: float, text: str, *, width: float, size: float, most: int, colour: Colour = INK
    ) -> float:
        """Write ``text`` in at most ``most`` lines from base line ``y`` on; return the next base line."""
        for line in self.wrapped(text, width, size, most):
            self.write_line(x, y, line, size, colour)
            y += leading(size)
        return y

    def write_facts(self, heading: str, facts: Sequence[Fact], block: Block) -> float:
        """Write facts under a heading, cut before they reach the block's bottom; return the y below."""
        y = block.y + leading(block.size)
        self.write_line(block.x, y, heading, block.size + 1, MARK, bold=True)
        y += leading(block.size) * 1.15
        room = block.width - block.label
        step = leading(block.size)
        spare = int((block.bottom - y) / step + 1) - len(facts)
        values = []
        for fact in facts:
            # Each may have a second and a third line while there is room.
            values.append(self.wrapped(fact.value, room, block.size, min(1 + max(spare, 0), 3)))
            spare -= len(values[-1]) - 1
        for fact, lines in zip(facts, values, strict=True):
            self.write_line(block.x, y, self.cut(fact.label, block.label - 1.5, block.size), block.size, SOFT)
            colour = BLUE if fact.link else INK if fact.known else SOFT
            if fact.link:
                long = self.width_of(lines[0], block.size)
                self.link(block.x + block.label, y - step * 0.8, long, step, fact.link)
            for line in lines:
                self.write_line(block.x + block.label, y, line, block.size, colour)
                y += step
        return y

    def frame(self, x: float, y: float, width: float, height: float, *, filled: bool = False) -> None:
        """Draw a thin box."""
        self.set_draw_color(*LINE)
        self.set_line_width(0.2)
        self.rect(x, y, width, height, style="DF" if filled else "D")

    def rule(self, y: float, colour: Colour = LINE, thickness: float = 0.2) -> None:
        """Draw a line across the page."""
        self.set_draw_color(*colour)
        self.set_line_width(thickness)
        self.line(MARGIN, y, RIGHT, y)


def leading(size: float) -> float:
    """Return the distance of two base lines for a size of type."""
    return size * _POINT_MM * 1.45


def _break(text: str, start: int, end: int) -> int:
    """Return where to break the line ``text[start:end]`` that is full."""
    if not (text[end - 1].isascii() and text[end].isascii()) or text[end].isspace():
        return end
    space = text.rfind(" ", start + 1, end)
    # A hash has no spaces and a long word may be most of the line: both break where they must.
    return space + 1 if space > start + (end - start) // 2 else end
