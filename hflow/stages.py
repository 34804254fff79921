"""The pipeline's stages, each with the folders it reads and writes; what flows and commands call."""

from pathlib import Path
from typing import Any

from hflow.errors import HflowError
from hflow.files import project_root
from hflow.params import Params

__all__ = [
    "EVALUATION",
    "MODEL",
    "PREPARED",
    "REPORTS",
    "SEGMENTATION",
    "SETS",
    "TRANSLATED",
    "build_town",
    "evaluate",
    "prepare",
    "segment",
    "train",
    "translate",
]

TOWN = Path("data/town")
PREPARED = Path("data/prepared")
SETS = Path("data/sets")
MODEL = Path("models/hflow")
TRANSLATED = Path("data/translated")
TRAIN_PLOTS = Path("plots/train")
SEGMENTATION = Path("metrics/segment")
EVALUATION = Path("metrics/evaluate.json")
EVALUATE_PLOTS = Path("plots/evaluate")
REPORTS = Path("reports")


def work_folder(stage: str) -> Path:
    """Where a stage keeps finished pieces between runs; the project shares it with the copies that experiments run in."""
    return project_root() / ".hflow" / stage


def build_town(params: Params) -> None:
    """Draw the miniature datasets."""
    from hflow.datasets.town import build_town

    town = params.town
    build_town(
        TOWN,
        seed=town.seed,
        source=town.source,
        target_train=town.target_train,
        target_val=town.target_val,
        size=town.size,
    )


def prepare(params: Params) -> dict[str, Any]:
    """Raw datasets to shards; gives what stats.json says."""
    from hflow.preparation import prepare

    return prepare(params.data, params.prepare, out=PREPARED, sets=SETS, work=work_folder("prepare"))


def train(params: Params) -> dict[str, Any]:
    """Train the network, logged to MLflow where that is installed; gives the last losses and the time taken."""
    from hflow.datasets.shards import shard_files
    from hflow.training import train

    result = train(
        params.model,
        params.encoder,
        params.loss,
        params.train,
        source=shard_files(PREPARED / "source" / "train"),
        target=shard_files(PREPARED / "target" / "train"),
        out=MODEL,
        plots=TRAIN_PLOTS,
        work=work_folder("train"),
    )
    return {**result.losses, "seconds": result.seconds}


def translate(params: Params) -> dict[str, Any]:
    """Translate the prepared frames; gives the counts and the mean SSIM."""
    from hflow.model.store import load_model
    from hflow.translation import translate_dataset

    return translate_dataset(
        load_model(Path(params.translate.model)),
        params.translate,
        prepared=PREPARED,
        out=TRANSLATED,
        sets=SETS,
        work=work_folder("translate"),
    )


def segment(params: Params, name: str) -> dict[str, Any]:
    """Train the downstream segmenter on one set and score it on the target; gives its scores."""
    from hflow.datasets.shards import shard_files
    from hflow.datasets.training_sets import read_training_set
    from hflow.segmentation import segment

    if name not in params.segment.train_on:
        raise HflowError(f"{name!r} is not among segment.train_on ({', '.join(params.segment.train_on)})")
    return segment(
        params.segment,
        training_set=read_training_set(SETS / f"{name}.json"),
        validation=shard_files(PREPARED / "target" / "val"),
        classes=params.data.classes,
        out=SEGMENTATION / f"{name}.json",
        work=work_folder("segment"),
    )


def evaluate(params: Params) -> dict[str, Any]:
    """Bring all figures together and write the report; gives what metrics/evaluate.json says."""
    raise HflowError("not yet")
