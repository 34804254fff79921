"""The pipeline's stages, each with the folders it reads and writes; what flows and commands call."""

import json
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hflow.foundation.atomic_folders import publish
from hflow.foundation.errors import HflowError
from hflow.foundation.params import Params
from hflow.foundation.progress import say
from hflow.pipeline.models import exact_name, fetch_model, pipeline_model, translating_model
from hflow.pipeline.outputs import (
    BASELINE_SETS,
    EVALUATE_PLOTS,
    EVALUATION,
    FIRST_ROUND,
    MODEL,
    PREPARED,
    REPORTS,
    RESTYLED,
    SEGMENTATION,
    SEGMENTERS,
    SETS,
    SUMMARY,
    SUMS,
    TOWN,
    TRAIN_PLOTS,
    TRANSLATED,
    work_folder,
)
from hflow.pipeline.run_notes import noted_run
from hflow.pipeline.timings import file_timing, start_watch, steps_saved, timings

if TYPE_CHECKING:
    from hflow.registry.runs import TrainingRun
    from hflow.translation.engines.running import ShardRunner

__all__ = ["baselines", "evaluate", "fetch", "first_round", "prepare", "segment", "sums", "town", "train", "translate"]


def town(params: Params) -> None:
    """Draw the miniature datasets."""
    from hflow.town.datasets import build_town, build_town_with_truth

    settings = params.town.model_dump(exclude={"look"})
    if params.town.look == "game":
        build_town(TOWN, **settings)
    else:
        build_town_with_truth(TOWN, params.town.look, **settings)


def prepare(params: Params) -> dict[str, Any]:
    """Raw datasets to shards; gives what stats.json says."""
    from hflow.datasets.layouts.opening import open_domains
    from hflow.datasets.preparation import prepare
    from hflow.pipeline.disk_needs import check_room, prepared_bytes

    check_room({"prepare": prepared_bytes(params, open_domains(params.data))})
    watch = start_watch("prepare")
    with noted_run("prepare", "prepare"):
        stats = prepare(params.data, params.prepare, out=PREPARED, sets=SETS, work=work_folder("prepare"))
    file_timing("prepare", watch, sum(note["rows"] + len(note["rejected"]) for note in watch.finished()))
    return stats


def first_round(params: Params) -> dict[str, Any]:
    """Label the target's photographs by what a first round learns, where loss.target_labels asks; gives the counts."""
    with noted_run("first_round", "first_round", "train", "translate", "label"):
        if params.loss.target_labels != FIRST_ROUND:
            return _label_nothing(FIRST_ROUND)
        from hflow.pipeline.first_round import label_by_first_round

        return label_by_first_round(params, FIRST_ROUND)


def _label_nothing(out: Path) -> dict[str, Any]:
    """Write a folder that holds no labels, so that DVC finds what the stage promises; gives what it says."""
    counts = {"images": 0, "labelled": 0.0}
    publish({"no-labels.json": (json.dumps(counts, indent=2) + "\n").encode()}, out)
    return counts


def train(params: Params) -> dict[str, Any]:
    """Train the network, logged to MLflow where that is installed; gives the last losses and the time taken."""
    from hflow.datasets.shards import shard_files
    from hflow.segmentation.judge import load_judge
    from hflow.segmentation.pseudo_labels import pseudo_labelled_shards
    from hflow.training.loop import train
    from hflow.training.torchrun import find_torchrun

    if params.train.judge:
        load_judge(params.train.judge, classes=params.data.classes)
    source, target = (shard_files(PREPARED / domain / "train") for domain in ("source", "target"))
    if params.loss.source_labels:
        source = pseudo_labelled_shards(params.loss.source_labels, source, params.data.classes)
    if params.loss.target_labels:
        target = pseudo_labelled_shards(params.loss.target_labels, target, params.data.classes)
    started = find_torchrun()
    first = started is None or started.number == 0
    logger = _training_run(params) if first else None
    steps_before = steps_saved()
    watch = start_watch("train")
    try:
        with noted_run("train", "train") if first else nullcontext():
            result = train(
                params.model,
                params.encoder,
                params.loss,
                params.train,
                source=source,
                target=target,
                held_out=shard_files(PREPARED / "source" / "val"),
                classes=params.data.classes,
                out=MODEL,
                plots=TRAIN_PLOTS,
                work=work_folder("train"),
                logger=logger,
            )
    except BaseException as error:
        if logger and isinstance(error, Exception):
            logger.fail()
        elif logger:  # Ctrl-C, SIGTERM, a flow that is cancelled
            logger.stop()
        raise
    steps = params.train.steps - steps_before.get(result.fingerprint, 0)
    if first:
        file_timing("train", watch, steps * params.train.batch_size, params.train.accelerator)
    if logger:
        logger.finish(result.folder, result.fingerprint, TRAIN_PLOTS)
    return {**result.losses, "seconds": result.seconds}


def _training_run(params: Params) -> "TrainingRun | None":
    if not find_spec("mlflow"):
        say("MLflow is not installed here: the learning curves go to plots/train alone")
        return None
    from hflow.registry.runs import TrainingRun

    return TrainingRun(
        params, {"source": params.data.source.root, "target": params.data.target.root, "prepared": PREPARED}
    )


def fetch(params: Params) -> dict[str, Any]:
    """Fetch the registered model that translate.model names; gives its version."""
    return {"model": params.translate.model, "version": fetch_model(params)}


def translate(params: Params, run: "ShardRunner | None" = None) -> dict[str, Any]:
    """Translate the prepared frames, shards by `run` where it is given; gives the counts and the mean SSIM."""
    from hflow.model.store import load_model
    from hflow.pipeline.disk_needs import where_room_is
    from hflow.translation.dataset import translate_dataset
    from hflow.translation.engines.running import translate_shards
    from hflow.translation.restyling import restyle_dataset

    watch = start_watch("translate")
    folder, work = translating_model(params), work_folder("translate")
    model, run = load_model(folder), where_room_is(run or translate_shards)
    translate = params.translate.model_copy(update={"model": exact_name(params.translate.model, folder)})
    with noted_run("translate", "translate"):
        counts = translate_dataset(model, translate, prepared=PREPARED, out=TRANSLATED, sets=SETS, work=work, run=run)
        restyle_dataset(model, translate, prepared=PREPARED, out=RESTYLED, sets=SETS, work=work, run=run)
    # A shard that people's verdicts have made shorter has no rows that were translated.
    frames = sum(note.get("rows", 0) for note in watch.finished())
    file_timing("translate", watch, frames, params.translate.device)
    return counts


def baselines(params: Params) -> dict[str, Any]:
    """Recolour the frames by each baseline in segment.train_on and baselines.compare; gives the mean SSIM of each."""
    from hflow.baselines.sets import make_baselines
    from hflow.datasets.training_sets import baselines_in
    from hflow.foundation.params import StyleParams
    from hflow.pipeline.disk_needs import baselines_bytes, check_room

    names = baselines_in([*params.segment.train_on, *params.baselines.compare])
    check_room({"baselines": baselines_bytes(names)})

    with noted_run("baselines", "baselines"):
        counts = make_baselines(
            names,
            params.baselines,
            style=StyleParams(
                seed=params.translate.seed,
                nearest=params.translate.nearest,
                style_by=params.translate.style_by,
                sequence=params.translate.sequence,
                style_group=params.translate.style_group,
            ),
            chosen=params.translate.style,
            prepared=PREPARED,
            out=BASELINE_SETS,
            sets=SETS,
            work=work_folder("baselines"),
        )
    return {f"{name}/{figure}": value for name, found in counts.items() for figure, value in found.items()}


def sums(params: Params) -> dict[str, Any]:
    """List the shards of each set in segment.train_on, a file each that DVC can track; gives how many there are."""
    from hflow.datasets.training_sets import replacing_sets, sum_of_sets

    sets = [sum_of_sets(SETS, name) for name in params.segment.train_on]
    with replacing_sets(SUMS, *sets):
        pass
    return {training_set.name: len(training_set.files) for training_set in sets}


def segment(params: Params, name: str) -> dict[str, Any]:
    """Train the downstream segmenter on one set and score it on the target; gives its scores."""
    if name not in params.segment.train_on:
        raise HflowError(f"{name!r} is not among segment.train_on ({', '.join(params.segment.train_on)})")
    from hflow.datasets.shards import shard_files
    from hflow.datasets.training_sets import sum_of_sets
    from hflow.segmentation.downstream import segment

    watch = start_watch("segment")
    with noted_run(f"segment {name}", "segment"):
        scores = segment(
            params.segment,
            training_set=sum_of_sets(SETS, name),
            validation=shard_files(PREPARED / "target" / "val"),
            photographs=shard_files(PREPARED / "target" / "train"),
            classes=params.data.classes,
            out=SEGMENTATION / f"{name}.json",
            work=work_folder("segment"),
            network=SEGMENTERS / name,
        )
    trainings = [note for note in watch.finished() if "curve" in note]
    crops = len(trainings) * params.segment.steps * params.segment.batch_size
    file_timing(f"segment {name}", watch, crops, params.segment.device)
    return scores


def evaluate(params: Params) -> dict[str, Any]:
    """Bring all figures together and write the report; gives the main ones and where the report is."""
    from hflow.foundation.devices import pick_device
    from hflow.pipeline.provenance import provenance
    from hflow.reports.evaluation import evaluate
    from hflow.reports.evaluation_files import run_summary
    from hflow.reports.evaluation_page import write_report

    model, report = pipeline_model(params), REPORTS / "index.html"
    evaluation = evaluate(
        prepared=PREPARED,
        translated=TRANSLATED,
        model=model,
        sets=SETS,
        segmentation=SEGMENTATION,
        segmenters=SEGMENTERS,
        train_on=params.segment.train_on,
        compare={name: BASELINE_SETS / name for name in params.baselines.compare},
        metrics=EVALUATION,
        summary=SUMMARY,
        plots=EVALUATE_PLOTS,
        examples=params.evaluate.examples,
        judge=params.translate.judge,
        device=pick_device(params.segment.device),
    )
    write_report(
        evaluation,
        report,
        data=params.data,
        timings=timings(params),
        provenance=provenance(params, model),
        drawn=all(TOWN in domain.root.parents for domain in (params.data.source, params.data.target)),
    )
    summary = run_summary(evaluation)
    if find_spec("mlflow"):
        from hflow.registry.runs import log_scores

        scores = {name: SEGMENTATION / f"{name}.json" for name in evaluation.scores}
        log_scores(params, model, scores, figures=summary, files=[EVALUATION, EVALUATE_PLOTS, report])
    return {**summary, "report": str(report)}
