"""Training a judge: a small segmenter that knows both domains.

>>> judge = train_judge([shard], ["road", "sky"], steps=300)  # doctest: +SKIP
>>> save_judge(judge, Path("models/given/judge"))                   # doctest: +SKIP
"""

from collections.abc import Sequence
from pathlib import Path

import torch

from hflow.foundation.errors import HflowError
from hflow.foundation.params import Workers
from hflow.segmentation.judge import Judge
from hflow.segmentation.labelled_frames import Crops, LabelledFrames
from hflow.segmentation.networks import segmentation_network
from hflow.segmentation.training import train_segmenter

__all__ = ["train_judge"]

NETWORK = "lraspp_mobilenet_v3_large"


def train_judge(
    shards: Sequence[Path],
    classes: Sequence[str],
    *,
    steps: int,
    batch_size: int = 8,
    learning_rate: float = 2e-3,
    seed: int = 0,
    device: torch.device | str = "cpu",
    name: str = NETWORK,
    imagenet: bool = False,
    workers: Workers = "auto",
) -> Judge:
    """Train a judge, an LR-ASPP with MobileNetV3 from scratch unless told otherwise, on the labelled frames of shards.

    Args:
        shards: with the columns key, image and label_train_ids, of both domains where both have labels, so that the
            judge is at home before and after the translation; rows without a label are passed over.
        classes: the class names; a name's place is its train id.
        steps: of AdamW with a learning rate that falls to zero, on frames mirrored, scaled and cropped at random.
        name: of the network, one of `NETWORKS`. A judge that is to say how real frames look is trained on the target's
            shards alone, best an efficientnet_lite0 with ImageNet's weights.
        imagenet: begin with weights that know ImageNet.
        seed: of the weights and of the frames' order; on one CPU the same seed and data give the same judge.
        workers: processes that load, as in the section segment.

    Raises:
        HflowError: no frame has a label, no pixel has a class, or the loss is no longer finite.
    """
    frames = LabelledFrames(shards, classes)
    if not len(frames):
        raise HflowError("a judge needs labelled frames, and no frame of these shards has a label")
    torch.manual_seed(seed)
    network = segmentation_network(name, len(classes), imagenet=imagenet).to(device)
    train_segmenter(
        network,
        Crops(frames, seed=seed, length=steps * batch_size),
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        title="judge",
        advice=f"lower its learning rate ({learning_rate}) or take another seed ({seed})",
        workers=workers,
    )
    return Judge(network.eval(), name, tuple(classes))
