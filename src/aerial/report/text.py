"""Names from outside made fit to be shown, and the font that shows them.

A name may hold anything: markup is the business of the writer that could misread it; here go the
characters that change what is seen around them (line breaks, direction overrides, nothing at all).
"""

import unicodedata
from collections import Counter
from functools import lru_cache
from pathlib import Path

from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

FONT = Path(__file__).parent / "fonts" / "NotoSansSC-Regular.woff"
FONT_LICENCE = FONT.with_name("OFL.txt")
LONGEST = 200  # characters of a name that are shown
# What stands for a character that cannot be shown: the printers' mark for a missing type.
REPLACEMENT = "〓"
_BREAKS = "\t\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029"


def shown(text: str, *, longest: int = LONGEST) -> str:
    """Return a name on one line, without controls and direction marks, cut with an ellipsis.

    Every character that is taken out leaves ``REPLACEMENT`` in its place; breaks become spaces.
    """
    if len(text) <= longest and text.isprintable() and "  " not in text and text.strip() == text:
        return unicodedata.normalize("NFC", text)
    # Composed first: a letter and its accent are one character, which the font has.
    start = unicodedata.normalize("NFC", text[: 4 * longest])
    clean = "".join(" " if c in _BREAKS else c if _visible(c) else REPLACEMENT for c in start)
    clean = " ".join(clean.split())
    whole = len(text) <= 4 * longest and len(clean) <= longest
    return clean if whole else clean[: longest - 1] + "…"


def storable(text: str) -> str:
    """Return text that every file format can hold: no lone surrogates, no control characters."""
    if text.isprintable():
        return text
    return "".join(
        c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs") else "\N{REPLACEMENT CHARACTER}"
        for c in text
    )


def _visible(character: str) -> bool:
    # Cc controls, Cf direction overrides and zero widths, Cs lone surrogates, Cn unassigned, Co private.
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Cn", "Co")


@lru_cache(maxsize=1)
def font_characters() -> frozenset[int]:
    """Return the code points that the font has."""
    with TTFont(FONT, lazy=True) as font:
        return frozenset(font.getBestCmap())


class Typesetter:
    """Replaces what the font lacks by ``REPLACEMENT`` and counts it in ``missing``."""

    def __init__(self) -> None:
        self.missing: Counter[str] = Counter()
        self._has = font_characters()

    def __call__(self, text: str) -> str:
        """Return ``text`` in characters of the font, as many as before."""
        if self._has.issuperset(map(ord, text)):
            return text
        absent = [c for c in text if ord(c) not in self._has]
        self.missing.update(absent)
        return "".join(c if ord(c) in self._has else REPLACEMENT for c in text)
