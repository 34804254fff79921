"""The gate that a model passes to become the champion: what is compared, and which condition failed by how much."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hflow.datasets.manifest import MANIFEST, read_manifest
from hflow.datasets.preparation_stats import given_frames, read_stats
from hflow.foundation.params import ReleaseParams
from hflow.model.store import load_model
from hflow.segmentation.current_scores import read_current_scores
from hflow.segmentation.scores import differing_settings

__all__ = ["Condition", "Figures", "gather", "judge"]


@dataclass(frozen=True)
class Figures:
    """What a model is judged by.

    Attributes:
        miou: of segmenters on the target's validation set, by the set that they were trained on.
        protocols: how each of them was trained and scored, its seeds too.
        ssim: the mean over the translated frames, to their source.
        given, translated, rejected: counts of source frames.
        model_sha256: the model that translated them.
        made_from: hashes of what each score was made from, see `SegmenterScores`; empty for a version that was
            registered without them.
    """

    miou: Mapping[str, float]
    protocols: Mapping[str, Mapping[str, Any]]
    ssim: float
    given: int
    translated: int
    rejected: int
    model_sha256: str
    made_from: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def as_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> "Figures":
        return Figures(**json.loads(text))


@dataclass(frozen=True)
class Condition:
    """One condition of the gate: whether it holds, and the numbers."""

    name: str
    holds: bool
    text: str


def gather(
    *, prepared: Path, translated: Path, sets: Path, segmentation: Path, train_on: Sequence[str], model: Path
) -> Figures:
    """Read a model's figures from what the stages left.

    Raises:
        HflowError: something is missing, the frames were translated by another model or are others than the prepared
            ones, or scores are of other data than there is.
    """
    manifest = read_manifest(translated / MANIFEST, fill=True)
    sha256 = load_model(model).sha256
    manifest.check_made_by(sha256, model)
    manifest.check_frames(prepared)
    scores = read_current_scores(segmentation, train_on, sets=sets, prepared=prepared, model_sha256=sha256)
    similarity = manifest.translated.column("ssim").to_pylist()
    return Figures(
        miou={name: score.miou for name, score in scores.items()},
        protocols={name: {**score.protocol, "seeds": list(score.miou_by_seed)} for name, score in scores.items()},
        ssim=sum(similarity) / len(similarity),
        given=given_frames(read_stats(prepared)),
        translated=len(similarity),
        rejected=len(manifest.rejected),
        model_sha256=sha256,
        made_from={name: score.made_from for name, score in scores.items()},
    )


def judge(
    candidate: Figures, champion: Figures | None, params: ReleaseParams, *, replace: bool = False
) -> list[Condition]:
    """Every condition of the gate, whether it holds or not.

    Args:
        candidate: the model that wants to be champion.
        champion: the one that is; None where there is none.
        replace: leave the champion's score out of it, since the protocol or the validation data have changed.
    """
    return [
        _over_raw_frames(candidate, params),
        *([] if champion is None or replace else [_over_champion(candidate, champion, params)]),
        _at_least("similarity", "SSIM to the source", candidate.ssim, params.min_ssim, "release.min_ssim"),
        _none_lost(candidate),
    ]


def _over_raw_frames(candidate: Figures, params: ReleaseParams) -> Condition:
    name = "raw frames"
    for needed in ("source", "translated"):
        if needed not in candidate.miou:
            return Condition(name, False, f"no segmenter was trained on {needed}: add it to segment.train_on")
    differing = differing_settings(candidate.protocols["source"], candidate.protocols["translated"])
    if _code(candidate, "source") != _code(candidate, "translated"):
        differing.append("code")
    if differing:
        return Condition(name, False, f"source and translated were scored with different {', '.join(differing)}")
    least = candidate.miou["source"] + params.margin
    what = f"{candidate.miou['source']:.4f} of the raw frames plus release.margin"
    return _at_least(name, "mIoU", candidate.miou["translated"], least, what)


def _over_champion(candidate: Figures, champion: Figures, params: ReleaseParams) -> Condition:
    name = "champion"
    if "translated" not in candidate.miou or "translated" not in champion.miou:
        return Condition(name, False, "one of the two has no score of a segmenter trained on translated")
    differing = differing_settings(champion.protocols["translated"], candidate.protocols["translated"])
    if differing:
        text = f"the champion was scored with different {', '.join(differing)}, so the scores can't be compared"
        return Condition(name, False, f"{text}; `hflow release --replace` leaves this condition out")
    least = champion.miou["translated"] - params.tolerance
    what = f"{champion.miou['translated']:.4f} of the champion less release.tolerance"
    if _code(champion, "translated") != _code(candidate, "translated"):
        what += ", which was scored by other code or other versions of the libraries"
    return _at_least(name, "mIoU", candidate.miou["translated"], least, what)


def _code(figures: Figures, name: str) -> str | None:
    """A hash of the code that made a score; None where it isn't known."""
    return figures.made_from.get(name, {}).get("code")


def _none_lost(candidate: Figures) -> Condition:
    lost = candidate.given - candidate.translated - candidate.rejected
    counts = f"{candidate.given} given, {candidate.translated} translated, {candidate.rejected} rejected"
    return Condition("frames", lost == 0, f"{counts}: {lost or 'none'} lost")


def _at_least(name: str, figure: str, value: float, least: float, what: str) -> Condition:
    text = f"{figure} {value:.4f}, at least {least:.4f} needed ({what})"
    # A score that equals the bound but for the last bit of a sum passes.
    holds = value >= least - 1e-12
    return Condition(name, holds, text if holds else f"{text}: {least - value:.4f} short")
