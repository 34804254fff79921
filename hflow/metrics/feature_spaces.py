"""The feature spaces in which realism is measured."""

import math
import tempfile
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from hflow.foundation.errors import HflowError
from hflow.foundation.progress import say
from hflow.metrics.fid_kid import FeatureSpace
from hflow.metrics.lpips import ShiftTolerantVGG, load_vgg, unit_length

__all__ = ["SPACES", "load_feature_space"]

SPACES = ("auto", "inception", "vgg16")
INCEPTION, VGG = "inception-v3-2048", "vgg16-st-relu5_3"
DIMENSIONS = 512


def load_feature_space(
    name: Literal["auto", "inception", "vgg16"] | str,
    *,
    device: torch.device | str = "cpu",
    weights: Path | None = None,
    vgg: ShiftTolerantVGG | None = None,
) -> FeatureSpace:
    """A feature space by name.

    - `inception`: the last pooling of the Inception-v3 that FID was published with, 2048 numbers, images resized to
      299x299 as torchmetrics does it. It needs the package torch-fidelity (`pip install hflow[inception]`) and its
      weights, which are downloaded on first use. Only this space gives figures that stand beside published ones.
    - `vgg16`: relu5_3 of the VGG-16 of stlpips-pytorch, 512 numbers, images at their own size. As ST-LPIPS does it, the
      features of each place are brought to one length, here the square root of 512, before they are averaged over the
      picture. Its weights are installed with hflow. Figures compare among themselves, at one size.
    - `auto`: inception where it can be had, else vgg16.

    Args:
        name: one of those.
        device: where to compute.
        weights: a file of torch-fidelity's Inception weights, where they can't be downloaded.
        vgg: a network that is loaded already.

    Raises:
        HflowError: the space is unknown or can't be had.
    """
    if name not in SPACES:
        raise HflowError(f"there is no feature space {name!r}: take one of {', '.join(SPACES)}")
    if name == "vgg16":
        return _vgg((vgg or load_vgg()).to(device))
    try:
        return _inception(device, weights)
    except HflowError as error:
        if name == "inception" or weights is not None:
            raise
        say(f"{error}; realism is measured in {VGG}")
        return _vgg((vgg or load_vgg()).to(device))


def _vgg(network: ShiftTolerantVGG) -> FeatureSpace:
    device = network.mean.device

    @torch.inference_mode()
    def of_vgg(taps: Tensor) -> Tensor:  # (B, 512, h, w)
        return math.sqrt(DIMENSIONS) * unit_length(taps).mean(dim=(2, 3))

    @torch.inference_mode()
    def features(images: Tensor) -> Tensor:
        return of_vgg(network(images.to(device).float() / 255)[-1])

    return FeatureSpace(VGG, DIMENSIONS, features, of_vgg)


def _inception(device: torch.device | str, weights: Path | None) -> FeatureSpace:
    from torchmetrics.image.fid import NoTrainInceptionV3

    with tempfile.TemporaryDirectory() as folder:
        checked: Path | None = None
        if weights is not None:
            # torch-fidelity unpickles whatever it is given: hand it nothing but tensors.
            checked = Path(folder) / "inception.pth"
            try:
                torch.save(torch.load(weights, map_location="cpu", weights_only=True), checked)
            except FileNotFoundError:
                raise HflowError(f"{weights}, the weights of Inception-v3, is missing") from None
            except Exception as error:
                raise HflowError(f"{weights} is not a file of weights: {' '.join(str(error).split())[:200]}") from None
        try:
            network = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(checked) if checked else None)
        except ModuleNotFoundError:
            raise HflowError("Inception-v3 needs torch-fidelity (pip install 'hflow[inception]')") from None
        except (RuntimeError, AttributeError, TypeError) as error:
            if weights is None:
                raise
            raise HflowError(
                f"{weights} has not the shapes of Inception-v3: {' '.join(str(error).split())[:200]}"
            ) from None
        except OSError as error:
            raise HflowError(f"the weights of Inception-v3 can't be downloaded ({error})") from None
    network = network.to(device)

    @torch.inference_mode()
    def features(images: Tensor) -> Tensor:
        found: Tensor = network(images.to(device))
        return found

    return FeatureSpace(INCEPTION, 2048, features)
