"""Whether a journal still holds what was written to it.

COLMAP's database asks the system for no syncing (speed), so that a power cut may leave any of its pages
old, new or empty; a structure that is whole says nothing of the numbers in it. Every row is sealed
with its hash once it is written; rows whose hash is wrong make the database one to begin anew, rows
without one are made again. Arrays end in the hash of what comes before.
"""

import hashlib
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerial.codec import replacing

# What grows row by row; of the rest, which is small, one hash is kept for the whole table.
_GROWING = {
    "keypoints": "image_id",
    "descriptors": "image_id",
    "matches": "pair_id",
    "two_view_geometries": "pair_id",
}
# COLMAP's pair_id is the lower image_id times 2^31 - 1, plus the higher one.
_FORGET_PAIRS = "DELETE FROM TABLE_ WHERE KEY / 2147483647 = ?1 OR KEY % 2147483647 = ?1"
_DIGEST_BYTES = 32
_CHUNK = 1 << 20


def seal(database: Path) -> None:
    """Seal the rows of a COLMAP database that are not yet; nobody else may have it open."""
    with closing(sqlite3.connect(database)) as opened, opened:
        opened.execute(
            "CREATE TABLE IF NOT EXISTS seals (name TEXT, id INTEGER, sha256 BLOB, UNIQUE(name, id))"
        )
        for table in _GROWING:
            rows = opened.execute(
                _of(
                    table, "SELECT KEY, * FROM TABLE_ WHERE KEY NOT IN (SELECT id FROM seals WHERE name = ?)"
                ),
                (table,),
            )
            seals = [(table, row[0], _digest([row[1:]])) for row in rows]
            opened.executemany("INSERT INTO seals VALUES (?, ?, ?)", seals)
        whole = [(table, 0, _digest(_rows(opened, table))) for table in _small(opened)]
        opened.executemany("INSERT OR REPLACE INTO seals VALUES (?, ?, ?)", whole)


def is_sound(database: Path) -> bool:
    """Tell whether a sealed database holds what was sealed; drop its rows that never were."""
    try:
        with closing(sqlite3.connect(database)) as opened, opened:
            if opened.execute("PRAGMA quick_check").fetchall() != [("ok",)]:
                return False
            known = {(name, key): digest for name, key, digest in opened.execute("SELECT * FROM seals")}
            for table in _GROWING:
                opened.execute(
                    _of(table, "DELETE FROM TABLE_ WHERE KEY NOT IN (SELECT id FROM seals WHERE name = ?)"),
                    (table,),
                )
                rows = opened.execute(_of(table, "SELECT KEY, * FROM TABLE_"))
                left = {row[0] for row in rows if known[table, row[0]] == _digest([row[1:]])}
                if left != {key for name, key in known if name == table}:
                    return False
            return all(known.get((table, 0)) == _digest(_rows(opened, table)) for table in _small(opened))
    except sqlite3.DatabaseError:
        return False


def forget(database: Path, numbers: Iterable[int]) -> None:
    """Remove the features of photographs and every match with them: they are made again."""
    with closing(sqlite3.connect(database)) as opened, opened:
        for number in numbers:
            for table, key in _GROWING.items():
                query = _FORGET_PAIRS if key == "pair_id" else "DELETE FROM TABLE_ WHERE KEY = ?1"
                opened.execute(_of(table, query), (number,))
                gone = "DELETE FROM seals WHERE name = ?1 AND id NOT IN (SELECT KEY FROM TABLE_)"
                opened.execute(_of(table, gone), (table,))


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Write an array as ``.npy`` that ``np.load`` can map, followed by the hash of it."""
    with replacing(path) as part:
        array = np.ascontiguousarray(array)
        with part.open("wb") as file:
            # Not np.save on the file itself: it writes past Python, and its error does not say "disk full".
            np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
            file.write(array.data)
        digest = _file_digest(part, part.stat().st_size)
        with part.open("ab") as file:
            file.write(digest)


def is_whole(path: Path) -> bool:
    """Tell whether a file is there as ``save_array`` wrote it."""
    try:
        length = path.stat().st_size - _DIGEST_BYTES
        if length <= 0:
            return False
        with path.open("rb") as file:
            file.seek(length)
            return file.read() == _file_digest(path, length)
    except OSError:
        return False


def _small(opened: sqlite3.Connection) -> list[str]:
    tables = opened.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [name for (name,) in tables if name not in {*_GROWING, "seals"} and not name.startswith("sqlite_")]


def _rows(opened: sqlite3.Connection, table: str) -> Iterable[tuple[Any, ...]]:
    return opened.execute(_of(table, 'SELECT * FROM "TABLE_" ORDER BY rowid'))


def _digest(rows: Iterable[tuple[Any, ...]]) -> bytes:
    digest = hashlib.sha256()
    for row in rows:
        for value in row:
            raw = value if isinstance(value, bytes) else repr(value).encode()
            digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.digest()


def _of(table: str, query: str) -> str:
    # Names of tables cannot be bound; these are our own.
    return query.replace("TABLE_", table).replace("KEY", _GROWING.get(table, ""))


def _file_digest(path: Path, length: int) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while length > 0 and (raw := file.read(min(_CHUNK, length))):
            digest.update(raw)
            length -= len(raw)
    return digest.digest()
