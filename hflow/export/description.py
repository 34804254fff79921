"""What can be said of a dataset from its manifest, labels, origins and scores: for its card and its metadata."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow.compute as pc

from hflow.datasets.manifest import PSEUDO_LABELLED
from hflow.datasets.manifest_rows import ManifestRows

__all__ = ["Description", "Kind", "TaskScore"]


@dataclass(frozen=True)
class Kind:
    """What a dataset of one status of rows is.

    Attributes:
        tags: as the Hugging Face hub has them.
        title, what: in words, where the labels come from too.
        uses: what it is for, and what it is not for.
        labelling: how the labels came about.
        persons: who can be seen.
    """

    tags: Sequence[str]
    title: str
    what: str
    uses: Sequence[str]
    labelling: str
    persons: str


KINDS = {
    "translated": Kind(
        ("synthetic", "sim2real"),
        "Translated frames",
        "Frames of a simulator in the style of photographs, translated by hflow. The labels are the simulator's.",
        (
            "Training perception, such as semantic segmentation, for photographs like those whose style it has, "
            "beside real data or before there is any.",
            "Not for measuring how well a model does on photographs: for that, take photographs.",
        ),
        "The simulator's own labels, handed on as they came.",
        "Nobody: the frames are rendered, and of the photographs colours and textures alone went in.",
    ),
    PSEUDO_LABELLED: Kind(
        ("pseudo-labels", "sim2real"),
        "Images with pseudo-labels",
        "Images as they were given. The labels are guesses of segmenters that hflow trained, where these were "
        "sure; other pixels are ignored. Nobody has checked them: they are no ground truth, and no test set.",
        ("Training a segmenter on, beside labels that are known.", "Not as ground truth, and not as a test set."),
        "Guesses of segmenters, where these were sure; nobody has checked them.",
        "Whoever was before the camera: people and number plates may be seen, as in the photographs given.",
    ),
}
"""By the status of a dataset's rows."""

RARE = 0.001
"""The share of labelled pixels under which a class is called rare."""


@dataclass(frozen=True)
class TaskScore:
    """How well a segmenter that was trained on a set does on the target's photographs.

    Attributes:
        miou: a fraction in [0, 1].
        iou: by class; None where it is not known.
    """

    miou: float
    iou: Mapping[str, float | None]


@dataclass(frozen=True)
class Description:
    """A dataset in words and figures.

    Attributes:
        rows: of its manifest.
        pixels: how many of its labels' pixels have each train id, as text.
        classes: the names of the train ids.
        origins: what it was made from: a name and its licence each.
        scores: by the training set's name, source, translated or target; none where they are not known.
    """

    rows: ManifestRows
    pixels: Mapping[str, int] = field(default_factory=dict)
    classes: Sequence[str] | None = None
    origins: Mapping[str, str] = field(default_factory=dict)
    scores: Mapping[str, TaskScore] = field(default_factory=dict)

    @cached_property
    def present(self) -> ManifestRows:
        """The rows that are not rejected."""
        return self.rows.where(pc.not_equal(self.rows.column("status"), "rejected"))

    @cached_property
    def first(self) -> Mapping[str, Any]:
        """The first row that is not rejected; all have the same model, parameters and code."""
        return self.present[0]

    @property
    def kind(self) -> Kind:
        """What it is."""
        return KINDS[self.first["status"]]

    def count(self, split: str, status: str) -> int:
        """How many rows of a split have a status."""
        return self._counts.get((split, status), 0)

    @cached_property
    def _counts(self) -> dict[tuple[Any, ...], int]:
        return dict(self.rows.counts("split", "status"))

    @cached_property
    def splits(self) -> list[str]:
        """Their names, sorted."""
        return sorted(self.rows.occurring("split"))

    @cached_property
    def shares(self) -> dict[str, float]:
        """The share of labelled pixels that each class has; empty without labels."""
        whole = sum(self.pixels.values())
        names = self.classes or () if whole else ()
        return {name: self.pixels.get(str(train_id), 0) / whole for train_id, name in enumerate(names)}

    @cached_property
    def missing(self) -> Counter[str]:
        """Why frames were rejected, and how many for each reason."""
        rejected = self.rows.having("status", "rejected")
        return Counter({reason: count for (reason,), count in rejected.counts("reason")})

    @cached_property
    def limits(self) -> list[str]:
        """What the figures say that it can't be taken for, a sentence or two each."""
        said = [*self._of("ssim", "SSIM to the source", "their structure changed most")]
        judged = [
            *self._of("consistency", "consistency, which is how much a segmenter saw again,", "distrust their labels")
        ]
        if self.first["status"] == "translated" and not judged:
            judged = ["No judge has looked at the frames: how well their labels still fit is not measured."]
        return [*said, *judged, *self._of_the_task(), *self._of_classes()]

    def _of(self, column: str, name: str, doubt: str) -> list[str]:
        known = self.present.where(self.present.column(column).is_valid())
        if not known:
            return []
        values = known.column(column).to_numpy().astype(float)
        least = int(np.argmin(values))
        return [
            f"Mean {name} {values.mean():.3f}; one frame in twenty has less than {np.quantile(values, 0.05):.3f}: "
            f"{doubt}. The least is {values[least]:.3f}, of {known[least]['key']}."
        ]

    def _of_the_task(self) -> list[str]:
        here = self.scores.get("translated")
        if here is None or self.first["status"] != "translated":
            return ["How well a network does that learned from it is not known to this card."]
        others = {"source": "from the frames untranslated", "target": "from labelled photographs of the target"}
        beside = [f"{self.scores[name].miou:.3f} {what}" for name, what in others.items() if name in self.scores]
        known = {name: iou for name, iou in here.iou.items() if iou is not None}
        worst = sorted(known, key=known.__getitem__)[:3]
        reached = f"A segmenter that learned from it reaches an mIoU of {here.miou:.3f} on the target's photographs"
        weakest = ", ".join(f"{name} {known[name]:.3f}" for name in worst)
        return [f"{'; '.join([reached, *beside])}. Worst: {weakest}."]

    def _of_classes(self) -> list[str]:
        none = [name for name, share in self.shares.items() if share == 0]
        rare = [name for name, share in self.shares.items() if 0 < share < RARE]
        said = [f"No pixel of {', '.join(none)}."] if none else []
        return said + ([f"Less than {RARE:.1%} of the labelled pixels each: {', '.join(rare)}."] if rare else [])
