"""What a peer's path is worth once it covers as much as was asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shapely.geometry.base import BaseGeometry

from benchmarks.flight_lines.audit import Audit, Leg, audit
from benchmarks.flight_lines.polygons import Case

Planner = Callable[[BaseGeometry, float], list[Leg]]


@dataclass(frozen=True, slots=True)
class Steps:
    """Shares of the asked spacing, and growth in spacings, as they are tried after what was planned."""

    narrower: tuple[float, ...]
    wider: tuple[float, ...]
    halvings: int


FINE = Steps((0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5, 0.4, 0.3), (0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0), 4)
# For a planner that takes tens of seconds.
COARSE = Steps((0.8, 0.55, 0.3), (0.25, 0.5, 1.0), 2)


@dataclass(frozen=True, slots=True)
class Equal:
    """The cheapest way in which a peer reached 99.99 %: how, and what that path does."""

    how: str
    audit: Audit


def judge(case: Case, legs: Sequence[Leg]) -> Audit:
    """Audit a path over a case by what was asked of it."""
    return audit(
        legs,
        case.area,
        spacing_m=case.spacing_m,
        trigger_m=case.trigger_m,
        fence=case.inside,
        no_fly=case.no_fly,
    )


def at_equal_coverage(case: Case, plans: Sequence[Planner], steps: Steps = FINE) -> Equal | None:
    """Return the shortest of what two remedies make of ``plans``, or None where none reaches 99.99 %.

    Lines closer together, down to 0.3 of the spacing; or the area grown outwards, up to one spacing,
    before it is planned, so that lines end beyond the border. Coverage does not rise evenly with
    either, so each is tried step by step, and the last step is halved.
    """
    reached = [one for plan in plans for one in _remedies(case, plan, steps) if one is not None]
    return min(reached, key=lambda one: one.audit.length_m) if reached else None


def _remedies(case: Case, plan: Planner, steps: Steps) -> tuple[Equal | None, Equal | None]:
    narrower = _first(
        case,
        (1.0, *steps.narrower),
        steps.halvings,
        "spacing x",
        lambda s: plan(case.area, s * case.spacing_m),
    )
    wider = _first(
        case,
        (0.0, *steps.wider),
        steps.halvings,
        "grown by spacings",
        lambda s: plan(_grown(case.area, s * case.spacing_m), case.spacing_m),
    )
    return narrower, wider


def _grown(area: BaseGeometry, by_m: float) -> BaseGeometry:
    return area.buffer(by_m, join_style="mitre", mitre_limit=3.0)


def _first(
    case: Case, steps: Sequence[float], halvings: int, how: str, at: Callable[[float], list[Leg]]
) -> Equal | None:
    # The first of the steps is what was planned, and did not cover.
    short, good = steps[0], None
    for step in steps[1:]:
        found = judge(case, at(step))
        if found.covers:
            good = step, found
            break
        short = step
    if good is None:
        return None
    for _ in range(halvings):
        middle = (good[0] + short) / 2
        found = judge(case, at(middle))
        if found.covers:
            good = middle, found
        else:
            short = middle
    return Equal(f"{how} {good[0]:.3f}", good[1])
