"""Claim: no fault in the middle of an upload makes a false success.

    python -m benchmarks.mission_faults [--rounds 500]

On a simulated clock, a mission of 120 items to a vehicle that answers as ArduCopter was measured to, over a
link that loses 5 to 30 % each way, doubles and reorders. Four campaigns: the vehicle reboots once to three
times in the middle; a second station uploads something else at the same time; noise and forged answers of
every kind arrive; the link is cut for 1 to 20 s. Counted: proved; not proved; and, against the vehicle's
memory at that moment, false successes and wrong reports of what it holds, both of which must be none.
"""

import argparse
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from aerial.autopilots.ardupilot import ArduPilot
from aerial.flight.exchange import Peer, Script
from aerial.flight.mavlink import Codec, dialect
from aerial.flight.mission.prove import Proof, prove
from aerial.flight.mission.wire import to_wire
from aerial.flight.station import STATION, Station
from aerial.records import MissionItem
from aerial.simulate.vehicle.items import mission_item
from aerial.simulate.vehicle.machine import Machine
from aerial.simulate.vehicle.setup import Impairment, Setup
from aerial.simulate.vehicle.virtual import VirtualLink
from benchmarks.machine import emit

VEHICLE = Peer(system=1, component=1)
OTHER = Peer(system=254, component=190)
SEED = 8101
Step = Callable[[float], None]


def mission(count: int, up_m: float) -> tuple[MissionItem, ...]:
    """Return home, take-off, waypoints, return."""
    found = [
        MissionItem(seq=0, frame=0, command=16, params=(0, 0, 0, 0, 22.815, 113.8, 10.0)),
        MissionItem(seq=1, frame=3, command=22, params=(0, 0, 0, 0, 22.815, 113.8, up_m)),
    ]
    found += [
        MissionItem(seq=n, frame=3, command=16, params=(n % 2, 0, 0, 0, 22.815 + n * 1e-4, 113.8, up_m))
        for n in range(2, count - 1)
    ]
    return (*found, MissionItem(seq=count - 1, frame=2, command=20, params=(0, 0, 0, 0, 0, 0, 0)))


OURS = mission(120, 50.0)
# What the simulated vehicle makes of each item on its own.
KEPT = [mission_item(to_wire(item, VEHICLE, "mission")) for item in OURS]


def reboots(link: VirtualLink, rng: random.Random, within_s: float = 40.0) -> Step:
    """Power the vehicle off and on."""
    at = sorted(link.now() + rng.uniform(0.1, within_s) for _ in range(rng.randint(1, 3)))

    def step(now_s: float) -> None:
        while at and now_s >= at[0]:
            at.pop(0)
            link.machine.reboot()

    return step


def second_station(link: VirtualLink, rng: random.Random, within_s: float = 40.0) -> Step:
    """Upload something else from another station, over a link without loss."""
    codec = Codec(system=OTHER.system, component=OTHER.component)
    theirs = mission(rng.choice((30, 120, 300)), 33.0)
    script = Script(prove(theirs, "mission", ArduPilot(), VEHICLE, OTHER))
    begin, started = link.now() + rng.uniform(0.0, within_s), [False]
    link.machine.take(5)

    def step(now_s: float) -> None:
        said: list[Any] = []
        if not started[0] and now_s >= begin:
            started[0] = True
            said += script.start(now_s)
        for frame in link.machine.take(5):
            for message in codec.feed(frame):
                said += script.hear(message, now_s)
        if started[0] and not script.done:
            said += script.tick(now_s)
        for message in said:
            link.machine.receive(codec.pack(message), 5)

    return step


def forgeries(link: VirtualLink, rng: random.Random) -> Step:
    """Put noise and forged answers on the way to the station."""
    wrong = mission(120, 99.0)

    def step(_now_s: float) -> None:
        draw = rng.random()
        if draw < 0.02:
            link.inject(rng.randbytes(rng.randrange(1, 80)))
        elif draw < 0.05:
            sender = Codec(system=rng.choice((1, 1, 2, 255)), component=rng.choice((1, 1, 190)))
            kind = rng.choice((0, 0, 1, 2, 7))
            to = (rng.choice((255, 255, 254, 0)), rng.choice((25, 25, 190, 0)))
            message = rng.choice(
                (
                    dialect.MAVLink_mission_ack_message(*to, rng.randrange(16), kind),
                    dialect.MAVLink_mission_request_message(*to, rng.randrange(200), kind),
                    dialect.MAVLink_mission_request_int_message(*to, rng.randrange(200), kind),
                    dialect.MAVLink_mission_count_message(*to, rng.randrange(200), kind),
                    to_wire(wrong[rng.randrange(119)], Peer(system=to[0], component=to[1]), "mission"),
                )
            )
            link.inject(sender.pack(message))

    return step


def cuts(link: VirtualLink, rng: random.Random) -> Step:
    """Cut the link for a while."""
    begin, long = link.now() + rng.uniform(0.1, 40.0), rng.uniform(1.0, 20.0)

    def step(now_s: float) -> None:
        link.cut = begin < now_s < begin + long

    return step


CAMPAIGNS = {"reboots": reboots, "second_station": second_station, "forgeries": forgeries, "cuts": cuts}


def one(name: str, number: int) -> tuple[Proof, bool]:
    """Return a proof, and whether the vehicle's memory holds our mission at that moment."""
    rng = random.Random(f"{SEED} {name} {number}")
    machine = Machine(Setup(seed=number))
    machine.step(30.0)
    way = Impairment(
        loss=rng.choice((0.05, 0.1, 0.2, 0.3)), delay_s=0.05, jitter_s=0.02, duplicate=0.03, reorder=0.03
    )
    link = VirtualLink(machine, way, number)
    station = Station(link)
    station.find_vehicle(60.0)
    old = Script(prove(mission(40, 70.0), "mission", ArduPilot(), VEHICLE, STATION))
    station.run(old)
    link.every_step = CAMPAIGNS[name](link, rng)
    script = Script(prove(OURS, "mission", ArduPilot(), VEHICLE, STATION))
    station.run(script)
    held = [replace(item, seq=n) for n, item in enumerate(machine.stored.mission)]
    return script.result, held[1:] == KEPT[1:] and len(held) == len(OURS)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=500)
    asked = parser.parse_args(arguments)
    rows, failed = {}, []
    for name in CAMPAIGNS:
        told = [one(name, number) for number in range(asked.rounds)]
        false = sum(proof.proved and not equal for proof, equal in told)
        wrong = sum(proof.holds in ("nothing", "old", "mix") and equal for proof, equal in told)
        rows[name] = {
            "rounds": len(told),
            "proved": sum(proof.proved for proof, _ in told),
            "second_attempt_or_third": sum(proof.proved and proof.attempts > 1 for proof, _ in told),
            "content_unknown": sum(proof.holds == "unknown" for proof, _ in told),
            "false_successes": false,
            "wrong_reports": wrong,
        }
        print(name, rows[name], file=sys.stderr, flush=True)
        if false or wrong:
            failed.append(f"{name}: {false} false successes, {wrong} wrong reports")
    return emit("mission_faults", {"campaigns": rows}, failed=failed)


if __name__ == "__main__":
    sys.exit(main())
