"""What self-training learns from: labelled frames that show rare classes, and photographs mixed with them."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from hflow.foundation.labels import IGNORE
from hflow.foundation.progress import progress
from hflow.segmentation.labelled_frames import LabelledFrames, random_crop

__all__ = ["MixedCrops", "class_mix", "class_shares", "rarity"]

TEMPERATURE = 0.01
"""Of the rare-class sampling, as DAFormer has it: the lower, the more often the rarest class is drawn."""


def class_shares(frames: LabelledFrames) -> np.ndarray:
    """The share of each class among the labelled pixels of each frame, (N, K); zeros for a frame without any."""
    shares = np.zeros((len(frames), len(frames.classes)))
    with progress("classes", len(frames), unit="frames") as advance:
        for number in range(len(frames)):
            ids = frames.ids(number)
            counts = np.bincount(ids[ids != IGNORE], minlength=len(frames.classes))
            shares[number] = counts / max(1, counts.sum())
            advance()
    return shares


def rarity(shares: np.ndarray) -> np.ndarray:
    """How often each class is drawn, (K,), for shares (N, K): the rarer, the more (Hoyer and others 2022, eq. 5 and 6).

    A class that occurs nowhere is not drawn; one of them has to occur.
    """
    frequency = shares.mean(axis=0)
    weight = np.where(frequency > 0, np.exp(-frequency / TEMPERATURE), 0.0)
    return np.asarray(weight / weight.sum())


def class_mix(
    image: Tensor, ids: Tensor, onto: Tensor, its_ids: Tensor, random: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Half of an image's classes, with their pixels, over another image (Olsson and others 2021).

    Args:
        image, onto: (3, H, W).
        ids, its_ids: int64 (H, W); what is ignored in `ids` stays behind.

    Returns:
        The mixed image and its ids.
    """
    classes = np.unique(ids[ids != IGNORE].numpy())
    chosen = random.permutation(classes)[: math.ceil(len(classes) / 2)]
    pasted = torch.isin(ids, torch.from_numpy(chosen))  # (H, W)
    return torch.where(pasted, image, onto), torch.where(pasted, ids, its_ids)


class MixedCrops(Dataset[tuple[Tensor, Tensor]]):
    """Sample `i` of a seed's sequence, as `Crops` has them: even ones of the frames, odd ones of photographs mixed with
    them. Each frame is drawn for a class that it shows, the rarer the class the more often.

    Args:
        frames: labelled.
        photographs: with the labels that segmenters gave them.
        shares: `class_shares` of the frames.
    """

    def __init__(
        self, frames: LabelledFrames, photographs: LabelledFrames, shares: np.ndarray, *, seed: int, length: int
    ):
        self.frames, self.photographs, self.size = frames, photographs, frames.size
        self.seed, self.length = seed, length
        self._rarity, self._showing = rarity(shares), [np.flatnonzero(column) for column in shares.T]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        random = np.random.default_rng([self.seed, index])
        drawn = self._showing[int(random.choice(len(self._rarity), p=self._rarity))]
        pixels, its_labels = self.frames[int(random.choice(drawn))]
        image, ids = random_crop(pixels, its_labels, self.size, random)
        if index % 2 == 0:
            return image, ids
        pixels, its_labels = self.photographs[int(random.integers(len(self.photographs)))]
        return class_mix(image, ids, *random_crop(pixels, its_labels, self.size, random), random)
