"""What the report's template shows of the closeness to the truth."""

from collections.abc import Callable, Sequence
from typing import Any

from hflow.reports.html_parts import count, number
from hflow.reports.truth import RAW, TRANSLATED, TRUTH, TruthScores

__all__ = ["furthest_frames", "truth_columns", "truth_line", "truth_rows"]


def truth_line(truth: TruthScores) -> str:
    """Whether translating brought frames closer to the truth, in one sentence with its numbers."""
    came = "closer to" if truth.gain > 0 else "no closer to"
    where = "held-out frames" if truth.split == "val" else "frames"
    return (
        f"Translating brings frames {came} the truth: a PSNR of {_decibels(truth.translated.psnr)} against "
        f"{_decibels(truth.raw.psnr)} for the raw frames, {_signed(truth.gain)}, the mean of {count(truth.frames)} "
        f"{where}, of which {count(truth.closer)} came closer{_against_others(truth)}."
    )


def truth_rows(truth: TruthScores | None) -> list[dict[str, Any]]:
    """A row a measure, its figures by `truth_columns`; none without a truth."""
    if truth is None:
        return []
    sets = [truth.raw, *truth.others.values(), truth.translated]
    rows = [
        _row("PSNR", "decibels, from the mean squared error; higher is closer", [s.psnr for s in sets], _decibels),
        _row("SSIM", "structure; at most 1, higher is closer", [s.ssim for s in sets], number),
    ]
    distances = [s.lpips for s in sets if s.lpips is not None]
    if len(distances) == len(sets):
        text = "distance as people judge it, in the features of VGG-16; lower is closer"
        rows.append(_row("ST-LPIPS", text, distances, number, lower=True))
    natural = [truth.natural.get(name) for name in (RAW, *truth.others, TRANSLATED)]
    if TRUTH in truth.natural and None not in natural:
        text = f"how natural a picture looks by itself, of the truth {number(truth.natural[TRUTH])}; lower is more so"
        rows.append(_row("NIQE", text, [value for value in natural if value is not None], number, lower=True))
    return rows


def truth_columns(truth: TruthScores | None) -> list[str]:
    """The names of the sets in each row: raw first, translated last."""
    return ["raw", *(name.replace("_", " ") for name in truth.others), "translated"] if truth else []


def _row(
    name: str, text: str, values: Sequence[float], shown: Callable[[float], str], *, lower: bool = False
) -> dict[str, Any]:
    best, raw, made = (min if lower else max)(values), values[0], values[-1]
    verdict = "as far" if made == raw else "further" if (made > raw) == lower else "closer"
    return {
        "name": name,
        "text": text,
        "values": [(shown(value), value == best) for value in values],
        "bad": verdict == "further",
        "verdict": verdict,
    }


def furthest_frames(truth: TruthScores | None, frames: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], str]]:
    """What is shown of the frames furthest from the truth, each with its PSNR."""
    if truth is None:
        return []
    return [
        (frame, f"PSNR to the truth {_decibels(value)}")
        for frame, (_, value) in zip(frames, truth.furthest, strict=True)
    ]


def _against_others(truth: TruthScores) -> str:
    if not truth.others:
        return ""
    name, best = max(truth.others.items(), key=lambda pair: pair[1].psnr)
    return f"; the best of the simpler methods, {name.replace('_', ' ')}, comes to {_decibels(best.psnr)}"


def _decibels(value: float) -> str:
    return f"{value:.1f} dB"


def _signed(value: float) -> str:
    return f"{value:+.1f} dB".replace("-", "−")
