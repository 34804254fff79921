"""Files that a parameter names and no stage makes: a judge, an encoder's weights, pseudo-labels, verdicts, a style.

DVC can't have a dependency that may be null, so it watches one folder, and all of them lie there.
"""

from collections.abc import Iterator
from pathlib import Path

from hflow.datasets.listing import IMAGE_SUFFIXES
from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import fingerprint, sha256_file
from hflow.foundation.params import Params
from hflow.pipeline.outputs import FIRST_ROUND, GIVEN

__all__ = ["given_hashes", "misplaced_files"]

READ_BY = {
    "encoder.weights": ("first_round", "train"),
    "loss.source_labels": ("train",),
    "loss.target_labels": ("train",),
    "train.judge": ("train",),
    "translate.judge": ("translate", "evaluate"),
    "translate.reject": ("translate",),
    "translate.style": ("translate", "baselines"),
}
"""The stages that read what a parameter names."""


def given_hashes(params: Params, stage: str) -> dict[str, str | None]:
    """Hashes of what is given to a stage, a file or a folder, by parameter; None for what isn't there.

    Raises:
        HflowError: it lies outside models/given.
    """
    for fault in misplaced_files(params):
        raise HflowError(fault)
    if stage == "first_round" and params.loss.target_labels != FIRST_ROUND:
        return {}  # it labels nothing, and need not run again to do so
    return {name: _content_hash(path) for name, path in _given(params).items() if stage in READ_BY[name]}


def misplaced_files(params: Params) -> Iterator[str]:
    """A line for each file that DVC would not see change."""
    for name, path in _given(params).items():
        if not path.absolute().is_relative_to(GIVEN.absolute()) or ".." in path.parts:
            yield f"{name} is {path}: put it into {GIVEN}, the folder in which DVC sees it change"


def _given(params: Params) -> dict[str, Path]:
    style = params.translate.style
    paths = {
        "encoder.weights": params.encoder.weights,
        "loss.source_labels": params.loss.source_labels,
        "loss.target_labels": None if params.loss.target_labels == FIRST_ROUND else params.loss.target_labels,
        "train.judge": params.train.judge,
        "translate.judge": params.translate.judge,
        "translate.reject": params.translate.reject,
        "translate.style": Path(style) if _is_file(style) else None,
    }
    return {name: path for name, path in paths.items() if path}


def _is_file(style: str) -> bool:
    """Whether a style is a file, not a word or a key."""
    return style.lower().endswith(IMAGE_SUFFIXES) or Path(style).is_relative_to(GIVEN)


def _content_hash(path: Path) -> str | None:
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file())
        return fingerprint({p.relative_to(path).as_posix(): sha256_file(p) for p in files})
    return sha256_file(path) if path.is_file() else None
