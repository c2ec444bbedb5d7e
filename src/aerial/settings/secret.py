"""Keys and passwords: by name in ``aerial.toml``, themselves only in the environment or in a 0600 file."""

import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from aerial.errors import InputError
from aerial.records import NotifierConfig, SinkConfig

# Of an environment variable; or of a file beside aerial.toml.
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_FILE = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}\.(?:secret|key)")
# Names of what holds a secret; a token alone may be the path to one in a peer's answer.
_HIDDEN = re.compile(
    r"(?:^|[_-])(?:password|passwd|pwd|secret|(?:access|auth)[_-]?token|api[_-]?key|authorization|cookie)$",
    re.IGNORECASE,
)
_IN_QUERY = re.compile(r"^(?:key|token|sign|signature|sig)$", re.IGNORECASE)
# Tables that map a peer's own names to the properties of a case.
_MAPS = ("fields", "columns")
_MAX_BYTES = 65_536
_PLACEHOLDER = "{secret}"
_HOW = (
    'Write secret = "CASES_KEY", and put the key itself into the environment variable of that name, or into '
    'a file such as cases.key of mode 0600 beside aerial.toml, as secret = "cases.key".'
)


def secret_of(
    config: SinkConfig | NotifierConfig, town_root: Path, environment: Mapping[str, str]
) -> str | None:
    """Return the key or password that ``config`` names; None: it names none.

    The environment variable of that name counts first, then the file of that name in ``town_root``.

    Raises:
        InputError: neither is there, it is empty, the name is none, or others may read the file. No
            message holds the secret.
    """
    if config.secret is None:
        return None
    require_name(config.secret, config.name)
    found = environment.get(config.secret)
    if found is None and _FILE.fullmatch(config.secret):
        found = _from_file(town_root / config.secret, config.name)
    if found is None or not found.strip():
        raise InputError(
            f"The secret of {config.name}, {config.secret}, is nowhere, or empty.",
            hint=f"Set the environment variable {config.secret}."
            if _VARIABLE.fullmatch(config.secret)
            else f"Put it into {config.secret} beside aerial.toml, of mode 0600.",
        )
    return found.strip()


def require_name(secret: str, owner: str) -> None:
    """Refuse what is no name of a secret, and so may be one; the message does not repeat it."""
    is_variable = _VARIABLE.fullmatch(secret) is not None
    # Keys in capitals and digits, without a word break, are not what anybody calls a variable.
    if is_variable and len(secret) >= 12 and "_" not in secret and any(letter.isdigit() for letter in secret):
        is_variable = False
    if not is_variable and _FILE.fullmatch(secret) is None:
        raise InputError(
            f"The secret of {owner} is not a name; perhaps it is the key itself.",
            hint=f"{_HOW} If a key was in the file, let its owner replace it.",
        )


def refuse_secrets(values: Mapping[str, Any], source: str) -> None:
    """Refuse a settings file (as plain values) that holds a key or password; no message repeats one.

    Raises:
        InputError: with the name of the place.
    """
    for where, key, value in _texts(values, ""):
        holder = where.split(".")[0] or "the file"
        if key == "secret":
            if not isinstance(value, str):
                raise InputError(f"{source}: the secret of {holder} is not a name.", hint=_HOW)
            require_name(value, holder)
        elif isinstance(value, str) and _PLACEHOLDER not in value:
            named = _HIDDEN.search(key) and where.split(".")[-1] not in _MAPS
            if not (named or _has_secret(value)):
                continue
            raise InputError(f"{source}: {key} of {holder} holds a key or password.", hint=_HOW)


def _texts(value: Any, where: str) -> Iterator[tuple[str, str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(inner, Mapping | list):
                yield from _texts(inner, f"{where}.{key}" if where else str(key))
            else:
                yield where, str(key), inner
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, Mapping | list):
                yield from _texts(inner, where)
            else:
                yield where, "", inner


def _has_secret(text: str) -> bool:
    if "://" not in text:
        return False
    try:
        parts = urlsplit(text)
        if parts.password is not None:
            return True
        pairs = parse_qsl(parts.query)
    except ValueError:
        return False
    return any(value and (_HIDDEN.search(name) or _IN_QUERY.match(name)) for name, value in pairs)


def _from_file(path: Path, owner: str) -> str | None:
    try:
        with path.open("rb") as file:
            # Of the file that is open, not of one that took its place.
            mode = os.fstat(file.fileno()).st_mode
            # Windows keeps who may read elsewhere, and shows every file as open to all.
            if sys.platform != "win32" and mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise InputError(
                    f"Others may read {path.name}, which holds the secret of {owner}.",
                    hint=f"Run: chmod 600 {path.name}. If others had access, let the key be replaced.",
                )
            data = file.read(_MAX_BYTES)
        return data.decode("utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        # The cause is left out: it could hold some of the bytes.
        raise InputError(
            f"{path.name}, which holds the secret of {owner}, cannot be read as text.",
            hint="Write the key alone into it, as UTF-8, readable by you.",
        ) from None
