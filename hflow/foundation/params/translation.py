"""The choice of a frame's style, and translation."""

import re
from pathlib import Path
from typing import Literal

from pydantic import field_validator, model_validator

from hflow.foundation.params.cluster import ClusterParams
from hflow.foundation.params.section import Count, Section, Seed, Share

__all__ = ["StyleParams", "TranslateParams"]


class StyleParams(Section):
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
    style: str = "random"
    """random, by lot; nearest, of the image laid out most like the frame; or one for all frames: average, the mean of
    all style codes, the key of a style image, or an image file in models/given."""
    strength: Share = 1.0
    """How far frames go, from 0, each as it is but for `model.correction`, to 1, in its style."""
    styles: Count = 1
    """Styles a frame; frames in their further styles are the training set `restyled`."""
    class_colours: bool = False
    """Whether the classes of a translated frame are moved to their mean colours in the target, by the frame's label."""
    camera: bool = False
    """Whether translated frames get the sharpness, noise and JPEG of the target's, as training found them there."""
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
    """The address of Dask's scheduler; null starts one here, or the cluster below."""
    cluster: ClusterParams | None = None
    """A Dask cluster that the run starts and ends, by Slurm or on Kubernetes; null is none."""
    judge: Path | None = None
    """A segmenter that looks at each frame before and after: a folder in models/given, as `hflow judge` writes it."""
    min_consistency: Share = 0.0
    """Frames of which the judge sees less than this again (mIoU) are rejected."""
    reject: Path | None = None
    """A CSV of people's verdicts in models/given: what it rejects is left out; see `hflow review`."""
    max_rejected: Share = 0.01
    """The share of faulty frames above which translating is an error."""

    @model_validator(mode="after")
    def _agree(self) -> "TranslateParams":
        if self.style != "random":
            for name in ("nearest", "style_group"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} is for style random, and style is {self.style}: set {name} to null")
            if self.styles > 1:
                raise ValueError(f"styles ({self.styles}) is for style random, and style is {self.style}: set it to 1")
        if self.styles > 1 and self.nearest == 1 and self.style_group is None:
            raise ValueError(
                f"nearest 1 leaves a frame one style, and styles is {self.styles}: set nearest to {self.styles} or "
                "more, or styles to 1"
            )
        if self.style == "nearest" and self.style_by == "sequence":
            raise ValueError("style nearest goes by each frame, and style_by is sequence: set one of them otherwise")
        if self.min_consistency and self.judge is None:
            raise ValueError(f"min_consistency ({self.min_consistency}) needs a judge: name its folder in judge")
        if self.scheduler and self.engine != "dask":
            raise ValueError("a scheduler is for the engine dask: set engine to dask, or scheduler to null")
        if self.cluster and self.engine != "dask":
            raise ValueError("a cluster is for the engine dask: set engine to dask, or cluster to null")
        if self.cluster and self.scheduler:
            raise ValueError(f"scheduler ({self.scheduler}) and cluster exclude each other: set one of them to null")
        return self
