"""The clamp that can be left: values as of clamp, gradients that lead back and never further out."""

import torch

from hflow.model.saturation import returning_clamp


def test_values_are_those_of_clamp_and_gradients_lead_inwards_alone() -> None:
    x = torch.tensor([-0.5, -0.5, 0.5, 0.5, 1.5, 1.5], requires_grad=True)
    slope = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    y = returning_clamp(x)
    assert torch.equal(y, x.clamp(0, 1))
    y.backward(slope)
    assert x.grad is not None
    assert x.grad.tolist() == [0, -1, 1, -1, 1, 0]


def test_a_picture_that_is_all_black_finds_back() -> None:
    for clamp, finds_back in ((returning_clamp, True), (lambda x: x.clamp(0, 1), False)):
        x = torch.full((3, 4, 4), -2.0, requires_grad=True)
        for _ in range(200):
            (loss,) = torch.autograd.grad((clamp(x) - 0.4).square().sum(), x)
            x = (x - 0.1 * loss).detach().requires_grad_(True)
        assert (abs(x.mean().item() - 0.4) < 0.01) == finds_back
