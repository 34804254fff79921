"""The loss: a batch is the mean of its samples, k chooses channels a sample at a time."""

import pytest
import torch

from hflow.foundation.errors import HflowError
from hflow.training.losses import aligned_style_loss, content_loss, dark_channel_loss

Features = dict[str, torch.Tensor]


@pytest.fixture
def features() -> tuple[Features, Features]:
    torch.manual_seed(0)
    shapes = {"relu1_1": (4, 10, 8, 9), "relu4_1": (4, 12, 5, 6)}
    return tuple({k: torch.rand(s) * torch.rand(s[:2])[..., None, None] for k, s in shapes.items()} for _ in range(2))


@pytest.mark.parametrize("k", [0.1, 0.5, 0.8, 1.0])
def test_the_style_loss_of_a_batch_is_the_mean_of_its_samples_losses(
    features: tuple[Features, Features], k: float
) -> None:
    output, style = features
    together = aligned_style_loss(output, style, k=k, layers=["relu1_1", "relu4_1"])
    alone = [
        aligned_style_loss(
            {n: f[i : i + 1] for n, f in output.items()},
            {n: f[i : i + 1] for n, f in style.items()},
            k=k,
            layers=["relu1_1", "relu4_1"],
        )
        for i in range(4)
    ]
    assert together.item() == pytest.approx(torch.stack(alone).mean().item(), rel=1e-5)


def test_the_content_loss_of_a_batch_is_the_mean_of_its_samples_losses(features: tuple[Features, Features]) -> None:
    output, content = features
    alone = [
        content_loss({n: f[i : i + 1] for n, f in output.items()}, {n: f[i : i + 1] for n, f in content.items()})
        for i in range(4)
    ]
    assert content_loss(output, content).item() == pytest.approx(torch.stack(alone).mean().item(), rel=1e-5)


def test_the_content_loss_ignores_a_change_of_a_channels_mean_and_contrast(features: tuple[Features, Features]) -> None:
    output = {name: 100 * f for name, f in features[0].items()}  # far above the eps under the root
    changed = {name: 3 * f + 5 for name, f in output.items()}
    assert content_loss(changed, output).item() == pytest.approx(0, abs=1e-3)


def test_the_style_loss_counts_the_channels_whose_means_differ_least() -> None:
    # Two pixels a channel: mean m and std sqrt(2) d. Of four channels with means off by 0, 1, 2, 3, k = 0.5 keeps two.
    means = torch.tensor([0.0, 1.0, 2.0, 3.0])
    zeros = torch.zeros(1, 4, 1, 2)
    output = {"relu1_1": means[None, :, None, None] + zeros}
    loss = aligned_style_loss(output, {"relu1_1": zeros}, k=0.5, layers=["relu1_1"])
    assert loss.item() == pytest.approx((0 + 1) / 4, abs=1e-6)


def test_the_style_loss_counts_the_stds_of_the_same_channels() -> None:
    spread = torch.tensor([-1.0, 1.0])
    output = {"relu1_1": torch.stack([spread, spread + 9])[None, :, None, :]}  # std sqrt(2), means 0 and 9
    loss = aligned_style_loss(output, {"relu1_1": torch.zeros(1, 2, 1, 2)}, k=0.5, layers=["relu1_1"])
    assert loss.item() == pytest.approx((2**0.5 - 1e-5**0.5) ** 2 / 2, rel=1e-4)


def test_each_band_is_compared_with_the_same_band_of_the_style() -> None:
    top_bright = torch.tensor([3.0, 0.0])[None, None, :, None] + torch.zeros(1, 1, 2, 4)  # (1, 1, 2, 4)
    output, style = {"relu1_1": top_bright}, {"relu1_1": top_bright.flip(2)}
    whole = aligned_style_loss(output, style, k=1, layers=["relu1_1"])
    banded = aligned_style_loss(output, style, k=1, layers=["relu1_1"], bands=2)
    assert whole.item() == pytest.approx(0, abs=1e-6)
    assert banded.item() == pytest.approx(9, rel=1e-4)


def test_a_band_chooses_channels_of_its_own() -> None:
    # In the top row channel 0 is off by 5, in the bottom row channel 1; k = 0.5 leaves the worse one out in each.
    off = torch.tensor([[5.0, 0.0], [0.0, 5.0]])[None, :, :, None] + torch.zeros(1, 2, 2, 4)  # (1, 2, 2, 4)
    loss = aligned_style_loss({"relu1_1": off}, {"relu1_1": 0 * off}, k=0.5, layers=["relu1_1"], bands=2)
    assert loss.item() == pytest.approx(0, abs=1e-6)


def test_the_weight_of_the_stds_leaves_the_means_alone() -> None:
    spread = torch.tensor([-1.0, 1.0])[None, None, None]  # (1, 1, 1, 2)
    output, style = {"relu1_1": spread + 2}, {"relu1_1": torch.zeros(1, 1, 1, 2)}
    losses = [
        aligned_style_loss(output, style, k=1, layers=["relu1_1"], std_weight=weight).item() for weight in (0, 1, 3)
    ]
    assert losses[0] == pytest.approx(4, rel=1e-4)
    assert losses[2] - losses[0] == pytest.approx(3 * (losses[1] - losses[0]), rel=1e-4)


def test_more_bands_than_rows_are_refused_by_name() -> None:
    features = {"relu1_1": torch.zeros(1, 1, 3, 4)}
    with pytest.raises(HflowError, match=r"3 pixels high have no 4 bands: lower loss\.bands"):
        aligned_style_loss(features, features, k=1, layers=["relu1_1"], bands=4)


def test_haze_raises_the_dark_channel_loss_and_a_darker_picture_of_the_same_haze_does_not_hide_it() -> None:
    clear = torch.rand(1, 3, 40, 60, generator=torch.Generator().manual_seed(0)).square()
    far = torch.linspace(0.1, 0.8, 60)
    hazy = clear * (1 - far) + 0.9 * far
    losses = [dark_channel_loss(image, clear).item() for image in (clear, 0.5 * hazy + 0.5 * clear, hazy)]
    assert losses[0] == pytest.approx(0, abs=1e-6)
    assert losses[0] < losses[1] < losses[2]
    assert dark_channel_loss(hazy * clear.mean() / hazy.mean(), clear).item() > 0.01
