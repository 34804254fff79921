"""What the report's template shows of the closeness to the truth."""

from collections.abc import Sequence
from typing import Any

from hflow.reports.html_parts import count, number
from hflow.reports.truth import TruthScores

__all__ = ["furthest_frames", "truth_line", "truth_rows"]


def truth_line(truth: TruthScores) -> str:
    """Whether translating brought frames closer to the truth, in one sentence with its numbers."""
    came = "closer to" if truth.gain > 0 else "no closer to"
    where = "held-out frames" if truth.split == "val" else "frames"
    return (
        f"Translating brings frames {came} the truth: a PSNR of {_decibels(truth.translated.psnr)} against "
        f"{_decibels(truth.raw.psnr)} for the raw frames, {_signed(truth.gain)}, the mean of {count(truth.frames)} "
        f"{where}, of which {count(truth.closer)} came closer."
    )


def truth_rows(truth: TruthScores | None) -> list[dict[str, Any]]:
    """A row a measure; none without a truth."""
    if truth is None:
        return []
    raw, made = truth.raw, truth.translated
    rows = [
        {
            "name": "PSNR",
            "text": "decibels, from the mean squared error; higher is closer",
            "raw": _decibels(raw.psnr),
            "translated": _decibels(made.psnr),
            "bad": made.psnr < raw.psnr,
        },
        {
            "name": "SSIM",
            "text": "structure; at most 1, higher is closer",
            "raw": number(raw.ssim),
            "translated": number(made.ssim),
            "bad": made.ssim < raw.ssim,
        },
    ]
    if raw.lpips is not None and made.lpips is not None:
        rows.append(
            {
                "name": "ST-LPIPS",
                "text": "distance as people judge it, in the features of VGG-16; lower is closer",
                "raw": number(raw.lpips),
                "translated": number(made.lpips),
                "bad": made.lpips > raw.lpips,
            }
        )
    return rows


def furthest_frames(truth: TruthScores | None, frames: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], str]]:
    """What is shown of the frames furthest from the truth, each with its PSNR."""
    if truth is None:
        return []
    return [
        (frame, f"PSNR to the truth {_decibels(value)}")
        for frame, (_, value) in zip(frames, truth.furthest, strict=True)
    ]


def _decibels(value: float) -> str:
    return f"{value:.1f} dB"


def _signed(value: float) -> str:
    return f"{value:+.1f} dB".replace("-", "−")
