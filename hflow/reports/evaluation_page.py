"""The report: one HTML file that shows and explains what a run made; it opens from disk and needs no network."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hflow.datasets.training_sets import parts_of
from hflow.foundation.contact_sheet import narrowed
from hflow.foundation.params import DataParams
from hflow.foundation.timings import Timing
from hflow.metrics.paired_gain import paired_gain
from hflow.reports.charts import dot_strip, histogram_bars, learning_curve
from hflow.reports.evaluation_results import Evaluation, Example
from hflow.reports.html_parts import (
    PICTURE_BYTES,
    Colour,
    class_colours,
    count,
    duration,
    jpeg_uri,
    legend,
    number,
    picture_uris,
    write_page,
)
from hflow.reports.made_with import made_with
from hflow.reports.provenance import Provenance
from hflow.reports.realism_parts import (
    colour_rows,
    confusion_table,
    measure_rows,
    prediction_rows,
    realism_line,
    unscored_line,
    worst_frames,
)
from hflow.reports.truth_parts import furthest_frames, truth_columns, truth_rows
from hflow.reports.verdict import frames_of, verdict

__all__ = ["write_report"]

SHEET_WIDTH, STYLE_WIDTH = 1200, 384
WIDE = 640
REJECTIONS = 100

CURVES = {
    "loss": "what training makes small: content + λ · style",
    "content": "how far the translation's content is from its source",
    "style": "how far its look is from the style image",
}

MEASURED = {
    "invented_detail": "halos, grain and fringes, in grey levels; lower is better",
    "colour_error": "to the style image over the picture, in CIELAB; lower is better",
    "class_colour_error": "the same by class, to the target; lower is better",
    "ssim": "to the frame; brighter or darker lowers it too, near 0 light and dark are exchanged",
    "kid": "how unlike the target's images the frames are as a set; lower is better",
    "fcn_score": "mIoU at which a segmenter of the target reads the frames; higher is better",
}


def write_report(
    evaluation: Evaluation,
    path: Path,
    *,
    data: DataParams,
    timings: Mapping[str, Timing] | None = None,
    provenance: Provenance | None = None,
    drawn: bool = False,
) -> None:
    """Write the report, atomically; the same arguments give the same bytes.

    Args:
        evaluation: all figures and pictures.
        path: the HTML file to write, less than 10 MB.
        data: names the source and the target.
        timings: how long stages took, by their names; those that ran elsewhere are not in it.
        provenance: when the report is made, and by what its run is found again.
        drawn: whether hflow has drawn both datasets, which the page then says before all else.
    """
    page = {**_page(evaluation, data, timings or {}), "provenance": provenance, "drawn": drawn}
    write_page("report.html.j2", page, path)


def _with_target(name: str) -> bool:
    """Whether a set holds the target's own labels, which a user of translation lacks."""
    return "target" in parts_of(name)


def _page(evaluation: Evaluation, data: DataParams, timings: Mapping[str, Timing]) -> dict[str, Any]:
    """Everything the template shows."""
    galleries = [
        *(evaluation.examples, evaluation.drawn, evaluation.least_similar, evaluation.most_similar),
        *(evaluation.least_consistent, evaluation.most_consistent, evaluation.furthest),
    ]
    names = evaluation.stats["classes"]
    colours = class_colours(names)
    galleries += evaluation.worst.values()
    budget = PICTURE_BYTES // sum(len(gallery) for gallery in galleries)
    shown = [[_frame(example, colours, budget) for example in gallery] for gallery in galleries]
    sheet = evaluation.training_sheet
    return {
        "title": f"{data.source.root.name} in the look of {data.target.root.name}",
        "verdict": verdict(evaluation),
        "evaluation": evaluation,
        "examples": shown[0],
        "wide": evaluation.sizes[1][0] >= WIDE,
        "by_lot": shown[1],
        "by_ssim": shown[2:4],
        "by_consistency": shown[4:6],
        "furthest": furthest_frames(evaluation.truth, shown[6]),
        "truth": truth_rows(evaluation.truth),
        "truth_columns": truth_columns(evaluation.truth),
        "worst": worst_frames(evaluation, shown[7:]),
        "realism": realism_line(evaluation.realism),
        "measures": measure_rows(evaluation),
        "confusion": confusion_table(evaluation.realism.reading, names),
        "colours": colour_rows(evaluation.realism),
        "predictions": prediction_rows(evaluation.predictions, colours),
        "prediction_legend": legend(
            [ids for p in evaluation.predictions for ids in (p.label, *p.seen.values())], names, colours
        ),
        "unscored": unscored_line(evaluation) if evaluation.scores else "",
        "legend": legend([example.label for gallery in galleries for example in gallery], names, colours),
        "scores": _score_rows(evaluation),
        "classes": _class_rows(evaluation),
        "panels": [learning_curve(evaluation.curves, name, text) for name, text in CURVES.items()]
        if evaluation.curves
        else [],
        "measured": [
            learning_curve(evaluation.measured, name, text, logarithmic=False)
            for name, text in MEASURED.items()
            if evaluation.measured and all(name in point for point in evaluation.measured)
        ],
        "sheet": None if sheet is None else jpeg_uri(sheet, SHEET_WIDTH),
        "histogram": histogram_bars(evaluation.histogram, 0, 1),
        "timings": [_timing_row(stage, timing) for stage, timing in timings.items()],
        "time": duration(sum(timing.seconds for timing in timings.values())),
        "rejections": evaluation.rejections[:REJECTIONS],
        "facts": made_with(evaluation, data),
        "protocol": _protocol(evaluation),
        "about_scores": _about_scores(evaluation),
        "self_training": _about_self_training(evaluation),
    }


def _frame(example: Example, colours: Sequence[Colour], budget: int) -> dict[str, Any]:
    """What a slider needs."""
    height, width = example.source.shape[:2]
    pair = {"before": example.source, "after": example.translated}
    if example.truth is not None:
        pair["truth"] = example.truth
    style = None
    if example.style is not None:
        style = picture_uris({"style": narrowed(example.style, STYLE_WIDTH)}, None, colours, budget // 4)["style"]
    return {
        "key": example.key,
        "width": width,
        "height": height,
        "style_key": example.style_key,
        "style": style,
        "ssim": example.ssim,
        "truth": None,
        "consistency": example.consistency,
        **picture_uris(pair, example.label, colours, budget * 3 // 4),
    }


def _score_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    seeds = {name: list(score.miou_by_seed.values()) for name, score in evaluation.scores.items()}
    ends = _ends(evaluation)
    return [
        {
            "name": name,
            "text": frames_of(name),
            "score": score,
            "gain": evaluation.gains.get(name),
            "self_gain": score.self_trained and paired_gain(score.miou_by_seed, score.self_trained.miou_by_seed),
            "said": ", ".join(number(value) for value in seeds[name]),
            "strip": dot_strip(seeds[name], score.miou, *ends),
        }
        for name, score in evaluation.scores.items()
    ]


def _about_scores(evaluation: Evaluation) -> str:
    """How the table of scores is read, of one seed or of several."""
    seeds = max((len(score.miou_by_seed) for score in evaluation.scores.values()), default=0)
    if seeds < 2:
        return "All are of one seed: another might rank them otherwise."
    low, high = _ends(evaluation)
    over = (
        " Over source: what a set gains over the raw frames, seed by seed, and where the mean gain lies with a "
        "confidence of 95%; an interval on both sides of 0 may be chance."
    )
    return (
        f"Each is the mean over {seeds} seeds.{over if evaluation.gains else ''} A dot is a seed, the line their mean, "
        f"from the lowest of all, {number(low)}, to the highest, {number(high)}."
    )


def _about_self_training(evaluation: Evaluation) -> str:
    """What the column of scores after self-training says; empty where there is none."""
    after = [score.self_trained for score in evaluation.scores.values() if score.self_trained]
    if not after:
        return ""
    low, high = (f"{100 * value:.0f}" for value in (min(s.labelled for s in after), max(s.labelled for s in after)))
    share = low if low == high else f"{low} to {high}"
    return (
        "Self-trained: the segmenters of all seeds together label the target's photographs where they are sure "
        f"({share}% of the pixels), and each learns from these too; below it, what that adds."
    )


def _ends(evaluation: Evaluation) -> tuple[float, float]:
    """The lowest and the highest mIoU of all seeds and training sets; 0 and 1 without any."""
    values = [value for score in evaluation.scores.values() for value in score.miou_by_seed.values()]
    return min(values, default=0.0), max(values, default=1.0)


def _class_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """A row a class that occurs: its IoU after each training set, the best without the target's labels, the gain."""
    rows = []
    for name in evaluation.stats["classes"]:
        values = {of: score.iou.get(name) for of, score in evaluation.scores.items()}
        fair = [value for of, value in values.items() if value is not None and not _with_target(of)]
        if any(value is not None for value in values.values()):
            best = max(fair) if len(fair) > 1 and fair.count(max(fair)) == 1 else None
            rows.append(
                {
                    "name": name,
                    "values": [(value, value == best and not _with_target(of)) for of, value in values.items()],
                    "gain": evaluation.class_gain.get(name),
                }
            )
    return rows


def _timing_row(stage: str, timing: Timing) -> dict[str, str]:
    return {
        "stage": stage,
        "frames": count(timing.frames),
        "time": duration(timing.seconds),
        "rate": f"{timing.rate:,.0f}" if timing.rate >= 100 else f"{timing.rate:.3g}",
        "device": timing.device,
    }


def _protocol(evaluation: Evaluation) -> str:
    """How the scores were made, in one line."""
    said = next((score.protocol for score in evaluation.scores.values()), {})
    texts = {
        "steps": "{:,} steps",
        "batch_size": "batches of {}",
        "learning_rate": "learning rate {:g}",
        "network": "network: {}",
        "weights": "backbone weights: {}",
        "validation_frames": "scored on {:,} frames",
    }
    return ", ".join(text.format(said[name]) for name, text in texts.items() if name in said)
