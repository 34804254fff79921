"""The gate that a model passes to become the champion: what is compared, and which condition failed by how much."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hflow.datasets.shards import read_table
from hflow.foundation.errors import HflowError
from hflow.foundation.params import ReleaseParams
from hflow.model.store import load_model

__all__ = ["Condition", "Figures", "comparable", "gather", "judge"]

OWN = ("training_frames", "size")
"""What a training set brings with it into the protocol; all else must be equal for scores to be compared."""


@dataclass(frozen=True)
class Figures:
    """What a model is judged by.

    Attributes:
        miou: of segmenters on the target's validation set, by the set that they were trained on.
        protocols: how each of them was trained and scored, its seeds too.
        ssim: the mean over the translated frames, to their source.
        given, translated, rejected: counts of source frames.
        model_sha256: the model that translated them.
    """

    miou: Mapping[str, float]
    protocols: Mapping[str, Mapping[str, Any]]
    ssim: float
    given: int
    translated: int
    rejected: int
    model_sha256: str

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


def gather(*, prepared: Path, translated: Path, segmentation: Path, train_on: Sequence[str], model: Path) -> Figures:
    """Read a model's figures from what the stages left.

    Raises:
        HflowError: something is missing, or the frames were translated by another model.
    """
    rows = read_table(translated / "manifest.parquet", ["status", "ssim", "model_sha256"]).to_pylist()
    frames = [row for row in rows if row["status"] == "translated"]
    sha256 = load_model(model).sha256
    if not frames or {row["model_sha256"] for row in frames} != {sha256}:
        raise HflowError(f"{translated} was not made by the model in {model}: run `hflow translate` again")
    stats = _read(prepared / "stats.json")
    miou, protocols = {}, {}
    for name in train_on:
        said = _read(segmentation / f"{name}.json")
        miou[name] = said["mIoU"]
        protocols[name] = {**said["protocol"], "seeds": [run["seed"] for run in said["seeds"]]}
    return Figures(
        miou,
        protocols,
        ssim=sum(row["ssim"] for row in frames) / len(frames),
        given=sum(counts["given"] for name, counts in stats.items() if name.startswith("source/")),
        translated=len(frames),
        rejected=sum(row["status"] == "rejected" for row in rows),
        model_sha256=sha256,
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


def comparable(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """The parts of two protocols that differ though they should not; scores may be compared where there are none."""
    return sorted(k for k in {*first, *second} - set(OWN) if first.get(k) != second.get(k))


def _over_raw_frames(candidate: Figures, params: ReleaseParams) -> Condition:
    name = "raw frames"
    for needed in ("source", "translated"):
        if needed not in candidate.miou:
            return Condition(name, False, f"no segmenter was trained on {needed}: add it to segment.train_on")
    differing = comparable(candidate.protocols["source"], candidate.protocols["translated"])
    if differing:
        return Condition(name, False, f"source and translated were scored with different {', '.join(differing)}")
    least = candidate.miou["source"] + params.margin
    what = f"{candidate.miou['source']:.4f} of the raw frames plus release.margin"
    return _at_least(name, "mIoU", candidate.miou["translated"], least, what)


def _over_champion(candidate: Figures, champion: Figures, params: ReleaseParams) -> Condition:
    name = "champion"
    if "translated" not in candidate.miou or "translated" not in champion.miou:
        return Condition(name, False, "one of the two has no score of a segmenter trained on translated")
    differing = comparable(champion.protocols["translated"], candidate.protocols["translated"])
    if differing:
        text = f"the champion was scored with different {', '.join(differing)}, so the scores can't be compared"
        return Condition(name, False, f"{text}; `hflow release --replace` leaves this condition out")
    least = champion.miou["translated"] - params.tolerance
    what = f"{champion.miou['translated']:.4f} of the champion less release.tolerance"
    return _at_least(name, "mIoU", candidate.miou["translated"], least, what)


def _none_lost(candidate: Figures) -> Condition:
    lost = candidate.given - candidate.translated - candidate.rejected
    counts = f"{candidate.given} given, {candidate.translated} translated, {candidate.rejected} rejected"
    return Condition("frames", lost == 0, f"{counts}: {lost or 'none'} lost")


def _at_least(name: str, figure: str, value: float, least: float, what: str) -> Condition:
    text = f"{figure} {value:.4f}, at least {least:.4f} needed ({what})"
    # A score that equals the bound but for the last bit of a sum passes.
    holds = value >= least - 1e-12
    return Condition(name, holds, text if holds else f"{text}: {least - value:.4f} short")


def _read(path: Path) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise HflowError(f"{path} is missing: run the stage that writes it") from None
    except ValueError as error:
        raise HflowError(f"{path} is not JSON ({error}): run the stage that writes it again") from None
    return value
