"""A frozen judge: a small segmenter, trained once, that says what a frame shows before and after its translation.

    >>> load_judge(Path("models/given/judge")).predict(torch.rand(2, 3, 64, 96))  # doctest: +SKIP

A judge is a folder of judge.safetensors and judge.json; judge_training.py makes one. No pickle.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from hflow.foundation.atomic_folders import check_replaceable, publish
from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import sha256_file
from hflow.foundation.imagenet import MEAN, STD
from hflow.foundation.json_files import read_json
from hflow.segmentation.networks import NETWORKS, segmentation_network

__all__ = ["Judge", "check_judge_folder", "judge_files", "load_judge", "save_judge", "weights_file"]

WEIGHTS, CONFIG = "judge.safetensors", "judge.json"


@dataclass(frozen=True)
class Judge:
    """A segmenter that learns no more.

    Attributes:
        network: torchvision's segmentation network of this name, in evaluation mode.
        name: one of `NETWORKS`.
        classes: the class names; a name's place is its train id.
        sha256: of its weights as a file; empty before it was saved.
        trained_on: the domains whose frames it learned from, "target" or "both"; empty where that is not known.
    """

    network: nn.Module
    name: str
    classes: tuple[str, ...]
    sha256: str = ""
    trained_on: str = ""

    @torch.inference_mode()
    def predict(self, images: Tensor) -> Tensor:
        """Train ids, int64 (B, H, W), of images, (B, 3, H, W) in [0, 1], on the device that the network is on."""
        device = next(self.network.parameters()).device
        mean, std = (torch.tensor(v, device=device).view(3, 1, 1) for v in (MEAN, STD))
        logits: Tensor = self.network((images.to(device) - mean) / std)["out"]  # (B, K, H, W)
        return logits.argmax(dim=1)


def check_judge_folder(folder: Path) -> None:
    """See that `save_judge` would replace nothing but a judge.

    Raises:
        HflowError: the folder holds something else.
    """
    check_replaceable(folder, CONFIG, [WEIGHTS])


def save_judge(judge: Judge, folder: Path) -> Judge:
    """Write a judge's folder as one step; gives the judge with the hash of its weights.

    Raises:
        HflowError: the folder holds something else than a judge.
    """
    check_judge_folder(folder)
    weights = weights_file(judge.network)
    publish(judge_files(weights, judge.name, judge.classes, trained_on=judge.trained_on), folder)
    return replace(judge, sha256=sha256_file(folder / WEIGHTS))


def judge_files(
    weights: Path | bytes, name: str, classes: Sequence[str], *, trained_on: str = ""
) -> dict[str, Path | bytes]:
    """What a judge's folder holds, by file name.

    Args:
        weights: as `weights_file` gives them, or a file of them.
        name: of the network, one of `NETWORKS`.
        classes: the class names; a name's place is its train id.
        trained_on: as of `Judge`.
    """
    config = {"network": name, "classes": list(classes)} | ({"trained_on": trained_on} if trained_on else {})
    return {WEIGHTS: weights, CONFIG: (json.dumps(config, indent=2) + "\n").encode()}


def weights_file(network: nn.Module) -> bytes:
    """A network's weights as safetensors."""
    return save({name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()})


def load_judge(folder: Path, *, classes: Sequence[str] | None = None, device: torch.device | str = "cpu") -> Judge:
    """Read a judge's folder.

    `judge.json` names the network (one of torchvision's: lraspp_mobilenet_v3_large, deeplabv3_mobilenet_v3_large,
    deeplabv3_resnet50), the classes and, as `trained_on`, what it learned from, which may be missing;
    judge.safetensors holds its state_dict, without an auxiliary head. So a segmenter that was trained elsewhere can be
    the judge too.

    Args:
        folder: that of a judge.
        classes: that it has to know, in their order; None takes any.
        device: to put it on.

    Raises:
        HflowError: the folder is missing, is not a whole judge, or knows other classes.
    """
    for name in (WEIGHTS, CONFIG):
        if not (folder / name).is_file():
            raise HflowError(f"{folder / name} is missing: {folder} is not a judge; `hflow judge` makes one")
    try:
        said = read_json(folder / CONFIG, made_by="run `hflow judge`")
        name, known = said["network"], tuple(str(c) for c in said["classes"])
        trained_on = str(said.get("trained_on", ""))
        if name not in NETWORKS:
            raise HflowError(f"{folder / CONFIG} names the network {name!r}: it must be one of {', '.join(NETWORKS)}")
        network = segmentation_network(name, len(known))
        network.load_state_dict(load_file(folder / WEIGHTS))
    except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise HflowError(f"{folder} is not a whole judge ({' '.join(str(error).split())[:200]})") from None
    if classes is not None and known != tuple(classes):
        raise HflowError(
            f"{folder} knows the classes {', '.join(known)}, data.classes are "
            f"{', '.join(classes)}: train one by `hflow judge`"
        )
    network = network.to(device).eval().requires_grad_(False)
    return Judge(network, name, known, sha256_file(folder / WEIGHTS), trained_on)
