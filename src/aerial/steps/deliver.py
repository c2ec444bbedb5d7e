"""Cases of a town to its destinations, and what they say back."""

import os
import random
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

from shapely.geometry import Polygon, box

from aerial import geo, plugins
from aerial.delivery.gate import CONTIGUOUS_KM2, Outgoing, require_may_leave, require_true_place
from aerial.delivery.pull import pull
from aerial.delivery.reconcile import Discrepancy, reconcile
from aerial.delivery.worker import Turn, Worker, drain
from aerial.errors import AerialError, InputError, WorkspaceError
from aerial.evidence.chips import CONTEXT_M
from aerial.evidence.outward import outward_pictures
from aerial.ledger import cases, outbox, signoffs
from aerial.ledger.store import Ledger
from aerial.progress import SILENT, Progress
from aerial.records import Case, SignoffKind, SinkConfig, SiteResult, Zone
from aerial.records.record import record
from aerial.settings import Settings, secret_of
from aerial.sinks.sink import CaseSink
from aerial.steps.evidence import pair_of
from aerial.steps.reviewed import write_reviewed
from aerial.steps.town_ledger import zones_of
from aerial.steps.verdicts import release_all
from aerial.workspace import Town, locked

STATES: tuple[outbox.OutboxState, ...] = ("pending", "sent", "ambiguous", "confirmed", "dead")
_IDLE_S = 5.0


@record
class Pushed:
    """What a push left: rows by state for each destination, after ``turns`` turns."""

    sink: str
    turns: int
    states: Mapping[outbox.OutboxState, int]


def chosen(settings: Settings, name: str | None) -> tuple[SinkConfig, ...]:
    """Return the destinations of a town, or the one called ``name``.

    Raises:
        InputError: there is none, or none of that name.
    """
    if not settings.sinks:
        raise InputError(
            "The town has no destination.",
            hint="Add a [[sinks]] table to aerial.toml (docs/cases.md), such as a folder.",
        )
    found = tuple(config for config in settings.sinks if name in (None, config.name))
    if not found:
        known = ", ".join(config.name for config in settings.sinks)
        raise InputError(f"No destination is called {name!r}.", hint=f"Use one of: {known}.")
    return found


def open_sink(config: SinkConfig, town: Town, environment: Mapping[str, str]) -> CaseSink:
    """Make a destination of its configuration; nothing is sent.

    Raises:
        InputError: the configuration cannot work, or its secret is nowhere.
        PluginError: no such kind is installed.
    """
    if config.kind == "folder" and config.url and "://" not in config.url:
        config = replace(config, url=str(town.root / config.url))
    secret = secret_of(config, town.root, environment)
    return cast("CaseSink", plugins.load("aerial.sinks", config.kind)(config, secret))


def push(
    town: Town,
    settings: Settings,
    ledger: Ledger,
    name: str | None,
    environment: Mapping[str, str],
    told: Callable[[Turn], None],
    *,
    watch: bool = False,
) -> tuple[Pushed, ...]:
    """Deliver what is due, to all destinations at once, or to the one called ``name``.

    Held cases are made anew with the settings of today first. ``watch``: go on until interrupted.

    Raises:
        InputError, PluginError: a destination cannot be used; nothing was sent.
        LedgerError: the ledger failed; what was sent is looked up next time.
    """
    configs = chosen(settings, name)
    sinks = [open_sink(config, town, environment) for config in configs]
    with _own_worker(town, ledger) as own:
        return _push(town, settings, ledger, configs, sinks, own, told, watch=watch)


@contextmanager
def _own_worker(town: Town, ledger: Ledger) -> Iterator[str]:
    """Yield a name for this process's workers; what workers of processes that were killed held is freed.

    Whether one still runs is told by the lock of its folder, which the system frees with the process.
    """
    for folder in town.workers_folder.glob("*/.lock"):
        try:
            with locked(folder.parent), ledger.begin() as tx:
                outbox.release(tx, folder.parent.name)
        except WorkspaceError:
            continue
        shutil.rmtree(folder.parent, ignore_errors=True)
    name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
    with locked(town.workers_folder / name):
        yield name
    shutil.rmtree(town.workers_folder / name, ignore_errors=True)


def _push(
    town: Town,
    settings: Settings,
    ledger: Ledger,
    configs: Sequence[SinkConfig],
    sinks: Sequence[CaseSink],
    own: str,
    told: Callable[[Turn], None],
    *,
    watch: bool,
) -> tuple[Pushed, ...]:
    release_all(town, settings, ledger)
    for config in configs:
        with ledger.begin() as tx:
            cases.address(tx, config.name)
            outbox.hurry(tx, config.name)
    stop = threading.Event()
    lock = threading.Lock()

    def say(turn: Turn) -> None:
        with lock:
            told(turn)

    def work(config: SinkConfig, sink: CaseSink) -> int:
        worker = Worker(
            ledger=ledger,
            sink=sink,
            config=config,
            prepare=Outward(town=town, ledger=ledger, sink=config.name),
            name=own,
            rng=random.Random(),
        )
        turns = drain(worker, say)
        while watch and not stop.wait(_IDLE_S):
            turns += drain(worker, say)
        return turns

    with ThreadPoolExecutor(len(configs)) as pool:
        futures = [pool.submit(work, *pair) for pair in zip(configs, sinks, strict=True)]
        try:
            while watch and not any(future.done() for future in futures):
                time.sleep(0.2)
            turns = [future.result() for future in futures]
        finally:
            stop.set()
    with ledger.read() as tx:
        backlog = outbox.backlog(tx)
    return tuple(
        Pushed(sink=config.name, turns=count, states=backlog.get(config.name, {}))
        for config, count in zip(configs, turns, strict=True)
    )


class Outward:
    """Makes the outward files of a case, and asks the gate; what went to the destination before counts."""

    def __init__(self, *, town: Town, ledger: Ledger, sink: str) -> None:
        self._town, self._ledger, self._sink = town, ledger, sink
        self._zones: tuple[Zone, ...] = zones_of(town)
        self._gone: list[Polygon] | None = None

    def __call__(self, case: Case) -> Sequence[Path]:
        """Return the files that may leave with ``case``.

        Raises:
            SecrecyError: it must not leave.
            EvidenceError: a picture is not what was recorded.
        """
        require_true_place(case)
        out = self._town.outward_folder(case.external_key)
        out.mkdir(parents=True, exist_ok=True)
        pictures = outward_pictures(case.suspect, pair_of(self._town, case), self._zones, out)
        with self._ledger.read() as tx:
            signed = signoffs.signoffs(tx, subject=case.external_key)
        gone = self._gone_before()
        # Boxes of all cases together are an upper bound; only above it is the contiguous ground measured.
        bound = sum(geo.area_m2(shape) for shape in gone) / 1e6 < CONTIGUOUS_KM2 / 2
        require_may_leave(
            case.external_key,
            case.secrecy,
            [
                Outgoing(
                    path=picture.file.path,
                    what="picture",
                    footprint=picture.footprint,
                    gsd_m=picture.gsd_m,
                    cut=True,
                )
                for picture in pictures
            ],
            zones=self._zones,
            signoffs=signed,
            gone_before=() if bound else gone,
        )
        gone.extend(picture.footprint for picture in pictures[:1])
        return [out / picture.file.path for picture in pictures]

    def _gone_before(self) -> list[Polygon]:
        if self._gone is None:
            with self._ledger.read() as tx:
                sent = [row for row in outbox.rows(tx, sink=self._sink) if row.sent_at is not None]
                self._gone = [_ground(cases.case(tx, row.external_key)) for row in sent]
        return self._gone


def pull_all(
    town: Town,
    settings: Settings,
    ledger: Ledger,
    name: str | None,
    environment: Mapping[str, str],
    told: Callable[[SiteResult], None],
) -> tuple[int, tuple[str, ...]]:
    """Read what happened to cases at the destinations; write ``reviewed.geojson``.

    Returns how much was new, and what went wrong with a destination, in sentences: one that does not
    answer does not keep the others from being read.
    """
    new, failed = 0, []
    for config in chosen(settings, name):
        try:
            new += pull(ledger, config.name, open_sink(config, town, environment), told)
        except AerialError as error:
            failed.append(f"{config.name}: {error} {error.hint}")
    write_reviewed(town, ledger)
    return new, tuple(failed)


def reconcile_all(
    town: Town,
    settings: Settings,
    ledger: Ledger,
    name: str | None,
    environment: Mapping[str, str],
    progress: Progress = SILENT,
) -> tuple[Discrepancy, ...]:
    """Compare the destinations with the ledger; raises as ``reconcile`` does."""
    found: list[Discrepancy] = []
    for config in chosen(settings, name):
        found += reconcile(ledger, config.name, open_sink(config, town, environment), progress)
    return tuple(found)


def _ground(case: Case) -> Polygon:
    """Return about what a case's pictures show: the outline's box and the chips' rim around it."""
    west, south, east, north = case.suspect.outline.bounds
    per_lon_m, per_lat_m = geo.metres_per_unit(geo.WGS84, west, south)
    half = max((east - west) * per_lon_m, (north - south) * per_lat_m) / 2 + CONTEXT_M
    x, y = (west + east) / 2, (south + north) / 2
    return box(x - half / per_lon_m, y - half / per_lat_m, x + half / per_lon_m, y + half / per_lat_m)


def revive(settings: Settings, ledger: Ledger, external_key: str, sink: str | None) -> None:
    """Take up again what was given up of a case, at one destination or at all.

    Raises:
        LedgerError: nothing of it was given up there.
    """
    with ledger.begin() as tx:
        given_up = [row.sink for row in outbox.rows(tx, key=external_key) if row.state == "dead"]
        names = [config.name for config in chosen(settings, sink)]
        for name in [name for name in names if name in given_up] or names[:1]:
            outbox.revive(tx, external_key, name)


def sign(ledger: Ledger, kind: SignoffKind, subject: str, by: str, reason: str) -> None:
    """Record a sign-off for a case.

    Raises:
        LedgerError: no such case, or nobody's name, or no reason.
    """
    with ledger.begin() as tx:
        cases.case(tx, subject)
        signoffs.add_signoff(tx, kind, subject, by, reason)
