"""Code tables of matters: what a case is about, in the digits of a national standard.

A table is a TOML file; those that ship lie in ``casetables/``, and a town may have one of its own in the
same form. The same digits mean one thing as an event (事项) and another as a component (部件), so a matter is
known by its kind and its digits together.
"""

import tomllib
from pathlib import Path
from typing import Any, Literal

from aerial.codec import from_plain
from aerial.errors import InputError
from aerial.records.record import record

MatterKind = Literal["event", "component"]

# GB 32100-2015: the characters of a 统一社会信用代码 in the order of their values, without I, O, S, V and Z.
_CREDIT = "0123456789ABCDEFGHJKLMNPQRTUWXY"


@record
class TableMatter:
    """One line of a table: ``code`` is class and small class; ``mark`` says how well it is known.

    Marks: "S" the standard's own text, "V" a public page, "C" a transcription, "G" not looked up.
    """

    kind: MatterKind
    code: str
    name: str
    mark: Literal["S", "V", "C", "G"]


@record
class Extension:
    """Small classes that a town may add: numbers ``first`` to ``last``; their names end in ``ending``."""

    first: int
    last: int
    ending: str


@record
class CodeTable:
    """The matters of one standard.

    A code is ``division_digits`` of the 行政区划, ``class_digits`` of the 大类 and ``small_digits`` of the
    小类, in this order. ``code_lengths`` are the lengths of a whole code that are in use, the usual one
    first; what is longer than the three parts is a running number. ``suspected``: the event that a
    suspected new illegal building is filed as. ``name`` is the file's.
    """

    name: str
    title: str
    division_digits: int
    class_digits: int
    small_digits: int
    code_lengths: tuple[int, ...]
    suspected: str
    classes: dict[MatterKind, dict[str, str]]
    matters: tuple[TableMatter, ...]
    extension: Extension | None = None


def read_code_table(path: Path) -> CodeTable:
    """Return the table in the TOML file ``path``; its name is the file's.

    Raises:
        InputError: the file is not there, is no table, or contradicts itself.
    """
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise InputError(
            f"{path} is not a code table: {exc}", hint="Give the TOML file of a table, as casetables/ holds."
        ) from exc
    if "name" in values:
        raise InputError(f"{path} holds the key name.", hint="Remove it; the file's name is the table's.")
    table = from_plain(CodeTable, {**values, "name": path.stem}, source=str(path))
    problems = _problems(table)
    if problems:
        raise InputError(
            f"{path}: {'; '.join(problems)}.",
            hint="Correct the table; the files in casetables/ show the form.",
        )
    return table


def matter_of(table: CodeTable, kind: MatterKind, code: str) -> TableMatter:
    """Return the matter with the digits ``code`` (class and small class) of a kind.

    Raises:
        InputError: the table has none; the hint lists those of the kind.
    """
    for matter in table.matters:
        if (matter.kind, matter.code) == (kind, code):
            return matter
    listed = ", ".join(f"{matter.code} {matter.name}" for matter in table.matters if matter.kind == kind)
    raise InputError(
        f"The code table {table.name} has no {kind} {code!r}.",
        hint=f"Use one of: {listed or 'none of this kind'}; or a table of your own that lists it.",
    )


def running_digits(table: CodeTable, length: int | None) -> int:
    """Return how many digits of a running number a code of ``length`` ends in (None: the usual length).

    Raises:
        InputError: codes of the table have no such length.
    """
    if length is not None and length not in table.code_lengths:
        raise InputError(
            f"Codes of {table.name} do not have {length} characters.",
            hint=f"Set code_length to one of: {', '.join(str(known) for known in table.code_lengths)}.",
        )
    parts = table.division_digits + table.class_digits + table.small_digits
    return (length or table.code_lengths[0]) - parts


def whole_code(
    table: CodeTable, division: str, matter: TableMatter, *, length: int | None, number: int | None
) -> str:
    """Return the SXDM: division, class, small class and, where ``length`` has room for it, ``number``.

    Raises:
        InputError: the division has other digits than the table's, the running number is not given
            or does not fit, or the length is none of the table's.
    """
    if len(division) != table.division_digits or not _digits(division):
        raise InputError(
            f"The division {division!r} does not have {table.division_digits} digits.",
            hint="Give the 行政区划 code, such as 441900.",
        )
    room = running_digits(table, length)
    if room == 0:
        return division + matter.code
    if number is None or not 0 <= number < 10**room:
        raise InputError(
            f"A code of {length} characters ends in a running number of {room} digits, and this case has "
            + ("none." if number is None else f"{number}."),
            hint=f"Give the case a running number, or set code_length to {table.code_lengths[0]}.",
        )
    return f"{division}{matter.code}{number:0{room}d}"


def credit_code_problem(code: str) -> str | None:
    """Return why ``code`` is not a 统一社会信用代码 (GB 32100, 18 characters with a check), or None."""
    if len(code) != 18:
        return f"has {len(code)} characters where it needs 18"
    strange = [letter for letter in code if letter not in _CREDIT]
    if strange:
        return f"holds {strange[0]!r}; only digits and capital letters but I, O, S, V and Z are in use"
    total = sum(_CREDIT.index(letter) * pow(3, place, 31) for place, letter in enumerate(code[:17]))
    wanted = _CREDIT[-total % 31]
    # The right character is not told: whoever mistyped another one would make it fit.
    return None if code[17] == wanted else "is mistyped somewhere: its check character does not fit"


def _problems(table: CodeTable) -> list[str]:
    problems = []
    whole = table.class_digits + table.small_digits
    least = table.division_digits + whole
    if min(table.division_digits, table.class_digits, table.small_digits) < 1:
        problems.append("every part of a code has a digit at least")
    if not table.code_lengths or min(table.code_lengths) < least:
        problems.append(f"code_lengths holds lengths from {least} up")
    seen: set[tuple[str, str]] = set()
    for kind, classes in table.classes.items():
        problems += [
            f"the {kind} class {code!r} does not have {table.class_digits} digits"
            for code in classes
            if len(code) != table.class_digits or not _digits(code)
        ]
    for matter in table.matters:
        what = f"{matter.kind} {matter.code!r}"
        if (matter.kind, matter.code) in seen:
            problems.append(f"{what} is listed twice")
        seen.add((matter.kind, matter.code))
        if len(matter.code) != whole or not _digits(matter.code):
            problems.append(f"{what} does not have {whole} digits")
        elif matter.code[: table.class_digits] not in table.classes.get(matter.kind, {}):
            problems.append(f"{what} is of a class that the table does not name")
        else:
            problems += _of_extension(table, matter, what)
        if not matter.name.strip():
            problems.append(f"{what} has no name")
    if ("event", table.suspected) not in seen:
        problems.append(f"suspected = {table.suspected!r} is not an event of the table")
    return problems


def _of_extension(table: CodeTable, matter: TableMatter, what: str) -> list[str]:
    if table.extension is None:
        return []
    small = int(matter.code[table.class_digits :])
    own = table.extension.first <= small <= table.extension.last
    if own != matter.name.endswith(table.extension.ending):
        numbers = f"{table.extension.first:03d}-{table.extension.last}"
        if own:
            return [f"{what} is of the extension {numbers}, so its name ends in {table.extension.ending}"]
        return [f"{what} is called {matter.name}, but only {numbers} may be added by a town"]
    return []


def _digits(text: str) -> bool:
    return text.isascii() and text.isdecimal()
