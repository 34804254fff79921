"""The stage train: Hierarchy Flow on unpaired images, resumed exactly where it was stopped."""

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from lightning.fabric import Fabric
from torch import Tensor

from hflow.datasets.pairs import Pairs, whole_image
from hflow.datasets.shards import ShardSet
from hflow.datasets.tensors import to_tensor
from hflow.foundation.atomic_files import atomic_path, csv_bytes
from hflow.foundation.atomic_folders import publish
from hflow.foundation.code_fingerprint import code_fingerprint
from hflow.foundation.devices import memory_named, repeatable_kernels
from hflow.foundation.errors import HflowError
from hflow.foundation.finished_work import mark_used
from hflow.foundation.params import EncoderParams, LossParams, ModelParams, TrainParams
from hflow.foundation.progress import progress, say
from hflow.model import HierarchyFlow
from hflow.model.store import model_files
from hflow.segmentation.judge import load_judge
from hflow.training.averaging import WeightAverage
from hflow.training.batches import training_batches
from hflow.training.best_point import best_point
from hflow.training.camera_fit import find_camera
from hflow.training.checkpoints import (
    Progress,
    checkpoint_files,
    checkpoint_name,
    diverged,
    load_newest,
    save_checkpoint,
    without_step,
)
from hflow.training.encoder import load_encoder, measure_scales
from hflow.training.held_out import HeldOut, measures_table
from hflow.training.job import TrainingJob, training_fingerprint
from hflow.training.logger import TrainingLogger
from hflow.training.objective import training_losses
from hflow.training.precision import set_up, training_fabric, training_precision
from hflow.training.processes import mean_over_processes, run_in_processes
from hflow.training.region_style import Regions, label_masks
from hflow.training.schedules import learning_rate, loss_at
from hflow.training.sheet import training_sheet
from hflow.training.style_bank import encode_styles
from hflow.training.style_fit import fit_styles, keep_features
from hflow.training.torchrun import find_torchrun
from hflow.training.typical_colours import typical_colours
from hflow.training.typical_regions import measure_typical
from hflow.training.warm_up import learn_styles

__all__ = ["TrainingLogger", "TrainingResult", "train"]

IN_CONFIG = {"steps", "warm_up", "batch_size", "learning_rate", "crop", "seed", "keep", "average"}
"""Parameters that a model's folder repeats."""

FIRST_IMAGES = 16

START_PIXELS = 1 << 17
"""Of an image that the network starts from, at most: whole camera images would take more memory than the training."""


@dataclass(frozen=True)
class TrainingResult:
    """What training made: the model's folder, its fingerprint, the losses at the end, and how long this run took."""

    folder: Path
    fingerprint: str
    losses: Mapping[str, float]
    seconds: float


@repeatable_kernels()
def train(
    model: ModelParams,
    encoder: EncoderParams,
    loss: LossParams,
    params: TrainParams,
    *,
    source: Sequence[Path],
    target: Sequence[Path],
    out: Path,
    plots: Path,
    work: Path,
    held_out: Sequence[Path] = (),
    classes: Sequence[str] = (),
    logger: TrainingLogger | None = None,
) -> TrainingResult:
    """Train a network and publish it with its style bank and learning curves.

    Args:
        model, encoder, loss, params: the sections of params.yaml.
        source, target: shards of prepared frames and of prepared target images.
        out: the model folder to write; it has the files of `plots` too, so that a model is never shown with the
            curves of another.
        plots: the folder that gets curves.csv, measures.csv and contact-sheet.png.
        work: where checkpoints are kept, in a folder named by the training's fingerprint.
        held_out: shards of frames to measure on, by train.measure_every; without any, the last of `source` are taken.
        classes: of the labels, whose colours in the target the model is to know; a name's place is its train id.
        logger: is told the training's fingerprint, losses and measures and shown the contact sheets, from the first
            process.

    Raises:
        HflowError: the shards or a parameter are at fault, or the loss is no longer finite.
    """
    for name, files in (("source", source), ("target", target)):
        if not files:
            raise HflowError(f"there are no prepared shards of the {name}: run `hflow prepare` first")
    start = time.monotonic()
    fabric = training_fabric(params)
    job = TrainingJob(model, encoder, loss, params, source, target, held_out if params.measure_every else (), work)
    started = find_torchrun()
    mark = training_fingerprint(job, fabric, code_fingerprint(train))
    if started:
        fabric.launch()
        mark = fabric.broadcast(mark)  # the first's, whose folder all take: another machine may be another model
    job = replace(job, work=work / mark)
    mark_used(job.work)
    if logger:
        logger.begin(mark)
    trained_before = any(path.name == checkpoint_name(params.steps) for path in checkpoint_files(job.work))
    # Processes beside this one are spawned, and a logger need not survive that: they get none.
    if params.devices == 1 or started:
        _train(fabric, job, None if started and started.number else logger)
    else:
        run_in_processes(fabric, partial(_train, job=job, logger=None))
    done, network, scales = _finished(job)
    network = network.to(fabric.device)
    sheet = job.work / "contact-sheet.png"
    last = job.work / checkpoint_name(params.steps)
    if not (started and started.number) and not (sheet.exists() and sheet.stat().st_mtime >= last.stat().st_mtime):
        _draw_sheet(job, network, sheet)  # a run was killed between its last checkpoint and the sheet
    curves = done.curves(params.log_every)
    if logger and ((params.devices > 1 and not started) or trained_before):
        for row in [*curves, *done.measures]:
            logger.metrics(without_step(row), int(row["step"]))
        logger.image("contact-sheet", sheet, done.step)
    if started and started.number:
        fabric.barrier()
        return TrainingResult(out, mark, without_step(curves[-1]), time.monotonic() - start)
    frames, images = ShardSet(source, ["key", "image"]), ShardSet(target, ["key", "image"])
    labelled = ShardSet(target, ["key", "image", "label_train_ids"])
    with memory_named("after the last step whole images are looked at: free memory and run again, or set train.size"):
        camera = find_camera(network, frames, images, params.size).settings
        class_colours = typical_colours(labelled, classes, params.size)
        styles = encode_styles(network, images, params.size, autocast=fabric.autocast)
    config = {
        "fingerprint": mark,
        "size": params.size,
        "encoder": {"name": encoder.name, "scales": scales},
        "loss": loss.model_dump(mode="json"),
        "train": params.model_dump(mode="json", include=IN_CONFIG),
        "published": best_point(done.measures) if params.keep == "best" else [{"step": done.step}, *done.measures][-1],
        "camera": camera,
        "class_colours": class_colours,
    }
    pictures: dict[str, Path | bytes] = {
        "curves.csv": csv_bytes(curves),
        "measures.csv": measures_table(done.measures),
        "contact-sheet.png": sheet,
    }
    publish({**model_files(network, styles, config), **pictures}, out)
    publish(pictures, plots)
    if started:
        fabric.barrier()
    return TrainingResult(out, mark, without_step(curves[-1]), time.monotonic() - start)


@repeatable_kernels()
@memory_named("lower train.batch_size or train.crop")
def _train(fabric: Fabric, job: TrainingJob, logger: TrainingLogger | None) -> None:
    """Train to the last step and leave the final checkpoint in the work folder."""
    params = job.params
    saved = load_newest(job.work)
    if saved and saved[0].step == params.steps:
        return
    target = ShardSet(job.target, ["key", "image"])
    torch.manual_seed(params.seed)
    network = _network(job.model).to(fabric.device)

    def image(number: int) -> Tensor:
        pixels = whole_image(target[number], params.size, START_PIXELS)
        return to_tensor(pixels)[None].to(fabric.device)  # (1, 3, H, W)

    if params.fit:
        keep_features(network)
    first = range(min(FIRST_IMAGES, len(target)))
    if not saved:
        network.start_from(map(image, first[:1] if params.fit else first))  # what the fit replaces needs no measuring
        if params.fit:
            fit_styles(network, image, len(target))
        # Its losses are too small for float16 without the scaling of training's own steps.
        autocast = nullcontext if params.precision == "16-mixed" else fabric.autocast
        learn_styles(network, image, len(target), steps=params.warm_up, seed=params.seed, autocast=autocast)
    optimizer = torch.optim.Adam(network.parameters(), lr=params.learning_rate)
    encoder = load_encoder(job.encoder.name, job.encoder.weights).to(fabric.device)
    done = Progress()
    if saved:
        done, states = saved
        network.load_state_dict(states["network"])
        optimizer.load_state_dict(states["optimizer"])
        encoder.scales = torch.tensor(states["scales"], device=fabric.device)
        fabric.strategy.precision.load_state_dict(states["precision"])
    else:
        encoder.scales = measure_scales(encoder, map(image, first))
    best = saved[1].get("best") if saved else None
    average = WeightAverage(network, params.average, saved[1].get("average") if saved else None)
    module, optimizer = set_up(
        fabric, network, optimizer, encoder, training_precision(params), returning=params.returning_clamp
    )
    by_label = job.loss.regions == "labels"
    columns = ["key", "image", *(["label_train_ids"] if by_label else [])]
    labelled = ShardSet(job.target, columns)
    classes, typical = 0, None
    if by_label:
        classes, typical = measure_typical(
            encoder,
            labelled,
            size=params.size,
            layers=job.loss.style_layers,
            bands=job.loss.bands,
            device=fabric.device,
        )
    pairs = Pairs(
        ShardSet(job.source, columns),
        labelled,
        seed=params.seed,
        size=params.size,
        crop=params.crop,
        flip=params.flip,
        length=params.steps * params.batch_size,
        labels=by_label,
    )
    if fabric.is_global_zero:
        parameters = sum(p.numel() for p in network.parameters())
        say(f"Hierarchy Flow {job.model.expansions}, {parameters:,} parameters, on {fabric.device}")
        say(f"its newest pictures, at every checkpoint: {job.work / 'contact-sheet.png'}")
        if done.step:
            say(f"going on from step {done.step}")
    measured = params.measure_every and fabric.is_global_zero
    held_out = _held_out(job, fabric.device) if measured else None
    if held_out and not done.step:
        best = _measure(held_out, average.network, fabric.device, done, logger)
    showing = progress("train", params.steps, done=done.step, unit="steps")
    with showing if fabric.is_global_zero else nullcontext(lambda *_: None) as advance:
        for content, style, *ids in training_batches(fabric, pairs, params, done.step):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(params, done.step)
            masks = [label_masks(each, classes, job.loss.bands) for each in ids]
            regions = Regions(masks[0], masks[1], typical) if masks else None
            content = network.correct(content)
            losses = training_losses(module, encoder, content, style, loss_at(job.loss, done.step), regions)
            values = mean_over_processes(fabric, losses)
            if not all(math.isfinite(value) for value in values.values()):
                raise HflowError(diverged(done.step, values, job.work))
            optimizer.zero_grad(set_to_none=True)
            fabric.backward(losses["loss"])
            optimizer.step()
            average.update()
            done.step += 1
            _note(done, values, params, logger)
            if held_out and (done.step % params.measure_every == 0 or done.step == params.steps):
                best = _measure(held_out, average.network, fabric.device, done, logger) or best
            advance(1, f"loss {values['loss']:.4g}")
            if done.step % params.checkpoint_every == 0 or done.step == params.steps:
                if fabric.is_global_zero:
                    states = {
                        "network": network.state_dict(),
                        "optimizer": optimizer.state_dict(),
                        "precision": fabric.strategy.precision.state_dict(),
                        "scales": encoder.scales.tolist(),
                        **({"best": best} if best and params.keep == "best" else {}),
                        "average": average.state,
                    }
                    save_checkpoint(job.work, done, states)
                    if done.step == params.steps and "best" in states:
                        average.network.load_state_dict(states["best"])  # the last sheet shows what is published
                    _draw_sheet(job, average.network, job.work / "contact-sheet.png")
                    if logger:
                        logger.image("contact-sheet", job.work / "contact-sheet.png", done.step)
                fabric.barrier()


def _draw_sheet(job: TrainingJob, network: HierarchyFlow, place: Path) -> None:
    device = next(network.parameters()).device
    with atomic_path(place) as path:
        training_sheet(network, job.source, job.target, job.params.size, device).save(path, "PNG")


def _network(model: ModelParams) -> HierarchyFlow:
    return HierarchyFlow(model.expansions, model.guide, model.adain, model.correction)


def _finished(job: TrainingJob) -> tuple[Progress, HierarchyFlow, list[float]]:
    """What the training left in the work folder: its progress, the network, the encoder's scales."""
    saved = load_newest(job.work)
    assert saved is not None
    done, content = saved
    assert done.step == job.params.steps
    network = _network(job.model)
    network.load_state_dict(content["network"])
    shown = WeightAverage(network, job.params.average, content["average"]).network
    if job.params.keep == "best":
        shown.load_state_dict(content["best"])
    return done, shown.eval(), content["scales"]


def _note(done: Progress, values: Mapping[str, float], params: TrainParams, logger: TrainingLogger | None) -> None:
    for key, value in values.items():
        done.losses.setdefault(key, []).append(value)
    if logger and (done.step % params.log_every == 0 or done.step == params.steps):
        begin = (done.step - 1) // params.log_every * params.log_every
        logger.metrics(without_step(done.point(begin, done.step)), done.step)


def _held_out(job: TrainingJob, device: torch.device) -> HeldOut:
    judge = load_judge(job.params.judge, device=device) if job.params.judge else None
    return HeldOut(job.held_out, job.source, job.target, job.params.size, judge=judge, device=device)


def _measure(
    held_out: HeldOut, network: HierarchyFlow, device: torch.device, done: Progress, logger: TrainingLogger | None
) -> dict[str, Tensor] | None:
    """Note the measures of the network as it is; gives a copy of its weights where no point before was better."""
    values = held_out.measure(network, device)
    done.measures.append({"step": done.step, **values})
    if logger:
        logger.metrics(values, done.step)
    if best_point(done.measures)["step"] < done.step:
        return None
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
