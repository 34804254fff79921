"""The network, its loss and its training."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from hflow.foundation.params.section import Count, Section, Seed, Share, Size

__all__ = ["VARIANTS", "EncoderParams", "LossParams", "ModelParams", "TrainParams"]

VARIANTS: Mapping[str, tuple[int, ...]] = {
    "hf": (10, 4),
    "hf+": (4, 5, 2),
    "hf++": (10, 4, 4),
    "hf-dagger": (10, 4, 4, 4),
}
"""Expansion rates of the paper's variants (section 4.1)."""

StyleLayer = Literal["relu1_1", "relu2_1", "relu3_1", "relu4_1"]


class ModelParams(Section):
    """The network: a variant of the paper or a list of expansion rates."""

    variant: Literal["hf", "hf+", "hf++", "hf-dagger"] | tuple[Annotated[int, Field(ge=2, le=64)], ...] = "hf"
    """hf is (10, 4), hf+ (4, 5, 2), hf++ (10, 4, 4), hf-dagger (10, 4, 4, 4); or a list of expansion rates."""
    guide: Annotated[int, Field(ge=0, le=64)] = 0
    """The radius in pixels of a guided filter behind the network, whose guide is the frame; 0, none, in the paper."""
    adain: Literal["every", "innermost"] = "every"
    """Which couplings get the style's statistics: every one, as in the paper, or the innermost alone, as in ArtFlow."""
    correction: Literal["none", "gamma", "dark_channel"] = "none"
    """What is done to frames ahead of the network: a gamma to dark ones, the dark channel prior to hazy ones."""

    @property
    def expansions(self) -> tuple[int, ...]:
        return VARIANTS[self.variant] if isinstance(self.variant, str) else self.variant

    @field_validator("variant")
    @classmethod
    def _not_empty(cls, variant: Any) -> Any:
        if not variant:
            raise ValueError("give at least one expansion rate")
        return variant


class EncoderParams(Section):
    """The frozen network in whose features the loss is measured."""

    name: Literal["vgg16", "vgg19"] = "vgg16"
    """vgg16 is installed with hflow, vgg19 is downloaded by torchvision."""
    weights: Path | None = None
    """A file of weights to take instead, in models/given."""


class LossParams(Section):
    """Equations 4 to 7 of the paper, and what is ours: regions, colour, detail, dark channel."""

    lambda_style: Annotated[float, Field(ge=0)] = 0.1
    """The weight of the style term against the content term."""
    k: Annotated[float, Field(gt=0, le=1)] = 0.8
    """The share of channels whose style is aligned."""
    k_fall: Annotated[int, Field(ge=0)] = 0
    """Steps in which the share falls from 1 to `k`: the channels that differ most carry the colour; 0 in the paper."""
    std_weight: Annotated[float, Field(ge=0)] = 1.0
    """The weight of the channels' stds against their means; 1 in the paper."""
    bands: Annotated[int, Field(ge=1, le=8)] = 1
    """Of the height, each compared with the same one of the style image; 1 in the paper."""
    regions: Literal["none", "labels"] = "none"
    """Whether the style is compared class by class, by the labels of both domains; none in the paper."""
    target_labels: Path | None = None
    """Labels to take in place of the target's own: data/first_round, of the stage first_round, or a folder in
    models/given, as `hflow label` writes it."""
    source_labels: Path | None = None
    """Labels to take in place of the frames' own: a folder in models/given, as `hflow label --of source` writes it."""
    label_threshold: Share = 0.9
    """The least probability of a label that the first round gives; other pixels are left alone."""
    colour: Annotated[float, Field(ge=0)] = 0.0
    """The weight of the statistics of the image itself, beside 1 for each layer; 0 in the paper."""
    detail: Annotated[float, Field(ge=0)] = 0.0
    """The weight of invented detail: halos, grain, fringes; 0 in the paper."""
    dark_channel: Annotated[float, Field(ge=0)] = 0.0
    """The weight of haze that is left, by the dark channel of the style image; 0 in the paper."""
    style_layers: tuple[StyleLayer, ...] = ("relu1_1", "relu2_1", "relu3_1")
    """Layers of the encoder that the style term looks at, each once."""

    @model_validator(mode="after")
    def _labels_are_read(self) -> "LossParams":
        for name in ("target_labels", "source_labels"):
            labels = getattr(self, name)
            if labels and self.regions != "labels":
                raise ValueError(f"{name} ({labels}) are for regions: labels: set that, or null here")
        return self

    @field_validator("style_layers")
    @classmethod
    def _some(cls, layers: tuple[str, ...]) -> tuple[str, ...]:
        if not layers or len(set(layers)) != len(layers):
            raise ValueError(f"name each of some layers once, out of {', '.join(get_args(StyleLayer))}")
        return layers


class TrainParams(Section):
    """How the network is trained. `batch_size` counts all processes together."""

    steps: Count
    """Steps of the optimizer."""
    fit: bool = False
    """Whether the Style-Net is fitted to the target images by least squares before the first step."""
    warm_up: Annotated[int, Field(ge=0)] = 300
    """Steps before them, in which the Style-Net learns the statistics of the target images."""
    batch_size: Count = 1
    """Samples a step, of all processes together; a multiple of `devices`."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    """At the start; it falls to 0 by a cosine."""
    rise: Annotated[int, Field(ge=0)] = 0
    """Steps in which the learning rate rises to it first; 0 in the paper."""
    returning_clamp: bool = False
    """Whether gradients lead values beyond [0, 1] back; in the paper they vanish there."""
    size: Size | None = None
    """Width and height that images are resized to first, in pixels; null leaves them."""
    crop: Size | None = None
    """Width and height of random crops, in pixels; null takes whole images."""
    flip: bool = True
    """Whether half of the samples are mirrored."""
    seed: Seed = 0
    """Of weights, pairs and crops."""
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where it runs; auto takes a GPU where there is one."""
    devices: Count = 1
    """Processes, a device each, of all machines that torchrun starts them on."""
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    """auto takes bfloat16 where the device multiplies it faster."""
    workers: Annotated[int, Field(ge=0)] = 0
    """Processes that decode images; 0 decodes between the steps."""
    log_every: Count = 10
    """Steps between two points of the learning curves."""
    measure_every: Annotated[int, Field(ge=0)] = 0
    """Steps between two measurements on held-out frames, beside those of the start and the end; 0 measures nothing."""
    judge: Path | None = None
    """A segmenter of the target that reads the held-out frames, the FCN score: a folder in models/given."""
    keep: Literal["last", "best"] = "last"
    """Which point is published; best has the highest FCN score, or without a judge the lowest colour error, among those
    with little invented detail."""
    average: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """How much of the weights' running average each step keeps, such as 0.99; it is what is measured and published. 0
    publishes the weights of the last step."""
    checkpoint_every: Count = 100
    """Steps between two checkpoints."""

    @model_validator(mode="after")
    def _whole_batches(self) -> "TrainParams":
        if self.batch_size % self.devices:
            raise ValueError(f"batch_size ({self.batch_size}) must be a multiple of devices ({self.devices})")
        if self.keep == "best" and not self.measure_every:
            raise ValueError("keep: best needs measures to choose by: set measure_every to a number of steps above 0")
        if self.judge and not self.measure_every:
            raise ValueError(f"judge ({self.judge}) reads where training measures: set measure_every above 0")
        if self.size and self.crop and (self.crop[0] > self.size[0] or self.crop[1] > self.size[1]):
            raise ValueError(f"crop {self.crop} is larger than size {self.size}")
        return self
