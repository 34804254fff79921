"""What the report's template shows of realism: the verdict on each measure, confusion, colours, predictions."""

from collections.abc import Sequence
from typing import Any

from hflow.reports.evaluation_results import Evaluation
from hflow.reports.html_parts import Colour, count, jpeg_uri, label_uri, number
from hflow.reports.predictions import Prediction
from hflow.reports.realism import COLOUR, DETAIL, DETAIL_LIMIT, FCN, KID, Measure, Reading, Realism

__all__ = [
    "colour_rows",
    "confusion_table",
    "measure_rows",
    "prediction_rows",
    "realism_line",
    "unscored_line",
    "worst_frames",
]

EXPLAINED = {
    DETAIL: "what no local change of the source's colours explains: halos, grain, fringes; RMS in grey levels",
    COLOUR: "distance of the colours from the target's, CIELAB",
    FCN: "mIoU of {reader}, reading the frames against their labels; higher is better",
    KID: "distance from the target's images in the features of VGG-16, × 1000; for this sample alone",
}
WHERE = {DETAIL: "most invented detail", COLOUR: "colours furthest off", FCN: "read worst against the labels"}
SEEN = {
    "source": "trained on raw frames",
    "translated": "trained on translated frames",
    "target": "trained on the target",
}
MOST = 3


def realism_line(realism: Realism) -> str:
    """Which of the measures are bad, in one sentence with their numbers."""
    bad = [measure for measure in realism.measures if measure.bad]
    good = [measure.name for measure in realism.measures if not measure.bad]
    if not bad:
        return f"None of the measures is bad: {_and(good)}." if good else ""
    said = "; ".join(
        f"{measure.name} ({shown(measure.name, measure.translated)}, {_limit(measure)})" for measure in bad
    )
    return f"Bad: {said}." + (f" Not bad: {_and(good)}." if good else " No measure is good.")


def measure_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """A row a measure."""
    realism = evaluation.realism
    reader = realism.reading.reader if realism.reading else ""
    return [
        {
            "name": f"{measure.name}, by class" if measure.name == COLOUR and realism.by_class else measure.name,
            "text": EXPLAINED[measure.name].format(reader=reader),
            "raw": shown(measure.name, measure.raw),
            "translated": shown(measure.name, measure.translated),
            "bad": measure.bad,
        }
        for measure in realism.measures
    ]


def worst_frames(
    evaluation: Evaluation, galleries: Sequence[Sequence[dict[str, Any]]]
) -> list[tuple[str, list[tuple[dict[str, Any], str]]]]:
    """A gallery a measure, each of its frames with its own figure, under what it shows.

    Args:
        galleries: what is shown of the frames of `evaluation.worst`, in their order.
    """
    measures = {measure.name: measure for measure in evaluation.realism.measures}
    return [
        (
            WHERE[name],
            [
                (frame, f"{name} {shown(name, value)}")
                for frame, (_, value) in zip(frames, measures[name].worst, strict=True)
            ],
        )
        for name, frames in zip(evaluation.worst, galleries, strict=True)
    ]


def shown(name: str, value: float) -> str:
    """A measure's value as text."""
    return number(value) if name == FCN else f"{1000 * value if name == KID else value:.1f}"


def confusion_table(reading: Reading | None, names: Sequence[str]) -> dict[str, Any] | None:
    """Of what is labelled as a class, the share that is seen as each class, in translations and in raw frames."""
    if reading is None:
        return None
    places = [i for i in range(len(names)) if reading.translated[i].any() or reading.translated[:, i].any()]
    rows = []
    for i in places:
        after, before = (counts[i] / max(1, counts[i].sum()) for counts in (reading.translated, reading.raw))
        cells = [{"share": float(after[j]), "raw": float(before[j]), "right": i == j} for j in places]
        rows.append({"name": names[i], "cells": cells, "pixels": count(int(reading.translated[i].sum()))})
    wrong = [
        (int(reading.translated[i, j]), i, j) for i in places for j in places if i != j and reading.translated[i, j]
    ]
    most = [
        f"{names[i]} as {names[j]} ({n / reading.translated[i].sum():.0%} of {names[i]}, in raw frames "
        f"{reading.raw[i, j] / max(1, reading.raw[i].sum()):.0%})"
        for n, i, j in sorted(wrong, reverse=True)[:MOST]
    ]
    return {"reader": reading.reader, "names": [names[i] for i in places], "rows": rows, "most": "; ".join(most)}


def colour_rows(realism: Realism) -> list[dict[str, Any]]:
    """A row a class: its colour in raw frames, translations and target images, and how far the first two are off."""
    return [
        {
            "name": line.name,
            "swatches": [
                (where, f"#{bytes(colour).hex()}")
                for where, colour in (("raw", line.raw), ("translated", line.translated), ("target", line.target))
            ],
            "before": f"{line.before:.1f}",
            "after": f"{line.after:.1f}",
            "closer": line.after < line.before,
        }
        for line in realism.colours
    ]


def prediction_rows(predictions: Sequence[Prediction], colours: Sequence[Colour]) -> list[dict[str, Any]]:
    """A row a camera image: itself, its label and what each segmenter sees."""
    return [
        {
            "key": p.key,
            "pictures": [
                ("camera image", "", jpeg_uri(p.image, p.image.shape[1])),
                ("label", "", label_uri(p.label, colours)),
                *((SEEN[name], _right(p.right[name]), label_uri(ids, colours)) for name, ids in p.seen.items()),
            ],
        }
        for p in predictions
    ]


def _right(share: float | None) -> str:
    return "" if share is None else f"{share:.0%} right"


def unscored_line(evaluation: Evaluation) -> str:
    """Which classes are not scored, and how much of the target's validation images that leaves out."""
    scored, unscored = evaluation.stats["classes"], evaluation.stats.get("unscored", [])
    share = evaluation.stats.get("target/val", {}).get("class_share", {}).get("ignored")
    absent = [c for c in scored if all(score.iou.get(c) is None for score in evaluation.scores.values())]
    left_out = "" if share is None else f" {share:.1%} of the validation images' pixels are of no class that is scored."
    said = f"Scored: {_and(scored)}."
    said += f" Not scored: {_and(unscored)}." if unscored else ""
    said += f" Neither there nor seen: {_and(absent)}." if absent else ""
    return said + left_out


def _limit(measure: Measure) -> str:
    if measure.name == DETAIL:
        return f"above {DETAIL_LIMIT}"
    return f"raw frames {shown(measure.name, measure.raw)}"


def _and(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
