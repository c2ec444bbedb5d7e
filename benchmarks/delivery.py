"""Claim: no case is lost on its way, none is doubled by us, and what the way doubled is shown.

    python -m benchmarks.delivery [--faults 10000] [--peers a,b] [--seed 6126] [--at-once 3]

Destinations that no one here wrote are started (``python -m benchmarks.peers.install`` gets them): PostGIS,
pygeoapi over PostgreSQL (PUT), QGIS Server (WFS-T), Redmine and Roundup; a running Open311 server joins in
when it is named (benchmarks/peers/open311.py). Our own folder drop stands beside them, on a disk that fails.
Each has a proxy before it that breaks over half of the writing and a fifth of the reading requests: no
answer after a commit, resets before and after one, 5xx in place of a request and after a commit, slow
answers, commits below and above the quiet time after the client was cut off, one request delivered twice,
429. Two workers at once share one ledger, with the worker and the sinks as they are shipped; in some runs
they are two processes, and in one the ledger is a PostgreSQL server. Only the waits are short: the quiet
time stated for a peer is 2 s (6 s for the slow ones), delays are drawn against it, and no more than 16 cases
wait at once, so that each comes back as soon as the rules let it.

Counted in the peer's own storage by external key, past its interface: every case is there and confirmed;
at idempotent destinations once; elsewhere the copies are laid at the door of single requests by the proxy's
log, those of our own requests apart from those that the way delivered twice or after the quiet time, and
``reconcile`` must show exactly the doubled cases with all their copies. The position in storage is compared
with the case's. A pygeoapi that swaps the axes of CGCS2000 must be refused by name.

Beside it: a plain client, the same cases, faults and seed: a post, and again on any exception or error
status, three times in all.
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aerial.delivery.worker import SAME_PLACE_M
from benchmarks.delivery_places import PLACES, PyGeoApiPlace
from benchmarks.delivery_run import campaign, trap
from benchmarks.machine import emit

# Where the two workers are processes; where the ledger is PostgreSQL's.
PROCESSES = ("pygeoapi", "qgis")
ON_POSTGRESQL = ("pygeoapi",)
LEAST_DESTINATIONS = 5
# What we wrote ourselves counts for none of the claim's faults.
OURS = {"folder"}


def shortfalls(name: str, figures: dict[str, Any]) -> list[str]:
    """What a destination's figures fall short of."""
    wanted = {
        "lost": 0,
        "dead": 0,
        "strangers": 0,
        "without_picture": 0,
        "doubles_ours": 0,
        "unexplained": 0,
        "reconcile_other": 0,
        "reconcile_shows_exactly_these": True,
        "audit_chain_findings": 0,
        "confirmed": figures["cases"],
    }
    if figures["idempotent"]:
        wanted["doubled_cases"] = 0
    found = [
        f"{name}: {key} is {figures[key]}, not {value}"
        for key, value in wanted.items()
        if figures[key] != value
    ]
    worst_m = max(figures["worst_position_in_storage_m"], figures["worst_position_read_back_m"])
    return [*found, *([f"{name}: a position is {worst_m} m off"] if worst_m > SAME_PLACE_M else [])]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--faults", type=int, default=10_000, help="injected in all; those of our own folder come on top"
    )
    parser.add_argument("--peers", help=f"of {', '.join(PLACES)}; default: all that are here")
    parser.add_argument("--seed", type=int, default=6126)
    parser.add_argument("--at-once", type=int, default=3, help="destinations that are tried at the same time")
    asked = parser.parse_args()
    names = asked.peers.split(",") if asked.peers else list(PLACES)
    if unknown := sorted(set(names) - set(PLACES)):
        parser.error(f"no such peer: {', '.join(unknown)}")
    places = {name: PLACES[name]() for name in PLACES if name in names}
    absent = {name: reason for name, place in places.items() if (reason := place.peer.available())}
    here = {name: place for name, place in places.items() if name not in absent}
    shares = sum(place.share for name, place in here.items() if name not in OURS) or 1.0
    began = time.monotonic()
    with ThreadPoolExecutor(asked.at_once) as pool:
        runs = {
            name: pool.submit(
                campaign,
                place,
                round(asked.faults * place.share / shares),
                asked.seed,
                processes=name in PROCESSES,
                ledger_kind="postgresql" if name in ON_POSTGRESQL else "sqlite",
            )
            for name, place in here.items()
        }
        swapped = pool.submit(trap, PyGeoApiPlace(trap=True), asked.seed) if "pygeoapi" in here else None
        figures: dict[str, Any] = {}
        failed = [f"{name} is not here: {reason}" for name, reason in absent.items() if name != "open311"]
        for name, run in runs.items():
            try:
                figures[name] = run.result()
                failed += shortfalls(name, figures[name])
            except Exception as error:
                # What the other destinations did still counts.
                failed.append(f"{name} broke off: {type(error).__name__}: {error}")
    totals = {
        what: sum(one[what] for one in figures.values())
        for what in (
            "cases",
            "sent",
            "confirmed",
            "lost",
            "doubles_ours",
            "doubles_of_the_way",
            "reconcile_doubles",
        )
    }
    totals["faults"] = sum(sum(one["faults"].values()) for name, one in figures.items() if name not in OURS)
    totals |= {
        f"plain_{what}": sum(one["plain_client"][what] for one in figures.values() if "plain_client" in one)
        for what in ("lost", "doubles")
    }
    if totals["faults"] < asked.faults and set(here) - OURS:
        failed.append(f"only {totals['faults']} faults were injected")
    if asked.peers is None and len(set(figures) - OURS) < LEAST_DESTINATIONS:
        failed.append(f"only {len(set(figures) - OURS)} destinations that no one here wrote")
    trapped = swapped.result() if swapped else None
    if trapped and trapped["refused_naming_the_swap"] != trapped["cases"]:
        failed.append("a swapped position was not refused by name")
    told = {"seed": asked.seed, "seconds": round(time.monotonic() - began), "totals": totals}
    return emit("delivery", {**told, "swapped_axes": trapped, "destinations": figures}, failed=failed)


if __name__ == "__main__":
    sys.exit(main())
