"""What a comparison looks at: the frames of a translated dataset, or what a model makes of prepared frames."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from hflow.datasets.images import decode_ids, decode_rgb
from hflow.datasets.manifest import MANIFEST, read_manifest
from hflow.datasets.rows_by_key import RowsByKey
from hflow.datasets.shards import ShardSet, read_table, shard_files
from hflow.datasets.tensors import to_pixels, to_tensor
from hflow.foundation.errors import HflowError
from hflow.foundation.evenly_spaced import evenly_spaced
from hflow.metrics.ssim_psnr import ssim
from hflow.model.store import WEIGHTS, TrainedModel, load_model
from hflow.translation.style_choice import choose_style
from hflow.translation.translator import Translator, uncompiled

__all__ = ["ComparedFrames", "DatasetFrames", "Key", "ModelFrames", "kind_of_folder"]


Key = tuple[str, str]
"""Split and key of a frame; the split is empty for a folder of images."""


class ComparedFrames(Protocol):
    """One side's frames, of which it knows what is in `rows`; what a row lacks is None."""

    name: str
    facts: Mapping[str, str]
    rows: Mapping[Key, Mapping[str, Any]]

    def image_and_ssim(self, key: Key) -> tuple[np.ndarray, float | None]:
        """The picture, uint8 (H, W, 3), and its SSIM to the source where that is known."""

    def label(self, key: Key) -> np.ndarray | None: ...


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
        manifest = read_manifest(folder / MANIFEST, fill=True)
        rows = manifest.translated
        self.rows: Mapping[Key, Mapping[str, Any]] = {(row["split"] or "", row["key"]): row for row in rows}
        self.facts: Mapping[str, str] = {
            "model": ", ".join(sorted({str(row["model_sha256"])[:12] for row in rows})),
            "seed": ", ".join(sorted({str(row["seed"]) for row in rows})),
            "style images": str(len({row["style"] for row in rows})),
            "rejected": str(len(manifest.rejected)),
        }
        self.name = folder.as_posix()
        self._rows = RowsByKey(["image", "label_train_ids"])

    def image_and_ssim(self, key: Key) -> tuple[np.ndarray, float | None]:
        row = self.rows[key]
        if row["shard"]:
            return decode_rgb(self._stored(key)["image"]["bytes"]), row["ssim"]
        path = self.folder / (row["image_path"] or row["source_path"])
        try:
            return decode_rgb(path.read_bytes()), row["ssim"]
        except FileNotFoundError:
            raise HflowError(f"{path} is missing, though the manifest names it: translate again") from None

    def label(self, key: Key) -> np.ndarray | None:
        label = self._stored(key)["label_train_ids"] if self.rows[key]["shard"] else None
        return None if label is None else decode_ids(label["bytes"])

    def _stored(self, key: Key) -> dict[str, Any]:
        return self._rows.find(self.folder / key[0] / self.rows[key]["shard"], key[1])


class ModelFrames:
    """What a model makes of some prepared frames, made when it is asked for."""

    def __init__(self, folder: Path, prepared: Path, frames: int, seed: int, device: str):
        model = load_model(folder)
        self._translator = Translator(model, device=device, backend=uncompiled(device))
        self._source = _some_frames(prepared, frames)
        styles = model.styles.keys
        self._styles = {key: choose_style(seed, key[1], len(styles)) for key in self._source}
        # The same model makes the same of a frame in the same style, so that needs no look.
        self.rows: Mapping[Key, Mapping[str, Any]] = {
            key: {"style": styles[style], "image_sha256": f"by {model.sha256}", "label_sha256": None, "ssim": None}
            for key, style in self._styles.items()
        }
        self.name = folder.as_posix()
        self.facts: Mapping[str, str] = _model_facts(model)

    def image_and_ssim(self, key: Key) -> tuple[np.ndarray, float | None]:
        frame = to_tensor(decode_rgb(self._row(key)["image"]["bytes"]))[None]  # (1, 3, H, W)
        output = to_pixels(self._translator(frame, [self._styles[key]])[0])
        return output, ssim(to_tensor(output)[None], frame).item()

    def label(self, key: Key) -> np.ndarray | None:
        label = self._row(key)["label_train_ids"]
        return None if label is None else decode_ids(label["bytes"])

    def _row(self, key: Key) -> dict[str, Any]:
        path, number = self._source[key]
        row: dict[str, Any] = ShardSet([path], ["image", "label_train_ids"])[number]
        return row


def _model_facts(model: TrainedModel) -> dict[str, str]:
    config = model.config
    told = {
        "expansion rates": ", ".join(map(str, model.network.expansions)),
        "style images": len(model.styles.keys),
        "encoder": config.get("encoder", {}).get("name"),
        **{name.replace("_", " "): value for name, value in config.get("loss", {}).items()},
        **{name.replace("_", " "): value for name, value in config.get("train", {}).items()},
        "hash": model.sha256[:12],
    }
    return {name: ", ".join(map(str, v)) if isinstance(v, list) else str(v) for name, v in told.items()}


def _some_frames(prepared: Path, count: int) -> dict[Key, tuple[Path, int]]:
    """So many of the prepared source frames, evenly spaced, each with its shard and its number in it."""
    shards = [(split, path) for split in ("train", "val") for path in shard_files(prepared / "source" / split)]
    everything = [
        ((split, key), (path, number))
        for split, path in shards
        for number, key in enumerate(read_table(path, ["key"])["key"].to_pylist())
    ]
    if not everything:
        raise HflowError(f"{prepared / 'source'} has no shards: two models are compared on prepared frames")
    everything.sort(key=lambda frame: frame[0])
    return dict(evenly_spaced(everything, count))
