"""Fitting the Style-Net: every style asks for its own statistics, at once."""

import torch

from hflow.model import HierarchyFlow
from hflow.training.style_fit import fit_styles, keep_features


def images(count: int) -> torch.Tensor:
    """Pictures of many colours and contrasts, (N, 3, 24, 32)."""
    torch.manual_seed(0)
    return (torch.rand(count, 3, 1, 1) + 0.3 * torch.rand(count, 1, 1, 1) * torch.randn(count, 3, 24, 32)).clamp(0, 1)


def start(pictures: torch.Tensor) -> HierarchyFlow:
    torch.manual_seed(1)
    network = HierarchyFlow((4, 2))
    network.start_from(pictures.split(1))
    return network


def error(network: HierarchyFlow, pictures: torch.Tensor) -> float:
    """The mean squared difference of what the styles ask for and what the couplings find, of the outer coupling."""
    with torch.no_grad():
        asked, found = network.statistics(network.encode_style(pictures))[0], network.measure(pictures)[0]
    return sum(float((a - f).square().mean()) for a, f in zip(asked, found, strict=True))


def test_a_fitted_network_asks_for_the_statistics_of_images_that_it_was_not_fitted_to() -> None:
    pictures = images(80)
    network = start(pictures[:64])
    before = error(network, pictures[64:])
    explained = fit_styles(network, lambda i: pictures[i : i + 1], 64)
    assert explained > 0.8
    assert error(network, pictures[64:]) < before / 4


def test_the_couplings_stay_and_the_result_is_the_same_every_time() -> None:
    pictures = images(40)
    states = []
    for _ in range(2):
        network = start(pictures)
        before = {name: value.clone() for name, value in network.couplings.state_dict().items()}
        fit_styles(network, lambda i: pictures[i : i + 1], 40)
        assert all(torch.equal(before[name], value) for name, value in network.couplings.state_dict().items())
        states.append(network.state_dict())
    assert all(torch.equal(states[0][name], value) for name, value in states[1].items())


def test_the_first_steps_of_training_hardly_move_the_codes() -> None:
    pictures = images(40)
    network = start(pictures)
    fit_styles(network, lambda i: pictures[i : i + 1], 40)
    keep_features(network)
    before = network.encode_style(pictures).detach()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    for _ in range(3):
        optimizer.zero_grad()
        network(pictures[:4], pictures[4:8]).square().mean().backward()
        optimizer.step()
    assert before.std(dim=0).max() > 0.9
    assert (network.encode_style(pictures) - before).abs().max() < 0.1


def test_a_single_image_is_fitted_to_its_own_statistics() -> None:
    pictures = images(1)
    network = start(pictures)
    fit_styles(network, lambda i: pictures[i : i + 1], 1)
    assert error(network, pictures) < 1e-9
    assert network(pictures, pictures).isfinite().all()


def test_two_images_are_enough_to_go_on() -> None:
    pictures = images(2)
    network = start(pictures)
    fit_styles(network, lambda i: pictures[i : i + 1], 2)
    assert network(pictures[:1], pictures[1:]).isfinite().all()


def test_a_fitted_encoder_has_finite_codes_in_float16() -> None:
    pictures = images(64)
    pictures = 0.5 + 0.02 * (pictures - 0.5)  # alike, so that the fit multiplies their features by very much
    network = start(pictures)
    fit_styles(network, lambda i: pictures[i : i + 1], 64)
    last = network.style_encoder[-2]
    assert isinstance(last, torch.nn.Conv2d)
    assert last.weight.abs().max() > torch.finfo(torch.float16).max
    with torch.autocast("cpu", torch.float16):
        half = network.encode_style(pictures)
    assert half.dtype == torch.float32
    assert half.isfinite().all()
