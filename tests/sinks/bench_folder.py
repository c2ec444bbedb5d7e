"""The benches of ``folder``: folders and zips."""

import csv
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.sinks.registry import Bench, bench

from aerial.records import SinkConfig, SiteResult
from aerial.sinks.folder import FolderSink, case_name


def members(path: Path) -> dict[str, bytes]:
    """What a dropped case holds, read without the sink."""
    if path.is_dir():
        return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _drop(root: Path, form: str) -> Iterator[Bench]:
    root.mkdir(parents=True)
    (root / "results").mkdir()
    ending = ".zip" if form == "zip" else ""

    def there(key: str) -> list[Path]:
        found = [path for path in root.glob("*/*") if path.parent.name in ("cases", "taken")]
        assert not [path for path in found if path.name.startswith(".")]
        return [path for path in found if json.loads(members(path)["case.geojson"])["id"] == key]

    def properties(key: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(members(there(key)[0])["case.geojson"])["properties"]
        return found

    def double(key: str) -> None:
        path = root / "cases" / f"{case_name(key)}{ending}"
        (root / "taken").mkdir()
        (shutil.copy if ending else shutil.copytree)(path, root / "taken" / path.name)

    def report(acts: list[SiteResult]) -> None:
        for act in acts:
            with (root / "results" / f"{act.id}.csv").open("w", newline="", encoding="gb18030") as file:
                table = csv.writer(file)
                table.writerow(["external_key", "at", "stage", "note"])
                table.writerow([act.external_key, act.at.isoformat(), "结案", act.note])

    yield Bench(
        sink=FolderSink(SinkConfig(name="drop", kind="folder", url=str(root), options={"form": form}), None),
        held=lambda key: len(there(key)),
        text=lambda key: "\n".join(str(value) for value in properties(key).values()),
        double=double,
        report=report,
        pictures=lambda key: sum(name.startswith("files/") for name in members(there(key)[0])),
    )


@bench("folder")
def _folder(root: Path) -> Iterator[Bench]:
    yield from _drop(root, "folder")


@bench("folder", "zip")
def _zip(root: Path) -> Iterator[Bench]:
    yield from _drop(root, "zip")
