"""Where the frames and the target images are, and what of them is stored."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from hflow.foundation.labels import TRAIN_CLASSES
from hflow.foundation.params.section import Count, Pixels, Section, Seed, Share, Size

__all__ = ["DataParams", "DomainParams", "PrepareParams", "TownParams"]


class TownParams(Section):
    """The miniature datasets that a fresh clone runs on; read by data/dvc.yaml."""

    look: Literal["game", "night", "haze"] = "game"
    """Of the source: a game's, beside a miniature Cityscapes; or night or haze, with the clear day as truth, beside
    other streets by day."""
    seed: Seed = 0
    """Of everything that is drawn."""
    source: Count = 240
    """Frames of the source; at night and in haze, of its training split."""
    target_train: Count = 120
    """Training images of the target."""
    target_val: Count = 60
    """Validation images of it; at night and in haze, validation frames of the source."""
    size: Size = (128, 64)
    """Width and height in pixels."""


class DomainParams(Section):
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
    truth: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")] | None = None
    """The folder beside the images of the source with the picture that each is to become, of the same name; it is
    measured against, never trained on."""
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
        if self.truth in taken:
            raise ValueError(f"truth names {self.truth}, which is something else already: name the folder of the truth")
        taken |= {"truth", self.truth or "truth"}
        for name in self.carry:
            if name in taken or self.carry.count(name) > 1:
                raise ValueError(f"carry names {name}, which is something else already: name each kind of files once")
        return self


class DataParams(Section):
    """Where the frames and the target images are, and the classes to train on."""

    source: DomainParams
    """The frames to translate."""
    target: DomainParams
    """The images that they are to look like."""
    classes: tuple[str, ...] = TRAIN_CLASSES
    """The names of the classes to train on, 2 to 255, or none where there are no labels; by default the 19 of
    Cityscapes."""

    @field_validator("target")
    @classmethod
    def _not_handed_on(cls, target: DomainParams) -> DomainParams:
        if target.carry:
            raise ValueError("carry is for data.source: target images are not handed on")
        if target.truth:
            raise ValueError("truth is for data.source: target images become nothing else")
        return target

    @field_validator("classes")
    @classmethod
    def _distinct(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        if classes and not 2 <= len(set(classes)) == len(classes) <= 255:
            raise ValueError("name from 2 to 255 classes, each once, or none where there are no labels")
        return classes


class PrepareParams(Section):
    """What is stored and translated."""

    size: Size | Literal["native"]
    """Width and height of what is stored and translated, in pixels; native keeps each frame's own."""
    fit: Literal["crop", "stretch"] = "crop"
    """To another aspect ratio: crop cuts off what is too much, stretch keeps everything."""
    max_rejected: Share = 0.01
    """The share of faulty samples above which preparing is an error."""
    max_pixels: Pixels = 67_108_864
    """Of an image; one that has more is at fault and is not decoded. The default is 8192x8192."""
    shard_size: Count = 256
    """Samples a shard, about: none has more than twice as many."""
    workers: Count = 2
    """Threads that decode and resize."""
