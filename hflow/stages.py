"""The pipeline's stages, each with the folders it reads and writes; what flows and commands call."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hflow.errors import HflowError
from hflow.files import project_root
from hflow.params import Params
from hflow.progress import say

if TYPE_CHECKING:
    from hflow.engines import ShardRunner
    from hflow.tracking import TrainingRun

__all__ = [
    "EVALUATION",
    "MODEL",
    "PREPARED",
    "REPORTS",
    "SEGMENTATION",
    "SETS",
    "TRANSLATED",
    "build_town",
    "check",
    "evaluate",
    "export",
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
LICENCES = {
    "gta": "if it is Playing for Data (GTA5): for research and education alone, see download.visinf.tu-darmstadt.de",
    "cityscapes": "if it is Cityscapes: for non-commercial purposes alone, see cityscapes-dataset.com/license",
    "folder": "not stated; name it as data.source.licence or data.target.licence in params.yaml",
}


def work_folder(stage: str) -> Path:
    """Where a stage keeps finished pieces between runs; copies that experiments run in share it."""
    return project_root() / ".hflow" / stage


def check(params: Params) -> None:
    """See whether the raw datasets are there, in their layouts; the town's may be yet to be drawn.

    Raises:
        HflowError: one is not.
    """
    from hflow.datasets.layouts import open_raw

    for domain in (params.data.source, params.data.target):
        if domain.root.exists() or not domain.root.is_relative_to(TOWN):
            open_raw(domain.root, domain.layout, train=domain.train, val=domain.val)


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

    logger = _training_run(params)
    try:
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
            logger=logger,
        )
    except BaseException:
        if logger:
            logger.fail()
        raise
    if logger:
        logger.finish(result.folder, result.fingerprint, TRAIN_PLOTS)
    return {**result.losses, "seconds": result.seconds}


def _training_run(params: Params) -> "TrainingRun | None":
    if not find_spec("mlflow"):
        say("MLflow is not installed here: the learning curves go to plots/train alone")
        return None
    from hflow.tracking import TrainingRun

    return TrainingRun(
        params, {"source": params.data.source.root, "target": params.data.target.root, "prepared": PREPARED}
    )


def translate(params: Params, run: "ShardRunner | None" = None) -> dict[str, Any]:
    """Translate the prepared frames, shards by `run` where it is given; gives the counts and the mean SSIM."""
    from hflow.engines import translate_shards
    from hflow.model.store import load_model
    from hflow.translation import translate_dataset

    return translate_dataset(
        load_model(Path(params.translate.model)),
        params.translate,
        prepared=PREPARED,
        out=TRANSLATED,
        sets=SETS,
        work=work_folder("translate"),
        run=run or translate_shards,
    )


def export(dataset: Path, out: Path, *, layout: str, image_format: str, params: Params | None) -> dict[str, Any]:
    """Write a translated dataset in another layout; the card says what the parameters name as its origins."""
    from hflow.export import export

    origins = {}
    if params:
        for name, domain in (("frames", params.data.source), ("style", params.data.target)):
            drawn = "drawn by hflow" if domain.root.is_relative_to(TOWN) else None
            origins[f"{name}, {domain.root}"] = domain.licence or drawn or LICENCES[domain.layout]
    return export(dataset, out, layout=layout, image_format=image_format, origins=origins)


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
    """Bring all figures together and write the report; gives the main ones and where the report is."""
    from hflow.evaluation import evaluate
    from hflow.report import write_report

    model, report = Path(params.translate.model), REPORTS / "index.html"
    evaluation = evaluate(
        prepared=PREPARED,
        translated=TRANSLATED,
        model=model,
        train_plots=TRAIN_PLOTS if model == MODEL else None,
        segmentation=SEGMENTATION,
        train_on=params.segment.train_on,
        metrics=EVALUATION,
        plots=EVALUATE_PLOTS,
        examples=params.evaluate.examples,
    )
    write_report(evaluation, report, data=params.data)
    if evaluation.scores and find_spec("mlflow"):
        from hflow.tracking import log_scores

        log_scores(params, model, {name: SEGMENTATION / f"{name}.json" for name in evaluation.scores})
    figures: dict[str, Any] = {
        "given": evaluation.given,
        "translated": evaluation.translated,
        "rejected": evaluation.rejected,
        "ssim": evaluation.similarity["all"].mean,
        **{f"mIoU/{name}": score.miou for name, score in evaluation.scores.items()},
    }
    if evaluation.gain:
        figures["gain"] = evaluation.gain.miou
    return {**figures, "report": str(report)}
