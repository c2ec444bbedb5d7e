"""Small things to train on."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from aerial_training.sample import Sample

SIDE_PX = 128


@dataclass(frozen=True)
class FourPairs:
    """Four pairs of squares on a patchwork, over and over: what appeared is bright, what went is dark."""

    side_px: int = SIDE_PX

    def sample(self, index: int) -> Sample:
        """Return pair ``index`` modulo four."""
        rng = np.random.default_rng(index % 4)
        side = self.side_px
        patches = rng.integers(60, 160, (3, side // 8, side // 8)).repeat(8, 1).repeat(8, 2)
        before = patches.astype(np.uint8)
        after = before.copy()
        appeared, gone = np.zeros((side, side), np.uint8), np.zeros((side, side), np.uint8)
        for mask, picture, tone in ((appeared, after, 220), (gone, before, 30)):
            row, column = rng.integers(0, side * 2 // 3, 2)
            height, width = rng.integers(side // 10, side // 3, 2)
            mask[row : row + height, column : column + width] = 1
            picture[:, row : row + height, column : column + width] = tone
        return Sample(
            before_3HW=before,
            after_3HW=after,
            appeared_HW=appeared,
            gone_HW=gone,
            building_before_HW=gone,
            building_after_HW=appeared,
            height_change_HW=np.where(appeared == 1, 3.0, 0.0).astype(np.float32),
            gsd_m=0.3,
        )


@pytest.fixture
def four_pairs() -> FourPairs:
    """Return the four pairs at 128 px."""
    return FourPairs()


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tests share two cores: threads of one test would wait for those of another."""
    torch.set_num_threads(1)
