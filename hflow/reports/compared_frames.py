"""What a comparison looks at: the frames of a translated dataset, or what a model makes of prepared frames."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa

from hflow.datasets.images import decode_ids, decode_rgb
from hflow.datasets.manifest import MANIFEST, read_manifest
from hflow.datasets.manifest_rows import ManifestRows, joined
from hflow.datasets.rows_by_key import RowsByKey
from hflow.datasets.shards import read_table, shard_files
from hflow.datasets.tensors import to_pixels, to_tensor
from hflow.foundation.errors import HflowError
from hflow.foundation.evenly_spaced import evenly_spaced
from hflow.metrics.ssim_psnr import ssim
from hflow.model.store import WEIGHTS, TrainedModel, load_model
from hflow.translation.style_choice import choose_style
from hflow.translation.translator import Translator, uncompiled

__all__ = ["ComparedFrames", "DatasetFrames", "ModelFrames", "kind_of_folder"]


COLUMNS = (
    *("key", "split", "shard", "status", "style", "image_sha256", "label_sha256", "ssim"),
    *("image_path", "source_path", "model_sha256", "seed"),
)
"""Of the manifest, what a comparison asks for."""

Row = Mapping[str, Any]


class ComparedFrames(Protocol):
    """One side's frames: a row each, with at least split, key, shard, style, image_sha256, label_sha256 and ssim, any
    of which but the key may be null."""

    name: str
    facts: Mapping[str, str]
    rows: ManifestRows

    def image_and_ssim(self, row: Row) -> tuple[np.ndarray, float | None]:
        """The picture, uint8 (H, W, 3), and its SSIM to the source where that is known."""

    def label(self, row: Row) -> np.ndarray | None: ...


def kind_of_folder(place: Path) -> Literal["dataset", "model"]:
    """What is in a folder.

    Raises:
        HflowError: neither.
    """
    if (place / MANIFEST).is_file():
        return "dataset"
    if (place / WEIGHTS).is_file():
        return "model"
    raise HflowError(f"{place} is neither a translated dataset ({MANIFEST}) nor a model ({WEIGHTS})")


class DatasetFrames:
    """A translated dataset: shards, or images of the sources' names; only what was translated counts."""

    def __init__(self, folder: Path):
        self.folder = folder
        manifest = read_manifest(folder / MANIFEST, fill=True, columns=COLUMNS)
        self.rows = manifest.translated
        self.facts: Mapping[str, str] = {
            "model": ", ".join(sorted({str(model)[:12] for model in self.rows.occurring("model_sha256")})),
            "seed": ", ".join(sorted(map(str, self.rows.occurring("seed")))),
            "style images": str(len(self.rows.occurring("style"))),
            "rejected": str(len(manifest.rejected)),
        }
        self.name = folder.as_posix()
        self._rows = RowsByKey(["image", "label_train_ids"])

    def image_and_ssim(self, row: Row) -> tuple[np.ndarray, float | None]:
        if row["shard"]:
            return decode_rgb(self._stored(row)["image"]["bytes"]), row["ssim"]
        path = self.folder / (row["image_path"] or row["source_path"])
        try:
            return decode_rgb(path.read_bytes()), row["ssim"]
        except FileNotFoundError:
            raise HflowError(f"{path} is missing, though the manifest names it: translate again") from None

    def label(self, row: Row) -> np.ndarray | None:
        label = self._stored(row)["label_train_ids"] if row["shard"] else None
        return None if label is None else decode_ids(label["bytes"])

    def _stored(self, row: Row) -> dict[str, Any]:
        return self._rows.find(self.folder / row["split"] / row["shard"], row["key"])


class ModelFrames:
    """What a model makes of some prepared frames, made when it is asked for."""

    def __init__(self, folder: Path, prepared: Path, frames: int, seed: int, device: str):
        model = load_model(folder)
        self._translator = Translator(model, device=device, backend=uncompiled(device))
        self._source = prepared / "source"
        self._stored = RowsByKey(["image", "label_train_ids"])
        self._seed, self._styles = seed, model.styles.keys
        some = _some_frames(prepared, frames)
        made = {
            "style": pa.array([self._styles[self._style(key)] for key in some.column("key").to_pylist()], pa.string()),
            # The same model makes the same of a frame in the same style, so that needs no look.
            "image_sha256": pa.repeat(f"by {model.sha256}", len(some)),
            "label_sha256": pa.nulls(len(some), pa.string()),
            "ssim": pa.nulls(len(some), pa.float32()),
        }
        for name, values in made.items():
            some = some.with_column(name, values)
        self.rows = some
        self.name = folder.as_posix()
        self.facts: Mapping[str, str] = _model_facts(model)

    def image_and_ssim(self, row: Row) -> tuple[np.ndarray, float | None]:
        frame = to_tensor(decode_rgb(self._row(row)["image"]["bytes"]))[None]  # (1, 3, H, W)
        output = to_pixels(self._translator(frame, [self._style(row["key"])])[0])
        return output, ssim(to_tensor(output)[None], frame).item()

    def label(self, row: Row) -> np.ndarray | None:
        label = self._row(row)["label_train_ids"]
        return None if label is None else decode_ids(label["bytes"])

    def _style(self, key: str) -> int:
        return choose_style(self._seed, key, len(self._styles))

    def _row(self, row: Row) -> dict[str, Any]:
        return self._stored.find(self._source / row["split"] / row["shard"], row["key"])


def _model_facts(model: TrainedModel) -> dict[str, str]:
    config = model.config
    told = {
        "expansion rates": ", ".join(map(str, model.network.expansions)),
        "adain": model.network.adain,
        "guide": model.network.guide,
        "correction": model.network.correction,
        "style images": len(model.styles.keys),
        "size": config.get("size"),
        "encoder": config.get("encoder", {}).get("name"),
        **{name.replace("_", " "): value for name, value in config.get("loss", {}).items()},
        **{name.replace("_", " "): value for name, value in config.get("train", {}).items()},
        "hash": model.sha256[:12],
    }
    return {name: ", ".join(map(str, v)) if isinstance(v, list) else str(v) for name, v in told.items()}


def _some_frames(prepared: Path, count: int) -> ManifestRows:
    """So many of the prepared source frames, evenly spaced: split, shard and key."""
    tables = []
    for split in ("train", "val"):
        for path in shard_files(prepared / "source" / split):
            keys = read_table(path, ["key"])
            where = {"split": split, "shard": path.name}
            tables.append(pa.table({"key": keys["key"], **{n: pa.repeat(w, len(keys)) for n, w in where.items()}}))
    if not any(map(len, tables)):
        raise HflowError(f"{prepared / 'source'} has no shards: two models are compared on prepared frames")
    frames = ManifestRows(joined(tables)).in_order("split", "key")
    return frames.at(np.array(evenly_spaced(range(len(frames)), count)))
