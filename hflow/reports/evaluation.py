"""The stage evaluate: all figures of a run gathered once, from what the other stages left."""

import csv
import heapq
import itertools
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from hflow.datasets.images import decode_ids, decode_rgb
from hflow.datasets.manifest import MANIFEST, Manifest, read_manifest
from hflow.datasets.preparation_stats import read_stats
from hflow.datasets.rows_by_key import RowsByKey
from hflow.datasets.shards import ShardSet, read_table, shard_files
from hflow.foundation.contact_sheet import narrowed
from hflow.foundation.errors import HflowError
from hflow.foundation.evenly_spaced import evenly_spaced
from hflow.foundation.hashes import fingerprint, sha256_file
from hflow.metrics.paired_gain import Gain, paired_gain
from hflow.metrics.similarity_summary import Similarity, histogram, summarise_similarity
from hflow.model.store import load_model
from hflow.reports.evaluation_files import write_metrics_and_plots
from hflow.reports.evaluation_results import Evaluation, Example, ModelFacts, Rejected
from hflow.segmentation.scores import SegmenterScores, check_comparable, read_scores

__all__ = ["evaluate", "example_frames"]

SHOWN_WIDTH = 960
EXTREMES = 3
SETTINGS = ("seed", "precision", "backend")


def evaluate(
    *,
    prepared: Path,
    translated: Path,
    model: Path,
    train_plots: Path | None,
    segmentation: Path,
    train_on: Sequence[str],
    metrics: Path,
    plots: Path,
    examples: int,
) -> Evaluation:
    """Gather the figures of a run and write them for machines; the same inputs give the same bytes.

    Args:
        prepared, translated, model: the folders that prepare, translate and train wrote.
        train_plots: the folder with the curves of this model's training; None where it was trained elsewhere.
        segmentation: the folder with a JSON file for each name in `train_on`; others in it are passed over.
        train_on: the training sets that were scored; may be empty.
        metrics: the JSON file to write: counts, SSIM, scores, gain, model.
        plots: the folder that gets before-after.png, ssim.csv and, where there are scores, classes.csv.
        examples: how many frames to show, of those evenly spaced and of those drawn by lot.

    Raises:
        HflowError: something that another stage writes is missing, damaged, or does not belong to the rest.
    """
    manifest = read_manifest(translated / MANIFEST, fill=True)
    frames = _translated(manifest)
    facts = _model_facts(model)
    manifest.check_made_by(facts.sha256, model)
    rejections = [Rejected(row["split"], row["source_path"], row["reason"]) for row in manifest.rejected]
    scores = {name: read_scores(segmentation / f"{name}.json") for name in train_on}
    check_comparable(list(scores.values()))
    evenly = evenly_spaced(frames, examples)
    judged = [row for row in frames if row["consistency"] is not None]
    galleries = {
        "examples": evenly,
        "drawn": _drawn(frames, evenly, examples, facts.sha256),
        **dict(zip(("least_similar", "most_similar"), _extremes(frames, "ssim"), strict=True)),
        **dict(zip(("least_consistent", "most_consistent"), _extremes(judged, "consistency"), strict=True)),
    }
    shown = iter(_examples([row for rows in galleries.values() for row in rows], prepared, translated))
    by_area = sorted({(row["width"], row["height"]) for row in frames}, key=lambda size: (size[0] * size[1], size))
    evaluation = Evaluation(
        given=len(manifest.rows),
        translated=len(frames),
        rejected=len(rejections),
        rejections=rejections,
        sizes=(by_area[0], by_area[-1]),
        stats=read_stats(prepared),
        versions={
            "source": _version(prepared / "source"),
            "target": _version(prepared / "target"),
            "translated": sha256_file(manifest.path),
        },
        translated_with={name: _occurring(frames, name) for name in SETTINGS},
        similarity=_similarity(frames),
        histogram=histogram([row["ssim"] for row in frames]),
        consistency=summarise_similarity([row["consistency"] for row in judged]) if judged else None,
        scores=scores,
        gains=_gains(scores),
        class_gain=_class_gain(scores),
        model=facts,
        curves=_curves(train_plots / "curves.csv") if train_plots else [],
        training_sheet=_picture(train_plots / "contact-sheet.png") if train_plots else None,
        **{name: list(itertools.islice(shown, len(rows))) for name, rows in galleries.items()},
    )
    write_metrics_and_plots(evaluation, metrics=metrics, plots=plots)
    return evaluation


def example_frames(prepared: Path, translated: Path, count: int) -> list[Example]:
    """So many of the translated frames, evenly spaced, or all where there are fewer.

    Raises:
        HflowError: there are none, or a file is missing or damaged.
    """
    frames = _translated(read_manifest(translated / MANIFEST, fill=True))
    return _examples(evenly_spaced(frames, count), prepared, translated)


def _translated(manifest: Manifest) -> list[dict[str, Any]]:
    frames = manifest.translated
    if not frames:
        raise HflowError(f"{manifest.path.parent} has no translated frame: run `hflow translate` first")
    return frames


def _drawn(
    frames: Sequence[dict[str, Any]], without: Sequence[dict[str, Any]], count: int, lot: str
) -> list[dict[str, Any]]:
    """So many frames by lot, in their order: chance that comes out the same again, and that nobody can choose."""
    taken = {(row["split"], row["key"]) for row in without}
    left = [row for row in frames if (row["split"], row["key"]) not in taken]
    drawn = heapq.nsmallest(count, left, key=lambda row: sha256(f"{lot}:{row['split']}:{row['key']}".encode()).digest())
    return sorted(drawn, key=lambda row: (row["split"], row["key"]))


def _extremes(frames: Sequence[dict[str, Any]], column: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The frames with the lowest and the highest values, none in both."""
    ordered, count = sorted(frames, key=lambda row: row[column]), min(EXTREMES, len(frames) // 2)
    return ordered[:count], ordered[::-1][:count]


def _version(folder: Path) -> str:
    """A hash of the raw files behind a prepared domain, whatever their shards are."""
    names = ("key", "source_sha256")
    tables = [(s, read_table(path, names)) for s in ("train", "val") for path in shard_files(folder / s)]
    return fingerprint(sorted([s, *row.values()] for s, table in tables for row in table.to_pylist()))


def _occurring(frames: Sequence[Mapping[str, Any]], column: str) -> list[str]:
    return sorted({str(row[column]) for row in frames if row[column] is not None})


def _similarity(frames: Sequence[Mapping[str, Any]]) -> dict[str, Similarity]:
    splits: dict[str, list[float]] = {"all": []}
    for row in frames:
        splits["all"].append(row["ssim"])
        splits.setdefault(row["split"], []).append(row["ssim"])
    return {split: summarise_similarity(values) for split, values in splits.items()}


def _gains(scores: Mapping[str, SegmenterScores]) -> dict[str, Gain]:
    if "source" not in scores:
        return {}
    before = scores["source"].miou_by_seed
    return {name: paired_gain(before, score.miou_by_seed) for name, score in scores.items() if name != "source"}


def _class_gain(scores: Mapping[str, SegmenterScores]) -> dict[str, float]:
    if not {"source", "translated"} <= scores.keys():
        return {}
    before, after = scores["source"].iou, scores["translated"].iou
    pairs = ((name, before.get(name), value) for name, value in after.items())
    return {name: value - old for name, old, value in pairs if old is not None and value is not None}


def _model_facts(folder: Path) -> ModelFacts:
    model = load_model(folder)
    parameters = sum(parameter.numel() for parameter in model.network.parameters())
    return ModelFacts(parameters, model.network.expansions, len(model.styles.keys), model.sha256, model.config)


def _curves(path: Path) -> list[dict[str, float]]:
    if not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    except (TypeError, ValueError) as error:
        raise HflowError(f"{path} is not a table of numbers ({error}): run `hflow train` again") from None


def _picture(path: Path) -> np.ndarray | None:
    return decode_rgb(path.read_bytes()) if path.is_file() else None


def _examples(rows: Sequence[Mapping[str, Any]], prepared: Path, translated: Path) -> list[Example]:
    """The frames of some rows of the manifest, with their images."""
    styles = _style_images(prepared / "target" / "train", {row["style"] for row in rows})
    sources, outputs, examples = RowsByKey(["image"]), RowsByKey(["image", "label_train_ids"]), []
    for row in rows:
        source = sources.find(prepared / "source" / row["split"] / row["shard"], row["key"])
        output = outputs.find(translated / row["split"] / row["shard"], row["key"])
        label = output["label_train_ids"]
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
