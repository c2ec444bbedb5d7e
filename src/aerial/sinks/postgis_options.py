"""What the configuration of a sink of the kind ``postgis`` may say, and what its columns then hold."""

import json
from collections.abc import Mapping
from dataclasses import field, fields
from typing import Any

from aerial.codec import from_plain
from aerial.errors import InputError
from aerial.features import case_feature, case_properties
from aerial.records import Case, Result, SinkConfig, Stage
from aerial.records.record import record
from aerial.sinks.fieldmap import NAMES, plain_text

# What a table that is made here has beside its key, its stage and its geometries.
MADE = {
    "title": "text",
    "kind": "text",
    "kind_zh": "text",
    "matter_code": "text",
    "matter_name": "text",
    "authority_code": "text",
    "authority_name": "text",
    "address": "text",
    "unit_grid": "text",
    "community": "text",
    "cell": "text",
    "error_m": "double precision",
    "area_m2": "double precision",
    "height_change_m": "double precision",
    "score": "double precision",
    "before_on": "date",
    "after_on": "date",
    "found_at": "timestamptz",
    "deadline": "timestamptz",
    "secrecy": "text",
    "previous": "text",
    "feature": "jsonb",
}
WHOLE = "feature"  # the whole case as GeoJSON


@record
class ResultTable:
    """Where officers' results lie: a table and its columns; a column that is None is not there."""

    table: str
    id: str = "id"
    external_key: str = "external_key"
    at: str = "at"
    stage: str | None = "stage"
    result: str | None = "result"
    by: str | None = "by"
    note: str | None = "note"


@record
class PostgisOptions:
    """The options of a sink of the kind ``postgis``.

    ``table`` and the others may be ``SCHEMA.TABLE``. ``create``: make the tables that are not there.
    ``columns``: column of the table to property of a case (docs/formats.md), or ``feature`` for all of it
    as GeoJSON; None: the columns of a table that is made here. ``outline``: column of the polygon, empty:
    there is none. ``files``: table (external_key, name, sha256, content) that takes the files.
    ``first_stage`` is written with a new row. ``stages``, ``site_results``: the table's words to ours.
    """

    table: str = "cases"
    create: bool = False
    key: str = "external_key"
    stage: str | None = "stage"
    first_stage: str = "report"
    point: str = "geom"
    outline: str = "outline"
    columns: dict[str, str] | None = None
    files: str | None = None
    results: ResultTable | None = None
    stages: dict[str, Stage] = field(default_factory=dict)
    site_results: dict[str, Result] = field(default_factory=dict)


def read_options(config: SinkConfig) -> PostgisOptions:
    """Return the options of a destination.

    Raises:
        InputError: a key is unknown, or a column is to hold what a case has not.
    """
    where = f"[[sinks]] {config.name}"
    options = from_plain(PostgisOptions, config.options, source=where)
    for column, name in (options.columns or {}).items():
        if name not in (*NAMES, "evidence", WHOLE):
            raise InputError(
                f"{where}: the column {column} is to hold {name!r}, which a case has not.",
                hint=f"Use one of: {', '.join(NAMES)}, evidence, {WHOLE}.",
            )
    told = options.results
    named = [options.table, options.key, options.point, *(options.columns or {})]
    named += [getattr(told, each.name) or "x" for each in fields(told)] if told else []
    for name in (*named, options.stage or "x", options.outline or "x", options.files or "x"):
        if not name or set(name) & {"%", "\0"}:
            raise InputError(f"{where}: {name!r} cannot name a table or column.", hint="Give its name.")
    return options


def geometries(options: PostgisOptions) -> dict[str, tuple[str, ...]]:
    """Return the geometry columns and the kinds of PostGIS that each may be of."""
    found: dict[str, tuple[str, ...]] = {options.point: ("POINT", "GEOMETRY")}
    return found | ({options.outline: ("POLYGON", "GEOMETRY")} if options.outline else {})


def row_values(case: Case, columns: Mapping[str, str]) -> dict[str, object]:
    """Return column to value; lists and the whole case are JSON texts."""
    known = case_properties(case) | {WHOLE: case_feature(case)}
    values = {column: _storable(known[name]) for column, name in columns.items()}
    return {
        column: json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
        for column, value in values.items()
    }


def _storable(value: Any) -> Any:
    """Return a value without what PostgreSQL has no place for in a text: NUL and half characters."""
    if isinstance(value, dict):
        return {key: _storable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_storable(inner) for inner in value]
    return plain_text(value) if isinstance(value, str) else value
