"""What differs between two translated datasets, or between what two models make of the same frames."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from hflow.contact_sheet import narrowed
from hflow.datasets.images import decode_ids, decode_rgb
from hflow.datasets.shards import ShardSet, read_table, shard_files
from hflow.datasets.tensors import to_pixels, to_tensor
from hflow.errors import HflowError
from hflow.metrics.fidelity import ssim
from hflow.model.store import WEIGHTS, TrainedModel, load_model
from hflow.progress import progress
from hflow.translation import choose_style
from hflow.translator import Translator

__all__ = ["Change", "Changed", "Comparison", "Side", "compare"]

MANIFEST = "manifest.parquet"
COLUMNS = ("key", "split", "shard", "status", "source_path", "style", "image_sha256", "label_sha256", "ssim")
BINS = 20
SHOWN_WIDTH = 960

Key = tuple[str, str]
"""Split and key of a frame; the split is empty for a folder of images."""


@dataclass(frozen=True)
class Side:
    """One of the two.

    Attributes:
        name: where it is.
        frames: how many it has.
        ssim: the mean SSIM to the source of the frames that both have; None where that is not known of all.
        facts: what it was made with.
    """

    name: str
    frames: int
    ssim: float | None
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Change:
    """A frame that both sides have and show differently.

    Attributes:
        difference: the mean absolute difference of the two pictures, in grey levels of 255.
        styles: the key of the style image that each side took.
        ssim: to the source, for each side; None where a side does not say.
    """

    split: str
    key: str
    difference: float
    styles: tuple[str, str]
    ssim: tuple[float | None, float | None]


@dataclass(frozen=True)
class Changed:
    """A change with its pictures, uint8 (H, W, 3) and at most 960 wide; its label map, train ids (H, W), or None."""

    change: Change
    before: np.ndarray
    after: np.ndarray
    label: np.ndarray | None


@dataclass(frozen=True)
class Comparison:
    """Two sides, A and B.

    Attributes:
        changes: the frames that differ, the largest difference first.
        same: how many frames are the same in both.
        alone: the frames that only A, and only B, has.
        relabelled: how many frames have another label in B than in A.
        histogram: how many changes lie in each twentieth from 0 to `top`, a round number.
        shown: the first changes, with their pictures.
    """

    sides: tuple[Side, Side]
    changes: Sequence[Change]
    same: int
    alone: tuple[Sequence[Key], Sequence[Key]]
    relabelled: int
    histogram: Sequence[int]
    top: float
    shown: Sequence[Changed]


class _Frames(Protocol):
    """One side's frames, of which it knows what is in `rows`; what a row lacks is None."""

    name: str
    facts: Mapping[str, str]
    rows: Mapping[Key, Mapping[str, Any]]

    def look(self, key: Key) -> tuple[np.ndarray, float | None]:
        """The picture, uint8 (H, W, 3), and its SSIM to the source where that is known."""

    def label(self, key: Key) -> np.ndarray | None: ...


def compare(
    a: Path, b: Path, *, prepared: Path, frames: int = 200, seed: int = 0, device: str = "cpu", examples: int = 12
) -> Comparison:
    """Compare two translated datasets frame by frame, or two models on the same frames.

    Args:
        a, b: two folders with a manifest.parquet, as `hflow translate` writes them, or two models.
        prepared: for models, the folder that prepare wrote, whose source frames both translate.
        frames: how many of these, evenly spaced.
        seed: for models, of the choice of a style for each frame.
        device: for models, where to translate.
        examples: how many changes come with their pictures.

    Raises:
        HflowError: a folder is neither, the two are not of one kind, have no frame in common, or are damaged.
    """
    kinds = {_kind(a), _kind(b)}
    if len(kinds) > 1:
        raise HflowError(f"one of {a} and {b} is a dataset and the other a model: name two of a kind")
    if kinds == {"dataset"}:
        return _compared(_Dataset(a), _Dataset(b), examples)
    first, second = (_Model(place, prepared, frames, seed, device) for place in (a, b))
    return _compared(first, second, examples)


def _compared(a: _Frames, b: _Frames, examples: int) -> Comparison:
    both = [key for key in a.rows if key in b.rows]
    if not both:
        raise HflowError(f"{a.name} and {b.name} have no frame in common: are they of the same source?")
    changes = []
    similar: tuple[list[float | None], list[float | None]] = ([], [])
    with progress("compare", len(both), unit="frames") as advance:
        for key in both:
            row, other = a.rows[key], b.rows[key]
            ssims, difference = (row["ssim"], other["ssim"]), 0.0
            # Equal bytes need no look.
            if not row["image_sha256"] or row["image_sha256"] != other["image_sha256"]:
                looks = (a.look(key), b.look(key))
                ssims, difference = (looks[0][1], looks[1][1]), _difference(looks[0][0], looks[1][0])
            if difference > 0:
                changes.append(Change(*key, difference, (row["style"], other["style"]), ssims))
            for values, value in zip(similar, ssims, strict=True):
                values.append(value)
            advance()
    changes.sort(key=lambda change: (-change.difference, change.split, change.key))
    top = _rounded_up(changes[0].difference) if changes else 1.0
    counts: list[int] = np.histogram([change.difference for change in changes], BINS, (0, top))[0].tolist()
    return Comparison(
        sides=(_side(a, similar[0]), _side(b, similar[1])),
        changes=changes,
        same=len(both) - len(changes),
        alone=([key for key in a.rows if key not in b.rows], [key for key in b.rows if key not in a.rows]),
        relabelled=sum(a.rows[key]["label_sha256"] != b.rows[key]["label_sha256"] for key in both),
        histogram=counts,
        top=top,
        shown=[_changed(change, a, b) for change in changes[:examples]],
    )


def _rounded_up(value: float) -> float:
    """The next number of one digit and zeros."""
    unit = 10.0 ** math.floor(math.log10(value))
    return math.ceil(value / unit) * unit


def _side(frames: _Frames, ssims: Sequence[float | None]) -> Side:
    known = [value for value in ssims if value is not None]
    return Side(
        frames.name, len(frames.rows), float(np.mean(known)) if len(known) == len(ssims) else None, frames.facts
    )


def _changed(change: Change, a: _Frames, b: _Frames) -> Changed:
    key = (change.split, change.key)
    label = b.label(key)
    small = None if label is None else narrowed(label, SHOWN_WIDTH)
    before, after = (narrowed(side.look(key)[0], SHOWN_WIDTH) for side in (a, b))
    return Changed(change, before, after, small)


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    """The mean absolute difference of two images, uint8 (H, W, 3); B is brought to the size of A."""
    if a.shape != b.shape:
        b = np.asarray(Image.fromarray(b).resize((a.shape[1], a.shape[0]), Image.Resampling.BICUBIC))
    return float(np.abs(a.astype(np.int16) - b).mean())


def _kind(place: Path) -> str:
    if (place / MANIFEST).is_file():
        return "dataset"
    if (place / WEIGHTS).is_file():
        return "model"
    raise HflowError(f"{place} is neither a translated dataset ({MANIFEST}) nor a model ({WEIGHTS})")


class _Dataset:
    """A translated dataset: shards, or images of the sources' names; only what was translated counts."""

    def __init__(self, folder: Path):
        self.folder = folder
        table = read_table(folder / MANIFEST)
        names = [name for name in (*COLUMNS, "model_sha256", "seed") if name in table.column_names]
        empty = dict.fromkeys(COLUMNS)
        rows = [empty | row for row in table.select(names).to_pylist() if row["status"] == "translated"]
        self.rows: Mapping[Key, Mapping[str, Any]] = {(row["split"] or "", row["key"]): row for row in rows}
        self.facts: Mapping[str, str] = {
            "model": ", ".join(sorted({str(row["model_sha256"])[:12] for row in rows})),
            "seed": ", ".join(sorted({str(row["seed"]) for row in rows})),
            "style images": str(len({row["style"] for row in rows})),
            "rejected": str(table.num_rows - len(rows)),
        }
        self.name = folder.as_posix()
        self._numbers: dict[Path, dict[str, int]] = {}

    def look(self, key: Key) -> tuple[np.ndarray, float | None]:
        row = self.rows[key]
        if row["shard"]:
            return decode_rgb(self._stored(key)["image"]["bytes"]), row["ssim"]
        path = self.folder / row["source_path"]
        try:
            return decode_rgb(path.read_bytes()), row["ssim"]
        except FileNotFoundError:
            raise HflowError(f"{path} is missing, though the manifest names it: translate again") from None

    def label(self, key: Key) -> np.ndarray | None:
        label = self._stored(key)["label_train_ids"] if self.rows[key]["shard"] else None
        return None if label is None else decode_ids(label["bytes"])

    def _stored(self, key: Key) -> dict[str, Any]:
        path = self.folder / key[0] / self.rows[key]["shard"]
        if path not in self._numbers:
            keys = read_table(path, ["key"])["key"].to_pylist()
            self._numbers[path] = {name: number for number, name in enumerate(keys)}
        if key[1] not in self._numbers[path]:
            raise HflowError(f"{path} has no frame {key[1]!r}, though the manifest names it: translate again")
        stored: dict[str, Any] = ShardSet([path], ["image", "label_train_ids"])[self._numbers[path][key[1]]]
        return stored


class _Model:
    """What a model makes of some prepared frames, made when it is asked for."""

    def __init__(self, folder: Path, prepared: Path, frames: int, seed: int, device: str):
        model = load_model(folder)
        self._translator = Translator(model, device=device)
        self._source = dict(_evenly(prepared, frames))
        styles = model.styles.keys
        self._styles = {key: choose_style(seed, key[1], len(styles)) for key in self._source}
        self.rows: Mapping[Key, Mapping[str, Any]] = {
            key: {"style": styles[style], "image_sha256": None, "label_sha256": None, "ssim": None}
            for key, style in self._styles.items()
        }
        self.name = folder.as_posix()
        self.facts: Mapping[str, str] = _model_facts(model)

    def look(self, key: Key) -> tuple[np.ndarray, float | None]:
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


def _evenly(prepared: Path, count: int) -> Iterator[tuple[Key, tuple[Path, int]]]:
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
    count = min(count, len(everything))
    yield from (everything[i * len(everything) // count] for i in range(count))
