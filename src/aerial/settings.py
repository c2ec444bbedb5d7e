"""The town's settings: flag, else environment, else ``aerial.toml``, else default.

A misspelt setting must not be a silent default: unknown keys of the file are refused, and so are
variables that are nearly a setting's.
"""

import dataclasses
import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aerial.codec import from_plain, replacing
from aerial.errors import InputError, WorkspaceError
from aerial.geo import is_metric
from aerial.records.record import record

SCHEMA = 1
_PREFIX = "AERIAL_"


@record
class Settings:
    """Everything that ``aerial.toml`` may say.

    ``schema``: the layout of the town's folder. ``crs``: the metric CRS of its mosaics. ``gsd_m``:
    pixel size of the mosaics, None: the photographs' own, at least 5 cm. ``engine`` stitches, on
    ``nodes`` where it uses them. ``baseline_days``: a survey is also compared with one at least as
    old. ``model``: name or folder of the network that compares; None: the one that ships.
    Flights: ``aircraft`` and ``camera`` (names or files), ``height_agl_m`` or the ``photo_gsd_m`` that
    the photographs shall have, overlaps as shares 0-1; ``dem``: file of the terrain, relative to the
    town's folder.
    """

    schema: int = SCHEMA
    crs: str | None = None
    gsd_m: float | None = None
    engine: str = "local"
    nodes: tuple[str, ...] = ()
    baseline_days: int = 90
    model: str | None = None
    aircraft: str | None = None
    camera: str | None = None
    height_agl_m: float | None = None
    photo_gsd_m: float | None = None
    overlap_front: float = 0.8
    overlap_side: float = 0.7
    dem: str | None = None


def load_settings(
    path: Path, *, environment: Mapping[str, str], flags: Mapping[str, object] | None = None
) -> Settings:
    """Return the settings of the town whose ``aerial.toml`` is ``path``.

    ``flags`` that are None were not given. ``environment`` holds ``AERIAL_GSD_M`` and the like;
    several nodes are separated by spaces.

    Raises:
        InputError: a key is unknown or a value is of the wrong type or impossible.
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
    return settings


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    fields = {field.name: field for field in dataclasses.fields(Settings)}
    found: dict[str, Any] = {}
    for variable, text in environment.items():
        if not variable.startswith(_PREFIX):
            continue
        name = variable.removeprefix(_PREFIX).lower()
        if name not in fields:
            # Other programs may own the prefix; a near miss is a misspelling.
            meant = difflib.get_close_matches(name, fields, n=1)
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


def write_settings(path: Path, settings: Settings) -> None:
    """Write ``aerial.toml``: what is set as values, what is not as comments to uncomment."""
    lines = ["# Settings of this town. An environment variable AERIAL_<KEY> or a flag wins over this file."]
    for field in dataclasses.fields(Settings):
        value = getattr(settings, field.name)
        if value is None or value == ():
            lines.append(f"# {field.name} =")
        else:
            lines.append(f"{field.name} = {_toml(value)}")
    with replacing(path) as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    # EPSG codes and engine names hold nothing that TOML would read differently.
    return f'"{value}"' if isinstance(value, str) else str(value)
