"""Starts each peer that can start here: ``python -m benchmarks.peers [peer ...]``."""

import sys
import time

from benchmarks.peers.base import PeerError
from benchmarks.peers.install import PEERS


def main(names: list[str]) -> int:
    """Starts and stops each; exits 1 when one that should start does not."""
    failed = 0
    for name in names or PEERS:
        kind = PEERS[name][0]
        if (reason := kind.available()) is not None:
            print(f"{name}: {reason}")
            continue
        try:
            with kind() as peer:
                empty = peer.counts() == {}
                began = time.monotonic()
        except PeerError as error:
            failed += 1
            print(f"{name}: {error}")
            continue
        stopped_s = time.monotonic() - began
        state = "empty" if empty else "NOT empty"
        print(f"{name}: started in {peer.startup_s:.1f} s, {state}, stopped in {stopped_s:.1f} s", flush=True)
        failed += not empty
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
