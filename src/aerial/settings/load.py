"""Read ``aerial.toml``, the environment and flags.

A misspelt setting must not be a silent default: unknown keys of the file are refused, and so are
variables that are nearly a setting's.
"""

import dataclasses
import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aerial.codec import from_plain
from aerial.errors import InputError, WorkspaceError
from aerial.geo import is_metric
from aerial.settings.check import check_cases, check_notifiers, check_retention, check_sinks
from aerial.settings.secret import refuse_secrets
from aerial.settings.town import SCHEMA, Settings

_PREFIX = "AERIAL_"
_TABLES = ("cases", "sinks", "notifiers", "retention")


def load_settings(
    path: Path, *, environment: Mapping[str, str], flags: Mapping[str, object] | None = None
) -> Settings:
    """Return the settings of the town whose ``aerial.toml`` is ``path``.

    ``flags`` that are None were not given. ``environment`` holds ``AERIAL_GSD_M`` and the like, for
    everything but the tables; several nodes are separated by spaces.

    Raises:
        InputError: a key is unknown, a value is of the wrong type or impossible, or the file holds a
            secret.
        WorkspaceError: the folder is of a newer schema.
    """
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise InputError(f"{path} is not TOML: {exc}", hint="Correct the named line.") from exc
    if isinstance(values.get("schema"), int) and values["schema"] > SCHEMA:
        raise WorkspaceError(
            f"{path} is of schema {values['schema']}; this aerial knows {SCHEMA}.", hint="Update aerial."
        )
    # Before anything else, whose messages might repeat a value.
    refuse_secrets(values, str(path))
    values |= _from_environment(environment)
    values |= {key: value for key, value in (flags or {}).items() if value is not None}
    settings = from_plain(Settings, values, source=str(path))
    if settings.gsd_m is not None and not 0.005 <= settings.gsd_m <= 5:
        raise InputError(
            f"gsd_m = {settings.gsd_m} is not the pixel size of a drone survey.",
            hint="Give metres between 0.005 and 5.",
        )
    if settings.crs is not None and not is_metric(settings.crs):
        raise InputError(
            f"crs = {settings.crs!r} does not count in true metres.",
            hint="Give the local projected CRS, such as EPSG:4547; never degrees or EPSG:3857.",
        )
    check_cases(settings.cases)
    check_sinks(settings.sinks)
    check_notifiers(settings.notifiers)
    check_retention(settings.retention)
    return settings


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    simple = [field.name for field in dataclasses.fields(Settings) if field.name not in _TABLES]
    found: dict[str, Any] = {}
    for variable, text in environment.items():
        if not variable.startswith(_PREFIX):
            continue
        name = variable.removeprefix(_PREFIX).lower()
        if name in _TABLES:
            raise InputError(
                f"{variable} cannot be set by the environment: {name} is a table.",
                hint=f"Unset it, and write {name} into aerial.toml.",
            )
        if name not in simple:
            # Other programs may own the prefix; a near miss is a misspelling.
            meant = difflib.get_close_matches(name, simple, n=1)
            if meant:
                raise InputError(
                    f"The environment variable {variable} is not a setting of aerial.",
                    hint=f"Unset it, or write {_PREFIX}{meant[0].upper()}.",
                )
            continue
        try:
            found[name] = _parsed(name, text)
        except ValueError as exc:
            raise InputError(f"{variable}={text!r} is not a number.", hint="Give a number.") from exc
    return found


def _parsed(name: str, text: str) -> object:
    if name in ("schema", "baseline_days"):
        return int(text)
    if name in ("gsd_m", "height_agl_m", "photo_gsd_m", "overlap_front", "overlap_side"):
        return float(text)
    return text.split() if name == "nodes" else text
