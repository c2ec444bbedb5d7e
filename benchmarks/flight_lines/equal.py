"""What a peer's path is worth once it covers as much as was asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shapely.geometry.base import BaseGeometry

from benchmarks.flight_lines.audit import Audit, Leg, audit
from benchmarks.flight_lines.polygons import Case

Planner = Callable[[BaseGeometry, float], list[Leg]]

# Shares of the asked spacing, and metres of growth over it, in the order in which they are tried.
_NARROWER = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5, 0.4, 0.3)
_WIDER = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0)
_HALVINGS = 4


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


def at_equal_coverage(case: Case, plans: Sequence[Planner]) -> Equal | None:
    """Return the shortest of what two remedies make of ``plans``, or None where none reaches 99.99 %.

    Lines closer together, down to 0.3 of the spacing; or the area grown outwards, up to one spacing,
    before it is planned, so that lines end beyond the border. Coverage does not rise evenly with
    either, so each is tried step by step, and the last step is halved four times.
    """
    reached = [one for plan in plans for one in _remedies(case, plan) if one is not None]
    return min(reached, key=lambda one: one.audit.length_m) if reached else None


def _remedies(case: Case, plan: Planner) -> tuple[Equal | None, Equal | None]:
    narrower = _first(case, _NARROWER, lambda share: plan(case.area, share * case.spacing_m), "spacing x")
    wider = _first(
        case,
        _WIDER,
        lambda share: plan(
            case.area.buffer(share * case.spacing_m, join_style="mitre", mitre_limit=3.0), case.spacing_m
        ),
        "grown by spacings",
    )
    return narrower, wider


def _first(case: Case, steps: Sequence[float], at: Callable[[float], list[Leg]], how: str) -> Equal | None:
    good: tuple[float, Audit] | None = None
    short = steps[0]
    for step in steps:
        found = judge(case, at(step))
        if found.covers:
            good = step, found
            break
        short = step
    if good is None:
        return None
    for _ in range(_HALVINGS if good[0] != steps[0] else 0):
        middle = (good[0] + short) / 2
        found = judge(case, at(middle))
        if found.covers:
            good = middle, found
        else:
            short = middle
    return Equal(f"{how} {good[0]:.3f}", good[1])
