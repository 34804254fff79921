"""Frames beside their translations and styles, read to be shown."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hflow.datasets.images import decode_ids, decode_rgb
from hflow.datasets.manifest import MANIFEST, Manifest, read_manifest
from hflow.datasets.manifest_rows import ManifestRows
from hflow.datasets.rows_by_key import RowsByKey
from hflow.datasets.shards import ShardSet, read_table, shard_files
from hflow.foundation.contact_sheet import narrowed
from hflow.foundation.errors import HflowError
from hflow.foundation.evenly_spaced import evenly_spaced
from hflow.reports.evaluation_results import Example

__all__ = ["example_frames", "read_examples", "translated_frames"]

SHOWN_WIDTH = 960


def example_frames(prepared: Path, translated: Path, count: int) -> list[Example]:
    """So many of the translated frames, evenly spaced, or all where there are fewer.

    Raises:
        HflowError: there are none, or a file is missing or damaged.
    """
    frames = translated_frames(read_manifest(translated / MANIFEST, fill=True))
    return read_examples(evenly_spaced(frames, count), prepared, translated)


def translated_frames(manifest: Manifest) -> ManifestRows:
    """The manifest's rows of translated frames.

    Raises:
        HflowError: there are none.
    """
    frames = manifest.translated
    if not frames:
        raise HflowError(f"{manifest.path.parent} has no translated frame: run `hflow translate` first")
    return frames


def read_examples(rows: Sequence[Mapping[str, Any]], prepared: Path, translated: Path) -> list[Example]:
    """The frames of some rows of the manifest, with their images.

    Raises:
        HflowError: a file is missing or damaged.
    """
    styles = _style_images(prepared / "target" / "train", {row["style"] for row in rows})
    sources, outputs, examples = RowsByKey(["image", "truth"]), RowsByKey(["image", "label_train_ids"]), []
    for row in rows:
        source = sources.find(prepared / "source" / row["split"] / row["shard"], row["key"])
        output = outputs.find(translated / row["split"] / row["shard"], row["key"])
        label, truth = output["label_train_ids"], source["truth"]
        examples.append(
            Example(
                key=row["key"],
                split=row["split"],
                style_key=row["style"],
                ssim=row["ssim"],
                consistency=row["consistency"],
                source=narrowed(decode_rgb(source["image"]["bytes"]), SHOWN_WIDTH),
                translated=narrowed(decode_rgb(output["image"]["bytes"]), SHOWN_WIDTH),
                label=None if label is None else narrowed(decode_ids(label["bytes"]), SHOWN_WIDTH),
                style=styles.get(row["style"]),
                truth=None if truth is None else narrowed(decode_rgb(truth["bytes"]), SHOWN_WIDTH),
            )
        )
    return examples


def _style_images(folder: Path, wanted: set[str]) -> dict[str, np.ndarray]:
    images = {}
    for path in shard_files(folder):
        rows = ShardSet([path], ["image"])
        for number, key in enumerate(read_table(path, ["key"])["key"].to_pylist()):
            if key in wanted:
                images[key] = narrowed(decode_rgb(rows[number]["image"]["bytes"]), SHOWN_WIDTH)
    return images
