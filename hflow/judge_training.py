"""Training a judge: a small segmenter that knows both domains.

>>> judge = train_judge([shard], ["road", "sky"], steps=300)  # doctest: +SKIP
>>> save_judge(judge, Path("models/judge"))                   # doctest: +SKIP
"""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

from hflow.errors import HflowError
from hflow.judge import NETWORKS, Judge, judge_network
from hflow.labels import IGNORE
from hflow.progress import progress
from hflow.segmentation import Crops, LabelledFrames

__all__ = ["train_judge"]


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
    network = judge_network(NETWORKS[0], len(classes)).to(device).train()
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
