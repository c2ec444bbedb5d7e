"""What an officer is told about new cases over a robot in somebody else's cloud: number, community, link.

No coordinates, no pictures, no address: a guard refuses a text that holds anything like them.
"""

import re
import unicodedata
from collections.abc import Sequence
from hashlib import sha256
from urllib.parse import quote, urlsplit

from aerial.errors import InputError, SecrecyError
from aerial.records import Case, Officer
from aerial.records.record import record
from aerial.sinks.fieldmap import Template

_NAME_CHARS = 40
# Read as full-width characters they look the same and mean nothing in Markdown, HTML or a mention.
_DEFUSED = {ord(char): chr(ord(char) + 0xFEE0) for char in "!#$%&()*+/:<=>@[\\]^_`{|}~\"'"}
_LIKE_A_PLACE = (
    r"\d{1,3}[.,]\d{4,}",  # degrees with four decimals (11 m) or more
    r"\d{1,3}[.,]\d{1,3}\s*[,;/、 ]\s*\d{1,3}[.,]\d{1,3}(?![.\d])",  # a pair of coarser ones
    r"\d\s*[°º˚度]",
    r"\d\s*['′]\s*\d",
    r"\d{6,8}\.\d",  # metres of a projection
    r"(?<![0-9A-Za-z])\d{6,8}\s*[,;/、 ]\s*\d{6,8}(?![0-9A-Za-z])",
    r"经度|纬度|坐标|longitude|latitude|(?<![a-z])l(?:on|ng|at)\s*[=:]|geo:|POINT\s*\(|POLYGON\s*\(",
    r"!\[|<img|data:image|\.jpe?g\b|\.png\b|\.tiff?\b",
)
_PLACE = re.compile("|".join(_LIKE_A_PLACE), re.IGNORECASE)


@record
class Item:
    """One case in a digest; ``community`` is shown as it stands here, ``link`` may be empty."""

    external_key: str
    community: str
    link: str


@record
class Digest:
    """What one officer is told about one batch; ``officer`` None: nobody looks after these cases.

    ``key`` names the content: the same batch for the same officer has the same key.
    """

    key: str
    officer: Officer | None
    items: tuple[Item, ...]


def digests(cases: Sequence[Case], officers: Sequence[Officer], *, link: str = "") -> tuple[Digest, ...]:
    """Return one digest for each officer that has cases, in the order of ``officers``, and one for the rest.

    A case goes to those who have its cell, else to those who have its community, else to those who have
    neither cells nor communities of their own, else to nobody by name.
    ``link``: address in the own network, such as ``http://10.0.0.5/case/{case}``.

    Raises:
        InputError: ``link`` is not such an address.
        SecrecyError: a text holds something like coordinates or a picture.
    """
    template = _link_template(link)
    others = [number for number, one in enumerate(officers) if not one.cells and not one.communities]
    mine: dict[int, list[Item]] = {number: [] for number in range(-1, len(officers))}
    for case in cases:
        key = quote(case.external_key, safe="")
        where = template.value({"case": key}) if template else ""
        item = Item(
            external_key=plain_name(case.external_key),
            community=plain_name(case.community or ""),
            link=str(where),
        )
        by_cell = [number for number, one in enumerate(officers) if case.cell in one.cells]
        by_community = [number for number, one in enumerate(officers) if case.community in one.communities]
        for number in by_cell or by_community or others or [-1]:
            mine[number].append(item)
    made = []
    for number in (*range(len(officers)), -1):
        if items := sorted(mine[number], key=lambda item: item.external_key):
            officer = officers[number] if number >= 0 else None
            name = plain_name(officer.name) if officer else ""
            for item in items:
                require_placeless(name, item.external_key, item.community, item.link)
            text = "\n".join([name, *(item.external_key for item in items)])
            made.append(
                Digest(key=sha256(text.encode()).hexdigest()[:32], officer=officer, items=tuple(items))
            )
    return tuple(made)


def require_placeless(*texts: str) -> None:
    """Refuse texts that hold anything like coordinates or a picture, in wide digits and the like too.

    Raises:
        SecrecyError: one does; the text is not shown.
    """
    for text in texts:
        seen = "".join(
            char for char in unicodedata.normalize("NFKC", text) if unicodedata.category(char) != "Cf"
        )
        if _PLACE.search(seen):
            raise SecrecyError(
                "A message to an officer holds something like coordinates or a picture; it was not sent.",
                hint="Look at the names of communities and officers and at the link in the settings.",
            )


def plain_name(text: str) -> str:
    """Return a name on one line, short, and without meaning in Markdown, HTML or as a mention."""
    seen = (char for char in text if unicodedata.category(char) != "Cf")
    text = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in seen)
    text = " ".join(text.split()).translate(_DEFUSED)
    return text if len(text) <= _NAME_CHARS else text[: _NAME_CHARS - 1] + "…"


def lines(digest: Digest) -> tuple[str, ...]:
    """Return a digest as lines of Markdown, the first of them the title."""
    who = plain_name(digest.officer.name) if digest.officer else "未分派"
    found = [f"**疑似新增违建 {len(digest.items)} 件** {who}"]
    for item in digest.items:
        link = f" [打开]({item.link})" if item.link else ""
        found.append(f"- {item.external_key} {item.community or '社区未知'}{link}")
    return tuple(found)


def pieces(some: Sequence[str], most_bytes: int) -> tuple[str, ...]:
    """Return lines joined into texts of at most ``most_bytes`` of UTF-8; a line is never parted.

    Raises:
        InputError: a single line is longer.
    """
    found: list[str] = []
    for line in some:
        if len(line.encode()) > most_bytes:
            raise InputError(
                f"A line of a message is longer than the {most_bytes} bytes that the robot takes.",
                hint="Shorten the link in the settings.",
            )
        if found and len(f"{found[-1]}\n{line}".encode()) <= most_bytes:
            found[-1] += f"\n{line}"
        else:
            found.append(line)
    return tuple(found)


def _link_template(link: str) -> Template | None:
    if not link:
        return None
    parts = urlsplit(link)
    odd = [char for char in link if char in "()<>\"'\\`" or char.isspace() or not char.isprintable()]
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or odd:
        raise InputError(
            "The link to a case in the settings is not an address of http or https.",
            hint="Write it like http://10.0.0.5/case/{case}.",
        )
    return Template(link, where="the link to a case", extra=("case",), case=False)
