"""The encoders: those of their packages, of one scale, computing no more than is wanted."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from hflow.foundation.errors import HflowError
from hflow.training.encoder import LAYERS, load_encoder, measure_scales


def test_an_encoder_computes_the_layers_that_are_wanted_and_no_others() -> None:
    encoder, images = load_encoder("vgg16"), torch.rand(1, 3, 32, 48)
    everything = encoder(images)
    for wanted in (("relu1_1", "relu3_1"), ("relu4_1",)):
        some = encoder(images, wanted)
        assert tuple(some) == wanted
        assert all(torch.equal(some[layer], everything[layer]) for layer in wanted)


def test_scales_make_the_mean_activation_one() -> None:
    torch.manual_seed(0)
    images = [torch.rand(1, 3, 48, 64) for _ in range(3)]
    encoder = load_encoder("vgg16")
    encoder.scales = measure_scales(encoder, images)
    means = torch.stack([torch.stack([encoder(image)[layer].mean() for layer in LAYERS]) for image in images])
    assert torch.allclose(means.mean(dim=0), torch.ones(4), atol=1e-5)


def test_the_shipped_encoder_is_that_of_its_package() -> None:
    """Against the package's own modules, which need imports that it does not declare."""
    import sys
    import types

    for name, attribute in (("IPython", "embed"), ("torchsummary", "summary")):
        if name not in sys.modules:
            sys.modules[name] = types.ModuleType(name)
            setattr(sys.modules[name], attribute, None)
    from stlpips_pytorch.stlpips import LPIPS

    theirs = LPIPS(net="vgg", variant="shift_tolerant", verbose=False)
    image = torch.rand(1, 3, 40, 56)
    with torch.no_grad():
        x = theirs.net.slice3(theirs.net.slice2(theirs.net.slice1(theirs.scaling_layer(2 * image - 1))))
        for module in list(theirs.net.slice4.children())[:4]:  # up to relu4_1
            x = module(x)
        assert torch.allclose(load_encoder("vgg16")(image)["relu4_1"], x, atol=1e-4)


def test_weights_from_a_file_are_torchvisions(tmp_path: Path) -> None:
    from torchvision.models import vgg19

    torch.manual_seed(0)
    theirs = vgg19(weights=None).eval()
    save_file(theirs.state_dict(), tmp_path / "vgg19.safetensors")
    image = torch.rand(1, 3, 32, 32)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        expected = theirs.features[:21](((image[0].permute(1, 2, 0) - mean) / std).permute(2, 0, 1)[None])
    assert torch.allclose(load_encoder("vgg19", tmp_path / "vgg19.safetensors")(image)["relu4_1"], expected, atol=1e-4)


def test_a_file_that_is_no_weights_is_refused_by_name(tmp_path: Path) -> None:
    bad = tmp_path / "vgg.pth"
    bad.write_bytes(b"cos\nsystem\n(S'echo'\ntR.")
    with pytest.raises(HflowError, match=r"vgg\.pth .* is not a file of weights"):
        load_encoder("vgg19", bad)
    with pytest.raises(HflowError, match="is missing"):
        load_encoder("vgg19", tmp_path / "none.pth")


def test_in_bfloat16_the_features_are_near_and_float32() -> None:
    encoder, images = load_encoder("vgg16"), torch.rand(1, 3, 32, 48)
    wanted = encoder(images)
    encoder.stages.to(torch.bfloat16)
    for layer, features in encoder(images).items():
        assert features.dtype == torch.float32
        assert (features - wanted[layer]).abs().mean() < 0.03 * wanted[layer].abs().mean()
