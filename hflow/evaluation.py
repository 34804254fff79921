"""The stage evaluate: all figures of a run gathered once, as typed data for the report and as files for DVC."""

import csv
import io
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hflow.contact_sheet import contact_sheet
from hflow.datasets.images import decode_ids, decode_rgb
from hflow.datasets.shards import ShardSet, read_table, shard_files
from hflow.errors import HflowError
from hflow.files import publish, write_json
from hflow.model.store import load_model

__all__ = ["Evaluation", "Example", "Gain", "ModelFacts", "Rejected", "Score", "Similarity", "evaluate"]

SHOWN_WIDTH = 960
EXTREMES = 3
BINS = 20
MANIFEST_COLUMNS = (
    *("key", "split", "shard", "status", "reason", "source_path"),
    *("style", "width", "height", "ssim", "model_sha256"),
)

# Student's t for a two-sided 95% interval, by degrees of freedom from 1; from 20 on the last one, which is on the
# careful side.
T95 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
)


@dataclass(frozen=True)
class Example:
    """A frame beside its translation.

    Attributes:
        source, translated: uint8 (H, W, 3), at most 960 wide.
        label: train ids, uint8 (H, W); None for a frame without a label.
        style: uint8 (H', W', 3); None where the model's style images are not among the prepared ones.
        ssim: of the translation to the source, at full size; 1 is equal.
    """

    key: str
    split: str
    style_key: str
    ssim: float
    source: np.ndarray
    translated: np.ndarray
    label: np.ndarray | None
    style: np.ndarray | None


@dataclass(frozen=True)
class Score:
    """How well a segmenter that was trained on one set does on the target's validation set.

    Attributes:
        miou, pixel_accuracy, class_accuracy: fractions in [0, 1], means over the seeds.
        iou: by class; None for a class that occurs neither in the truth nor in a prediction.
        miou_by_seed: the mIoU of each seed.
        protocol: how the segmenter was trained and scored.
    """

    train_on: str
    miou: float
    pixel_accuracy: float
    class_accuracy: float
    iou: Mapping[str, float | None]
    miou_by_seed: Mapping[int, float]
    protocol: Mapping[str, Any]


@dataclass(frozen=True)
class Gain:
    """The mIoU of translated less that of source, the mean over the seeds that both were trained with.

    Attributes:
        interval: where the mean lies with a confidence of 95%, by the differences seed by seed; None for one seed.
    """

    miou: float
    seeds: int
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Similarity:
    """SSIM of translations to their sources over some frames; 1 is equal, and 5% of the frames lie below `p05`."""

    mean: float
    minimum: float
    p05: float
    median: float


@dataclass(frozen=True)
class Rejected:
    """A frame that was given and not translated, its path relative to the raw dataset's root."""

    split: str
    source_path: str
    reason: str


@dataclass(frozen=True)
class ModelFacts:
    """The model that translated.

    Attributes:
        parameters: how many numbers were learned.
        styles: how many style images are in its bank.
        config: what its config.json says.
    """

    parameters: int
    expansions: tuple[int, ...]
    styles: int
    sha256: str
    config: Mapping[str, Any]


@dataclass(frozen=True)
class Evaluation:
    """All figures of a run.

    Attributes:
        given, translated, rejected: counts of source frames; given is the sum of the other two.
        sizes: the smallest and the largest (width, height) of the translated frames, by area.
        stats: what prepare counted, by domain and split, and the names of the classes.
        similarity: by split, and of all splits together under "all".
        histogram: how many frames have an SSIM in each twentieth of [0, 1]; one below 0 counts in the first.
        scores: by training set, in the order of segment.train_on.
        curves: the learning curves, a mapping of `step` and the losses a point; empty where the model came from
            elsewhere.
        training_sheet: what training showed at its end, uint8 (H, W, 3); None as for the curves.
        examples: evenly spaced over all frames, in the order of split and key.
        least_similar, most_similar: by SSIM, the most extreme first.
    """

    given: int
    translated: int
    rejected: int
    rejections: Sequence[Rejected]
    sizes: tuple[tuple[int, int], tuple[int, int]]
    stats: Mapping[str, Any]
    similarity: Mapping[str, Similarity]
    histogram: Sequence[int]
    scores: Mapping[str, Score]
    gain: Gain | None
    model: ModelFacts
    curves: Sequence[Mapping[str, float]]
    training_sheet: np.ndarray | None
    examples: Sequence[Example]
    least_similar: Sequence[Example]
    most_similar: Sequence[Example]


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
        examples: how many frames to show.

    Raises:
        HflowError: something that another stage writes is missing, damaged, or does not belong to the rest.
    """
    manifest = read_table(translated / "manifest.parquet", MANIFEST_COLUMNS).to_pylist()
    frames = [row for row in manifest if row["status"] == "translated"]
    if not frames:
        raise HflowError(f"{translated} has no translated frame: run `hflow translate` first")
    facts = _model_facts(model)
    if {row["model_sha256"] for row in frames} != {facts.sha256}:
        raise HflowError(f"{translated} was not made by the model in {model}: run `hflow translate` again")
    rejections = [
        Rejected(row["split"], row["source_path"], row["reason"]) for row in manifest if row["status"] == "rejected"
    ]
    scores = {name: _score(segmentation / f"{name}.json") for name in train_on}
    _check_comparable(list(scores.values()))
    chosen = [frames[i * len(frames) // examples] for i in range(examples)] if examples < len(frames) else frames
    by_ssim = sorted(frames, key=lambda row: row["ssim"])
    extremes = min(EXTREMES, len(frames) // 2)
    worst, best = by_ssim[:extremes], by_ssim[::-1][:extremes]
    shown = _examples([*chosen, *worst, *best], prepared, translated)
    by_area = sorted({(row["width"], row["height"]) for row in frames}, key=lambda size: (size[0] * size[1], size))
    ssim = np.array([row["ssim"] for row in frames])
    evaluation = Evaluation(
        given=len(manifest),
        translated=len(frames),
        rejected=len(rejections),
        rejections=rejections,
        sizes=(by_area[0], by_area[-1]),
        stats=_read_json(prepared / "stats.json"),
        similarity=_similarity(frames),
        histogram=np.histogram(ssim.clip(0, 1), BINS, (0, 1))[0].tolist(),
        scores=scores,
        gain=_gain(scores),
        model=facts,
        curves=_curves(train_plots / "curves.csv") if train_plots else [],
        training_sheet=_picture(train_plots / "contact-sheet.png") if train_plots else None,
        examples=shown[: len(chosen)],
        least_similar=shown[len(chosen) : len(chosen) + extremes],
        most_similar=shown[len(chosen) + extremes :],
    )
    publish(_plots(evaluation), plots)
    write_json(metrics, _figures(evaluation))
    return evaluation


def _figures(evaluation: Evaluation) -> dict[str, Any]:
    """What metrics/evaluate.json holds."""
    model, gain = evaluation.model, evaluation.gain
    return {
        "given": evaluation.given,
        "translated": evaluation.translated,
        "rejected": evaluation.rejected,
        "ssim": {
            split: {
                "mean": round(values.mean, 6),
                "min": round(values.minimum, 6),
                "p05": round(values.p05, 6),
                "median": round(values.median, 6),
            }
            for split, values in evaluation.similarity.items()
        },
        "scores": {
            name: {
                "mIoU": round(score.miou, 6),
                "pxAcc": round(score.pixel_accuracy, 6),
                "clsAcc": round(score.class_accuracy, 6),
                "seeds": len(score.miou_by_seed),
            }
            for name, score in evaluation.scores.items()
        },
        "gain": gain
        and {
            "mIoU": round(gain.miou, 6),
            "seeds": gain.seeds,
            "interval": gain.interval and [round(bound, 6) for bound in gain.interval],
        },
        "model": {
            "parameters": model.parameters,
            "expansions": list(model.expansions),
            "sha256": model.sha256,
            "steps": model.config.get("train", {}).get("steps"),
            "encoder": model.config.get("encoder", {}).get("name"),
        },
    }


def _plots(evaluation: Evaluation) -> dict[str, Path | bytes]:
    rows = [[e.source, e.translated, *([] if e.style is None else [e.style])] for e in evaluation.examples]
    titles = ["source", "translated", "style"]
    with_styles = all(len(row) == len(titles) for row in rows)
    columns = len(titles) if with_styles else len(titles) - 1
    buffer = io.BytesIO()
    contact_sheet([row[:columns] for row in rows], titles[:columns]).save(buffer, "PNG")
    bins = [{"ssim": i / BINS, "frames": count} for i, count in enumerate(evaluation.histogram)]
    files: dict[str, Path | bytes] = {"before-after.png": buffer.getvalue(), "ssim.csv": _csv(bins)}
    classes = [
        {"class": name, "train_on": score.train_on, "IoU": round(value, 6)}
        for score in evaluation.scores.values()
        for name, value in score.iou.items()
        if value is not None
    ]
    # DVC can't draw a table without rows.
    return files | ({"classes.csv": _csv(classes)} if classes else {})


def _csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _similarity(frames: Sequence[Mapping[str, Any]]) -> dict[str, Similarity]:
    splits: dict[str, list[float]] = {"all": []}
    for row in frames:
        splits["all"].append(row["ssim"])
        splits.setdefault(row["split"], []).append(row["ssim"])
    return {
        split: Similarity(
            float(np.mean(values)), min(values), float(np.quantile(values, 0.05)), float(np.median(values))
        )
        for split, values in splits.items()
    }


def _score(path: Path) -> Score:
    said = _read_json(path)
    try:
        return Score(
            said["train_on"],
            said["mIoU"],
            said["pxAcc"],
            said["clsAcc"],
            said["IoU"],
            {run["seed"]: run["mIoU"] for run in said["seeds"]},
            said["protocol"],
        )
    except (KeyError, TypeError) as error:
        raise HflowError(f"{path} lacks {error}: run `hflow segment {path.stem}` again") from None


def _check_comparable(scores: Sequence[Score]) -> None:
    """Scores of other seeds, steps or validation frames can't stand in one table."""
    # What a training set brings with it may differ; all else is chosen for all sets alike.
    own = ("training_frames", "size")
    for score in scores[1:]:
        first = scores[0]
        differing = {k for k in {*first.protocol, *score.protocol} if first.protocol.get(k) != score.protocol.get(k)}
        differing -= set(own)
        if first.miou_by_seed.keys() != score.miou_by_seed.keys():
            differing.add("seeds")
        if differing:
            raise HflowError(
                f"{first.train_on} and {score.train_on} were scored with different {', '.join(sorted(differing))}: "
                f"run `hflow segment` again for both"
            )


def _gain(scores: Mapping[str, Score]) -> Gain | None:
    if not {"source", "translated"} <= scores.keys():
        return None
    before, after = scores["source"].miou_by_seed, scores["translated"].miou_by_seed
    differences = [after[seed] - before[seed] for seed in after]
    mean, count = statistics.fmean(differences), len(differences)
    if count < 2:
        return Gain(mean, count, None)
    half = T95[min(count - 1, len(T95)) - 1] * statistics.stdev(differences) / math.sqrt(count)
    return Gain(mean, count, (mean - half, mean + half))


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
    examples = []
    for row in rows:
        source = _frame(prepared / "source" / row["split"] / row["shard"], row["key"], ["image"])
        output = _frame(translated / row["split"] / row["shard"], row["key"], ["image", "label_train_ids"])
        label = output["label_train_ids"]
        examples.append(
            Example(
                key=row["key"],
                split=row["split"],
                style_key=row["style"],
                ssim=row["ssim"],
                source=_shown(decode_rgb(source["image"]["bytes"])),
                translated=_shown(decode_rgb(output["image"]["bytes"])),
                label=None if label is None else _shown(decode_ids(label["bytes"])),
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
                images[key] = _shown(decode_rgb(rows[number]["image"]["bytes"]))
    return images


def _frame(path: Path, key: str, columns: Sequence[str]) -> dict[str, Any]:
    keys = read_table(path, ["key"])["key"].to_pylist()
    if key not in keys:
        raise HflowError(f"{path} has no frame {key!r}, though the manifest names it: run `hflow translate` again")
    frame: dict[str, Any] = ShardSet([path], columns)[keys.index(key)]
    return frame


def _shown(pixels: np.ndarray) -> np.ndarray:
    """An image, or a label map by its nearest pixels, no wider than a page shows it."""
    height, width = pixels.shape[:2]
    if width <= SHOWN_WIDTH:
        return pixels
    method = Image.Resampling.NEAREST if pixels.ndim == 2 else Image.Resampling.BICUBIC
    size = (SHOWN_WIDTH, max(1, round(height * SHOWN_WIDTH / width)))
    return np.asarray(Image.fromarray(pixels).resize(size, method))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise HflowError(f"{path} is missing: run the stage that writes it") from None
    except ValueError as error:
        raise HflowError(f"{path} is not JSON ({error}): run the stage that writes it again") from None
    if not isinstance(value, dict):
        raise HflowError(f"{path} holds no mapping: run the stage that writes it again")
    return value
