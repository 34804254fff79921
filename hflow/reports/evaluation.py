"""The stage evaluate: all figures of a run gathered once, from what the other stages left."""

import csv
import heapq
import itertools
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from hflow.datasets.images import decode_rgb
from hflow.datasets.manifest import MANIFEST, read_manifest
from hflow.datasets.manifest_rows import ManifestRows, joined
from hflow.datasets.preparation_stats import read_stats
from hflow.datasets.shards import read_table, shard_files
from hflow.datasets.training_sets import read_current_set
from hflow.foundation.errors import HflowError
from hflow.foundation.evenly_spaced import evenly_spaced
from hflow.foundation.hashes import list_fingerprint, sha256_file
from hflow.metrics.paired_gain import Gain, paired_gain
from hflow.metrics.similarity_summary import Similarity, histogram, summarise_similarity
from hflow.model.store import load_model
from hflow.reports.evaluation_files import write_metrics_and_plots
from hflow.reports.evaluation_results import Evaluation, Example, ModelFacts, Rejected
from hflow.reports.examples import read_examples, translated_frames
from hflow.reports.predictions import predict_camera_images
from hflow.reports.realism import Reader, measure_realism
from hflow.reports.truth import measure_truth
from hflow.segmentation.current_scores import read_current_scores
from hflow.segmentation.judge import Judge, load_judge
from hflow.segmentation.scores import SegmenterScores, check_comparable

__all__ = ["evaluate"]

EXTREMES = 3
PREDICTIONS = 4

SHOWN_SEGMENTERS = ("source", "translated", "target")
"""The training sets whose segmenters' predictions are shown, in this order."""

SETTINGS = ("seed", "precision", "backend")

COLUMNS = (
    *("key", "split", "shard", "status", "reason", "source_path", "source_sha256", "style", "truth_sha256"),
    *("width", "height", "ssim", "consistency", "model_sha256", *SETTINGS),
)
"""Of the manifest, what is asked for here."""


def evaluate(
    *,
    prepared: Path,
    translated: Path,
    model: Path,
    sets: Path,
    segmentation: Path,
    segmenters: Path,
    train_on: Sequence[str],
    compare: Mapping[str, Path] = MappingProxyType({}),
    metrics: Path,
    summary: Path,
    plots: Path,
    examples: int,
    judge: Path | None = None,
    device: torch.device | str = "cpu",
) -> Evaluation:
    """Gather the figures of a run and write them for machines; the same inputs give the same bytes.

    Args:
        prepared, translated, model: the folders that prepare, translate and train wrote.
        sets: the folder with the descriptions of the training sets.
        segmentation: the folder with a JSON file for each name in `train_on`; others in it are passed over.
        segmenters: the folder with the segmenters whose hashes the scores hold, as segment wrote them.
        train_on: the training sets that were scored; may be empty.
        compare: the baselines that are held against the truth, too: by name, the folder with their shards.
        metrics: the JSON file to write: counts, SSIM, scores, gain, model.
        summary: the JSON file that gets the few by which runs are told apart.
        plots: the folder that gets before-after.png, ssim.csv and, where there are scores, classes.csv.
        examples: how many frames to show, of those evenly spaced and of those drawn by lot.
        judge: the folder of a segmenter that reads the frames where none was trained on the target alone.
        device: where segmenters compute.

    Raises:
        HflowError: something that another stage writes is missing, damaged, or does not belong to the rest.
    """
    manifest = read_manifest(translated / MANIFEST, fill=True, columns=COLUMNS)
    frames = translated_frames(manifest)
    facts = _model_facts(model)
    manifest.check_made_by(facts.sha256, model)
    manifest.check_frames(prepared)
    rejections = [Rejected(**row) for row in manifest.rejected.select("split", "source_path", "reason")]
    scores = read_current_scores(segmentation, train_on, sets=sets, prepared=prepared, model_sha256=facts.sha256)
    check_comparable(list(scores.values()))
    for name in compare:
        read_current_set(sets, name, model_sha256=facts.sha256)
    kept = [name for name in SHOWN_SEGMENTERS if name in scores and scores[name].network_sha256]
    trained = {name: _segmenter(segmenters / name, scores[name], device) for name in kept}
    stats = read_stats(prepared)
    realism = measure_realism(
        frames,
        prepared=prepared,
        translated=translated,
        classes=stats["classes"],
        reader=_reader(trained.get("target"), judge, stats["classes"], device),
        device=device,
    )
    truth = measure_truth(frames, prepared=prepared, translated=translated, others=compare, device=device)
    evenly = evenly_spaced(frames, examples)
    judged = frames.where(frames.column("consistency").is_valid())
    galleries: dict[str, Sequence[Mapping[str, Any]]] = {
        "examples": evenly,
        "drawn": _drawn(frames, evenly, examples, facts.sha256),
        **dict(zip(("least_similar", "most_similar"), _extremes(frames, "ssim"), strict=True)),
        **dict(zip(("least_consistent", "most_consistent"), _extremes(judged, "consistency"), strict=True)),
        "furthest": [row for row, _ in truth.furthest] if truth else [],
    }
    worst = {measure.name: [row for row, _ in measure.worst] for measure in realism.measures if measure.worst}
    wanted = [row for rows in (*galleries.values(), *worst.values()) for row in rows]
    shown = iter(read_examples(wanted, prepared, translated))
    sizes = [(width, height) for (width, height), _ in frames.counts("width", "height")]
    by_area = sorted(sizes, key=lambda size: (size[0] * size[1], size))
    evaluation = Evaluation(
        given=len(manifest.rows),
        translated=len(frames),
        rejected=len(rejections),
        rejections=rejections,
        sizes=(by_area[0], by_area[-1]),
        stats=stats,
        versions={
            "source": _version(prepared / "source"),
            "target": _version(prepared / "target"),
            "translated": sha256_file(manifest.path),
        },
        translated_with={name: _occurring(frames, name) for name in SETTINGS},
        similarity=_similarity(frames),
        histogram=histogram(_values(frames, "ssim")),
        consistency=summarise_similarity(_values(judged, "consistency")) if judged else None,
        scores=scores,
        gains=_gains(scores),
        class_gain=_class_gain(scores),
        model=facts,
        curves=_curves(model / "curves.csv"),
        measured=_curves(model / "measures.csv"),
        training_sheet=_picture(model / "contact-sheet.png"),
        **_shared_out(galleries, shown),
        worst=_shared_out(worst, shown),
        realism=realism,
        truth=truth,
        predictions=predict_camera_images(shard_files(prepared / "target" / "val"), trained, PREDICTIONS),
    )
    write_metrics_and_plots(evaluation, metrics=metrics, summary=summary, plots=plots)
    return evaluation


def _shared_out(rows: Mapping[str, Sequence[Any]], shown: Iterator[Example]) -> dict[str, list[Example]]:
    """As many of the examples to each name as it has rows, in order."""
    return {name: list(itertools.islice(shown, len(wanted))) for name, wanted in rows.items()}


def _segmenter(folder: Path, scores: SegmenterScores, device: torch.device | str) -> Judge:
    """The network that was scored."""
    if folder.is_dir():
        network = load_judge(folder, device=device)
        if network.sha256 == scores.network_sha256:
            return network
    raise HflowError(f"{folder} is not the network that was scored: run `hflow segment {scores.train_on}` again")


def _reader(
    target: Judge | None, folder: Path | None, classes: Sequence[str], device: torch.device | str
) -> Reader | None:
    """Who reads the frames: the segmenter that was trained on the target, else the judge, if it knows the classes."""
    if target:
        return Reader(target, "the segmenter that was trained on the target's own images", of_target_alone=True)
    judge = load_judge(folder, device=device) if folder else None
    if not judge or list(judge.classes) != list(classes):
        return None
    return Reader(judge, f"the judge {folder}", of_target_alone=judge.trained_on == "target")


def _drawn(frames: ManifestRows, without: Sequence[Mapping[str, Any]], count: int, lot: str) -> list[Mapping[str, Any]]:
    """So many frames by lot, in their order: chance that comes out the same again, and that nobody can choose."""
    taken = {(row["split"], row["key"]) for row in without}
    lots = (
        (sha256(f"{lot}:{row['split']}:{row['key']}".encode()).digest(), number)
        for number, row in enumerate(frames.select("split", "key"))
        if (row["split"], row["key"]) not in taken
    )
    drawn = [frames[number] for _, number in heapq.nsmallest(count, lots)]
    return sorted(drawn, key=lambda row: (row["split"], row["key"]))


def _extremes(frames: ManifestRows, column: str) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """The frames with the lowest and the highest values, none in both."""
    order, count = np.argsort(_values(frames, column), kind="stable"), min(EXTREMES, len(frames) // 2)
    lowest, highest = ([frames[int(i)] for i in places[:count]] for places in (order, order[::-1]))
    return lowest, highest


def _version(folder: Path) -> str:
    """A hash of the raw files behind a prepared domain, whatever their shards are."""
    names = ["split", "key", "source_sha256"]
    tables = [
        table.append_column("split", pa.chunked_array([pa.repeat(split, len(table))]))
        for split in ("train", "val")
        for path in shard_files(folder / split)
        for table in [read_table(path, names[1:])]
    ]
    rows = ManifestRows(joined(tables)).in_order(*names) if tables else []
    return list_fingerprint([row[name] for name in names] for row in rows)


def _occurring(frames: ManifestRows, column: str) -> list[str]:
    return sorted(str(value) for value in frames.occurring(column) if value is not None)


def _values(frames: ManifestRows, column: str) -> np.ndarray:
    """The figures of a column that has one in each row, float64 (N,)."""
    values: np.ndarray = frames.column(column).to_numpy().astype(float)
    return values


def _similarity(frames: ManifestRows) -> dict[str, Similarity]:
    splits = {"all": frames} | {split: rows for (split,), rows in frames.by("split")}
    return {split: summarise_similarity(_values(rows, "ssim")) for split, rows in splits.items()}


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
            rows = csv.DictReader(file)
            return [{name: float(value) for name, value in row.items() if value != ""} for row in rows]
    except (TypeError, ValueError) as error:
        raise HflowError(f"{path} is not a table of numbers ({error}): run `hflow train` again") from None


def _picture(path: Path) -> np.ndarray | None:
    return decode_rgb(path.read_bytes()) if path.is_file() else None
