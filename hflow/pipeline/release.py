"""Releasing a model: registered as challenger, and champion if it passes the gate."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hflow.datasets.manifest import MANIFEST
from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import fingerprint, sha256_file
from hflow.foundation.json_files import read_json
from hflow.foundation.lineage import dvc_hash, git_commit
from hflow.foundation.params import Params
from hflow.pipeline.models import is_registered
from hflow.pipeline.outputs import EVALUATE_PLOTS, EVALUATION, PREPARED, SEGMENTATION, SETS, TRANSLATED
from hflow.registry.gate import Condition, Figures, gather, judge
from hflow.registry.runs import hand_in
from hflow.registry.versions import Registry

__all__ = ["BECAME_CHAMPION", "IS_CHAMPION", "release", "rollback"]

BECAME_CHAMPION = "is the champion now"
"""The outcome of a release that has given the alias to its version."""
IS_CHAMPION = "is the champion already"
"""The outcome of a release whose version has the alias."""

SHEET = EVALUATE_PLOTS / "before-after.png"
"""A picture of before and after, which goes with the version where it is of its frames."""


def release(params: Params, *, replace: bool = False) -> dict[str, Any]:
    """Register the trained model with its figures and where it comes from, and promote it through the gate.

    Args:
        params: all of params.yaml; `release` is the gate.
        replace: leave the champion's score out of the gate, since the protocol or the validation data have changed.

    Returns:
        model, version; whether it is champion; what each condition of the gate found; the outcome in words.

    Raises:
        HflowError: something is missing or does not belong together, MLflow can't be reached, or another release won
            meanwhile.
    """
    if is_registered(params.translate.model):
        raise HflowError(f"translate.model is {params.translate.model}: it is registered, there is nothing to release")
    model = Path(params.translate.model)
    figures = gather(
        prepared=PREPARED,
        translated=TRANSLATED,
        sets=SETS,
        segmentation=SEGMENTATION,
        train_on=params.segment.train_on,
        model=model,
    )
    hand_in(params.tracking)
    registry = Registry(params.tracking, params.release.name)
    champion = registry.champion()
    lineage = _lineage(params, figures)
    version = registry.register(
        model,
        figures.as_json(),
        same=fingerprint(figures.as_json()),
        tags=lineage,
        text=_description(params, lineage),
        pictures={"contact-sheet.png": SHEET} if _shows(figures) else {},
    )
    outcome: dict[str, Any] = {"model": params.release.name, "version": version.number}
    if champion and champion.number == version.number:
        return {**outcome, "champion": True, "outcome": IS_CHAMPION}
    known = Figures.from_json(champion.figures) if champion and champion.figures else None
    conditions = judge(figures, known, params.release, replace=replace)
    if version.rolled_back:
        conditions.append(Condition("history", False, "it was champion before and was rolled back"))
    said = {f"gate/{c.name}": f"{'holds' if c.holds else 'FAILS'}: {c.text}" for c in conditions}
    failed = "; ".join(f"{c.name}: {c.text}" for c in conditions if not c.holds)
    if failed:
        return {**outcome, "champion": False, **said, "outcome": f"stays challenger: {failed}"}
    registry.promote(version, over=champion)
    return {**outcome, "champion": True, **said, "outcome": BECAME_CHAMPION}


def rollback(params: Params) -> dict[str, Any]:
    """Take the alias champion back to the version that had it before; gives both versions.

    Raises:
        HflowError: there is none, or MLflow can't be reached.
    """
    had, has = Registry(params.tracking, params.release.name).rollback()
    return {"model": params.release.name, "was": had.number, "champion": has.number}


def _shows(figures: Figures) -> bool:
    """Whether the picture was made with the figures of this model and of the frames that are here."""
    try:
        said = read_json(EVALUATION)
    except HflowError:
        return False
    same = [said.get("model", {}).get("sha256"), said.get("data", {}).get("translated")]
    return SHEET.is_file() and same == [figures.model_sha256, sha256_file(TRANSLATED / MANIFEST)]


def _lineage(params: Params, figures: Figures) -> dict[str, str]:
    data = {
        "source": params.data.source.root,
        "target": params.data.target.root,
        "prepared": PREPARED,
        "translated": TRANSLATED,
    }
    return {
        **{f"data.{name}": dvc_hash(path) for name, path in data.items()},
        "git.commit": git_commit(),
        "params": fingerprint(params.model_dump(mode="json")),
        "model_sha256": figures.model_sha256,
        "ssim": f"{figures.ssim:.4f}",
        **{f"mIoU.{name}": f"{value:.4f}" for name, value in figures.miou.items()},
        **{
            f"made_from.{n}.{what}": sha256
            for n, hashes in figures.made_from.items()
            for what, sha256 in hashes.items()
        },
    }


def _description(params: Params, lineage: Mapping[str, str]) -> str:
    """A line that stands in MLflow's lists, and a Markdown table."""
    figures = ", ".join(f"{name} {value}" for name, value in lineage.items() if name.startswith(("ssim", "mIoU")))
    line = f"frames of {params.data.source.root} in the look of {params.data.target.root}: {figures}."
    rows = [f"| {name} | {value} |" for name, value in lineage.items()]
    return "\n".join([line, "", "| | |", "| --- | --- |", *rows])
