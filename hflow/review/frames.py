"""The frames that people are to judge, those first that have most likely gone wrong, with their pictures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hflow.datasets.images import decode_ids, decode_rgb
from hflow.datasets.manifest import MANIFEST, read_manifest
from hflow.datasets.rows_by_key import RowsByKey
from hflow.datasets.verdicts import Verdicts, image_mark
from hflow.foundation.contact_sheet import narrowed
from hflow.foundation.errors import HflowError
from hflow.foundation.labels import IGNORE
from hflow.reports.html_parts import class_colours

__all__ = ["Review", "ReviewFrame", "choose_frames"]

SHOWN_WIDTH = 960

KNOWN_BY = ("split", "key", "image_sha256")
"""By what a verdict knows a frame."""

COLUMNS = (*KNOWN_BY, "shard", "status", "style", "ssim", "consistency", "model_sha256")
"""Of the manifest, what people are shown of a frame."""


@dataclass(frozen=True)
class ReviewFrame:
    """A frame to judge.

    Attributes:
        row: what the manifest says of it.
        image: the digits of the translated image's hash by which a verdict knows it.
        source, translated, overlay: uint8 (H, W, 3), at most 960 wide; the overlay is the label in colours over the
            translated frame, None for a frame without a label.
        truth: the picture that the frame should become, likewise; None where there is none.
    """

    row: Mapping[str, Any]
    image: str
    source: np.ndarray
    translated: np.ndarray
    overlay: np.ndarray | None
    truth: np.ndarray | None

    @property
    def pictures(self) -> dict[str, np.ndarray]:
        """By what they show."""
        shown = {"source": self.source, "translated": self.translated, "labels": self.overlay, "truth": self.truth}
        return {name: pixels for name, pixels in shown.items() if pixels is not None}


@dataclass(frozen=True)
class Review:
    """What is to be judged.

    Attributes:
        translated, prepared: the folders that have the frames and what they were made of.
        rows: the manifest's rows of the frames to judge, in order.
        measure: what they are ordered by: consistency, or ssim where no judge has seen them.
        total: how many frames there are.
        judged: how many of them have a verdict already, and are left out.
        classes: the names of the train ids.
    """

    translated: Path
    prepared: Path
    rows: Sequence[Mapping[str, Any]]
    measure: str
    total: int
    judged: int
    classes: Sequence[str]

    def frames(self) -> Iterator[ReviewFrame]:
        """The frames with their pictures, one at a time.

        Raises:
            HflowError: a file is missing or damaged.
        """
        table = np.array(class_colours(self.classes), np.uint8)  # (256, 3)
        sources, outputs = RowsByKey(["image"]), RowsByKey(["image", "truth", "label_train_ids"])
        for row in self.rows:
            source = sources.find(self.prepared / "source" / row["split"] / row["shard"], row["key"])
            output = outputs.find(self.translated / row["split"] / row["shard"], row["key"])
            pixels = narrowed(decode_rgb(output["image"]["bytes"]), SHOWN_WIDTH)
            label, truth = output["label_train_ids"], output.get("truth")
            yield ReviewFrame(
                row=row,
                image=image_mark(row["image_sha256"]),
                source=narrowed(decode_rgb(source["image"]["bytes"]), SHOWN_WIDTH),
                translated=pixels,
                overlay=label and _overlay(pixels, narrowed(decode_ids(label["bytes"]), SHOWN_WIDTH), table),
                truth=truth and narrowed(decode_rgb(truth["bytes"]), SHOWN_WIDTH),
            )


def choose_frames(translated: Path, prepared: Path, count: int, judged: Verdicts) -> Review:
    """The frames that nobody has judged, the least consistent first; by SSIM where no judge has seen any.

    Args:
        translated: a folder of shards that translate wrote.
        prepared: what prepare wrote.
        count: how many frames at most.
        judged: verdicts that are there already.

    Raises:
        HflowError: there are no frames, or none that has no verdict.
    """
    manifest = read_manifest(translated / MANIFEST, fill=True, columns=COLUMNS)
    rows = manifest.translated
    rows = rows.where(pc.not_equal(rows.column("shard"), ""))
    if not rows:
        raise HflowError(
            f"{translated} has no shards of translated frames: review a folder that the stage translate wrote"
        )
    left = rows.where(np.fromiter((judged.of(row) is None for row in rows.select(*KNOWN_BY)), bool, len(rows)))
    if not left:
        raise HflowError(f"all {len(rows)} frames of {translated} have a verdict: there is nothing left to review")
    measure = "consistency" if pc.any(left.column("consistency").is_valid()).as_py() else "ssim"
    order = [(name, "ascending") for name in (measure, "split", "key")]
    # What has no value comes last, by itself.
    places = pc.sort_indices(pa.table({name: left.column(name) for name, _ in order}), sort_keys=order)
    return Review(
        translated=translated,
        prepared=prepared,
        rows=left.at(places[:count].to_numpy()),
        measure=measure,
        total=len(rows),
        judged=len(rows) - len(left),
        classes=manifest.classes or (),
    )


def _overlay(pixels: np.ndarray, label: np.ndarray, table: np.ndarray) -> np.ndarray:
    """A label, (H, W), in colours over pixels, (H, W, 3), half of each; nothing over what is no class."""
    mixed = (pixels.astype(np.uint16) + table[label]) // 2
    return np.where((label == IGNORE)[..., None], pixels, mixed).astype(np.uint8)
