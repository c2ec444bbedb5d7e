"""A case in the words of another system: remote field names over templates, by configuration.

A template is text with ``{name}`` in it, the names those of ``features.case_properties``; ``{{`` and
``}}`` are braces. Nothing else: no attributes, no indices, no formats, no code.
"""

import math
import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from aerial.errors import InputError
from aerial.features import case_properties
from aerial.records import Case
from aerial.records.record import record
from aerial.sinks.sink import Rejected

# The properties of a case that are one value (``evidence`` is a list); a test keeps the two together.
NAMES = (
    "external_key", "identity", "episode", "previous", "title", "kind", "kind_zh", "source", "matter_table",
    "matter_code", "matter_name", "authority_code", "authority_name", "address", "unit_grid", "community",
    "cell", "lon_deg", "lat_deg", "crs", "error_m", "area_m2", "height_change_m", "score", "before_on",
    "after_on", "found_at", "stage", "deadline", "secrecy", "suspect_key", "model_sha256", "params_sha256",
    "zones", "SXDM", "SXMC", "ZGBMDM", "ZGBMMC", "SFWZ", "SZDYWGBSM",
)  # fmt: skip
MARK = "[aerial:{external_key}]"  # how a key is found again inside of a free text

_MARKED = re.compile(r"\[aerial:([^\[\]\s]{1,200})\]")
_LONGEST = 20_000  # characters of one value
_MOST_FIELDS = 200
_DEEPEST = 8
_PIECE = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]{0,63})\}|([{}])|[^{}]+")

Scalar = str | int | float | bool | None


class Template:
    """One text with names of case properties in it.

    ``where`` names it in messages; ``extra``: names that are allowed beside a case's.

    Raises:
        InputError: a brace is open, or holds anything but a known name.
    """

    def __init__(self, text: str, *, where: str, extra: tuple[str, ...] = (), case: bool = True) -> None:
        names = (NAMES if case else ()) + extra
        self._parts: list[tuple[str, bool]] = []  # a literal, or a name
        for piece in _PIECE.finditer(text):
            if piece[2]:
                raise InputError(
                    f"The template of {where}, {text[:80]!r}, holds something else than names in braces.",
                    hint="Write names like {external_key}, and {{ or }} for a brace; nothing else is read.",
                )
            if piece[1] and piece[1] not in names:
                raise InputError(
                    f"The template of {where} names {piece[1]!r}, which is not known.",
                    hint=f"Use one of: {', '.join(names)}.",
                )
            literal = piece[0].replace("{{", "{").replace("}}", "}")
            self._parts.append((piece[1], True) if piece[1] else (literal, False))

    @property
    def names(self) -> frozenset[str]:
        """The names that are used."""
        return frozenset(text for text, named in self._parts if named)

    def value(self, values: Mapping[str, Scalar]) -> Scalar:
        """Return the value; a template of one name alone keeps its type, all others are text."""
        if len(self._parts) == 1 and self._parts[0][1]:
            found = values[self._parts[0][0]]
            return plain_text(found) if isinstance(found, str) else found
        return plain_text("".join(as_text(values[text]) if named else text for text, named in self._parts))

    def text(self, case: Case) -> str:
        """Return the template filled from a case, as text."""
        return as_text(self.value(_properties(case)))


@record
class _Field:
    path: tuple[str, ...]
    template: Template | None
    constant: Scalar
    max_length: int | None
    cut: bool
    decimals: int | None


class FieldMap:
    """Remote field names, ``a.b.c`` for nested ones, over constants and templates.

    A value is a text (a template), a number or a truth value (constants), or a table with ``value``
    and, where needed, ``max_length`` (characters; longer is refused), ``cut`` (true: longer is cut
    instead, for free text) and ``decimals`` (digits of a number).

    Raises:
        InputError: a name, path, limit or template that cannot be.
    """

    def __init__(self, fields: object, *, where: str) -> None:
        if not isinstance(fields, Mapping) or not 0 < len(fields) <= _MOST_FIELDS:
            raise InputError(
                f"{where} is not a table of 1 to {_MOST_FIELDS} fields.",
                hint='Write remote names over templates, such as title = "{title}".',
            )
        self._where = where
        self._fields = tuple(_field(name, value, where) for name, value in fields.items())
        _refuse_overlaps([field.path for field in self._fields], where)

    @property
    def names(self) -> frozenset[str]:
        """The names of case properties that are used."""
        return frozenset().union(*(field.template.names for field in self._fields if field.template))

    def flat(self, case: Case) -> dict[str, str]:
        """Return the fields as text, for forms; what is None is left out.

        Raises:
            Rejected: a value is longer than the map allows.
        """
        found = ((".".join(field.path), self._value(field, case)) for field in self._fields)
        return {name: as_text(value) for name, value in found if value is not None}

    def nested(self, case: Case) -> dict[str, Any]:
        """Return the fields as a tree for JSON; numbers stay numbers, None stays.

        Raises:
            Rejected: a value is longer than the map allows.
        """
        tree: dict[str, Any] = {}
        for field in self._fields:
            at = tree
            for step in field.path[:-1]:
                at = at.setdefault(step, {})
            at[field.path[-1]] = self._value(field, case)
        return tree

    def _value(self, field: _Field, case: Case) -> Scalar:
        value = field.constant
        if field.template is not None:
            properties = _properties(case)
            if field.decimals is not None:
                properties = {name: _rounded(found, field.decimals) for name, found in properties.items()}
            value = field.template.value(properties)
        most = field.max_length or _LONGEST
        if value is None or len(text := as_text(value)) <= most:
            return value
        if field.cut:
            return text[: most - 1] + "…"
        raise Rejected(
            f"{self._where}: {'.'.join(field.path)} is {len(text)} characters long, {most} are allowed.",
            hint="Shorten what the case says, map another name, or write cut = true for a free text.",
        )


def plain_text(text: str) -> str:
    """Return text that every carrier takes: no control characters but line ends and tabs, no half pairs."""
    return "".join(char for char in text if char in "\n\t" or unicodedata.category(char) not in ("Cc", "Cs"))


def as_text(value: Scalar) -> str:
    """Return a value as text: numbers without exponent, truth as true or false, None as nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f")
    return str(value)


def holds_key(value: object, external_key: str) -> bool:
    """Tell whether a field of a peer is this key or a text with its mark; a longer key is neither."""
    mark = MARK.format(external_key=external_key)
    return isinstance(value, str | int) and (str(value).strip() == external_key or mark in str(value))


def held_key(value: object) -> str | None:
    """Return the external key that a peer's field holds: the one in its mark, else the whole of it."""
    text = str(value).strip() if isinstance(value, str | int) else ""
    found = _MARKED.search(text)
    return found[1] if found else text or None


def at_path(data: object, path: str, missing: Any = None) -> Any:
    """Return what lies at ``a.b.0.c`` of plain data, ``missing`` where there is nothing."""
    for step in path.split(".") if path else ():
        if isinstance(data, Mapping) and step in data:
            data = data[step]
        elif isinstance(data, list) and step.isascii() and step.isdigit() and int(step) < len(data):
            data = data[int(step)]
        else:
            return missing
    return data


def _field(name: object, value: object, where: str) -> _Field:
    path = tuple(name.split(".")) if isinstance(name, str) else ()
    steps_ok = all(step and len(step) <= 64 and not step.startswith("__") for step in path)
    if not steps_ok or not 0 < len(path) <= _DEEPEST or plain_text(str(name)).split() != [name]:
        raise InputError(
            f"{where}: {str(name)[:80]!r} cannot be the name of a field.",
            hint="Give names without spaces, a dot between the steps of a nested one.",
        )
    table = value if isinstance(value, Mapping) else {"value": value}
    inner = table.get("value")
    if unknown := set(table) - {"value", "max_length", "cut", "decimals"}:
        raise InputError(
            f"{where}: {name} has unknown keys {', '.join(sorted(map(str, unknown)))}.",
            hint="A field has value, max_length, cut and decimals.",
        )
    if not isinstance(inner, str | int | float | bool) or (
        isinstance(inner, float) and not math.isfinite(inner)
    ):
        raise InputError(
            f"{where}: the value of {name} is neither text, a number nor a truth value.",
            hint="Give a template such as {address}, or a constant.",
        )
    most = _whole(table.get("max_length"), 1, _LONGEST, f"{where}: max_length of {name}")
    cut = table.get("cut", False)
    if not isinstance(cut, bool) or (cut and most is None):
        raise InputError(f"{where}: cut of {name} is not usable.", hint="Give cut = true with a max_length.")
    return _Field(
        path=path,
        template=Template(inner, where=f"{where}, {name}") if isinstance(inner, str) else None,
        constant=None if isinstance(inner, str) else inner,
        max_length=most,
        cut=cut,
        decimals=_whole(table.get("decimals"), 0, 10, f"{where}: decimals of {name}"),
    )


def _whole(value: object, low: int, high: int, where: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InputError(
            f"{where} is not a usable number.", hint=f"Give a whole number from {low} to {high}."
        )
    return value


def _properties(case: Case) -> dict[str, Any]:
    return {name: _unmarked(found) for name, found in case_properties(case).items()}


def _unmarked(value: Any) -> Any:
    # A mark in an address would make this case pass for another one.
    return value.replace("[aerial:", "(aerial:") if isinstance(value, str) else value


def _rounded(value: Any, decimals: int) -> Any:
    if isinstance(value, bool) or not isinstance(value, float):
        return value
    return round(value, decimals) if decimals else round(value)


def _refuse_overlaps(paths: list[tuple[str, ...]], where: str) -> None:
    taken = set(paths)
    for path in paths:
        for length in range(1, len(path)):
            if path[:length] in taken:
                raise InputError(
                    f"{where}: {'.'.join(path[:length])} is a value and a table of others at once.",
                    hint="Rename one of the two fields.",
                )
