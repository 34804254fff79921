"""Self-training: segmenters label the target's photographs, where they are sure, and learn from them in turn."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from hflow.foundation.code_fingerprint import code_fingerprint
from hflow.foundation.devices import machine_marks
from hflow.foundation.finished_work import Finished, WorkFolder
from hflow.foundation.hashes import fingerprint
from hflow.foundation.params import SegmentParams, SelfTrainingParams
from hflow.segmentation.judge import weights_file
from hflow.segmentation.labelled_frames import LabelledFrames
from hflow.segmentation.mixed_crops import MixedCrops, class_shares
from hflow.segmentation.networks import segmentation_network
from hflow.segmentation.pseudo_labels import label_images
from hflow.segmentation.training import score_segmenter, train_segmenter

__all__ = ["SelfTraining", "self_train"]


@dataclass(frozen=True)
class SelfTraining:
    """What came of it after the last round.

    Attributes:
        runs: for each seed its seed, scores and learning curve.
        labels: the shards of the photographs with the labels, as `label_images` gives them.
        teachers: a hash of the networks that gave the labels.
    """

    runs: list[dict[str, Any]]
    labels: Mapping[str, Finished]
    teachers: str


def self_train(
    params: SegmentParams,
    how: SelfTrainingParams,
    trained: Sequence[Finished],
    *,
    title: str,
    frames: LabelledFrames,
    photographs: Sequence[Path],
    held_out: LabelledFrames,
    device: torch.device,
    depends_on: Mapping[str, Any],
    folder: WorkFolder,
) -> SelfTraining:
    """Train networks on, in rounds: all of them together label the photographs, then each learns from these labels too.

    Args:
        params: the section segment; `how` is its self_training.
        trained: the network of each seed as a piece of finished work, its weights in the file, its seed in the note.
        title: the name of the training set, for progress and errors.
        frames: what they were trained on.
        photographs: shards of the target's training images; labels in them are not read.
        held_out: what they are scored on.
        depends_on: all that the trained networks follow from.
        folder: where networks and labels are kept.

    Raises:
        HflowError: as `train_segmenter`.
    """
    network = segmentation_network(params.network, len(frames.classes)).to(device)
    by = code_fingerprint(self_train)

    @functools.cache
    def shares() -> np.ndarray:
        return class_shares(frames)

    for turn in range(1, how.rounds + 1):
        said = f"{title}, round {turn}"

        def networks(pieces: Sequence[Finished] = trained) -> list[nn.Module]:
            return [_load(params, piece, len(frames.classes), device) for piece in pieces]

        teachers = fingerprint([piece.sha256 for piece in trained])
        labels = label_images(
            photographs,
            networks,
            how.threshold,
            device,
            depends_on=[by, teachers, how.threshold, *machine_marks(device)],
            folder=folder,
            title=f"label photographs, {said}",
        )
        label_hashes = [piece.sha256 for piece in labels.values()]
        labelled = LabelledFrames([piece.path for piece in labels.values()], frames.classes)
        pieces = []
        for piece in trained:
            seed = int(piece.note["seed"])

            def make(
                path: Path,
                piece: Finished = piece,
                labelled: LabelledFrames = labelled,
                seed: int = seed,
                said: str = said,
            ) -> dict[str, Any]:
                crops = MixedCrops(frames, labelled, shares(), seed=seed, length=params.steps * params.batch_size)
                torch.manual_seed(seed)  # of dropout
                network.load_state_dict(load_file(piece.path))
                curve = train_segmenter(
                    network,
                    crops,
                    steps=params.steps,
                    batch_size=params.batch_size,
                    learning_rate=params.learning_rate,
                    title=f"segment {said}, seed {seed}",
                    advice=f"lower segment.learning_rate ({params.learning_rate})",
                    workers=params.workers,
                    average=how.ema,
                )
                scores = score_segmenter(network, held_out, device, f"score {said}, seed {seed}")
                path.write_bytes(weights_file(network))
                return {"seed": seed, **scores, "curve": curve}

            mark = fingerprint(
                {**depends_on, "by": by, "ema": how.ema, "seed": seed, "from": piece.sha256, "labels": label_hashes}
            )
            pieces.append(folder.obtain(mark, make))
        trained = pieces
    return SelfTraining([dict(piece.note) for piece in trained], labels, teachers)


def _load(params: SegmentParams, piece: Finished, classes: int, device: torch.device) -> nn.Module:
    network = segmentation_network(params.network, classes).to(device)
    network.load_state_dict(load_file(piece.path))
    return network.eval()
