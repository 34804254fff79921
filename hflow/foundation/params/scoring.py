"""What translated frames are held against, the downstream task, and the report."""

from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator

from hflow.foundation.params.section import Count, Section, Seed, Share, Workers

__all__ = ["BASELINES", "TRAINING_SETS", "BaselinesParams", "EvaluateParams", "SegmentParams", "SelfTrainingParams"]

Baseline = Literal["histogram", "reinhard", "fda", "gpa", "gamma", "clahe", "dark_channel"]
BASELINES: tuple[Baseline, ...] = get_args(Baseline)
TRAINING_SETS = ("source", "translated", "restyled", "target", *BASELINES)


class BaselinesParams(Section):
    """The recoloured frames that translation is held against: those that `segment.train_on` names, and `compare`."""

    compare: tuple[Baseline, ...] = ()
    """Those to make besides, and to hold against the truth in the report: histogram, reinhard, fda, gpa; gamma and
    clahe for dark frames, dark_channel for hazy ones."""

    fda_beta: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    """The share of the frequencies whose amplitudes FDA takes from the style image."""
    workers: Count = 2
    """Threads that recolour."""


class SelfTrainingParams(Section):
    """Training on by labels that the segmenters of all seeds together give the target's photographs."""

    rounds: Count = 1
    """How often the photographs are labelled and learned from, each time for `segment.steps` steps."""
    threshold: Share = 0.9
    """The least probability of a label; other pixels are ignored."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.99
    """What the average of the weights keeps at each step; that average is scored, and labels in the next round."""


class SegmentParams(Section):
    """The downstream task: a segmenter trained on each named set in turn."""

    train_on: tuple[str, ...] = ("source", "translated")
    """Of source, translated, restyled, target, histogram, reinhard, fda, gpa, gamma, clahe, dark_channel, and sums such
    as source+translated, each once; may be empty."""
    network: Literal["deeplabv3_mobilenet_v3_large", "deeplabv3_resnet50", "efficientnet_lite0"] = (
        "deeplabv3_mobilenet_v3_large"
    )
    """What is trained."""
    weights: Literal["none", "imagenet"] = "none"
    """What its backbone starts from; torchvision downloads its networks' weights, the extra `imagenet` has
    efficientnet_lite0's."""
    steps: Count = 200
    """Steps of a training."""
    batch_size: Annotated[int, Field(ge=2)] = 8
    """Samples a step."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """At the start; it falls to 0."""
    seeds: tuple[Seed, ...] = (0,)
    """A training each; their scores are averaged."""
    self_training: SelfTrainingParams | None = None
    """Train on by labels of the segmenters' own for the target's photographs; null leaves it."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, ..."""
    workers: Workers = "auto"
    """Processes that load samples; auto is up to eight beside a GPU, none on a CPU."""

    @field_validator("train_on")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            parts = name.split("+")
            if not set(parts) <= set(TRAINING_SETS):
                raise ValueError(f"{name!r} is not one of {', '.join(TRAINING_SETS)}, or a sum of them with +")
            if len(set(parts)) != len(parts):
                raise ValueError(f"{name!r} names a set twice")
        if len({frozenset(name.split("+")) for name in names}) != len(names):
            raise ValueError("a training set is named twice")
        return names

    @field_validator("seeds")
    @classmethod
    def _seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if not seeds or len(set(seeds)) != len(seeds):
            raise ValueError("give at least one seed, each once")
        return seeds


class EvaluateParams(Section):
    """What the evaluation and the report show."""

    examples: Annotated[int, Field(ge=1, le=50)] = 8
    """Frames evenly spaced in the report, and as many drawn by lot."""
