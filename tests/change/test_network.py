"""The siamese network: what holds by construction."""

import pytest
import torch

from aerial.change.network import CHANNELS, STRIDE, SiameseNet
from aerial_training import recipes


def _network() -> SiameseNet:
    torch.manual_seed(3)
    network = SiameseNet().eval()
    torch.nn.init.normal_(network.decoder.head.weight)
    return network


def test_swapping_dates_swaps_the_answer_exactly() -> None:
    """(before, after) and (after, before) give the same numbers with appeared and gone exchanged."""
    network = _network()
    before, after = torch.randn(2, 1, 3, 64, 96)
    height = torch.randn(1, 2, 16, 24)
    mirrored = height * torch.tensor([-1.0, 1.0])[None, :, None, None]
    with torch.no_grad():
        expected = network(before, after, height)[:, [1, 0, 3, 2]]
        assert torch.equal(expected, network(after, before, mirrored))


def test_answer_has_the_size_of_the_input() -> None:
    """Every side that is a multiple of the stride comes back as it went in, in four channels."""
    network = _network()
    picture = torch.zeros(2, 3, 3 * STRIDE, 5 * STRIDE)
    height = torch.zeros(2, 2, 24, 40)
    assert network(picture, picture, height).shape == (2, len(CHANNELS), 96, 160)


def test_height_is_seen() -> None:
    """A known height change alters the answer; so the network can use it."""
    network = _network()
    picture = torch.zeros(1, 3, 64, 64)
    height = torch.zeros(1, 2, 16, 16)
    with torch.no_grad():
        flat = network(picture, picture, height)
        height[:, 0, 4:8, 4:8] = 0.3
        height[:, 1] = 1
        assert not torch.equal(flat, network(picture, picture, height))


def test_default_is_small_and_plain() -> None:
    """The default has at most 2.5 million parameters, and no depthwise or narrow convolution."""
    network = SiameseNet()
    assert sum(p.numel() for p in network.parameters()) <= 2.5e6
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    assert {m.groups for m in convolutions} == {1}
    assert min(m.out_channels for m in convolutions if m is not network.decoder.head) >= 16


@pytest.mark.parametrize("encoder", ["resnet18", "mobilenet_v2"])
def test_same_head_on_a_large_encoder(encoder: str) -> None:
    """The head takes an encoder of segmentation-models-pytorch and stays exactly antisymmetric."""
    from aerial_training.large import large_encoder

    torch.manual_seed(0)
    network = SiameseNet(recipes.PLAIN, large_encoder(encoder)).eval()
    torch.nn.init.normal_(network.decoder.head.weight)
    before, after = torch.randn(2, 1, 3, 64, 64)
    height = torch.zeros(1, 2, 16, 16)
    with torch.no_grad():
        expected = network(before, after, height)[:, [1, 0, 3, 2]]
        assert torch.equal(expected, network(after, before, height))
