"""What training minimises, and the pixel counts that it reports."""

import torch
from torch import Tensor
from torch.nn import functional

from aerial_training.sample import EITHER, UNKNOWN

# The building maps teach the encoder what a building is; change is what is asked.
BUILDING_WEIGHT = 0.5
DICE_WEIGHT = 0.7


def objective(logits_N4HW: Tensor, truth_N4HW: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Return the loss and its parts: cross entropy and Dice of change and of the building maps.

    ``truth_N4HW``: uint8, 1, 0 or ``UNKNOWN`` (no loss there), channels as the network's; of a change
    of unknown direction (``EITHER``) the chance that it is one of the two is asked. Dice is taken over
    the batch (Milletari et al. 2016), so that pairs without change count as negatives.
    """
    known = truth_N4HW < EITHER
    truth = torch.where(known, truth_N4HW, 0).float()
    weight = known.float()
    entropy = functional.binary_cross_entropy_with_logits(logits_N4HW, truth, weight, reduction="none")
    chance = torch.sigmoid(logits_N4HW) * weight
    parts: dict[str, float] = {}
    total = logits_N4HW.new_zeros(())
    undirected = truth_N4HW[:, 0] == EITHER
    for name, channels, share in (("change", slice(0, 2), 1.0), ("building", slice(2, 4), BUILDING_WEIGHT)):
        surprise, places = entropy[:, channels].sum(), weight[:, channels].sum()
        both = (chance[:, channels] * truth[:, channels]).sum()
        either = chance[:, channels].sum() + truth[:, channels].sum()
        if name == "change" and bool(undirected.any()):
            # log of the chance that neither happened; its complement is what was seen.
            neither = functional.logsigmoid(-logits_N4HW[:, :2]).sum(dim=1)[undirected].clamp(max=-1e-12)
            changed = -torch.expm1(neither)
            surprise, places = surprise - changed.log().sum(), places + changed.numel()
            both, either = both + changed.sum(), either + changed.sum() + changed.numel()
        cross = surprise / places.clamp(min=1)
        dice = 1 - (2 * both + 1) / (either + 1)
        total = total + share * (cross + DICE_WEIGHT * dice)
        parts |= {f"{name}_entropy": float(cross.detach()), f"{name}_dice": float(dice.detach())}
    return total, parts


def counts(logits_N4HW: Tensor, truth_N4HW: Tensor) -> Tensor:
    """Return true positives, false positives and false negatives of change in any direction at 0.5."""
    known = (truth_N4HW[:, :2] != UNKNOWN).all(dim=1)
    said = (logits_N4HW[:, :2] > 0).any(dim=1) & known
    true = ((truth_N4HW[:, :2] == 1) | (truth_N4HW[:, :2] == EITHER)).any(dim=1) & known
    return torch.stack([(said & true).sum(), (said & ~true).sum(), (~said & true).sum()])


def f1(counts_3: Tensor) -> float:
    """Return F1 in percent from the sums of ``counts``."""
    hit, false, missed = (float(v) for v in counts_3)
    return 200 * hit / max(2 * hit + false + missed, 1)
