"""The figures of a run as files for machines: JSON, tables that DVC draws, and a picture of before and after."""

import io
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hflow.foundation.atomic_files import csv_bytes, write_json
from hflow.foundation.atomic_folders import publish
from hflow.foundation.contact_sheet import contact_sheet
from hflow.metrics.closeness import Closeness
from hflow.metrics.paired_gain import Gain
from hflow.metrics.similarity_summary import Similarity
from hflow.reports.evaluation_results import Evaluation, Example
from hflow.reports.truth import TruthScores
from hflow.segmentation.scores import SelfTrained

__all__ = ["before_after", "run_summary", "write_metrics_and_plots"]


def write_metrics_and_plots(evaluation: Evaluation, *, metrics: Path, summary: Path, plots: Path) -> None:
    """Write the figures; the same evaluation gives the same bytes.

    Args:
        metrics: the JSON file to write: counts, SSIM, scores, gain, model.
        summary: the JSON file that gets the `run_summary` alone.
        plots: the folder that gets before-after.png, ssim.csv and, where there are scores, classes.csv.
    """
    publish(_plots(evaluation), plots)
    write_json(metrics, _figures(evaluation))
    write_json(summary, run_summary(evaluation))


def run_summary(evaluation: Evaluation) -> dict[str, float]:
    """The few figures by which runs are told apart: counts, mean SSIM and consistency, mIoU by training set, gain,
    PSNR to the truth, and how real a sample of the translated frames looks."""
    figures: dict[str, float] = {
        "given": evaluation.given,
        "translated": evaluation.translated,
        "rejected": evaluation.rejected,
        "ssim": evaluation.similarity["all"].mean,
        **{f"mIoU/{name}": score.miou for name, score in evaluation.scores.items()},
    }
    after = {name: score.self_trained for name, score in evaluation.scores.items() if score.self_trained}
    figures |= {f"mIoU self-trained/{name}": scores.miou for name, scores in after.items()}
    if evaluation.gain:
        figures["gain"] = evaluation.gain.miou
    if evaluation.consistency:
        figures["consistency"] = evaluation.consistency.mean
    if evaluation.truth:
        figures |= {"psnr_to_truth": evaluation.truth.translated.psnr, "psnr_gain": evaluation.truth.gain}
    figures |= {measure.name.replace(" ", "_"): measure.translated for measure in evaluation.realism.measures}
    return {name: round(value, 6) for name, value in figures.items()}


def before_after(examples: Sequence[Example]) -> Image.Image:
    """Frames, at least one, beside their translations and, where all have one, the truth and the image whose style they
    took."""
    columns: dict[str, list[np.ndarray | None]] = {
        "source": [e.source for e in examples],
        "translated": [e.translated for e in examples],
        "truth": [e.truth for e in examples],
        "style": [e.style for e in examples],
    }
    known = {title: [i for i in images if i is not None] for title, images in columns.items()}
    shown = {title: images for title, images in known.items() if len(images) == len(examples)}
    return contact_sheet([list(row) for row in zip(*shown.values(), strict=True)], list(shown))


def _figures(evaluation: Evaluation) -> dict[str, Any]:
    """What metrics/evaluate.json holds."""
    model = evaluation.model
    return {
        "given": evaluation.given,
        "translated": evaluation.translated,
        "rejected": evaluation.rejected,
        "ssim": {split: _rounded(values) for split, values in evaluation.similarity.items()},
        "consistency": evaluation.consistency and _rounded(evaluation.consistency),
        "scores": {
            name: {
                "mIoU": round(score.miou, 6),
                "pxAcc": round(score.pixel_accuracy, 6),
                "clsAcc": round(score.class_accuracy, 6),
                "seeds": len(score.miou_by_seed),
                **(_self_trained(score.self_trained) if score.self_trained else {}),
                "made_from": {**score.made_from, "validation_set": score.protocol["validation_sha256"]},
            }
            for name, score in evaluation.scores.items()
        },
        "gain": evaluation.gain and _gain(evaluation.gain),
        "gain_by_set": {name: _gain(gain) for name, gain in evaluation.gains.items()},
        "gain_by_class": {name: round(gain, 6) for name, gain in evaluation.class_gain.items()},
        "realism": {
            measure.name.replace(" ", "_"): {
                "raw": round(measure.raw, 6),
                "translated": round(measure.translated, 6),
                "bad": measure.bad,
            }
            for measure in evaluation.realism.measures
        },
        "truth": evaluation.truth and _truth(evaluation.truth),
        "data": dict(evaluation.versions),
        "model": {
            "parameters": model.parameters,
            "expansions": list(model.expansions),
            "sha256": model.sha256,
            "steps": model.config.get("train", {}).get("steps"),
            "encoder": model.config.get("encoder", {}).get("name"),
        },
    }


def _truth(truth: TruthScores) -> dict[str, Any]:
    return {
        "split": truth.split,
        "frames": truth.frames,
        "closer": truth.closer,
        "raw": _close(truth.raw),
        "translated": _close(truth.translated),
        **({"others": {name: _close(found) for name, found in truth.others.items()}} if truth.others else {}),
    }


def _close(scores: Closeness) -> dict[str, float | None]:
    return {name: None if value is None else round(value, 6) for name, value in asdict(scores).items()}


def _self_trained(scores: SelfTrained) -> dict[str, Any]:
    return {
        "self_training": {
            "mIoU": round(scores.miou, 6),
            "labelled": round(scores.labelled, 6),
            "photographs": scores.photographs_sha256,
        }
    }


def _gain(gain: Gain) -> dict[str, Any]:
    return {
        "mIoU": round(gain.miou, 6),
        "seeds": gain.seeds,
        "interval": gain.interval and [round(bound, 6) for bound in gain.interval],
    }


def _rounded(values: Similarity) -> dict[str, float]:
    return {
        "mean": round(values.mean, 6),
        "min": round(values.minimum, 6),
        "p05": round(values.p05, 6),
        "median": round(values.median, 6),
    }


def _plots(evaluation: Evaluation) -> dict[str, Path | bytes]:
    buffer = io.BytesIO()
    before_after(evaluation.examples).save(buffer, "PNG")
    counts = evaluation.histogram
    bins = [{"ssim": i / len(counts), "frames": count} for i, count in enumerate(counts)]
    files: dict[str, Path | bytes] = {"before-after.png": buffer.getvalue(), "ssim.csv": csv_bytes(bins)}
    classes = [
        # The third names a bar: DVC's templates group by one column.
        {"class": name, "train_on": score.train_on, "bar": f"{name}, {score.train_on}", "IoU": round(value, 6)}
        for score in evaluation.scores.values()
        for name, value in score.iou.items()
        if value is not None
    ]
    # DVC can't draw a table without rows.
    return files | ({"classes.csv": csv_bytes(classes)} if classes else {})
