"""What a run came to, as typed data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hflow.metrics.paired_gain import Gain
from hflow.metrics.similarity_summary import Similarity
from hflow.reports.predictions import Prediction
from hflow.reports.realism import Realism
from hflow.reports.truth import TruthScores
from hflow.segmentation.scores import SegmenterScores

__all__ = ["Evaluation", "Example", "ModelFacts", "Rejected"]


@dataclass(frozen=True)
class Example:
    """A frame beside its translation.

    Attributes:
        source, translated: uint8 (H, W, 3), at most 960 wide.
        label: train ids, uint8 (H, W); None for a frame without a label.
        style: uint8 (H', W', 3); None where the model's style images are not among the prepared ones.
        ssim: of the translation to the source, at full size; 1 is equal.
        truth: what it should become, uint8 (H, W, 3); None where that is not known.
        consistency: how far a judge sees the same in both, in [0, 1], 1 is all; None without a judge.
    """

    key: str
    split: str
    style_key: str
    ssim: float
    source: np.ndarray
    translated: np.ndarray
    label: np.ndarray | None
    style: np.ndarray | None
    consistency: float | None = None
    truth: np.ndarray | None = None


@dataclass(frozen=True)
class Rejected:
    """A frame that was given and not translated, its path relative to the raw dataset's root."""

    split: str
    source_path: str
    reason: str


@dataclass(frozen=True)
class ModelFacts:
    """The model that translated.

    Attributes:
        parameters: how many numbers were learned.
        styles: how many style images are in its bank.
        config: what its config.json says.
    """

    parameters: int
    expansions: tuple[int, ...]
    styles: int
    sha256: str
    config: Mapping[str, Any]


@dataclass(frozen=True)
class Evaluation:
    """All figures of a run.

    Attributes:
        given, translated, rejected: counts of source frames; given is the sum of the other two.
        sizes: the smallest and the largest (width, height) of the translated frames, by area.
        stats: what prepare counted, by domain and split, and the names of the classes.
        versions: hashes of the prepared source and target, by what their raw files hold, and of the translated frames.
        translated_with: the seed, the precision and the backend of the translation, the values that occur.
        similarity: by split, and of all splits together under "all".
        histogram: how many frames have an SSIM in each twentieth of [0, 1]; one below 0 counts in the first.
        consistency: of the frames that a judge has seen; None without any.
        scores: by training set, in the order of segment.train_on.
        gains: what each other training set has gained over the source frames; empty where these were not scored.
        class_gain: what the IoU of each class has gained from source to translated, where both have it.
        curves: the learning curves, a mapping of `step` and the losses a point; empty where the
            model's folder has none.
        measured: the measures on held-out frames during training, a mapping of `step` and those that could be taken a
            point; empty where nothing was measured.
        training_sheet: what training showed at its end, uint8 (H, W, 3); None as for the curves.
        examples: evenly spaced over all frames, in the order of split and key.
        drawn: by lot, which the model's hash and the key decide; none that is among the examples.
        least_similar, most_similar: by SSIM, the most extreme first.
        least_consistent, most_consistent: by consistency, likewise.
        realism: how real a sample of the frames looks.
        worst: the frames at which each measure of realism is worst, by its name; none of those that have no frames.
        predictions: what segmenters see in camera images; empty without scores.
        truth: how close a sample comes to the truth; None without one.
        furthest: the frames furthest from it.
    """

    given: int
    translated: int
    rejected: int
    rejections: Sequence[Rejected]
    sizes: tuple[tuple[int, int], tuple[int, int]]
    stats: Mapping[str, Any]
    versions: Mapping[str, str]
    translated_with: Mapping[str, Sequence[str]]
    similarity: Mapping[str, Similarity]
    histogram: Sequence[int]
    consistency: Similarity | None
    scores: Mapping[str, SegmenterScores]
    gains: Mapping[str, Gain]
    class_gain: Mapping[str, float]
    model: ModelFacts
    curves: Sequence[Mapping[str, float]]
    measured: Sequence[Mapping[str, float]]
    training_sheet: np.ndarray | None
    examples: Sequence[Example]
    drawn: Sequence[Example]
    least_similar: Sequence[Example]
    most_similar: Sequence[Example]
    least_consistent: Sequence[Example]
    most_consistent: Sequence[Example]
    realism: Realism
    worst: Mapping[str, Sequence[Example]]
    predictions: Sequence[Prediction]
    truth: TruthScores | None = None
    furthest: Sequence[Example] = ()

    @property
    def gain(self) -> Gain | None:
        """What translating has gained."""
        return self.gains.get("translated")
