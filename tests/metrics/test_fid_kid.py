"""FID and KID agree with torchmetrics and scipy, need memory that does not grow, and depend on their seed alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from hflow.datasets.images import fit_image, open_rgb
from hflow.foundation.errors import HflowError
from hflow.metrics.feature_spaces import load_feature_space
from hflow.metrics.fid_kid import FeatureSummary, fid, kid
from tests.metrics.conftest import DATA

DIMENSIONS = 16


class _AsItIs(nn.Module):
    """What makes torchmetrics take features for images."""

    num_features = DIMENSIONS

    def forward(self, features: Tensor) -> Tensor:
        return features


def _features(count: int, seed: int, shift: float = 0.0) -> Tensor:
    torch.manual_seed(seed)
    mix = torch.randn(DIMENSIONS, DIMENSIONS, dtype=torch.float64)
    return (torch.randn(count, DIMENSIONS, dtype=torch.float64) @ mix).relu() + shift


def _summary(features: Tensor, *, reservoir: int = 10_000, batch: int = 7, seed: int = 0) -> FeatureSummary:
    summary = FeatureSummary(features.shape[1], seed=seed, reservoir=reservoir)
    for part in features.split(batch):
        summary.add(part)
    return summary


@pytest.mark.parametrize(("first", "second"), [(300, 200), (40, 300), (10, 12)])
def test_fid_is_that_of_torchmetrics_and_of_its_formula(first: int, second: int) -> None:
    a, b = _features(first, 0), _features(second, 1, 0.3)
    ours = fid(_summary(a), _summary(b))
    theirs = FrechetInceptionDistance(feature=_AsItIs()).set_dtype(torch.float64)
    theirs.update(a, real=False)
    theirs.update(b, real=True)
    assert ours == pytest.approx(theirs.compute().item(), rel=1e-6, abs=1e-5)
    if first > DIMENSIONS:
        x, y = a.numpy(), b.numpy()
        root = sqrtm(np.cov(x.T) @ np.cov(y.T)).real
        formula = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(np.cov(x.T) + np.cov(y.T) - 2 * root)
        assert ours == pytest.approx(formula, rel=1e-6)


def test_kid_of_whole_sets_is_that_of_torchmetrics() -> None:
    """Where a subset is the whole set, nothing is left to chance."""
    a, b = _features(60, 0), _features(60, 1, 0.3)
    theirs = KernelInceptionDistance(feature=_AsItIs(), subsets=2, subset_size=60)
    theirs.update(a, real=False)
    theirs.update(b, real=True)
    mean, std = theirs.compute()
    ours = kid(_summary(a), _summary(b), subsets=2, subset_size=60)
    assert (ours.mean, ours.std) == pytest.approx((mean.item(), std.item()), rel=1e-6, abs=1e-9)


def test_kid_over_subsets_is_near_that_of_torchmetrics() -> None:
    a, b = _features(200, 0), _features(200, 1, 0.5)
    torch.manual_seed(0)
    theirs = KernelInceptionDistance(feature=_AsItIs(), subsets=300, subset_size=50)
    theirs.update(a, real=False)
    theirs.update(b, real=True)
    mean, std = (value.item() for value in theirs.compute())
    ours = kid(_summary(a), _summary(b), subsets=300, subset_size=50)
    assert ours.mean == pytest.approx(mean, abs=5 * std / 300**0.5)
    assert ours.std == pytest.approx(std, rel=0.3)


def test_kid_of_equal_distributions_is_nothing_on_average() -> None:
    values = _features(400, 0)
    found = kid(_summary(values[:200]), _summary(values[200:]), subset_size=100)
    assert abs(found.mean) < 2 * found.std


@settings(max_examples=20)
@given(batch=st.integers(1, 50), seed=st.integers(0, 100))
def test_a_summary_depends_on_seed_and_order_and_not_on_batches(batch: int, seed: int) -> None:
    values = _features(50, 0)
    first, second = _summary(values, reservoir=20, batch=batch, seed=seed), _summary(values, reservoir=20, seed=seed)
    assert torch.equal(first.sample, second.sample)
    assert torch.allclose(first.covariance, torch.cov(values.T), atol=1e-9)


def test_a_reservoir_keeps_its_size_and_each_feature_with_the_same_chance() -> None:
    numbers = torch.arange(200, dtype=torch.float64)[:, None]
    kept = torch.zeros(200)
    for seed in range(300):
        sample = _summary(numbers, reservoir=20, batch=64, seed=seed).sample
        assert sample.shape == (20, 1)
        kept[sample.flatten().long()] += 1
    # Each has a chance of one in ten, 30 times in 300; four standard errors of the mean of fifty are 2.9.
    assert all(part.mean() == pytest.approx(30, abs=3) for part in kept.split(50))


def test_the_same_seed_gives_the_same_kid() -> None:
    a, b = _summary(_features(80, 0)), _summary(_features(90, 1))
    assert kid(a, b, seed=1) == kid(a, b, seed=1)
    assert kid(a, b, seed=1) != kid(a, b, seed=2)
    assert kid(a, b).subset_size == 40


def test_too_few_images_are_refused() -> None:
    few, many = _summary(_features(1, 0)), _summary(_features(20, 0))
    for metric in (fid, kid):
        with pytest.raises(HflowError, match="images"):
            metric(few, many)


def test_real_photographs_are_nearer_to_photographs_than_a_simulators_frames() -> None:
    if not DATA.is_dir():
        pytest.skip("no real datasets beside the project")
    space = load_feature_space("vgg16")

    def features(folder: str, numbers: slice) -> Tensor:
        paths = sorted((DATA / folder).iterdir())[numbers]
        pixels = [np.asarray(fit_image(open_rgb(path), (96, 48), "crop")) for path in paths]
        return space.features(torch.stack([torch.from_numpy(p.copy()).permute(2, 0, 1) for p in pixels]))

    camvid = features("camvid/train/images", slice(0, 240, 6))
    more = features("camvid/train/images", slice(3, 243, 6))
    carla = features("carla/train/images", slice(0, 1600, 40))
    near, far = (kid(_summary(x), _summary(camvid), subset_size=30) for x in (more, carla))
    assert near.mean < far.mean - far.std
    assert fid(_summary(more), _summary(camvid)) < fid(_summary(carla), _summary(camvid))
    theirs = FrechetInceptionDistance(feature=_Wide()).set_dtype(torch.float64)
    theirs.update(carla, real=False)
    theirs.update(camvid, real=True)
    assert fid(_summary(carla), _summary(camvid)) == pytest.approx(theirs.compute().item(), rel=1e-4)


class _Wide(_AsItIs):
    num_features = 512


def test_inception_weights_from_a_file_are_those_of_torchmetrics(tmp_path: Path) -> None:
    extractor = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    torch.manual_seed(0)
    blank = extractor.FeatureExtractorInceptionV3.__new__(extractor.FeatureExtractorInceptionV3)
    weights = tmp_path / "inception.pth"
    with pytest.MonkeyPatch.context() as patch:
        # The package can't make a network without weights: let it keep the random ones.
        patch.setattr(extractor, "load_state_dict_from_url", lambda *_, **__: blank)
        patch.setattr(extractor.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        random = extractor.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
    torch.save(random.state_dict(), weights)
    images = torch.randint(0, 256, (4, 3, 40, 60), dtype=torch.uint8)
    space = load_feature_space("inception", weights=weights)
    metric = FrechetInceptionDistance(feature=2048, feature_extractor_weights_path=str(weights))
    assert space.name == "inception-v3-2048"
    assert torch.equal(space.features(images), metric.inception(images))


def test_a_pickle_as_weights_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("torch_fidelity")
    bad = tmp_path / "inception.pth"
    bad.write_bytes(b"cos\nsystem\n(S'echo'\ntR.")
    with pytest.raises(HflowError, match=r"inception\.pth is not a file of weights"):
        load_feature_space("inception", weights=bad)
    with pytest.raises(HflowError, match="is missing"):
        load_feature_space("inception", weights=tmp_path / "none.pth")
