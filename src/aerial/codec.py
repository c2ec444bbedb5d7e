"""Records to JSON and back, and files that are either whole or not there.

Unknown keys are refused: a misspelt setting must not be a silent default.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import is_dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeVar

import cattrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn
from shapely.geometry import MultiPolygon, Polygon, mapping, shape

from aerial.errors import InputError

T = TypeVar("T")

# 300 000 lines of positions; what is larger was not written by a surveyor.
_MOST_TEXT_BYTES = 32_000_000
# How many wrong lines a message names.
_NAMED = 3


def _day(value: Any, _: object) -> date:
    # TOML has dates of its own; a moment is not a day.
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    return date.fromisoformat(value)


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)

    def aware(value: str, _: object) -> datetime:
        parsed = datetime.fromisoformat(value)
        if parsed.tzinfo is None:
            raise ValueError("a time without a UTC offset")
        return parsed

    converter.register_unstructure_hook(date, lambda value: value.isoformat())
    converter.register_structure_hook(date, _day)
    converter.register_unstructure_hook(datetime, lambda value: value.isoformat())
    converter.register_structure_hook(datetime, aware)
    converter.register_unstructure_hook(Polygon, mapping)
    converter.register_structure_hook(Polygon, lambda value, _: shape(value))
    converter.register_unstructure_hook(MultiPolygon, mapping)
    converter.register_structure_hook_func(
        lambda kind: kind == Polygon | MultiPolygon, lambda value, _: shape(value)
    )

    # Numbers are checked, not converted: "3" for a length or 2.7 for a count is a mistake to name.
    def number(value: Any, _: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"expected a number, got {value!r}")
        return float(value)

    def integer(value: Any, _: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"expected a whole number, got {value!r}")
        return value

    def text(value: Any, _: object) -> str:
        if not isinstance(value, str):
            raise TypeError(f"expected text, got {value!r}")
        return value

    def truth(value: Any, _: object) -> bool:
        if not isinstance(value, bool):
            raise TypeError(f"expected true or false, got {value!r}")
        return value

    converter.register_structure_hook(float, number)
    converter.register_structure_hook(int, integer)
    converter.register_structure_hook(str, text)
    converter.register_structure_hook(bool, truth)
    converter.register_structure_hook_factory(
        is_dataclass,
        lambda cls: make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=True),
    )
    converter.register_unstructure_hook_factory(
        is_dataclass, lambda cls: make_dict_unstructure_fn(cls, converter)
    )
    return converter


_CONVERTER = _converter()


def to_plain(record: object) -> Any:
    """Return a record (or a tuple or list of them) as dicts, lists, strings and numbers."""
    return _CONVERTER.unstructure(record)


def from_plain(cls: type[T], data: object, *, source: str) -> T:
    """Build a record of type ``cls`` from plain data; ``source`` names where it came from.

    Raises:
        InputError: a key is unknown or missing, or a value is of the wrong type.
    """
    try:
        return _CONVERTER.structure(data, cls)
    except (cattrs.BaseValidationError, AttributeError, TypeError, ValueError) as exc:
        details = "; ".join(cattrs.transform_error(exc, path=cls.__name__, format_exception=_in_words))
        raise InputError(
            f"{source} is not a valid {cls.__name__}: {details}",
            hint="Correct the named keys; unknown keys are refused so that a misspelling is noticed.",
        ) from exc


def _in_words(exc: BaseException, kind: type | None) -> str:
    if isinstance(exc, KeyError):
        return f"{exc.args[0]} is missing"
    if isinstance(exc, cattrs.ForbiddenExtraKeysError):
        return f"unknown keys {', '.join(sorted(exc.extra_fields))}"
    if isinstance(exc, AttributeError):
        return "expected an object with keys"
    return str(exc) or f"expected {kind}"


def dumps(data: object) -> str:
    """Return ``data`` (records allowed) as indented JSON, Chinese kept readable, NaN refused."""
    return json.dumps(to_plain(data), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, data: object) -> None:
    """Write ``data`` (records allowed) to ``path`` as JSON; the file is whole or not there."""
    with replacing(path) as temporary:
        # Names of files may hold bytes that are no text: what JSON escapes them with is written.
        temporary.write_text(dumps(data), encoding="utf-8", errors="backslashreplace")


def read_json(path: Path) -> Any:
    """Return the JSON of ``path`` as plain data.

    Raises:
        InputError: the file is absent or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise InputError(f"{path} is not there.", hint="Check the path.") from exc
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as exc:
        raise InputError(f"{path} is not readable JSON: {exc}", hint="Restore or rewrite the file.") from exc


def read_lines(path: Path) -> list[str]:
    """Return the lines of a table that people wrote: UTF-8 or GB 18030, 32 MB at most.

    Raises:
        InputError: the file is absent, empty, larger, or not text.
    """
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= _MOST_TEXT_BYTES else b""
    except FileNotFoundError as exc:
        raise InputError(f"{path} is not there.", hint="Check the path.") from exc
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror or exc}.", hint="Check the path.") from exc
    if size > _MOST_TEXT_BYTES or b"\0" in data:
        raise InputError(f"{path} is not a text table.", hint="Save it as plain text (UTF-8).")
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            lines = data.decode(encoding).splitlines()
            break
        except UnicodeDecodeError:
            continue
    else:
        raise InputError(f"{path} is not a text table.", hint="Save it as plain text (UTF-8).")
    if not any(line.strip() for line in lines):
        raise InputError(f"{path} is empty.", hint="Give the whole file.")
    return lines


def refuse_lines(path: Path, wrong: Sequence[str], hint: str) -> None:
    """Refuse a table of which some lines are wrong; ``wrong`` says of each which, and what is.

    Raises:
        InputError: names the first of them, where there are any.
    """
    if wrong:
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise InputError(f"{path}: {'; '.join(wrong[:_NAMED])}{more}.", hint=hint)


def read_record(cls: type[T], path: Path) -> T:
    """Return the record of type ``cls`` in the JSON file ``path``; raises ``InputError``."""
    return from_plain(cls, read_json(path), source=str(path))


@contextmanager
def replacing(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it is synced and renamed over ``path``.

    With ``sync`` the folder is synced too: of two files that are written one after the other, the
    second is never there without the first, not even after a power cut.

    On an exception the temporary file is removed and ``path`` stays as it was. After a kill the
    leftover is named ``.<name>.<hex>.part`` and can be deleted at any time. ``sync=False`` is for what
    one command makes anew: it survives a kill, not a power cut.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield temporary
        if sync:
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if sync:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` outlast a power cut: renames and removals until now, in their order.

    Windows keeps the order of names by itself and opens no folder.
    """
    if os.name == "nt":
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_json(data: object) -> str:
    """Return the SHA-256 of ``data`` (records allowed) in one canonical JSON form."""
    canonical = json.dumps(to_plain(data), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
