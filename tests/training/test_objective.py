"""What training minimises where the direction of a change is not known."""

import pytest
import torch
from torch import Tensor

from aerial_training.objective import counts, objective
from aerial_training.sample import EITHER, UNKNOWN


def logits(appeared: float, gone: float) -> Tensor:
    """Return the same answer on 8 by 8 pixels; of buildings it says nothing."""
    values = torch.tensor([appeared, gone, 0.0, 0.0])
    return values[None, :, None, None].expand(1, 4, 8, 8).clone().requires_grad_()


def truth(appeared: int, gone: int) -> Tensor:
    """Return the same truth on 8 by 8 pixels; of buildings nothing is known."""
    values = torch.tensor([appeared, gone, UNKNOWN, UNKNOWN], dtype=torch.uint8)
    return values[None, :, None, None].expand(1, 4, 8, 8).clone()


def cost(answer: tuple[float, float], asked: Tensor) -> float:
    """Return the loss of an answer."""
    return float(objective(logits(*answer), asked)[0].detach())


def test_either_direction_is_right_and_neither_is_wrong() -> None:
    """Sure of one or of the other costs alike and little; sure of neither costs what it is wrong by."""
    either = truth(EITHER, EITHER)
    up, down, none = (cost(answer, either) for answer in ((6, -6), (-6, 6), (-6, -6)))
    assert pytest.approx(up) == down
    assert up < 0.05
    assert none > 4


def test_what_is_known_costs_what_it_cost() -> None:
    """A direction that is known is asked for: the other one is wrong."""
    right, wrong = (cost(answer, truth(1, 0)) for answer in ((6, -6), (-6, 6)))
    assert right < 0.05
    assert wrong > 4


def test_the_slope_stays_finite_where_the_network_is_certain() -> None:
    """Even at probabilities that float32 cannot tell from 0 and 1."""
    for answer in ((-200.0, -200.0), (200.0, 200.0)):
        given = logits(*answer)
        objective(given, truth(EITHER, EITHER))[0].backward()  # type: ignore[no-untyped-call]
        assert given.grad is not None
        assert torch.isfinite(given.grad).all()


def test_a_change_without_direction_counts_as_change() -> None:
    """Found by whichever direction the network says."""
    for answer, expected in (((6, -6), [64, 0, 0]), ((-6, 6), [64, 0, 0]), ((-6, -6), [0, 0, 64])):
        assert counts(logits(*answer), truth(EITHER, EITHER)).tolist() == expected
