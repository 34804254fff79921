"""The report: one HTML file that shows and explains what a run made; it opens from disk and needs no network."""

import base64
import colorsys
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from hflow.files import write_text
from hflow.findings import Evaluation, Example
from hflow.labels import CITYSCAPES, IGNORE
from hflow.metrics.summary import Gain
from hflow.params import DataParams, DomainParams

__all__ = ["verdict", "write_report"]

# Bytes of all frames together; base64 makes a third more of them, and the page is to stay under 10 MB.
PICTURES = 5_000_000
NARROWER = (720, 540, 400, 280)
SHEET_WIDTH, STYLE_WIDTH = 1200, 160
REJECTIONS = 100
CURVE_POINTS = 300
PANEL = (320, 150)
MARGIN = {"left": 34, "right": 6, "top": 10, "bottom": 20}

SETS = {
    "source": "the frames as the simulator gave them",
    "translated": "the translated frames",
    "histogram": "the frames with each colour channel's histogram matched to a target image's",
    "reinhard": "the frames with the mean and spread of a target image's colours (Reinhard et al. 2001, in CIELAB)",
    "fda": "the frames with the lowest frequencies of a target image (Fourier domain adaptation, Yang and Soatto 2020)",
    "target": "the target's own training images",
    "translated+target": "the translated frames and the target's training images",
}
CURVES = {
    "loss": "what training makes small: content + λ · style",
    "content": "how far the translation's content is from its source",
    "style": "how far its look is from the style image",
}


def write_report(evaluation: Evaluation, path: Path, *, data: DataParams) -> None:
    """Write the report, atomically; the same evaluation gives the same bytes.

    Args:
        evaluation: all figures and pictures.
        path: the HTML file to write, less than 10 MB.
        data: names the source and the target.
    """
    environment = Environment(
        loader=PackageLoader("hflow"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"number": _number, "signed": _signed, "count": _count}
    write_text(path, environment.get_template("report.html.j2").render(_page(evaluation, data)))


def verdict(evaluation: Evaluation) -> str:
    """What a run came to, in one sentence with its numbers."""
    scores, gain = evaluation.scores, evaluation.gain
    if gain:
        return (
            f"Training on the translated frames scores mIoU {_number(scores['translated'].miou)} on the target's "
            f"validation images against {_number(scores['source'].miou)} for the raw frames: "
            f"{_signed(gain.miou)}, {_confidence(gain)}."
        )
    frames = f"{_count(evaluation.translated)} of {_count(evaluation.given)} frames were translated"
    similar = f"with a mean SSIM of {_number(evaluation.similarity['all'].mean)} to their source"
    if scores:
        best = max(scores.values(), key=lambda score: score.miou)
        trained = f"training on {SETS.get(best.train_on, best.train_on)} scores mIoU {_number(best.miou)}"
        return f"{frames}, {similar}; {trained}."
    return f"{frames}, {similar}; no segmenter was trained on them."


def _confidence(gain: Gain) -> str:
    if gain.interval is None:
        return "one seed, so chance is not ruled out"
    low, high = gain.interval
    sure = "" if low * high > 0 else ", so chance is not ruled out"
    return f"{gain.seeds} seeds, 95% interval {_signed(low)} to {_signed(high)}{sure}"


def _page(evaluation: Evaluation, data: DataParams) -> dict[str, Any]:
    """Everything the template shows."""
    shown = [*evaluation.examples, *evaluation.least_similar, *evaluation.most_similar]
    names = evaluation.stats["classes"]
    colours = _class_colours(names)
    budget = PICTURES // len(shown)
    pictures = [_pictures(example, colours, budget) for example in shown]
    first, second = len(evaluation.examples), len(evaluation.examples) + len(evaluation.least_similar)
    seen = {int(i) for example in shown if example.label is not None for i in np.unique(example.label)}
    sheet = evaluation.training_sheet
    return {
        "title": f"{data.source.root.name} in the look of {data.target.root.name}",
        "verdict": verdict(evaluation),
        "evaluation": evaluation,
        "examples": pictures[:first],
        "least_similar": pictures[first:second],
        "most_similar": pictures[second:],
        "legend": [(name, f"#{bytes(colours[i]).hex()}") for i, name in enumerate(names) if i in seen],
        "scores": _score_rows(evaluation),
        "classes": _class_rows(evaluation),
        "panels": [_panel(evaluation.curves, name, text) for name, text in CURVES.items()] if evaluation.curves else [],
        "sheet": None if sheet is None else _jpeg(_narrowed(Image.fromarray(sheet), SHEET_WIDTH)),
        "histogram": _histogram(evaluation.histogram),
        "rejections": evaluation.rejections[:REJECTIONS],
        "facts": _facts(evaluation, data),
        "protocol": _protocol(evaluation),
    }


def _score_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    rows = []
    for name, score in evaluation.scores.items():
        seeds = list(score.miou_by_seed.values())
        spread = f"{_number(min(seeds))} to {_number(max(seeds))}" if len(seeds) > 1 else ""
        rows.append({"name": name, "text": SETS.get(name, ""), "score": score, "seeds": len(seeds), "spread": spread})
    return rows


def _class_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """A row a class that occurs, with its IoU after each training set and what translating gained."""
    rows = []
    for name in evaluation.stats["classes"]:
        values = [score.iou.get(name) for score in evaluation.scores.values()]
        if all(value is None for value in values):
            continue
        gain = None
        if evaluation.gain:
            after, before = (evaluation.scores[s].iou.get(name) for s in ("translated", "source"))
            gain = None if after is None or before is None else after - before
        rows.append({"name": name, "values": values, "gain": gain})
    return rows


def _facts(evaluation: Evaluation, data: DataParams) -> list[tuple[str, list[tuple[str, str]]]]:
    """What was used, in groups of names and values."""
    model, stats = evaluation.model, evaluation.stats
    smallest, largest = (f"{width}×{height}" for width, height in evaluation.sizes)
    frames = [
        ("source", _domain(data.source)),
        ("target", _domain(data.target)),
        ("frame size", smallest if smallest == largest else f"{smallest} to {largest}"),
        ("classes", str(len(stats["classes"]))),
    ]
    for split, counts in stats.items():
        if isinstance(counts, Mapping):
            labels = "" if counts["labelled"] else ", without labels"
            frames.append((split, f"{_count(counts['prepared'])} of {_count(counts['given'])}{labels}"))
    network = [
        ("expansion rates", ", ".join(map(str, model.expansions))),
        ("parameters", _count(model.parameters)),
        ("style images", _count(model.styles)),
        ("hash", model.sha256[:12]),
    ]
    config = model.config
    told: dict[str, Any] = {
        "encoder": config.get("encoder", {}).get("name"),
        "λ, style weight": config.get("loss", {}).get("lambda_style"),
        "k, aligned channels": config.get("loss", {}).get("k"),
        "style layers": config.get("loss", {}).get("style_layers"),
        "size": config.get("size"),
        **{name.replace("_", " "): value for name, value in config.get("train", {}).items()},
    }
    training = [(name, _told(value, name)) for name, value in told.items() if value is not None]
    groups = [("Data", frames), ("Model", network), ("Training", training)]
    return [(title, lines) for title, lines in groups if lines]


def _protocol(evaluation: Evaluation) -> str:
    """How the scores were made, in one line."""
    said = next((score.protocol for score in evaluation.scores.values()), {})
    texts = {
        "steps": "{:,} steps",
        "batch_size": "batches of {}",
        "learning_rate": "learning rate {:g}",
        "weights": "backbone weights: {}",
        "validation_frames": "scored on {:,} frames",
    }
    return ", ".join(text.format(said[name]) for name, text in texts.items() if name in said)


def _domain(domain: DomainParams) -> str:
    # An absolute path is of this machine alone.
    root = domain.root.name if domain.root.is_absolute() else domain.root.as_posix()
    return f"{root} ({domain.layout})"


def _told(value: Any, name: str) -> str:
    if isinstance(value, list):
        return ("×" if name in ("size", "crop") else ", ").join(map(str, value))
    if isinstance(value, float):
        return f"{value:g}"
    return _count(value) if isinstance(value, int) else str(value)


def _pictures(example: Example, colours: Sequence[tuple[int, int, int]], budget: int) -> dict[str, Any]:
    """A frame's pictures as data URIs of one width, the largest with which they fit into the budget of bytes."""
    height, width = example.source.shape[:2]
    for limit in (width, *(narrower for narrower in NARROWER if narrower < width)):
        source, translated = (
            _jpeg(_narrowed(Image.fromarray(pixels), limit)) for pixels in (example.source, example.translated)
        )
        label = None if example.label is None else _overlay(_narrowed(Image.fromarray(example.label), limit), colours)
        if len(source) + len(translated) + len(label or "") <= budget * 4 / 3:
            break
    return {
        "key": example.key,
        "style_key": example.style_key,
        "ssim": example.ssim,
        "width": width,
        "height": height,
        "source": source,
        "translated": translated,
        "label": label,
        "style": None if example.style is None else _jpeg(_narrowed(Image.fromarray(example.style), STYLE_WIDTH)),
    }


def _narrowed(image: Image.Image, width: int) -> Image.Image:
    if image.width <= width:
        return image
    method = Image.Resampling.NEAREST if image.mode == "L" else Image.Resampling.BICUBIC
    return image.resize((width, max(1, round(image.height * width / image.width))), method)


def _jpeg(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88, subsampling=0)
    return _data_uri("jpeg", buffer)


def _overlay(ids: Image.Image, colours: Sequence[tuple[int, int, int]]) -> str:
    """A label map in colours, clear where no class is."""
    image = ids.copy()
    image.putpalette([value for colour in colours for value in colour])
    buffer = io.BytesIO()
    image.save(buffer, "PNG", transparency=IGNORE)
    return _data_uri("png", buffer)


def _data_uri(kind: str, buffer: io.BytesIO) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _class_colours(names: Sequence[str]) -> list[tuple[int, int, int]]:
    """256 colours: those of Cityscapes for its classes, well apart for others, black for what is no class."""
    known = {line.name: line.colour for line in CITYSCAPES}
    # Hues a golden angle apart never come close to each other.
    turns = [colorsys.hsv_to_rgb(i * 0.381966 % 1, 0.65, 0.9) for i in range(len(names))]
    made = [(round(255 * r), round(255 * g), round(255 * b)) for r, g, b in turns]
    colours = [known.get(name, colour) for name, colour in zip(names, made, strict=True)]
    return colours + [(0, 0, 0)] * (256 - len(colours))


def _panel(curves: Sequence[Mapping[str, float]], name: str, text: str) -> dict[str, Any]:
    """A learning curve in the units of the panel's drawing, its values on a logarithmic scale."""
    size = math.ceil(len(curves) / CURVE_POINTS)
    groups = [curves[i : i + size] for i in range(0, len(curves), size)]
    # A loss of 0 has no logarithm.
    points = [(group[-1]["step"], max(sum(r[name] for r in group) / len(group), 1e-9)) for group in groups]
    low, high = math.log10(min(v for _, v in points)), math.log10(max(v for _, v in points))
    if high - low < 0.1:
        low, high = low - 0.05, high + 0.05
    first, last = points[0][0], points[-1][0]

    def x(step: float) -> float:
        return _between(MARGIN["left"], PANEL[0] - MARGIN["right"], (step - first) / ((last - first) or 1))

    def y(value: float) -> float:
        return _between(PANEL[1] - MARGIN["bottom"], MARGIN["top"], (math.log10(value) - low) / (high - low))

    return {
        "name": name,
        "text": text,
        "last": curves[-1][name],
        "points": " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in points),
        "end": (x(last), y(points[-1][1])),
        "ticks": [(y(value), f"{value:g}") for value in _ticks(low, high)],
        "steps": (f"{first:,.0f}", f"{last:,.0f}"),
    }


def _ticks(low: float, high: float) -> list[float]:
    """Round values between two logarithms, from two to five of them where that can be."""
    decades = range(math.floor(low), math.ceil(high) + 1)
    ticks: list[float] = []
    for digits in ((1,), (1, 3), (1, 2, 5), tuple(range(1, 10)), tuple(n / 4 for n in range(4, 40))):
        ticks = [float(f"{d}e{k}") for k in decades for d in digits]
        ticks = [value for value in ticks if low <= math.log10(value) <= high]
        if len(ticks) >= 2:
            break
    return ticks[:: math.ceil(len(ticks) / 5)] if ticks else []


def _histogram(counts: Sequence[int]) -> list[dict[str, float]]:
    """Bars in the units of the panel's drawing."""
    wide, bottom = (PANEL[0] - 2 * MARGIN["right"]) / len(counts), PANEL[1] - MARGIN["bottom"]
    tall = bottom - MARGIN["top"]
    return [
        {
            "x": MARGIN["right"] + i * wide + 1,
            "y": bottom - tall * n / max(counts),
            "width": wide - 2,
            "height": tall * n / max(counts),
            "from": i / len(counts),
            "to": (i + 1) / len(counts),
            "count": n,
        }
        for i, n in enumerate(counts)
    ]


def _between(start: float, end: float, share: float) -> float:
    return start + (end - start) * share


def _number(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _count(value: int) -> str:
    return f"{value:,}"
