"""Translated frames as a grouped dataset of FiftyOne, in the format of its own importer, which needs no FiftyOne here.

The format: https://docs.voxel51.com/user_guide/import_datasets.html#fiftyonedataset; its documents as FiftyOne 1.13 and
later have them.
"""

import base64
import io
import json
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from hflow.datasets.images import decode_ids, decode_rgb, encode_png
from hflow.datasets.keys import check_key
from hflow.datasets.rows_by_key import RowsByKey
from hflow.datasets.shards import read_rows, shard_files
from hflow.datasets.tensors import to_bytes
from hflow.foundation.atomic_files import temporary_sibling, writable
from hflow.foundation.contact_sheet import narrowed
from hflow.foundation.errors import HflowError
from hflow.foundation.progress import progress
from hflow.metrics.fid_kid import FeatureSpace
from hflow.review.frames import Review

__all__ = ["EMBEDDING", "METADATA", "SAMPLES", "SHOWN_SLICE", "write_fiftyone_dataset"]

METADATA, SAMPLES = "metadata.json", "samples.json"
VERSION = "1.13.0"
SLICES = ("source", "translated", "style", "truth")
SHOWN_SLICE = "translated"
EMBEDDING = "embedding"
LABELS = "labels"
SEEN_WIDTH = 512
"""Of the frames of which an embedding is computed."""

Document = dict[str, Any]


def write_fiftyone_dataset(review: Review, out: Path, *, name: str, features: FeatureSpace | None) -> int:
    """Write frames as a group each: source, translated, style and truth as slices, the worst first.

    The translated slice has labels, ssim, consistency, style, model and embedding as fields, the source the labels.
    These are masks of train ids and one more, since FiftyOne shows nothing where a mask is 0: there is no class.

    Args:
        review: the frames, in order.
        out: a folder that is missing, or that this function has written.
        name: of the dataset.
        features: of what a frame's embedding is computed; None leaves it out.

    Returns:
        How many samples there are.

    Raises:
        HflowError: a file is missing or damaged, or `out` holds something else.
    """
    if out.exists() and not ((out / METADATA).is_file() and (out / SAMPLES).is_file()):
        raise HflowError(f"{out} holds something else already: name a folder that is not there yet")
    staging = temporary_sibling(out)
    with writable(out):
        staging.mkdir(parents=True)
        try:
            with (staging / SAMPLES).open("w", encoding="utf-8") as file:
                count = _write_list(file, "samples", _samples(review, staging, features))
            slices = [slice_ for slice_ in SLICES if (staging / "data" / slice_).is_dir()]
            metadata = _metadata(name, slices, review.classes)
            (staging / METADATA).write_text(json.dumps(metadata, indent=2), encoding="utf-8")
            shutil.rmtree(out, ignore_errors=True)
            staging.rename(out)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return count


def _samples(review: Review, folder: Path, features: FeatureSpace | None) -> Iterator[Document]:
    """The samples of all groups, whose files are written as they come."""
    styles = _write_styles(review, folder)
    sources, outputs = RowsByKey(["image"]), RowsByKey(["image", "truth", "label_train_ids"])
    with progress("view", len(review.rows), unit="frames") as advance:
        for row in review.rows:
            check_key(row["key"])
            source = sources.find(review.prepared / "source" / row["split"] / row["shard"], row["key"])
            output = outputs.find(review.translated / row["split"] / row["shard"], row["key"])
            name = f"{row['split']}/{row['key']}.png"
            files = {"source": source["image"], "translated": output["image"], "truth": output.get("truth")}
            paths = {slice_: f"data/{slice_}/{name}" for slice_, image in files.items() if image}
            for slice_, path in paths.items():
                _write(folder / path, files[slice_]["bytes"])
            if row["style"] in styles:
                paths["style"] = styles[row["style"]]
            fields: dict[str, Document] = {slice_: {} for slice_ in paths}
            if output["label_train_ids"]:
                mask = f"fields/{LABELS}/{name}"
                _write(folder / mask, encode_png(decode_ids(output["label_train_ids"]["bytes"]) + np.uint8(1)))
                for slice_ in ("source", "translated"):
                    identity = _identity("labels", slice_, row["split"], row["key"])
                    fields[slice_][LABELS] = {"_id": identity, "_cls": "Segmentation", "tags": [], "mask_path": mask}
            measured = {name: row[name] for name in ("ssim", "consistency") if row[name] is not None}
            fields["translated"] |= measured | {"style": row["style"], "model": (row["model_sha256"] or "")[:12]}
            if features:
                fields["translated"][EMBEDDING] = _embedding(output["image"]["bytes"], features)
            group = _identity("group", row["split"], row["key"])
            for slice_, path in paths.items():
                identity = _identity("sample", slice_, row["split"], row["key"])
                yield {
                    "_id": identity,
                    "filepath": path,
                    "tags": [row["split"]],
                    "metadata": None,
                    "_media_type": "image",
                    "_rand": int(identity["$oid"][:12], 16) / 16**12,
                    "group": {"_id": group, "_cls": "Group", "name": slice_},
                    "key": row["key"],
                    **fields[slice_],
                }
            advance(1)


def _write_styles(review: Review, folder: Path) -> dict[str, str]:
    """The style images of the frames, each once; gives their paths by key."""
    wanted, paths = {row["style"] for row in review.rows}, dict[str, str]()
    for shard in shard_files(review.prepared / "target" / "train"):
        for row in read_rows(shard, ["key", "image"]):
            if row["key"] in wanted:
                check_key(row["key"])
                paths[row["key"]] = f"data/style/{row['key']}.png"
                _write(folder / paths[row["key"]], row["image"]["bytes"])
    return paths


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _embedding(image: bytes, features: FeatureSpace) -> Document:
    """A vector as FiftyOne stores it: an array of NumPy, packed."""
    found = features.features(to_bytes(narrowed(decode_rgb(image), SEEN_WIDTH))[None])[0]  # (D,)
    buffer = io.BytesIO()
    np.save(buffer, found.float().cpu().numpy(), allow_pickle=False)
    packed = base64.b64encode(zlib.compress(buffer.getvalue())).decode()
    return {"$binary": {"base64": packed, "subType": "00"}}


def _identity(*parts: str) -> Document:
    """An identity in MongoDB's form that is the same whenever it is made."""
    return {"$oid": sha256(json.dumps(parts).encode()).hexdigest()[:24]}


def _write_list(file: TextIO, name: str, documents: Iterator[Document]) -> int:
    count = 0
    for count, document in enumerate(documents, start=1):
        file.write((f'{{"{name}": [\n' if count == 1 else ",\n") + json.dumps(document))
    file.write("\n]}\n")
    return count


def _metadata(name: str, slices: Sequence[str], classes: Sequence[str]) -> Document:
    """The dataset's document: its groups, its fields, and what the masks' values mean."""
    return {
        "name": name,
        "version": VERSION,
        "media_type": "group",
        "group_field": "group",
        "group_media_types": dict.fromkeys(slices, "image"),
        "default_group_slice": SHOWN_SLICE,
        "default_mask_targets": {str(i): label for i, label in enumerate(classes, start=1)},
        "sample_fields": [
            _field("id", "ObjectId", db_field="_id"),
            _field("filepath", "String"),
            _field("tags", "List", subfield="String"),
            _field(
                "metadata",
                "EmbeddedDocument",
                "metadata.Metadata",
                fields=[_field("size_bytes", "Int"), _field("mime_type", "String")],
            ),
            _field("_media_type", "String"),
            _field("_rand", "Float"),
            _field("_dataset_id", "ObjectId"),
            _field("created_at", "DateTime", read_only=True),
            _field("last_modified_at", "DateTime", read_only=True),
            _field(
                "group",
                "EmbeddedDocument",
                "groups.Group",
                fields=[_field("id", "ObjectId", db_field="_id"), _field("name", "String")],
            ),
            _field("key", "String"),
            _field(
                LABELS,
                "EmbeddedDocument",
                "labels.Segmentation",
                fields=[
                    _field("id", "ObjectId", db_field="_id"),
                    _field("tags", "List", subfield="String"),
                    _field("mask", "Array"),
                    _field("mask_path", "String"),
                ],
            ),
            _field("ssim", "Float"),
            _field("consistency", "Float"),
            _field("style", "String"),
            _field("model", "String"),
            _field(EMBEDDING, "Vector"),
        ],
    }


def _field(
    name: str,
    kind: str,
    document: str | None = None,
    *,
    subfield: str | None = None,
    fields: Sequence[Mapping[str, Any]] = (),
    db_field: str | None = None,
    read_only: bool = False,
) -> Document:
    return {
        "name": name,
        "ftype": f"fiftyone.core.fields.{kind}Field",
        "embedded_doc_type": document and f"fiftyone.core.{document}",
        "subfield": subfield and f"fiftyone.core.fields.{subfield}Field",
        "fields": list(fields),
        "db_field": db_field or name,
        "description": None,
        "info": None,
        "read_only": read_only,
        "created_at": None,
    }
