"""Shapefile and GeoPackage, read by GDAL; the only user of pyogrio.

The first bytes are checked before GDAL sees a file, so that it opens it as what its name says.
"""

import codecs
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError
from shapely import from_wkb
from shapely.errors import GEOSException
from shapely.geometry.base import BaseGeometry

from aerial.areas.models import NUMBERS, Item, Source
from aerial.errors import CrsError, InputError
from aerial.geo import says_where

Want = Literal["polygon", "line"]
_FAILURES = (DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError, ValueError, OSError)
_SUFFIXES = {"polygon": ("Polygon", "Surface"), "line": ("LineString", "Curve")}
_GBK = "gb18030"
# dBASE names at most ten characters.
_FULL_NAMES = {name[:10]: name for name in NUMBERS}
# The language driver byte of a .dbf. 0x57, "what this computer uses", declares nothing.
_LANGUAGES = {0x4D: _GBK, 0x7A: _GBK, 0x4F: "cp950", 0x03: "cp1252"}


def read_shapefile(path: Path, name: Path) -> Source:
    """Return the features of a Shapefile; ``name`` is what to call it in messages.

    Texts are in the encoding of the .cpg or of the .dbf's own mark. Without either they are UTF-8 where
    all of them are valid UTF-8, which GBK text is not by chance, else GBK.

    Raises:
        InputError: the Shapefile is broken or its texts are in no such encoding.
        CrsError: it has no .prj.
    """
    _require_bytes(path, name, b"\x00\x00\x27\x0a", "a Shapefile")
    if not path.with_suffix(".shx").is_file() and not path.with_suffix(".SHX").is_file():
        raise InputError(f"{name} comes without its .shx.", hint="Keep .shp, .shx, .dbf and .prj together.")
    meta, columns, geometries = _read(path, name, None, encoding="ISO-8859-1")
    _require_all(path, name, len(geometries))
    decode = _decoder(path, name, meta["fields"], columns)
    fields = [_FULL_NAMES.get(field, field) for field in map(decode, meta["fields"])]
    columns = [[decode(v) if isinstance(v, str) else v for v in column] for column in columns]
    return _source(meta["crs"], fields, columns, geometries, name, "the .prj file is not there")


def read_geopackage(path: Path, want: Want) -> Source:
    """Return the features of the one layer of a GeoPackage that can hold what is wanted.

    Raises:
        InputError: the file is broken, or no layer or several hold such geometries.
        CrsError: the layer's reference system is undefined.
    """
    _require_bytes(path, path, b"SQLite format 3\x00", "a GeoPackage")
    try:
        layers = [(str(layer), str(kind)) for layer, kind in pyogrio.list_layers(path)]
    except _FAILURES as exc:
        raise _broken(path, exc) from exc
    # A layer of unknown geometry may hold anything.
    fitting = [a for a, kind in layers if any(s in kind for s in (*_SUFFIXES[want], "Unknown", "Collection"))]
    if len(fitting) != 1:
        several = f"{len(fitting)} layers with {want}s: {', '.join(fitting)}"
        raise InputError(
            f"{path} holds " + (f"{several}." if fitting else f"no layer with {want}s."),
            hint=f"Export the one layer that is meant into a file of its own ({want}s).",
        )
    meta, columns, geometries = _read(path, path, fitting[0])
    undefined = f"its layer {fitting[0]} has an undefined one"
    return _source(meta["crs"], list(meta["fields"]), columns, geometries, path, undefined)


def _read(
    path: Path, name: Path, layer: str | None, **options: str
) -> tuple[dict[str, Any], list[list[Any]], list[bytes | None]]:
    try:
        meta, _, wkb_N, columns = pyogrio.raw.read(path, layer=layer, force_2d=True, **options)
    except _FAILURES as exc:
        raise _broken(name, exc) from exc
    if wkb_N is None:
        raise InputError(f"{name} holds no geometries.", hint="Give a layer of polygons.")
    kinds = meta.get("ogr_types") or [""] * len(columns)
    return meta, [_plain(column, kind) for column, kind in zip(columns, kinds, strict=True)], list(wkb_N)


def _plain(column_N: Any, kind: str) -> list[Any]:
    """Return a column as JSON values; a whole number beside an absent one comes as a float."""
    if column_N.dtype.kind == "M":
        return [None if np.isnat(value) else str(value) for value in column_N]
    plain: list[Any] = []
    for value in column_N.tolist():
        if isinstance(value, float) and not np.isfinite(value):
            plain.append(None)
        elif isinstance(value, float) and kind.startswith("OFTInteger"):
            plain.append(int(value))
        elif isinstance(value, datetime | bytes):
            plain.append(value.isoformat() if isinstance(value, datetime) else None)
        else:
            plain.append(value.tolist() if isinstance(value, np.ndarray) else value)
    return plain


def _source(
    crs: str | None,
    fields: list[str],
    columns: list[list[Any]],
    geometries: list[bytes | None],
    name: Path,
    absent: str,
) -> Source:
    known = False
    if crs:
        try:
            known = says_where(crs)
        except CrsError:
            absent = "the one it declares is not known"
        else:
            absent = absent if known else "the one it declares is undefined"
    if crs is None or not known:
        raise CrsError(
            f"{name} has no coordinate reference system: {absent}.",
            hint="Ask who made it which one it is, and assign that in a GIS (in QGIS: Assign projection).",
        )
    rows = zip(*columns, strict=True) if columns else iter([()] * len(geometries))
    items = (
        Item(geometry=_geometry(wkb), properties=dict(zip(fields, row, strict=True)))
        for wkb, row in zip(geometries, rows, strict=True)
    )
    return Source(crs=crs, items=tuple(items), declared=True)


def _geometry(wkb: bytes | None) -> BaseGeometry | None:
    try:
        found: BaseGeometry | None = from_wkb(wkb)
    except GEOSException:
        return None
    return found


def _require_bytes(path: Path, name: Path, first: bytes, what: str) -> None:
    with path.open("rb") as file:
        if file.read(len(first)) != first:
            raise InputError(f"{name} is not {what}, or it is not whole.", hint="Export it again.")


def _require_all(path: Path, name: Path, read: int) -> None:
    """Refuse a .shp shorter than its header says: the last features would be missing."""
    with path.open("rb") as file:
        said = int.from_bytes(file.read(28)[24:28], "big") * 2
    index = next(p for p in (path.with_suffix(".shx"), path.with_suffix(".SHX")) if p.is_file())
    listed = (index.stat().st_size - 100) // 8
    if path.stat().st_size < said or listed != read:
        raise InputError(
            f"{name} is not whole: {path.stat().st_size} of {said} bytes, {read} of {listed} features.",
            hint="Copy or export it again.",
        )


def _broken(name: Path, exc: Exception) -> InputError:
    return InputError(f"{name} cannot be read: {exc}", hint="Copy or export it again.")


class _Decoder:
    """Texts that GDAL handed through byte by byte, as what they are."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding

    def __call__(self, text: str) -> str:
        # A field of fixed width cuts its text anywhere: half a character at the end is dropped.
        decoder = codecs.getincrementaldecoder(self._encoding)("strict")
        return decoder.decode(text.encode("latin-1"), final=False)


def _decoder(path: Path, name: Path, fields: Any, columns: list[list[Any]]) -> _Decoder:
    texts = [*fields, *(value for column in columns for value in column if isinstance(value, str))]
    declared = _declared_encoding(path)
    for encoding in [declared] if declared else ["utf-8", _GBK]:
        decoder = _Decoder(encoding)
        if _decodes(decoder, texts):
            return decoder
    raise InputError(
        f"The texts of {name} are not in {'the encoding ' + declared if declared else 'UTF-8 or GBK'}.",
        hint="Put a .cpg file beside it that names the encoding, or correct the one that is there.",
    )


def _decodes(decoder: _Decoder, texts: list[str]) -> bool:
    try:
        for text in texts:
            decoder(text)
    except UnicodeDecodeError:
        return False
    return True


def _declared_encoding(path: Path) -> str | None:
    for candidate in _encoding_names(path):
        try:
            return codecs.lookup(candidate).name
        except LookupError:
            continue
    return None


def _encoding_names(path: Path) -> Iterator[str]:
    for suffix in (".cpg", ".CPG"):
        if path.with_suffix(suffix).is_file():
            said = path.with_suffix(suffix).read_text("ascii", errors="replace").strip().lower()
            number = re.search(r"\d+$", said)
            if said in ("gbk", "gb2312", "gb18030") or (number and number[0] in ("936", "54936")):
                yield _GBK
            yield "utf-8" if number and number[0] == "65001" else said
            if number:
                yield f"cp{number[0]}"
    for suffix in (".dbf", ".DBF"):
        if path.with_suffix(suffix).is_file():
            with path.with_suffix(suffix).open("rb") as file:
                head = file.read(30)
            if len(head) == 30 and head[29] in _LANGUAGES:
                yield _LANGUAGES[head[29]]
