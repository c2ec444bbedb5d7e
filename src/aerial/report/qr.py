"""The QR code of a case: it carries the case number."""

import segno
from markupsafe import Markup

from aerial.report.text import LONGEST


def make_qr(text: str) -> segno.QRCode:
    """Return the QR code of a case number."""
    # Readers take any of the eight masks; to weigh them all takes 4 ms a case.
    return segno.make_qr(text, error="m", mask=4)


def qr_svg(text: str) -> Markup | None:
    """Return a QR code as SVG; None for a text that is too long to be a case number."""
    if len(text) > LONGEST:
        return None
    code = make_qr(text)
    # segno writes nothing but the path of the code's own dark squares.
    return Markup(code.svg_inline(omitsize=True, border=2, dark="#000", light="#fff"))  # noqa: S704
