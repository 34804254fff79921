"""The pipeline's stages, each with the folders it reads and writes; what flows and commands call."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hflow.foundation.errors import HflowError
from hflow.foundation.params import Params
from hflow.foundation.progress import say
from hflow.foundation.publishing import publish
from hflow.foundation.timings import Timing, Watch, read_timing, write_timing
from hflow.foundation.work_folder import project_root

if TYPE_CHECKING:
    from hflow.registry.runs import TrainingRun
    from hflow.translation.engines.running import ShardRunner

__all__ = [
    "EVALUATE_PLOTS",
    "EVALUATION",
    "JUDGE",
    "MODEL",
    "PREPARED",
    "REPORTS",
    "SEGMENTATION",
    "SETS",
    "TOWN",
    "TRANSLATED",
    "baselines",
    "build_town",
    "check",
    "evaluate",
    "fetch",
    "find_model",
    "is_registered",
    "prepare",
    "segment",
    "timings",
    "train",
    "translate",
    "work_folder",
]

TOWN = Path("data/town")
PREPARED = Path("data/prepared")
SETS = Path("data/sets")
MODEL = Path("models/hflow")
JUDGE = Path("models/judge")
TRANSLATED = Path("data/translated")
BASELINE_SETS = Path("data/baselines")
TRAIN_PLOTS = Path("plots/train")
SEGMENTATION = Path("metrics/segment")
EVALUATION = Path("metrics/evaluate.json")
EVALUATE_PLOTS = Path("plots/evaluate")
REPORTS = Path("reports")
RESULTS = {
    "prepare": SETS / "source.json",
    "train": MODEL / "config.json",
    "translate": TRANSLATED / "manifest.parquet",
}
"""A file of each stage that is another one where the stage's result is; a timing is filed under it."""


def work_folder(stage: str) -> Path:
    """Where a stage keeps finished pieces between runs; copies that experiments run in share it."""
    return project_root() / ".hflow" / stage


def timings(params: Params) -> dict[str, Timing]:
    """How long the stages took whose results are here, by name; those that ran elsewhere are not in it."""
    results = RESULTS | {f"segment {name}": SEGMENTATION / f"{name}.json" for name in params.segment.train_on}
    if Path(params.translate.model) != MODEL:
        del results["train"]
    found = {stage: read_timing(work_folder("timings"), path) for stage, path in results.items()}
    return {stage: timing for stage, timing in found.items() if timing}


def check(params: Params) -> None:
    """See whether the raw datasets are there, in their layouts; the town's may be yet to be drawn.

    Raises:
        HflowError: one is not.
    """
    from hflow.datasets.layouts.opening import open_raw

    for domain in (params.data.source, params.data.target):
        if domain.root.exists() or not domain.root.is_relative_to(TOWN):
            open_raw(domain.root, domain.layout, train=domain.train, val=domain.val)


def build_town(params: Params) -> None:
    """Draw the miniature datasets."""
    from hflow.town.datasets import build_town

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
    from hflow.datasets.preparation import prepare

    watch = Watch(work_folder("prepare"))
    stats = prepare(params.data, params.prepare, out=PREPARED, sets=SETS, work=work_folder("prepare"))
    samples = sum(note["rows"] + len(note["rejected"]) for note in watch.finished())
    write_timing(work_folder("timings"), RESULTS["prepare"], watch.stop(samples, "cpu"))
    return stats


def train(params: Params) -> dict[str, Any]:
    """Train the network, logged to MLflow where that is installed; gives the last losses and the time taken."""
    from hflow.datasets.shards import shard_files
    from hflow.training.loop import train

    logger = _training_run(params)
    steps_before = _steps_saved()
    watch = Watch(work_folder("train"))
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
    steps = params.train.steps - steps_before.get(result.fingerprint, 0)
    timing = watch.stop(steps * params.train.batch_size, _machine(params.train.accelerator))
    write_timing(work_folder("timings"), RESULTS["train"], timing)
    if logger:
        logger.finish(result.folder, result.fingerprint, TRAIN_PLOTS)
    return {**result.losses, "seconds": result.seconds}


def _steps_saved() -> dict[str, int]:
    """The newest checkpoint's step of every training in the work folder."""
    from hflow.training.checkpoints import checkpoint_files

    folders = [folder for folder in work_folder("train").glob("*") if checkpoint_files(folder)]
    return {folder.name: int(checkpoint_files(folder)[-1].stem.rpartition("-")[2]) for folder in folders}


def _machine(device: str) -> str:
    """The device of this name as a reader knows it: a GPU by its model, a CPU with the threads that are used."""
    from hflow.foundation.devices import machine_marks, pick_device

    where = pick_device(device)
    name, threads = machine_marks(where)[1:3]
    return f"{name}, {threads} thread{'s' if threads > 1 else ''}" if where.type == "cpu" else str(name)


def _training_run(params: Params) -> "TrainingRun | None":
    if not find_spec("mlflow"):
        say("MLflow is not installed here: the learning curves go to plots/train alone")
        return None
    from hflow.registry.runs import TrainingRun

    return TrainingRun(
        params, {"source": params.data.source.root, "target": params.data.target.root, "prepared": PREPARED}
    )


def find_model(model: str, params: Params | None = None) -> Path:
    """The folder of a model that is named by its path or by models:/NAME@ALIAS or models:/NAME/VERSION.

    Args:
        model: the path or the URI.
        params: where MLflow is, unless MLFLOW_TRACKING_URI says it.

    Raises:
        HflowError: it is a URI, and MLflow is not installed, is away, or knows no such model.
    """
    if not is_registered(model):
        return Path(model)
    if not find_spec("mlflow"):
        raise HflowError(f"{model} needs MLflow, which is not installed here: give the folder of a model")
    from hflow.foundation.params import TrackingParams
    from hflow.registry.versions import fetch_model

    return fetch_model(model, params.tracking if params else TrackingParams(), cache=work_folder("models"))


def is_registered(model: str) -> bool:
    """Whether a model is named by the registry's URI, not by a path."""
    return model.startswith("models:/")


def fetch(params: Params) -> dict[str, Any]:
    """Lay the registered model that translate.model names where the stages find it: a folder named by the URI itself.

    That is a path that DVC can track, so that translate runs again when another version has become champion.
    """
    model = params.translate.model
    if not is_registered(model):
        raise HflowError(f"translate.model is {model}, a path: there is nothing to fetch")
    folder = find_model(model, params)
    publish({path.name: path for path in folder.iterdir()}, Path(model))
    return {"model": model, "version": folder.name}


def _pipeline_model(params: Params) -> Path:
    """The folder of the model that translates in the pipeline."""
    folder = Path(params.translate.model)
    if is_registered(params.translate.model) and not folder.is_dir():
        fetch(params)
    return folder


def translate(params: Params, run: "ShardRunner | None" = None) -> dict[str, Any]:
    """Translate the prepared frames, shards by `run` where it is given; gives the counts and the mean SSIM."""
    from hflow.model.store import load_model
    from hflow.translation.dataset import translate_dataset
    from hflow.translation.engines.running import translate_shards

    watch = Watch(work_folder("translate"))
    counts = translate_dataset(
        load_model(_pipeline_model(params)),
        params.translate,
        prepared=PREPARED,
        out=TRANSLATED,
        sets=SETS,
        work=work_folder("translate"),
        run=run or translate_shards,
    )
    frames = sum(note["rows"] for note in watch.finished())
    write_timing(work_folder("timings"), RESULTS["translate"], watch.stop(frames, _machine(params.translate.device)))
    return counts


def baselines(params: Params) -> dict[str, Any]:
    """Recolour the prepared frames by each baseline in segment.train_on; gives the mean SSIM of each."""
    from hflow.baselines.sets import make_baselines
    from hflow.foundation.params import BASELINES

    counts = make_baselines(
        [name for name in params.segment.train_on if name in BASELINES],
        params.baselines,
        seed=params.translate.seed,
        nearest=params.translate.nearest,
        prepared=PREPARED,
        out=BASELINE_SETS,
        sets=SETS,
        work=work_folder("baselines"),
    )
    return {f"{name}/{figure}": value for name, found in counts.items() for figure, value in found.items()}


def segment(params: Params, name: str) -> dict[str, Any]:
    """Train the downstream segmenter on one set and score it on the target; gives its scores."""
    from hflow.datasets.shards import shard_files
    from hflow.datasets.training_sets import read_training_set
    from hflow.segmentation.training import segment

    if name not in params.segment.train_on:
        raise HflowError(f"{name!r} is not among segment.train_on ({', '.join(params.segment.train_on)})")
    watch, out = Watch(work_folder("segment")), SEGMENTATION / f"{name}.json"
    scores = segment(
        params.segment,
        training_set=read_training_set(SETS / f"{name}.json"),
        validation=shard_files(PREPARED / "target" / "val"),
        classes=params.data.classes,
        out=out,
        work=work_folder("segment"),
    )
    crops = len(watch.finished()) * params.segment.steps * params.segment.batch_size
    write_timing(work_folder("timings"), out, watch.stop(crops, _machine(params.segment.device)))
    return scores


def evaluate(params: Params) -> dict[str, Any]:
    """Bring all figures together and write the report; gives the main ones and where the report is."""
    from hflow.reports.evaluation import evaluate
    from hflow.reports.evaluation_report import write_report

    model, report = _pipeline_model(params), REPORTS / "index.html"
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
    write_report(evaluation, report, data=params.data, timings=timings(params))
    if find_spec("mlflow"):
        from hflow.registry.runs import log_scores

        scores = {name: SEGMENTATION / f"{name}.json" for name in evaluation.scores}
        log_scores(params, model, scores, figures=[EVALUATION, EVALUATE_PLOTS, report])
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
