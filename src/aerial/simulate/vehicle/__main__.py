"""A simulated vehicle as a process: ``python -m aerial.simulate.vehicle --listen tcp:127.0.0.1:5760``.

Prints one JSON line with its address when it is ready. Ends when its standard input ends, so that it does
not outlive who started it; run from a terminal, with Ctrl-C.
"""

import argparse
import json
import os
import sys
import threading
from pathlib import Path

from aerial.errors import AerialError
from aerial.flight.signing import KeySigner, read_key
from aerial.geo import LonLat
from aerial.simulate.vehicle.machine import Machine
from aerial.simulate.vehicle.parameters import STOCK
from aerial.simulate.vehicle.server import Server
from aerial.simulate.vehicle.setup import Impairment, Setup


def _numbers(count: int) -> "type[tuple[float, ...]]":
    def read(text: str) -> tuple[float, ...]:
        parts = tuple(float(part) for part in text.split(","))
        if len(parts) != count:
            raise ValueError(text)
        return parts

    read.__name__ = f"{count} numbers"
    return read  # type: ignore[return-value]  # argparse takes any callable


def _parameter(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    if name not in STOCK:
        raise ValueError(text)
    return name, float(value)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m aerial.simulate.vehicle", description=__doc__)
    parser.add_argument(
        "--listen", default="tcp:127.0.0.1:5760", help="tcp:HOST:PORT or udp:HOST:PORT; port 0: any"
    )
    parser.add_argument("--speedup", type=float, default=1.0, help="simulated seconds a second")
    parser.add_argument(
        "--home", type=_numbers(3), default=(113.8, 22.815, 10.0), help="LON,LAT,METRES over sea level"
    )
    parser.add_argument("--wind", type=_numbers(2), default=(0.0, 0.0), help="M/S,DEGREES it comes from")
    parser.add_argument(
        "--battery-s", type=float, default=1200.0, help="seconds of hovering in a full battery"
    )
    parser.add_argument("--param", type=_parameter, action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--loss", type=float, default=0.0, help="share of the frames lost, each way")
    parser.add_argument("--delay-s", type=float, default=0.0, help="one way")
    parser.add_argument("--jitter-s", type=float, default=0.0)
    parser.add_argument("--duplicate", type=float, default=0.0, help="share of the frames that come twice")
    parser.add_argument("--reorder", type=float, default=0.0, help="share of the frames that are overtaken")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--key-file", type=Path, help="MAVLink signing key; frames must then be signed")
    return parser


def main() -> int:
    """Run the vehicle."""
    asked = _parser().parse_args()
    lon, lat, amsl = asked.home
    try:
        key = read_key(asked.key_file) if asked.key_file else None
        setup = Setup(
            home=LonLat(lon_deg=lon, lat_deg=lat),
            home_amsl_m=amsl,
            wind_speed_m_s=asked.wind[0],
            wind_from_deg=asked.wind[1],
            battery_s=asked.battery_s,
            parameters=(
                # Ground stations beat by the clock on the wall.
                ("FS_GCS_TIMEOUT", STOCK["FS_GCS_TIMEOUT"] * max(asked.speedup, 1.0)),
                *asked.param,
                ("SIM_SPEEDUP", asked.speedup),
            ),
            seed=asked.seed,
        )
        way = Impairment(
            loss=asked.loss,
            delay_s=asked.delay_s,
            jitter_s=asked.jitter_s,
            duplicate=asked.duplicate,
            reorder=asked.reorder,
        )
        machine = Machine(setup, None if key is None else lambda: KeySigner(key))
        server = Server(machine, asked.listen, speedup=asked.speedup, impairment=way, seed=asked.seed)
    except AerialError as error:
        print(f"Error: {error}\nHint: {error.hint}", file=sys.stderr)  # noqa: T201 - a program of its own
        return 1
    print(json.dumps({"address": server.address}), flush=True)  # noqa: T201 - what its caller waits for
    if not sys.stdin.isatty():
        threading.Thread(target=_leave_with_input, daemon=True).start()
    try:
        server.run()
    except KeyboardInterrupt:
        return 130
    return 0


def _leave_with_input() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
