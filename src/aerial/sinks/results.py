"""On-site results in files: JSON lists and CSV tables that a person or a system dropped into a folder."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

from aerial.records import Result, SiteResult, Stage
from aerial.sinks.readback import moment
from aerial.sinks.sink import Rejected

RESULTS_ZH = {
    "属实": "confirmed",
    "不属实": "unfounded",
    "已批": "permitted",
    "已拆": "demolished",
    "复建": "rebuilt",
    "无法进入": "no_access",
}
STAGES_ZH = {
    "上报": "report",
    "受理": "accept",
    "核实": "verify",
    "立案": "file",
    "派遣": "dispatch",
    "处置": "dispose",
    "核查": "check",
    "结案": "close",
    "作废": "cancel",
    "返工": "rework",
    "延期": "postpone",
    "挂账": "hang",
}
COLUMNS = ("id", "external_key", "at", "stage", "result", "by", "note")
_MOST_BYTES = 16 * 2**20


def read_results(
    name: str, folder: Path, cursor: str | None, utc_offset_h: float | None
) -> tuple[Sequence[SiteResult], str | None]:
    """Return what the files of ``folder`` say that ``cursor`` does not name yet, and the next cursor.

    A file counts by its content: changed, it is read again. An entry without ``id`` is named by its
    content, so that the same line in two files is one act.

    Raises:
        Rejected: nothing new can be read, and a file is broken; it names the file and the line.
    """
    done = set(cursor.split(",")) if cursor else set()
    found: list[SiteResult] = []
    ids: set[str] = set()
    broken: Rejected | None = None
    new = False
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix.lower() not in (".json", ".csv") or path.name.startswith(".") or path.is_symlink():
            continue
        if path.stat().st_size > _MOST_BYTES:
            broken = broken or _bad(name, path, f"is larger than {_MOST_BYTES // 2**20} MB")
            continue
        content = path.read_bytes()
        digest = sha256(content).hexdigest()[:16]
        if digest in done:
            continue
        try:
            rows = _json_rows(content) if path.suffix.lower() == ".json" else _csv_rows(content)
            results = [_result(row, where, utc_offset_h) for where, row in rows]
        except ValueError as exc:
            broken = broken or _bad(name, path, str(exc))
            continue
        done.add(digest)
        new = True
        for result in results:
            if result.id not in ids:
                ids.add(result.id)
                found.append(result)
    if broken is not None and not new:
        raise broken
    return found, ",".join(sorted(done)) if done else cursor


def _bad(name: str, path: Path, why: str) -> Rejected:
    return Rejected(
        f"{name}: results/{path.name}: {why}.",
        hint=f"Correct the file; its columns are {', '.join(COLUMNS)}, times with a UTC offset.",
    )


def _json_rows(content: bytes) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        data = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise ValueError("it is not whole JSON in UTF-8") from None
    rows = data if isinstance(data, list) else [data]
    for number, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            raise ValueError(f"entry {number} is not an object")  # noqa: TRY004 - read as data, not called
    return [(f"entry {number}", row) for number, row in enumerate(rows, 1)]


def _csv_rows(content: bytes) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = content.decode("gb18030")  # what Excel writes in China
        except UnicodeDecodeError:
            raise ValueError("it is neither UTF-8 nor GB 18030") from None
    if not text.endswith(("\n", "\r")):
        raise ValueError("its last line has no end: it may not be whole yet")
    try:
        table = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        return [
            (f"line {table.line_num}", row)
            for row in table
            if any(value for value in row.values())  # Excel leaves empty lines
        ]
    except csv.Error as exc:
        raise ValueError(f"it is not CSV ({exc})") from None


def _result(row: Mapping[str, Any], where: str, utc_offset_h: float | None) -> SiteResult:
    if odd := sorted(str(key) for key in row if key not in COLUMNS):
        raise ValueError(f"{where} has unknown columns: {', '.join(odd)[:100]}")
    texts = {name: "" if row.get(name) is None else str(row[name]).strip() for name in COLUMNS}
    if not texts["external_key"] or not texts["at"]:
        raise ValueError(f"{where} lacks external_key or at")
    try:
        at = moment(texts["at"], utc_offset_h)
    except (ValueError, OverflowError, OSError) as exc:
        raise ValueError(f"{where}: {exc}") from None
    stage = _word(texts["stage"], STAGES_ZH, get_args(Stage), f"{where}: stage")
    result = _word(texts["result"], RESULTS_ZH, get_args(Result), f"{where}: result")
    if stage is None and result is None and not texts["note"]:
        raise ValueError(f"{where} says nothing: no stage, no result, no note")
    content = json.dumps([texts[name] for name in COLUMNS[1:]], ensure_ascii=False)
    return SiteResult(
        id=texts["id"] or sha256(content.encode("utf-8", "replace")).hexdigest()[:32],
        external_key=texts["external_key"],
        at=at,
        stage=stage,
        result=result,
        by=texts["by"] or None,
        note=texts["note"],
    )


def _word(text: str, chinese: Mapping[str, str], known: Sequence[str], where: str) -> Any:
    if not text:
        return None
    word = chinese.get(text, text)
    if word not in known:
        raise ValueError(f"{where} {text[:40]!r} is not one of {', '.join((*known, *chinese))}")
    return word
