"""Style by region: each region against the same one of the style; what either lacks is left alone."""

import pytest
import torch

from hflow.training.losses import aligned_style_loss
from hflow.training.region_style import band_masks, fill_missing, label_masks, region_statistics, region_style_loss

LAYERS = ("relu1_1", "relu2_1")
Features = dict[str, torch.Tensor]


def features(seed: int) -> Features:
    torch.manual_seed(seed)
    return {"relu1_1": torch.rand(2, 6, 16, 24), "relu2_1": torch.rand(2, 8, 9, 13)}


@pytest.mark.parametrize("k", [0.5, 1.0])
def test_with_one_region_it_is_the_loss_of_the_whole_picture(k: float) -> None:
    output, style, whole = features(0), features(1), torch.ones(2, 1, 16, 24)
    ours = region_style_loss(region_statistics(output, whole), region_statistics(style, whole), k=k, std_weight=0.7)
    assert ours.item() == pytest.approx(
        aligned_style_loss(output, style, k=k, layers=LAYERS, std_weight=0.7).item(), rel=1e-2
    )


def test_regions_in_their_colours_agree_however_large_they_are() -> None:
    def picture(rows: int) -> tuple[Features, torch.Tensor]:
        maps = torch.ones(1, 4, 16, 24)
        maps[:, :, rows:] = 3
        ids = torch.zeros(1, 16, 24, dtype=torch.int64)
        ids[:, rows:] = 1
        return {"relu1_1": maps}, label_masks(ids, 3)

    (much, its_masks), (little, their_masks) = picture(12), picture(4)
    assert region_style_loss(region_statistics(much, its_masks), region_statistics(little, their_masks)) < 1e-8
    assert aligned_style_loss(much, little, k=1, layers=["relu1_1"]) > 0.5


def test_a_region_that_the_style_lacks_is_left_alone_or_takes_the_typical_statistics() -> None:
    maps = {"relu1_1": torch.rand(1, 4, 16, 24)}
    other = {"relu1_1": torch.rand(1, 4, 16, 24) + 1}
    first, second = torch.zeros(1, 16, 24, dtype=torch.int64), torch.ones(1, 16, 24, dtype=torch.int64)
    output = region_statistics(maps, label_masks(first, 2))
    style = region_statistics(other, label_masks(second, 2))
    assert region_style_loss(output, style) == 0
    typical = region_statistics(other, label_masks(first, 2))
    assert region_style_loss(output, fill_missing(style, typical)) > 0.5


def test_a_pixel_without_a_class_counts_nowhere() -> None:
    ids = torch.full((1, 16, 24), 255)
    ids[:, :8] = 0
    maps = torch.rand(1, 4, 16, 24)
    wild = maps.clone()
    wild[:, :, 8:] = 100
    masks = label_masks(ids, 2)
    ours, theirs = (region_statistics({"relu1_1": m}, masks)["relu1_1"] for m in (maps, wild))
    assert torch.equal(ours.mean, theirs.mean)
    assert ours.share[0].tolist() == [0.5, 0]


def test_bands_part_the_height_evenly() -> None:
    assert band_masks((12, 5), 4).sum(dim=(0, 2, 3)).tolist() == [15] * 4
    assert torch.equal(band_masks((13, 5), 4).sum(dim=1), torch.ones(1, 13, 5))


def test_classes_can_be_parted_into_bands() -> None:
    ids = torch.randint(3, (2, 12, 5))
    masks = label_masks(ids, 3, bands=4)
    assert masks.shape == (2, 12, 12, 5)
    assert torch.equal(masks.unflatten(1, (3, 4)).sum(dim=2), label_masks(ids, 3))
    assert torch.equal(masks.sum(dim=1), torch.ones(2, 12, 5))


def test_an_empty_region_has_a_finite_gradient() -> None:
    maps = torch.rand(1, 4, 16, 24, requires_grad=True)
    masks = label_masks(torch.zeros(1, 16, 24, dtype=torch.int64), 3)
    wanted = region_statistics({"relu1_1": torch.rand(1, 4, 16, 24)}, masks)
    region_style_loss(region_statistics({"relu1_1": maps}, masks), wanted).backward()
    assert maps.grad is not None
    assert maps.grad.isfinite().all()
