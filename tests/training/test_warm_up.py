"""The warm-up teaches the Style-Net what an image's own statistics are."""

import math

import torch

from hflow.model import HierarchyFlow
from hflow.training.warm_up import learn_styles


def _network() -> tuple[HierarchyFlow, list[torch.Tensor]]:
    """A network at the mean statistics of eight images, plain colours under noise; of two sizes."""
    torch.manual_seed(0)
    network = HierarchyFlow((2, 2))
    colours = torch.rand(8, 1, 3, 1, 1)
    images = [0.5 * c + 0.5 * torch.rand(1, 3, 24, 24 + 8 * (i % 2)) for i, c in enumerate(colours)]
    network.start_from(images)
    return network, images


def _change(network: HierarchyFlow, images: list[torch.Tensor]) -> float:
    """How much translating images in their own styles changes them, in [0, 1]."""
    with torch.inference_mode():
        return sum(float((network(image, image) - image).abs().mean()) for image in images) / len(images)


def test_afterwards_an_image_in_its_own_style_stays_nearly_as_it_is() -> None:
    network, images = _network()
    before = _change(network, images)
    losses = learn_styles(network, images.__getitem__, len(images), steps=150, seed=0)
    assert losses[-1] < losses[0] / 4
    assert _change(network, images) < before / 2


def test_the_couplings_stay_as_they_are() -> None:
    network, images = _network()
    before = {name: value.clone() for name, value in network.couplings.state_dict().items()}
    learn_styles(network, images.__getitem__, len(images), steps=2, seed=0)
    assert all(torch.equal(value, before[name]) for name, value in network.couplings.state_dict().items())


def test_no_steps_change_nothing() -> None:
    network, images = _network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert learn_styles(network, images.__getitem__, len(images), steps=0, seed=0) == []
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_under_autocast_the_style_encoder_learns_too() -> None:
    """Its steps see each other: the losses are not those of an encoder that stays as it is."""
    learned, images = _network()
    frozen, _ = _network()
    frozen.style_encoder.requires_grad_(False)
    losses = [
        learn_styles(
            network,
            images.__getitem__,
            len(images),
            steps=6,
            seed=0,
            autocast=lambda: torch.autocast("cpu", torch.bfloat16),
        )
        for network in (learned, frozen)
    ]
    assert losses[0][0] == losses[1][0]
    assert losses[0][-1] < losses[1][-1]


def test_a_very_long_image_is_learned_from_too() -> None:
    network, images = _network()
    images = [*images, torch.rand(1, 3, 16, 1024)]
    losses = learn_styles(network, images.__getitem__, len(images), steps=4, seed=0)
    assert all(math.isfinite(loss) for loss in losses)
