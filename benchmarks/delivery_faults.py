"""The one set of faults of the delivery benchmark, and how long things take before a peer."""

from dataclasses import dataclass

from benchmarks.peers.faults import Rates, Times

# The external keys that the benchmark's cases have, anywhere in a request.
KEYS = r"S-[0-9a-f]{12}-\d+"
# One set of faults for every peer: over half of the writing requests, and a fifth of the reading ones.
WRITES: Rates = {
    "timeout_after": 0.06,
    "reset_before": 0.07,
    "reset_after": 0.08,
    "error_instead": 0.07,
    "error_after": 0.08,
    "slow": 0.04,
    "late_below": 0.06,
    "late_above": 0.03,
    "duplicate": 0.05,
    "busy": 0.04,
}
READS: Rates = {
    "timeout_after": 0.02,
    "reset_before": 0.05,
    "reset_after": 0.05,
    "error_instead": 0.04,
    "slow": 0.02,
    "busy": 0.02,
}
# PostgreSQL has no status 500, no 429, and no second delivery: what they stood for goes to broken commits.
COMMITS: Rates = {
    "timeout_after": 0.04,
    "reset_before": 0.17,
    "reset_after": 0.19,
    "slow": 0.04,
    "late_below": 0.07,
    "late_above": 0.04,
}


@dataclass(frozen=True)
class Pace:
    """How long things take before a peer: the time-out of a request, and the quiet time stated for it."""

    timeout_s: float
    quiet_s: float

    @property
    def times(self) -> Times:
        """What the proxy needs to know: a slow answer still comes in time, a held one does not."""
        slow = (0.1 * self.timeout_s, 0.5 * self.timeout_s)
        return Times(hold_s=4 * self.timeout_s, slow_s=slow, quiet_s=self.quiet_s)


QUICK, SLOW = Pace(timeout_s=2.0, quiet_s=2.0), Pace(timeout_s=5.0, quiet_s=6.0)
