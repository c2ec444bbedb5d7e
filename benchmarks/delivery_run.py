"""One destination under faults: our workers until every case is settled, the count, and a plain client."""

import contextlib
import multiprocessing
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aerial import geo, plugins
from aerial.delivery.reconcile import reconcile
from aerial.delivery.worker import Worker
from aerial.geo import LonLat
from aerial.ledger import outbox
from aerial.ledger.store import Ledger, open_ledger
from aerial.records import Case, SinkConfig
from aerial.sinks.sink import CaseSink
from benchmarks.delivery_cases import add_cases, open_rows, told_by_the_log
from benchmarks.delivery_disk import Disk
from benchmarks.delivery_places import Place
from benchmarks.peers.faults import Event
from benchmarks.peers.pgproxy import PgProxy
from benchmarks.peers.postgis import Cluster
from benchmarks.peers.proxy import Proxy

WORKERS = 2
BACKOFF_S, MOST_S = 0.3, 3.0
# So few wait at once that a case comes back as soon as it may: a long queue would hide a blind resend
# behind waits much longer than the quiet time.
OPEN_AT_ONCE = 16
LIMIT_S = 2400.0
# The plain client has nothing to wait for but answers, and keeps no order: more threads do the same sooner.
PLAIN_THREADS, TRIES = 4, 3
PICTURE = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 4 + b"\xff\xd9"


def carries(case: Case) -> bool:
    """Whether a case has a picture; every other one."""
    return int(case.external_key[2], 16) % 2 == 0


def work(
    ledger: Ledger, sink: CaseSink, config: SinkConfig, files: Sequence[Path], name: str, stop: Path
) -> None:
    """One worker, as `aerial case push --watch` runs it, until there is `stop` and nothing is open."""
    worker = Worker(
        ledger=ledger,
        sink=sink,
        config=config,
        prepare=lambda case: files if carries(case) else (),
        name=name,
        rng=random.Random(name),
        backoff_s=BACKOFF_S,
        most_s=MOST_S,
    )
    until_s = time.monotonic() + LIMIT_S
    while time.monotonic() < until_s:
        if worker.turn() is None:
            if stop.exists() and not open_rows(ledger, config.name):
                return
            time.sleep(0.05)


def work_alone(
    url: str, config: SinkConfig, secret: str | None, files: Sequence[Path], name: str, stop: Path
) -> None:
    """The same in a process of its own, with a sink and a connection of its own."""
    with open_ledger(url) as ledger:
        sink: CaseSink = plugins.load("aerial.sinks", config.kind)(config, secret)
        work(ledger, sink, config, files, name, stop)


@contextmanager
def a_ledger(kind: str, folder: Path) -> Iterator[str]:
    """Where a new ledger can be made: a file, or a database of a PostgreSQL server of its own."""
    if kind == "sqlite":
        yield str(folder / "ledger.sqlite")
        return
    cluster = Cluster(folder / "cluster")
    cluster.start()
    try:
        cluster.create("ledger", "SELECT 1")
        yield f"postgresql://{cluster.user}:{cluster.password}@127.0.0.1:{cluster.port}/ledger"
    finally:
        cluster.stop()


def deliver(
    place: Place,
    url: str,
    proxy: Proxy | PgProxy | Disk,
    files: Sequence[Path],
    stop: Path,
    feed: Callable[[Callable[[], bool]], None],
    *,
    processes: bool,
) -> None:
    """Two workers at once on one ledger, in two threads with one sink or in two processes with two.

    `feed` is run beside them and asks whether both still work; behind it they end what is open.
    """
    behind = place.by_way_of(proxy)
    config = place.config(behind)
    with contextlib.ExitStack() as stack:
        if processes:
            context = multiprocessing.get_context("spawn")

            def run(name: str) -> None:
                arguments = (url, config, place.secret, files, name, stop)
                process = context.Process(target=work_alone, args=arguments)
                process.start()
                process.join()
                if process.exitcode:
                    raise RuntimeError(f"{place.name}: worker {name} ended with {process.exitcode}")

        else:
            ledger = stack.enter_context(open_ledger(url))
            sink = place.sink(behind, proxy)

            def run(name: str) -> None:
                work(ledger, sink, config, files, name, stop)

        pool = stack.enter_context(ThreadPoolExecutor(WORKERS))
        runs = [pool.submit(run, f"w{number}") for number in range(WORKERS)]
        try:
            feed(lambda: not any(run.done() for run in runs))
        finally:
            stop.touch()
        for one in runs:
            one.result()


def campaign(place: Place, faults: int, seed: int, *, processes: bool, ledger_kind: str) -> dict[str, Any]:
    """Deliver until so many faults were injected; count; then let the plain client try the same cases."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="delivery-") as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        # A PostgreSQL server runs as another user, and must reach its own files below it.
        folder.chmod(0o755)
        picture = folder / "after.jpg"
        picture.write_bytes(PICTURE)
        files = [picture] if place.takes_files else []
        stack.enter_context(place.peer)
        url = stack.enter_context(a_ledger(ledger_kind, folder))
        ledger = stack.enter_context(open_ledger(url, device_name="benchmark"))
        known: list[Case] = []

        def feed(working: Callable[[], bool]) -> None:
            while working() and injected(proxy) < faults:
                if (room := OPEN_AT_ONCE - open_rows(ledger, place.name)) > 0:
                    known.extend(add_cases(ledger, len(known), room, place.name, seed))
                time.sleep(0.1)

        with place.proxy(seed) as proxy:
            deliver(place, url, proxy, files, folder / "stop", feed, processes=processes)
            proxy.drain()
        events = proxy.log.events
        figures = counted(place, ledger, known, events, files)
        figures |= {"workers": f"{WORKERS} {'processes' if processes else 'threads'}", "ledger": ledger_kind}
        figures["faults"] = dict(Counter(event.fault for event in events if event.fault))
        figures["requests"] = len(events)
        figures["seconds"] = round(time.monotonic() - began)
        if place.has_plain:
            place.peer.reset()
            figures["plain_client"] = plainly(place, known, seed)
    return figures


def injected(proxy: Proxy | PgProxy | Disk) -> int:
    """How many faults there were so far."""
    return sum(n for fault, n in proxy.log.counts().items() if fault != "passed")


def counted(
    place: Place, ledger: Ledger, known: Sequence[Case], events: Sequence[Event], files: Sequence[Path]
) -> dict[str, Any]:
    """What lies in the peer's storage, against what the ledger believes and what the proxy did."""
    stored = place.peer.counts()
    with ledger.read() as tx:
        rows = {row.external_key: row for row in outbox.rows(tx, sink=place.name)}
        read_back_m = max(
            (proof.distance_m for key in rows for proof in outbox.receipts(tx, key)), default=0.0
        )
    keys = {case.external_key for case in known}
    lost = sorted(k for k in keys if not stored.get(k) or rows[k].state != "confirmed")
    doubles = {key: n for key, n in stored.items() if n > 1}
    ours, late, twice = attributed(events, place)
    with place.calm() as url:
        found = reconcile(ledger, place.name, place.sink(url, None))
    shown = {one.external_key: len(one.remote_ids) for one in found if one.what == "double"}
    worst_m = 0.0
    bare = 0
    for case in known:
        if case.external_key in stored:
            lon, lat = place.peer.position(case.external_key)
            worst_m = max(worst_m, geo.distance_m(case.at, LonLat(lon_deg=lon, lat_deg=lat)))
            bare += bool(files) and carries(case) and not place.peer.files(case.external_key)

    def copies(made: Counter[str]) -> int:
        return 0 if place.peer.idempotent else sum(max(0, made[key] - 1) for key in keys)

    acts, took_s, wrong = told_by_the_log(ledger)
    unexplained = (
        [] if place.peer.idempotent else [k for k in keys if stored.get(k, 0) != ours[k] + late[k] + twice[k]]
    )
    return {
        "idempotent": place.peer.idempotent,
        "cases": len(known),
        "sent": acts.get("case.sending", 0),
        "confirmed": sum(row.state == "confirmed" for row in rows.values()),
        "dead": sum(row.state == "dead" for row in rows.values()),
        "lost": len(lost),
        "strangers": len(set(stored) - keys),
        "without_picture": bare,
        "doubled_cases": len(doubles),
        "doubles_ours": copies(ours),
        "doubles_of_the_way": sum(n - 1 for n in doubles.values()) - copies(ours),
        "of_these_delivered_twice": 0 if place.peer.idempotent else twice.total(),
        "unexplained": len(unexplained),
        "reconcile_shows_exactly_these": shown == doubles,
        "reconcile_doubles": len(shown),
        "reconcile_other": len(found) - len(shown),
        "worst_position_in_storage_m": round(worst_m, 4),
        "worst_position_read_back_m": round(read_back_m, 4),
        "audit_chain_findings": len(wrong),
        "to_confirmed_median_s": round(took_s[len(took_s) // 2], 2) if took_s else None,
        "to_confirmed_p95_s": round(took_s[int(len(took_s) * 0.95)], 2) if took_s else None,
    }


def attributed(events: Sequence[Event], place: Place) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Copies that the peer accepted, by key: of our own requests, and the two kinds of the way to it.

    Of the way are a request that reached the peer, or was answered there, only after the quiet time that is
    stated for it, and the second time of one that was delivered twice.
    """
    ours, late, twice = Counter[str](), Counter[str](), Counter[str]()
    for event in events:
        if not event.writes:
            continue
        # A client that was left to wait hangs up after its time-out; one that was cut off, at once.
        cut_s = event.at_s + (0.0 if event.fault in ("late_below", "late_above") else place.pace.timeout_s)
        accepted = [
            at for status, at in zip(event.statuses, event.answered_s, strict=True) if 200 <= status < 300
        ]
        for number, at_s in enumerate(sorted(accepted)):
            kind = late if at_s > cut_s + place.pace.quiet_s else twice if number else ours
            kind.update(event.keys)
    return ours, late, twice


def plainly(place: Place, known: Sequence[Case], seed: int) -> dict[str, Any]:
    """What most clients do: post, and try again on an exception or an error status, three times in all."""
    began = time.monotonic()
    told: Counter[str] = Counter()
    lock = threading.Lock()

    def send(mine: Sequence[Case]) -> None:
        for case in mine:
            for attempt in range(TRIES):
                try:
                    place.plain(place.by_way_of(proxy), case)
                except Exception:
                    time.sleep(0.1 * 2**attempt)
                    continue
                with lock:
                    told["believed"] += 1
                break

    with place.proxy(seed) as proxy:
        with ThreadPoolExecutor(PLAIN_THREADS) as pool:
            list(pool.map(send, [known[number::PLAIN_THREADS] for number in range(PLAIN_THREADS)]))
        proxy.drain()
        sent = len(proxy.log.events)
    stored = place.peer.counts()
    return {
        "sent": sent,
        "believed_delivered": told["believed"],
        "lost": sum(case.external_key not in stored for case in known),
        "doubled_cases": sum(n > 1 for n in stored.values()),
        "doubles": sum(n - 1 for n in stored.values()),
        "seconds": round(time.monotonic() - began),
    }


def trap(place: Place, seed: int) -> dict[str, Any]:
    """A server that swaps the axes: no case of it may count as delivered, and each must say why."""
    with tempfile.TemporaryDirectory(prefix="delivery-") as temporary, contextlib.ExitStack() as stack:
        stack.enter_context(place.peer)
        ledger = stack.enter_context(open_ledger(Path(temporary) / "ledger.sqlite", device_name="benchmark"))
        known = add_cases(ledger, 0, 20, place.name, seed)
        stop = Path(temporary) / "stop"
        with place.proxy(seed) as proxy:
            deliver(place, ledger.url, proxy, [], stop, lambda _: None, processes=False)
            proxy.drain()
        with ledger.read() as tx:
            rows = outbox.rows(tx, sink=place.name)
    named = sum(row.state == "dead" and "swapped" in (row.error or "") for row in rows)
    return {
        "cases": len(known),
        "refused_naming_the_swap": named,
        "confirmed": sum(row.state == "confirmed" for row in rows),
        "example": next((row.error for row in rows if row.error), None),
    }
