"""Write ``aerial.toml``."""

import dataclasses
import json
from collections.abc import Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from aerial.codec import replacing
from aerial.records import CaseSettings, Retention
from aerial.settings.town import Settings

_TABLES = ("cases", "retention")
_LISTS = ("sinks", "notifiers")

# Lines that begin with # and a blank explain; of the others, the # is to be taken away. What names the town
# or the department is a text that is refused until it is replaced.
SAMPLE = {
    "cases": """\
# Cases: docs/cases.md. What a case must have and is not set here holds it back, with the reason.
#[cases]
#division = "六位行政区划代码"
# gbt47678-5 (in force since July 2026), gbt30428-2, or a TOML file of the town's own.
#table = "gbt47678-5"
# Class and small class; without it, what the table files suspected new buildings as (私搭乱建).
#matter = "06001"
#authority_code = "统一社会信用代码"
#authority_name = "主管部门名称"
# What the photographs' positions are in: wgs84 or cgcs2000 (RTK networks in China mostly give cgcs2000).
#gnss_datum = "cgcs2000"
# Polygons with the properties community and unit_grid, in any format that areas are read from.
#communities = "communities.geojson"
#unit_grids = "unit_grids.geojson"
#address = "{community}，单元网格{unit_grid}"
#deadline_work_days = 7
#holidays = "holidays.toml"
# public, internal or secret: ask who decides it. Nothing leaves while it is not set.
#secrecy = "先问保密部门"
#officers = [{ name = "张三", communities = ["锦厦社区"] }]
""",
    "sinks": """\
# A folder that somebody carries across: works always. Other kinds: docs/cases.md.
#[[sinks]]
#name = "folder"
#kind = "folder"
#url = "/media/transfer/cases"
""",
    "notifiers": """\
#[[notifiers]]
#name = "squad"
#kind = "wecom"
#secret = "WECOM_KEY"
""",
    "retention": """\
# Without budget_gb every photograph stays (a town makes about 0.3 TB a cycle).
#[retention]
#budget_gb = 4000.0
#keep_days = 180
#keep_case_days = 1825
""",
}


def write_settings(path: Path, settings: Settings) -> None:
    """Write ``aerial.toml``: what is set as values, what is not as comments to uncomment."""
    lines = ["# Settings of this town. An environment variable AERIAL_<KEY> or a flag wins over this file."]
    lines += _keys(settings, leave_out=(*_TABLES, *_LISTS))
    unset = {"cases": CaseSettings(), "retention": Retention(), "sinks": (), "notifiers": ()}
    for name in ("cases", "sinks", "notifiers", "retention"):
        value = getattr(settings, name)
        lines.append("")
        if value == unset[name]:
            lines += SAMPLE[name].splitlines()
        elif name in _TABLES:
            lines += [f"[{name}]", *_keys(value)]
        else:
            for number, one in enumerate(value):
                lines += [*([""] if number else []), f"[[{name}]]", *_keys(one)]
    with replacing(path) as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _keys(record: Any, leave_out: tuple[str, ...] = ()) -> list[str]:
    lines = []
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if field.name in leave_out:
            continue
        if value is None or value in ((), {}):
            lines.append(f"# {field.name} =")
        else:
            lines.append(f"{field.name} = {_toml(value)}")
    return lines


def _toml(value: object) -> str:
    if dataclasses.is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        # TOML has no null; a key without a value is a key that is not there.
        pairs = (f"{_text(str(key))} = {_toml(inner)}" for key, inner in value.items() if inner is not None)
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return _text(value) if isinstance(value, str) else str(value)


def _text(text: str) -> str:
    # JSON's escapes are TOML's; only DEL may stand in the one and not in the other.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
