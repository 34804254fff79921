"""The best local affine change: it gives an affine change back as it was, and no more than that."""

import pytest
import torch

from hflow.foundation.guided_filter import contrast_eps, local_affine


@pytest.fixture
def source() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.rand(2, 3, 40, 56)


def test_an_affine_change_of_the_colours_comes_back_as_it_was(source: torch.Tensor) -> None:
    mixing = torch.tensor([[0.5, 0.2, 0.0], [0.1, 0.4, 0.1], [0.0, 0.3, 0.3]])
    changed = torch.einsum("ij,bjhw->bihw", mixing, source) + 0.1
    assert torch.allclose(local_affine(source, changed), changed, atol=2e-3)


def test_a_change_that_varies_slowly_over_the_picture_comes_back_nearly(source: torch.Tensor) -> None:
    changed = source * torch.linspace(0.4, 0.6, 56)
    assert (local_affine(source, changed) - changed).abs().mean() < 0.01


def test_of_noise_on_a_flat_region_hardly_anything_comes_back() -> None:
    noise = 0.1 * torch.randn(1, 3, 40, 56, generator=torch.Generator().manual_seed(0))
    flat = torch.full((1, 3, 40, 56), 0.5)
    assert local_affine(flat, flat + noise, radius=4).std() < 0.02


def test_it_solves_every_window_as_a_least_squares_solver_does(source: torch.Tensor) -> None:
    image, radius, eps = torch.rand(1, 3, 12, 13), 2, 1e-3
    s = source[:1, :, :12, :13]
    expected, count = torch.zeros(3, 12, 13), torch.zeros(12, 13)
    slopes, offsets = torch.zeros(12, 13, 3, 3), torch.zeros(12, 13, 3)
    for y in range(12):
        for x in range(13):
            rows, columns = slice(max(0, y - radius), y + radius + 1), slice(max(0, x - radius), x + radius + 1)
            a, b = s[0, :, rows, columns].flatten(1).T, image[0, :, rows, columns].flatten(1).T  # (N, 3)
            centred, wanted = a - a.mean(0), b - b.mean(0)
            slope = torch.linalg.solve(centred.T @ centred / len(a) + eps * torch.eye(3), centred.T @ wanted / len(a))
            slopes[y, x], offsets[y, x] = slope, b.mean(0) - a.mean(0) @ slope
    for y in range(12):
        for x in range(13):
            rows, columns = slice(max(0, y - radius), y + radius + 1), slice(max(0, x - radius), x + radius + 1)
            slope, offset = slopes[rows, columns].mean((0, 1)), offsets[rows, columns].mean((0, 1))
            expected[:, y, x] = s[0, :, y, x] @ slope + offset
            count[y, x] += 1
    assert torch.allclose(local_affine(s, image, radius=radius, eps=eps)[0], expected, atol=1e-4)


def test_its_gradient_is_that_of_finite_differences() -> None:
    torch.manual_seed(0)
    source, image = torch.rand(1, 3, 10, 11), torch.rand(1, 3, 10, 11, requires_grad=True)
    change = torch.randn_like(image)

    def left(y: torch.Tensor) -> torch.Tensor:
        return (y - local_affine(source, y, radius=2)).square().sum()

    left(image).backward()
    assert image.grad is not None
    with torch.no_grad():
        slope = (left(image + 1e-2 * change) - left(image - 1e-2 * change)) / 2e-2
    assert slope.item() == pytest.approx((image.grad * change).sum().item(), rel=1e-2)


def test_shapes_that_are_not_two_images_of_one_size_are_refused() -> None:
    with pytest.raises(ValueError, match="must both be"):
        local_affine(torch.rand(1, 3, 20, 20), torch.rand(1, 3, 20, 21))


def test_a_dark_picture_with_noise_comes_back_bright_where_the_penalty_follows_its_contrast(
    source: torch.Tensor,
) -> None:
    dark = 0.02 * source
    kept, lost = (local_affine(dark, source, eps=eps) - source for eps in (contrast_eps(dark), 1e-4))
    assert kept.square().mean() < 0.1 * lost.square().mean()


def test_a_picture_of_usual_contrast_has_the_usual_penalty(source: torch.Tensor) -> None:
    assert torch.equal(contrast_eps(source), torch.full((len(source),), 1e-4))
    assert contrast_eps(torch.zeros(1, 3, 8, 8)).item() > 0


@pytest.mark.parametrize("radius", [1, 4, 7])
def test_a_large_picture_comes_out_the_same_in_bands(
    source: torch.Tensor, radius: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = torch.rand(2, 3, 40, 56)
    whole = local_affine(source, image, radius=radius, eps=contrast_eps(source))
    monkeypatch.setattr("hflow.foundation.guided_filter.BAND", 1)
    assert torch.equal(local_affine(source, image, radius=radius, eps=contrast_eps(source)), whole)
