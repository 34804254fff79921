"""A frozen judge: a small segmenter, trained once, that says what a frame shows before and after its translation.

    >>> judge = train_judge([shard], ["road", "sky"], steps=300)            # doctest: +SKIP
    >>> save_judge(judge, Path("models/judge"))                             # doctest: +SKIP
    >>> load_judge(Path("models/judge")).predict(torch.rand(2, 3, 64, 96))  # doctest: +SKIP

A judge is a folder of judge.safetensors and judge.json. No pickle.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision.models import segmentation as torchvision_networks

from hflow.errors import HflowError
from hflow.files import publish, sha256_file
from hflow.labels import IGNORE
from hflow.progress import progress
from hflow.segmentation import Crops, LabelledFrames

__all__ = ["Judge", "load_judge", "save_judge", "train_judge"]

WEIGHTS, CONFIG = "judge.safetensors", "judge.json"
NETWORKS = ("lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large", "deeplabv3_resnet50")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


@dataclass(frozen=True)
class Judge:
    """A segmenter that learns no more.

    Attributes:
        network: torchvision's segmentation network of this name, in evaluation mode.
        name: one of `NETWORKS`.
        classes: the class names; a name's place is its train id.
        sha256: of its weights as a file; empty before it was saved.
    """

    network: nn.Module
    name: str
    classes: tuple[str, ...]
    sha256: str = ""

    @torch.inference_mode()
    def predict(self, images: Tensor) -> Tensor:
        """Train ids, int64 (B, H, W), of images, (B, 3, H, W) in [0, 1], on the device that the network is on."""
        device = next(self.network.parameters()).device
        mean, std = (torch.tensor(v, device=device).view(3, 1, 1) for v in (MEAN, STD))
        logits: Tensor = self.network((images.to(device) - mean) / std)["out"]  # (B, K, H, W)
        return logits.argmax(dim=1)


def train_judge(
    shards: Sequence[Path],
    classes: Sequence[str],
    *,
    steps: int,
    batch_size: int = 8,
    learning_rate: float = 2e-3,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> Judge:
    """Train a judge, an LR-ASPP with MobileNetV3 from scratch, on the labelled frames of some shards.

    Args:
        shards: with the columns key, image and label_train_ids, of both domains where both have labels, so that the
            judge is at home before and after the translation; rows without a label are passed over.
        classes: the class names; a name's place is its train id.
        steps: of AdamW with a learning rate that falls to zero, on frames mirrored, scaled and cropped at random.
        seed: of the weights and of the frames' order; on one CPU the same seed and data give the same judge.

    Raises:
        HflowError: no frame has a label, or the loss is no longer finite.
    """
    frames = LabelledFrames(shards, classes)
    if not len(frames):
        raise HflowError("a judge needs labelled frames, and no frame of these shards has a label")
    torch.manual_seed(seed)
    network = _network(NETWORKS[0], len(classes)).to(device).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate)
    decay = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=steps, power=0.9)
    with progress("judge", steps, unit="steps") as advance:
        for images, labels in DataLoader(Crops(frames, seed=seed, length=steps * batch_size), batch_size):
            logits = network(images.to(device))["out"]  # (B, K, H, W)
            labelled = int((labels != IGNORE).sum())
            loss = F.cross_entropy(logits, labels.to(device), ignore_index=IGNORE, reduction="sum") / max(1, labelled)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            decay.step()
            if not math.isfinite(loss.item()):
                raise HflowError(f"the judge's loss is {loss.item()}: lower its learning rate ({learning_rate})")
            advance(1, f"loss {loss.item():.3g}")
    return Judge(network.eval(), NETWORKS[0], tuple(classes))


def save_judge(judge: Judge, folder: Path) -> Judge:
    """Write a judge's folder as one step; gives the judge with the hash of its weights."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in judge.network.state_dict().items()}
    config = {"network": judge.name, "classes": list(judge.classes)}
    publish({WEIGHTS: save(weights), CONFIG: (json.dumps(config, indent=2) + "\n").encode()}, folder)
    return Judge(judge.network, judge.name, judge.classes, sha256_file(folder / WEIGHTS))


def load_judge(folder: Path, *, device: torch.device | str = "cpu") -> Judge:
    """Read a judge's folder.

    `judge.json` names the network (one of torchvision's: lraspp_mobilenet_v3_large, deeplabv3_mobilenet_v3_large,
    deeplabv3_resnet50) and the classes; judge.safetensors holds its state_dict, without an auxiliary head. So a
    segmenter that was trained elsewhere can be the judge too.

    Raises:
        HflowError: the folder is missing, or is not a whole judge.
    """
    for name in (WEIGHTS, CONFIG):
        if not (folder / name).is_file():
            raise HflowError(f"{folder / name} is missing: {folder} is not a judge; `hflow judge` makes one")
    try:
        said = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        name, classes = said["network"], tuple(str(c) for c in said["classes"])
        if name not in NETWORKS:
            raise HflowError(f"{folder / CONFIG} names the network {name!r}: it must be one of {', '.join(NETWORKS)}")
        network = _network(name, len(classes))
        network.load_state_dict(load_file(folder / WEIGHTS))
    except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise HflowError(f"{folder} is not a whole judge ({' '.join(str(error).split())[:200]})") from None
    return Judge(network.to(device).eval().requires_grad_(False), name, classes, sha256_file(folder / WEIGHTS))


def _network(name: str, classes: int) -> nn.Module:
    network: nn.Module = getattr(torchvision_networks, name)(weights=None, weights_backbone=None, num_classes=classes)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            # torchvision's MobileNetV3 sets 0.01: after a short training the running statistics would lag far behind.
            module.momentum = 0.1
    return network
