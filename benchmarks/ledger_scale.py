"""Claim: with 100 000 suspects, 10 000 cases: status < 1 s, report < 60 s; 20 laptops merge in < 60 s.

    python -m benchmarks.ledger_scale [--cells 501] [--suspects 100000] [--cases 10000] [--laptops 20]
        [--laptop-suspects 5000] [--laptop-cases 500] [--without report] [--work FOLDER]

On SQLite and on a private PostgreSQL. The ledgers are built by the library's own acts: suspects tracked,
verdicts, cases with two destinations, receipts for every third, results for every ninth. *Status*: all
queries of ``aerial status``, median of three. *Report*: the cases read from each ledger, and once all five
formats of one cycle with three pictures a case (``--base`` different photographs of noise and shapes, 30 to
60 kB, each file of bytes of its own). *Merge*: laptops in files, a tenth of the cells of each flown by
another laptop too: half of those suspects under the same key, half drawn a metre beside under another;
a case on both. Counted afterwards: suspects, structures and cases against what was built, and destinations
that may still be sent a case of a building that they hold or are sent another case of: none. What two laptops
had both delivered before anybody could know (every third case is delivered) is listed (``both_left``).
"""

import argparse
import io
import random
import shutil
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import sqlalchemy as sa
from PIL import Image, ImageDraw
from shapely.geometry import box

from aerial.geo import LonLat
from aerial.ledger import cases, index, outbox, schema, status, structures
from aerial.ledger.merge import merge
from aerial.ledger.store import Ledger, open_ledger
from aerial.ledger.verdicts import add_verdict
from aerial.records import Acceptance, Case, FileRef, Matter, Observation, Receipt, SiteResult, Suspect
from aerial.report.record import CaseEntry, CellMap, CycleReport
from aerial.report.write import write_reports
from aerial.suspects.track import track
from benchmarks.machine import emit, peak_mb
from benchmarks.peers import postgis

DAY = date(2026, 7, 15)
NOON = datetime(2026, 7, 15, 12, tzinfo=UTC)
SINKS = ("city", "gis")
CHIPS = ("before", "after", "change")
CELL_DEG, APART_DEG, METRE_DEG = 0.02, 0.0006, 0.00001


class Pictures:
    """JPEGs of a chip's size: some hundred different pictures, every file with bytes of its own."""

    def __init__(self, base: int) -> None:
        rng = np.random.default_rng(3)
        self._bytes = []
        for number in range(base):
            rough = rng.integers(40, 215, (72, 72, 3), dtype=np.uint8)
            image = Image.fromarray(rough).resize((512, 512), Image.Resampling.BICUBIC)
            ImageDraw.Draw(image).rectangle((120 + number % 80, 150, 330, 360), outline="red", width=3)
            packed = io.BytesIO()
            image.save(packed, "JPEG", quality=82)
            self._bytes.append(packed.getvalue())

    def sizes_kb(self) -> list[int]:
        """Return the smallest and the largest."""
        sizes = [len(one) // 1000 for one in self._bytes]
        return [min(sizes), max(sizes)]

    def of(self, name: str) -> bytes:
        """Return the file called ``name``: a picture with the name as a comment in it."""
        body = self._bytes[int(sha256(name.encode()).hexdigest()[:8], 16) % len(self._bytes)]
        comment = name.encode()
        return body[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + body[2:]


def observation(cell: int, place: int, *, drawn: int = 0, pictures: Pictures | None = None) -> Observation:
    """Return the suspect at a place of a cell; ``drawn``: 1 as another laptop drew it, a metre beside."""
    lon = 113.6 + cell % 25 * CELL_DEG + place % 20 * APART_DEG + drawn * METRE_DEG
    lat = 22.6 + cell // 25 * CELL_DEG + place // 20 * APART_DEG
    half = 0.00004 + place % 7 * 0.00001
    key = sha256(f"{cell} {place} {drawn}".encode()).hexdigest()[:32]
    chips: tuple[FileRef, ...] = ()
    if pictures is not None:
        paths = [f"chips/{key}-{name}.jpg" for name in CHIPS]
        chips = tuple(FileRef(path=p, sha256=sha256(pictures.of(p)).hexdigest()) for p in paths)
    suspect = Suspect(
        key=key,
        pair=f"{DAY - timedelta(days=14)}-1__{DAY}-1",
        kind="new",
        outline=box(lon - half, lat - half, lon + half, lat + half),
        at=LonLat(lon_deg=lon, lat_deg=lat),
        error_m=0.8,
        area_m2=round((2 * half * 105_000) ** 2, 1),
        height_change_m=3.1,
        score=0.5 + place % 50 / 100,
        model_sha256="a" * 64,
        chips=chips,
    )
    return Observation(suspect=suspect, cell=f"C{cell:03d}", before_on=DAY - timedelta(days=14), after_on=DAY)


def case_of(one: Observation, verdict: Any, number: int) -> Case:
    """Return the case of an accepted suspect."""
    return Case(
        external_key=f"{verdict.identity}-{verdict.episode}",
        suspect=one.suspect,
        cell=one.cell,
        unit_grid=f"441900{number % 1000:03d}001001",
        community=f"第{int(one.cell[1:]) // 20 + 1}社区",
        secrecy="内部",
        previous=None,
        evidence=one.suspect.chips,
        identity=verdict.identity,
        episode=verdict.episode,
        at=one.suspect.at,
        error_m=1.1,
        before_on=one.before_on,
        after_on=one.after_on,
        found_at=NOON,
        params_sha256="c" * 64,
        matter=Matter(table="gbt47678-5", code="44190006001", name="私搭乱建"),
        accepted=Acceptance(verdict=verdict.id, by=verdict.by, at=verdict.at, reason=verdict.reason),
        deadline=NOON + timedelta(days=number % 30),
        held=("The unit grid is missing.",) if number % 10 == 0 else (),
    )


def filled(ledger: Ledger, cells: dict[int, list[Observation]], cases_in_all: int) -> list[str]:
    """Fill a ledger by its own acts, a cell a transaction; return the external keys of its cases."""
    keys: list[str] = []
    wanted = -(-cases_in_all // len(cells))
    for cell, seen in cells.items():
        with ledger.begin() as tx:
            name = f"C{cell:03d}"
            index.add_pair(
                tx, name, f"{DAY - timedelta(days=14)}-1", f"{DAY}-1", suspects_sha256="1" * 64,
                params_sha256="c" * 64, model_sha256="a" * 64, compared_at=NOON,
            )  # fmt: skip
            structures.add_sightings(tx, seen, track(seen, (), ()), "c" * 64)
            for one in seen[: min(wanted, cases_in_all - len(keys))]:
                verdict = add_verdict(tx, one.suspect.key, "accept", "新增钢棚", "李明")
                case = case_of(one, verdict, len(keys))
                cases.add_case(tx, case, SINKS)
                keys.append(case.external_key)
                if len(keys) % 3 == 0 and not case.held:
                    _delivered(tx, case, len(keys))
    return keys


def _delivered(tx: Any, case: Case, number: int) -> None:
    for sink in SINKS:
        proof = Receipt(
            external_key=case.external_key, remote_id=f"R{number}", at=case.at, stage="report", read_at=NOON
        )
        outbox.confirmed(tx, outbox.get(tx, case.external_key, sink), proof, 0.01)
    if number % 9 == 0:
        result = SiteResult(
            id=f"act-{case.external_key}",
            external_key=case.external_key,
            at=NOON + timedelta(days=2),
            stage="check",
            result="confirmed",
        )
        cases.add_result(tx, "city", result)


def ask_status(ledger: Ledger) -> float:
    """Return how long all queries of ``aerial status`` take, in seconds."""
    began = time.perf_counter()
    with ledger.read() as tx:
        for ask in (
            status.stages,
            status.held,
            status.due,
            status.undelivered,
            status.dead,
            status.undecided,
        ):
            ask(tx)
        status.newest_cycle(tx, DAY)
    return time.perf_counter() - began


def read_entries(ledger: Ledger, folder: Path) -> tuple[CaseEntry, ...]:
    """Return the cases of the cycle as a report takes them."""
    with ledger.read() as tx:
        found = []
        for case in cases.list_cases(tx, cycle=DAY):
            before, after, change = (folder / chip.path for chip in case.suspect.chips)
            found.append(
                CaseEntry(
                    case=case,
                    receipts=tuple((p.sink, p.receipt) for p in outbox.receipts(tx, case.external_key)),
                    results=cases.results(tx, case.external_key),
                    before=before,
                    after=after,
                    change=change,
                )
            )
        return tuple(found)


def report_of(entries: tuple[CaseEntry, ...], cells: int) -> CycleReport:
    """Return the record of a cycle's report."""
    outlines = {}
    for cell in range(cells):
        west, south = 113.6 + cell % 25 * CELL_DEG, 22.6 + cell // 25 * CELL_DEG
        outlines[f"C{cell:03d}"] = CellMap(outline=box(west, south, west + 0.9 * CELL_DEG, south + CELL_DEG))
    return CycleReport(
        title="疑似新增违建报告",
        town="长安镇",
        generated_at=NOON,
        software="benchmark",
        cases=entries,
        starts_on=DAY,
        ends_on=DAY + timedelta(days=13),
        cells=outlines,
    )


def laptops(work: Path, args: argparse.Namespace) -> tuple[list[Path], dict[str, int]]:
    """Build the laptops' ledgers; return their files, and what must be there once they are merged."""
    each = max(10, args.cells // args.laptops * 2)
    each = min(each, 50, args.laptop_suspects)
    shared, a_cell = each // 10, args.laptop_suspects // each
    suspects: set[str] = set()
    places: set[tuple[int, int]] = set()
    made_cases, paths = 0, []
    next_cell = 0
    for number in range(args.laptops):
        partner = number % 2 == 1
        own = list(range(next_cell, next_cell + each - (shared if partner else 0)))
        # The second of two laptops flew the first cells of the one before it, too.
        both = list(range(next_cell - each, next_cell - each + shared)) if partner else []
        next_cell += len(own)
        cells = {
            cell: [
                observation(cell, place, drawn=int(cell in both and place % 2 == 1))
                for place in range(a_cell)
            ]
            for cell in (*both, *own)
        }
        path = work / f"laptop{number}.sqlite"
        with open_ledger(path, device_name=f"laptop {number}") as ledger:
            made_cases += len(filled(ledger, cells, args.laptop_cases))
        suspects |= {one.suspect.key for ones in cells.values() for one in ones}
        places |= {(cell, place) for cell, ones in cells.items() for place in range(len(ones))}
        paths.append(path)
    return paths, {"suspects": len(suspects), "buildings": len(places), "cases_made": made_cases}


def doubles_left(ledger: Ledger) -> dict[str, int]:
    """Count what a merge must not leave behind."""
    table, rows, now, aliases = schema.cases, schema.outbox, schema.structures, schema.aliases
    with ledger.read() as tx:
        count = tx.connection.execute
        names = sa.select(aliases.c.identity)
        sendable = (
            sa.select(table.c.identity, table.c.episode, rows.c.sink)
            .join(rows, rows.c.external_key == table.c.external_key)
            .where(rows.c.state != "dead")
            .group_by(table.c.identity, table.c.episode, rows.c.sink)
            .having(sa.func.count() > 1, sa.func.sum(sa.case((rows.c.state == "confirmed", 0), else_=1)) > 0)
        )
        return {
            "suspects": count(sa.select(sa.func.count()).select_from(schema.suspects)).scalar_one(),
            "buildings": count(
                sa.select(sa.func.count()).select_from(now).where(now.c.identity.not_in(names))
            ).scalar_one(),
            "aliases": count(sa.select(sa.func.count()).select_from(aliases)).scalar_one(),
            "cases": count(sa.select(sa.func.count()).select_from(table)).scalar_one(),
            "sendable_twice": len(count(sendable).all()),
        }


def databases(work: Path, stack: ExitStack) -> Iterator[tuple[str, Any]]:
    """Yield the name of each database, and a function that returns the URL of a new one there."""
    yield "sqlite", lambda name: str(work / f"{name}.sqlite")
    reason = postgis.missing()
    if reason is not None:
        print(f"PostgreSQL was left out: {reason}", file=sys.stderr)
        return
    cluster = postgis.Cluster(work / "cluster")
    stack.callback(cluster.stop)
    cluster.start()

    def made(name: str) -> str:
        cluster.create(name, "SELECT 1;")
        return f"postgresql://{cluster.user}:{cluster.password}@127.0.0.1:{cluster.port}/{name}"

    yield "postgresql", made


def measure_town(work: Path, args: argparse.Namespace, urls: dict[str, Any]) -> dict[str, Any]:
    """Build the town once, bring it to each database, and measure status and report there."""
    figures: dict[str, Any] = {}
    pictures = Pictures(args.base) if "report" not in args.without else None
    per_cell = -(-args.suspects // args.cells)
    wanted = -(-args.cases // args.cells)
    town = work / "town.sqlite"
    began = time.perf_counter()
    cells = {
        cell: [
            observation(cell, place, pictures=pictures if place < wanted else None)
            for place in range(min(per_cell, max(1, args.suspects - cell * per_cell)))
        ]
        for cell in range(args.cells)
    }
    with open_ledger(town, device_name="town") as ledger:
        with ledger.begin() as tx:
            index.add_cycle(tx, DAY, 14)
        filled(ledger, cells, args.cases)
        figures["built_s"] = round(time.perf_counter() - began, 1)
        for name, url in urls.items():
            with open_ledger(url("town_hq"), device_name="hq") as hq:
                began = time.perf_counter()
                merge(hq, ledger)
                found: dict[str, Any] = {"whole_town_merged_s": round(time.perf_counter() - began, 1)}
                found["status_s"] = round(statistics.median(ask_status(hq) for _ in range(3)), 3)
                if pictures is not None:
                    began = time.perf_counter()
                    entries = read_entries(hq, work)
                    found["cases_read_s"] = round(time.perf_counter() - began, 1)
                    found["cases"] = len(entries)
                figures[name] = found
    if pictures is None:
        return figures
    (work / "chips").mkdir()
    for entry in entries:
        for chip in entry.case.suspect.chips:
            (work / chip.path).write_bytes(pictures.of(chip.path))
    began = time.perf_counter()
    write_reports(report_of(entries, args.cells), work / "report")
    figures["report_written_s"] = round(time.perf_counter() - began, 1)
    figures["pictures"] = {"a_case": 3, "kb": pictures.sizes_kb(), "different_pixels": args.base}
    shutil.rmtree(work / "chips")
    return figures


def measure_merge(work: Path, args: argparse.Namespace, urls: dict[str, Any]) -> dict[str, Any]:
    """Merge all laptops, in a random order, into each database."""
    began = time.perf_counter()
    paths, expected = laptops(work, args)
    figures: dict[str, Any] = {"built_s": round(time.perf_counter() - began, 1), "expected": expected}
    for name, url in urls.items():
        copies = work / f"copies_{name}"
        copies.mkdir()
        order = [Path(shutil.copy(path, copies)) for path in paths]
        random.Random(5).shuffle(order)
        with open_ledger(url("merged"), device_name="hq") as hq:
            seconds = []
            for path in order:
                with open_ledger(path) as laptop:
                    began = time.perf_counter()
                    report = merge(hq, laptop)
                    seconds.append(time.perf_counter() - began)
            began = time.perf_counter()
            with open_ledger(order[0]) as laptop:
                again = merge(hq, laptop)
            figures[name] = {
                "merged_s": round(sum(seconds), 1),
                "longest_s": round(max(seconds), 1),
                "again_s": round(time.perf_counter() - began, 1),
                "again_new": again.suspects + again.cases + again.verdicts + again.audit_rows,
                **doubles_left(hq),
                "both_left": len(report.doubles),
            }
        shutil.rmtree(copies)
    return figures


def fell_short(figures: dict[str, Any]) -> list[str]:
    """Return what is not as claimed, in sentences."""
    failed = []
    for name in ("sqlite", "postgresql"):
        town, merged = figures["town"].get(name), figures["merge"].get(name)
        if town is None or merged is None:
            failed.append(f"{name} was not measured")
            continue
        if town["status_s"] >= 1:
            failed.append(f"{name}: status takes {town['status_s']} s")
        report_s = town.get("cases_read_s", 0) + figures["town"].get("report_written_s", 0)
        if report_s >= 60:
            failed.append(f"{name}: a report takes {report_s:.0f} s")
        if merged["merged_s"] >= 60:
            failed.append(f"{name}: the merge takes {merged['merged_s']} s")
        expected = figures["merge"]["expected"]
        same = all(merged[what] == expected[what] for what in ("suspects", "buildings"))
        if not same or merged["sendable_twice"] or merged["again_new"]:
            failed.append(f"{name}: the merge left doubles or lost something")
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for flag, default in (
        ("--cells", 501), ("--suspects", 100_000), ("--cases", 10_000), ("--laptops", 20),
        ("--laptop-suspects", 5000), ("--laptop-cases", 500), ("--base", 200),
    ):  # fmt: skip
        parser.add_argument(flag, type=int, default=default)
    parser.add_argument("--without", nargs="*", default=[], choices=["report"])
    parser.add_argument("--work", type=Path, help="folder for the ledgers and pictures, about 4 GB")
    args = parser.parse_args()
    with TemporaryDirectory(dir=args.work) as temporary, ExitStack() as stack:
        work = Path(temporary)
        work.chmod(0o755)  # PostgreSQL's user must get through
        urls = dict(databases(work, stack))
        figures = {"merge": measure_merge(work, args, urls), "town": measure_town(work, args, urls)}
    figures["peak_mb"] = peak_mb()
    return emit("ledger_scale", figures, failed=fell_short(figures))


if __name__ == "__main__":
    sys.exit(main())
