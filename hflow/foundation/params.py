"""params.yaml as typed, checked sections: unknown keys and impossible values are refused by name."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from hflow.foundation.errors import HflowError
from hflow.foundation.frame_size import LARGEST_SIDE, SMALLEST_SIDE
from hflow.foundation.labels import TRAIN_CLASSES
from hflow.foundation.yaml_text import parse_yaml

__all__ = [
    "BASELINES",
    "TRAINING_SETS",
    "VARIANTS",
    "BaselinesParams",
    "DataParams",
    "DomainParams",
    "EncoderParams",
    "EvaluateParams",
    "LossParams",
    "ModelParams",
    "Params",
    "PrepareParams",
    "ReleaseParams",
    "SegmentParams",
    "StyleParams",
    "TownParams",
    "TrackingParams",
    "TrainParams",
    "TranslateParams",
    "Workers",
    "check_section",
    "load_params",
]

VARIANTS: Mapping[str, tuple[int, ...]] = {
    "hf": (10, 4),
    "hf+": (4, 5, 2),
    "hf++": (10, 4, 4),
    "hf-dagger": (10, 4, 4, 4),
}
"""Expansion rates of the paper's variants (section 4.1)."""

StyleLayer = Literal["relu1_1", "relu2_1", "relu3_1", "relu4_1"]
BASELINES = ("histogram", "reinhard", "fda", "gpa")
TRAINING_SETS = ("source", "translated", "target", "translated+target", *BASELINES)

Side = Annotated[int, Field(ge=SMALLEST_SIDE, le=LARGEST_SIDE)]
Size = tuple[Side, Side]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Section = TypeVar("Section", bound="_Section")
Workers = Annotated[int, Field(ge=0)] | Literal["auto"]


class _Section(BaseModel):
    # An infinite or undefined number would pass every bound that it is not held against.
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


class TownParams(_Section):
    """The miniature datasets that a fresh clone runs on; read by data/dvc.yaml."""

    seed: Seed = 0
    """Of everything that is drawn."""
    source: Count = 240
    """Frames of the miniature GTA5."""
    target_train: Count = 120
    """Training images of the miniature Cityscapes."""
    target_val: Count = 60
    """Validation images of it."""
    size: Size = (128, 64)
    """Width and height in pixels."""


class DomainParams(_Section):
    """A raw dataset: its root, its layout, its splits, and in the layout `folder` what its files are named and hold."""

    root: Path
    """The folder of the raw dataset."""
    layout: Literal["gta", "cityscapes", "folder"]
    """How it lies there."""
    train: str = "train"
    """The name of the folder of its training split, in layouts that have splits."""
    val: str = "val"
    """The name of the folder of its validation split, likewise."""
    split: Literal["train", "val", "test"] | None = None
    """The part of GTA5 that is used, by its split.mat; null is all of it."""
    images: str = "images"
    """The folder of the images, in the layout `folder`."""
    labels: str = "labels"
    """The folder of the labels, likewise."""
    image_ending: str = ""
    """What the images' names end in after the key, such as `_rgb.png`."""
    label_ending: str = ""
    """What the labels' names end in after the key, such as `_gt_labelIds.png`."""
    label_from: Literal["ids", "red", "colours", "train_ids"] = "ids"
    """How labels tell their ids: as grey values or palette indices, as the first channel, by colour, as train ids."""
    classes: str | None = None
    """The table of classes: a file, or the name of one that ships with hflow; null is classes.yaml in the root."""
    carry: tuple[Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")], ...] = ()
    """Kinds of files beside the images of the source, such as instances, depth, camera, handed on byte for byte."""
    licence: str | None = None
    """What exports say of the licence of its images."""

    @model_validator(mode="after")
    def _of_the_layout(self) -> "DomainParams":
        if self.split and self.layout != "gta":
            raise ValueError(f"split ({self.split}) is for the layout gta: take it out")
        for name in ("images", "labels", "image_ending", "label_ending", "label_from", "classes"):
            if self.layout != "folder" and getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"{name} ({getattr(self, name)}) is for the layout folder: take it out")
        taken = {"image", "label", "label_train_ids", "images", "labels", self.images, self.labels}
        for name in self.carry:
            if name in taken or self.carry.count(name) > 1:
                raise ValueError(f"carry names {name}, which is something else already: name each kind of files once")
        return self


class DataParams(_Section):
    """Where the frames and the target images are, and the classes to train on."""

    source: DomainParams
    """The frames to translate."""
    target: DomainParams
    """The images that they are to look like."""
    classes: tuple[str, ...] = TRAIN_CLASSES
    """The names of the classes to train on, 2 to 255; by default the 19 of Cityscapes."""

    @field_validator("target")
    @classmethod
    def _not_handed_on(cls, target: DomainParams) -> DomainParams:
        if target.carry:
            raise ValueError("carry is for data.source: target images are not handed on")
        return target

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if not 2 <= len(set(classes)) == len(classes) <= 255:
            raise ValueError("name from 2 to 255 classes, each once")
        return classes


class PrepareParams(_Section):
    """What is stored and translated."""

    size: Size | Literal["native"]
    """Width and height of what is stored and translated, in pixels; native keeps each frame's own."""
    fit: Literal["crop", "stretch"] = "crop"
    """To another aspect ratio: crop cuts off what is too much, stretch keeps everything."""
    max_rejected: Share = 0.01
    """The share of faulty samples above which preparing is an error."""
    shard_size: Count = 256
    """Samples a shard, on average."""
    workers: Count = 2
    """Threads that decode and resize."""


class ModelParams(_Section):
    """The network: a variant of the paper or a list of expansion rates."""

    variant: Literal["hf", "hf+", "hf++", "hf-dagger"] | tuple[Annotated[int, Field(ge=2, le=64)], ...] = "hf"
    """hf is (10, 4), hf+ (4, 5, 2), hf++ (10, 4, 4), hf-dagger (10, 4, 4, 4); or a list of expansion rates."""
    guide: Annotated[int, Field(ge=0, le=64)] = 0
    """The radius in pixels of a guided filter behind the network, whose guide is the frame; 0, none, in the paper."""

    @property
    def expansions(self) -> tuple[int, ...]:
        return VARIANTS[self.variant] if isinstance(self.variant, str) else self.variant

    @field_validator("variant")
    @classmethod
    def _not_empty(cls, variant: Any) -> Any:
        if not variant:
            raise ValueError("give at least one expansion rate")
        return variant


class EncoderParams(_Section):
    """The frozen network in whose features the loss is measured."""

    name: Literal["vgg16", "vgg19"] = "vgg16"
    """vgg16 is installed with hflow, vgg19 is downloaded by torchvision."""
    weights: Path | None = None
    """A file of weights to take instead."""


class LossParams(_Section):
    """Equations 4 to 7 of the paper, and what is ours: regions, colour, detail."""

    lambda_style: Annotated[float, Field(ge=0)] = 0.1
    """The weight of the style term against the content term."""
    k: Annotated[float, Field(gt=0, le=1)] = 0.8
    """The share of channels whose style is aligned."""
    std_weight: Annotated[float, Field(ge=0)] = 1.0
    """The weight of the channels' stds against their means; 1 in the paper."""
    bands: Annotated[int, Field(ge=1, le=8)] = 1
    """Of the height, each compared with the same one of the style image; 1 in the paper."""
    regions: Literal["none", "labels"] = "none"
    """Whether the style is compared class by class, by the labels of both domains; none in the paper."""
    colour: Annotated[float, Field(ge=0)] = 0.0
    """The weight of the statistics of the image itself, beside 1 for each layer; 0 in the paper."""
    detail: Annotated[float, Field(ge=0)] = 0.0
    """The weight of invented detail: halos, grain, fringes; 0 in the paper."""
    style_layers: tuple[StyleLayer, ...] = ("relu1_1", "relu2_1", "relu3_1")
    """Layers of the encoder that the style term looks at, each once."""

    @field_validator("style_layers")
    @classmethod
    def _some(cls, layers: tuple[str, ...]) -> tuple[str, ...]:
        if not layers or len(set(layers)) != len(layers):
            raise ValueError(f"name each of some layers once, out of {', '.join(get_args(StyleLayer))}")
        return layers


class TrainParams(_Section):
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
    """Processes, a device each."""
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    """auto takes bfloat16 where the device multiplies it faster."""
    workers: Annotated[int, Field(ge=0)] = 0
    """Processes that decode images; 0 decodes between the steps."""
    log_every: Count = 10
    """Steps between two points of the learning curves."""
    checkpoint_every: Count = 100
    """Steps between two checkpoints."""

    @model_validator(mode="after")
    def _whole_batches(self) -> "TrainParams":
        if self.batch_size % self.devices:
            raise ValueError(f"batch_size ({self.batch_size}) must be a multiple of devices ({self.devices})")
        if self.size and self.crop and (self.crop[0] > self.size[0] or self.crop[1] > self.size[1]):
            raise ValueError(f"crop {self.crop} is larger than size {self.size}")
        return self


class StyleParams(_Section):
    """How a frame's style is chosen, for translation and for the baselines."""

    seed: Seed = 0
    """Of the lot."""
    nearest: Count | None = None
    """Among how many styles it is drawn, those whose images are laid out most like the frame; null is all."""
    style_by: Literal["frame", "sequence"] = "frame"
    """Whether each frame has a style of its own, or all frames of a sequence one."""
    sequence: str | None = None
    """A regular expression whose first group, in a frame's key, names its sequence; null takes the key's folder."""
    style_group: str | None = None
    """A regular expression whose first group, in a style image's key, names its group: a frame or a sequence then draws
    a group, and its style in that. Images that it doesn't match are no styles. null makes all of them one group."""

    @field_validator("sequence", "style_group")
    @classmethod
    def _pattern(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"is not a regular expression ({error})") from None
        return pattern

    @model_validator(mode="after")
    def _one_style_a_sequence(self) -> "StyleParams":
        if self.style_by == "frame" and self.sequence is not None:
            raise ValueError(f"sequence ({self.sequence!r}) is for style_by sequence: set that, or sequence to null")
        if self.style_by == "sequence" and self.nearest is not None:
            raise ValueError(
                f"nearest ({self.nearest}) goes by the layout of each frame, so a sequence would not keep one style: "
                "set nearest to null, or style_by to frame"
            )
        return self


class TranslateParams(StyleParams):
    """How the frames are translated, and where. `devices` is the number of processes of this machine, a device each."""

    model: str = "models/hflow"
    """The model just trained, another folder, or `models:/NAME@champion`."""
    batch_size: Count = 4
    """Frames at once."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, ..."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto takes bf16 where the device multiplies it faster."""
    workers: Count = 2
    """Threads that decode and encode."""
    engine: Literal["local", "dask"] = "local"
    """This machine, or the workers of a Dask cluster."""
    devices: Count | Literal["all"] = "all"
    """Processes on this machine, a GPU each; on a CPU all is one."""
    threads: Count | None = None
    """Of torch in each process; null leaves it to torch."""
    scheduler: str | None = None
    """The address of Dask's scheduler; null starts one here."""
    judge: Path | None = None
    """The folder of a segmenter that looks at each frame before and after."""
    min_consistency: Share = 0.0
    """Frames of which the judge sees less than this again (mIoU) are rejected."""
    max_rejected: Share = 0.01
    """The share of faulty frames above which translating is an error."""

    @model_validator(mode="after")
    def _agree(self) -> "TranslateParams":
        if self.min_consistency and self.judge is None:
            raise ValueError(f"min_consistency ({self.min_consistency}) needs a judge: name its folder in judge")
        if self.scheduler and self.engine != "dask":
            raise ValueError("a scheduler is for the engine dask: set engine to dask, or scheduler to null")
        return self


class BaselinesParams(_Section):
    """The recoloured frames that translation is held against, where `segment.train_on` names them."""

    fda_beta: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    """The share of the frequencies whose amplitudes FDA takes from the style image."""
    workers: Count = 2
    """Threads that recolour."""


class SegmentParams(_Section):
    """The downstream task: a DeepLabV3 trained on each named set in turn."""

    train_on: tuple[str, ...] = ("source", "translated")
    """Of source, translated, target, translated+target, histogram, reinhard, fda, gpa, each once; may be empty."""
    weights: Literal["none", "imagenet"] = "none"
    """What the backbone starts from."""
    steps: Count = 200
    """Steps of a training."""
    batch_size: Annotated[int, Field(ge=2)] = 8
    """Samples a step."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """At the start; it falls to 0."""
    seeds: tuple[Seed, ...] = (0,)
    """A training each; their scores are averaged."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, ..."""
    workers: Workers = "auto"
    """Processes that load samples; auto is up to eight beside a GPU, none on a CPU."""

    @field_validator("train_on")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in TRAINING_SETS:
                raise ValueError(f"{name!r} is not one of {', '.join(TRAINING_SETS)}")
        if len(set(names)) != len(names):
            raise ValueError("a training set is named twice")
        return names

    @field_validator("seeds")
    @classmethod
    def _seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if not seeds or len(set(seeds)) != len(seeds):
            raise ValueError("give at least one seed, each once")
        return seeds


class EvaluateParams(_Section):
    """What the evaluation and the report show."""

    examples: Annotated[int, Field(ge=1, le=50)] = 8
    """Frames evenly spaced in the report, and as many drawn by lot."""


class ReleaseParams(_Section):
    """The gate that a model passes to become the champion; scores are mIoU on the target's validation set."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")] = "hflow"
    """Of the registered model, `models:/NAME@champion`."""
    margin: Annotated[float, Field(ge=-1, le=1)] = 0.0
    """What translated frames must score above raw ones, in mIoU."""
    tolerance: Share = 0.02
    """What they may score below the champion, in mIoU."""
    min_ssim: Annotated[float, Field(ge=-1, le=1)] = 0.5
    """The least mean SSIM of the frames to their source."""


class TrackingParams(_Section):
    """MLflow: the experiment, and the store where MLFLOW_TRACKING_URI names none."""

    experiment: str = "hflow"
    """The name of MLflow's experiment."""
    uri: str = "sqlite:///mlflow.db"
    """The store, where MLFLOW_TRACKING_URI names no other."""


class Params(_Section):
    """The whole of params.yaml."""

    town: TownParams = TownParams()
    data: DataParams
    prepare: PrepareParams
    model: ModelParams = ModelParams()
    encoder: EncoderParams = EncoderParams()
    loss: LossParams = LossParams()
    train: TrainParams
    translate: TranslateParams = TranslateParams()
    baselines: BaselinesParams = BaselinesParams()
    segment: SegmentParams = SegmentParams()
    evaluate: EvaluateParams = EvaluateParams()
    release: ReleaseParams = ReleaseParams()
    tracking: TrackingParams = TrackingParams()


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check a params.yaml.

    Raises:
        HflowError: the file is missing, is no YAML, has a key twice, an unknown one or an impossible value; each fault
            is named.
    """
    try:
        values = parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise HflowError(
            f"{path} is missing: run from the project's folder, or write one by `hflow init PRESET`"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise HflowError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise HflowError(f"{path} must hold sections (data:, prepare:, ...), not {type(values).__name__}")
    return check_section(Params, values, str(path))


def check_section(section: type[Section], values: Mapping[str, Any], where: str) -> Section:
    """The values as a section.

    Args:
        section: the class of a section, or of the whole.
        values: by name.
        where: they are from, for the error to name.

    Raises:
        HflowError: a name is unknown or a value impossible; each fault is named.
    """
    try:
        return section.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(dict.fromkeys(_fault(e["loc"], e["msg"], e["type"], e["input"]) for e in error.errors()))
        raise HflowError(f"{where}: {faults}") from None


def _fault(location: tuple[int | str, ...], message: str, kind: str, given: Any) -> str:
    key = ".".join(str(part) for part in location if not str(part).startswith(("tuple[", "literal[", "function-")))
    if kind == "extra_forbidden":
        return f"{key} is not a parameter: remove it or correct its name"
    if kind == "missing":
        return f"{key} is missing: add it"
    said = message.removeprefix("Value error, ")
    if isinstance(given, dict):  # parameters that don't go together: the message names them
        return f"{key}: {said}" if key else said
    return f"{key} is {given!r}: {said}"
