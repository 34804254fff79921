"""What would end a later stage, found before the first one runs."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from hflow.datasets.layouts.base import RawDataset
from hflow.datasets.samples import Size, look_at_sample, unread_fault
from hflow.datasets.training_sets import parts_of
from hflow.foundation.errors import HflowError
from hflow.foundation.evenly_spaced import evenly_spaced
from hflow.foundation.params import Params
from hflow.pipeline.given_files import misplaced_files
from hflow.pipeline.models import is_registered
from hflow.pipeline.outputs import FIRST_ROUND, MODEL

__all__ = ["run_faults"]

HEADERS = 400
POOLED = {"relu1_1": 1, "relu2_1": 2, "relu3_1": 4, "relu4_1": 8}
"""How many pixels of the image a pixel of each layer of the VGG is high."""


def run_faults(params: Params, opened: Mapping[str, RawDataset]) -> list[str]:
    """What some stage would refuse: parameters that the raw datasets, the files or the devices here don't go with.

    Of frames that keep their own size the headers of some hundred are read, evenly spaced; some are encoded, to see
    whether the disk has room for all.

    Args:
        params: all of params.yaml.
        opened: the raw datasets that are there, by domain: "source", "target".

    Returns:
        A line a fault; none where no stage has a reason to refuse.
    """
    return [
        *_missing_files(params),
        *misplaced_files(params),
        *_carry_faults(params, opened),
        *_training_faults(params, opened),
        *_style_faults(params, opened),
        *_label_faults(params, opened),
        *_device_faults(params),
        *_disk_faults(params, opened),
    ]


def _disk_faults(params: Params, opened: Mapping[str, RawDataset]) -> Iterator[str]:
    from hflow.pipeline.disk_needs import room_fault, run_bytes

    fault = room_fault(run_bytes(params, opened))
    if fault:
        yield fault


def _missing_files(params: Params) -> Iterator[str]:
    if params.encoder.weights and not params.encoder.weights.is_file():
        yield f"encoder.weights is {params.encoder.weights}, which is missing"
    for name, judge in (("train.judge", params.train.judge), ("translate.judge", params.translate.judge)):
        if judge and not judge.is_dir():
            yield f"{name} is {judge}, which is missing: `hflow judge` makes one"
    reject = params.translate.reject
    if reject and not reject.is_file():
        yield f"translate.reject is {reject}, which is missing: `hflow verdicts` makes it"
    loss = params.loss
    for domain, labels in (("source", loss.source_labels), ("target", loss.target_labels)):
        if labels and labels != FIRST_ROUND and not labels.is_dir():
            yield f"loss.{domain}_labels is {labels}, which is missing: `hflow label {labels} --of {domain}` makes it"
    model = params.translate.model
    if not is_registered(model) and Path(model) != MODEL and not Path(model).is_dir():
        yield f"translate.model is {model}, which is missing: name a model's folder, or {MODEL} for the one trained"


def _carry_faults(params: Params, opened: Mapping[str, RawDataset]) -> Iterator[str]:
    size, source = params.prepare.size, opened.get("source")
    if source is None or not source.carried or size == "native":
        return
    other = next((found for found in _sizes(source) if found != tuple(size)), None)
    if other:
        yield (
            f"prepare.size is {size[0]}x{size[1]}, there are frames of {other[0]}x{other[1]}, and what "
            "data.source.carry names is not resized: set prepare.size to native"
        )


def _training_faults(params: Params, opened: Mapping[str, RawDataset]) -> Iterator[str]:
    train, loss = params.train, params.loss
    if Path(params.translate.model) != MODEL:
        return
    sizes = {train.size or params.prepare.size} - {"native"} or {s for raw in opened.values() for s in _sizes(raw)}
    known = [size for size in sizes if isinstance(size, tuple)]
    if train.crop:
        for width, height in known:
            if train.crop[0] > width or train.crop[1] > height:
                yield (
                    f"train.crop is {train.crop[0]}x{train.crop[1]}, and there are images of {width}x{height}: make it "
                    "smaller or set train.size"
                )
                break
        known = [train.crop]
    elif len(known) > 1 and train.batch_size > train.devices:
        yield "train.batch_size is over 1, and the images differ in size: set train.size or train.crop, or 1"
    rows = min((height // POOLED[layer] for _, height in known for layer in loss.style_layers), default=loss.bands)
    if rows < loss.bands:
        yield f"loss.bands is {loss.bands}, and the features of a layer in loss.style_layers are {rows} pixels high"


def _sizes(raw: RawDataset) -> Iterator[Size]:
    """Of images in the training split, as their headers say it."""
    labelled = "train" in raw.labelled
    sound = [sample for sample in raw.splits["train"] if unread_fault(raw, sample, labelled=labelled) is None]
    for sample in evenly_spaced(sound, HEADERS):
        try:
            yield look_at_sample(raw, sample, labelled=labelled)
        except HflowError:  # prepare rejects it
            continue


def _style_faults(params: Params, opened: Mapping[str, RawDataset]) -> Iterator[str]:
    from hflow.translation.style_choice import StyleChoice

    keys = {name: [s.key for s in raw.splits["train"] if s.image] for name, raw in opened.items()}
    styles = keys.get("target", [""]) if Path(params.translate.model) == MODEL else [""]
    grouped = params.translate if styles != [""] else params.translate.model_copy(update={"style_group": None})
    try:
        choice = StyleChoice(grouped, styles, np.zeros((len(styles), 1), np.float32))
        for key in keys.get("source", ()):
            choice.drawn_for(key)
    except HflowError as error:
        yield str(error)


def _label_faults(params: Params, opened: Mapping[str, RawDataset]) -> Iterator[str]:
    """Training sets without labels, and nothing to score on."""
    source, target = opened.get("source"), opened.get("target")
    if params.loss.target_labels == FIRST_ROUND and source and "train" not in source.labelled:
        yield f"loss.target_labels is {FIRST_ROUND}, and data.source has no labels to learn from: give them, or null"
    if not params.segment.train_on:
        return
    if target and "val" not in target.labelled:
        yield "the target has no labelled validation set (data.target.val): give one, or set segment.train_on to []"
    for name in params.segment.train_on:
        domains = {"target" if part == "target" else "source" for part in parts_of(name)}
        raws = [opened.get(domain) for domain in domains]
        if all(raw and "train" not in raw.labelled for raw in raws):
            named = " and ".join(f"data.{domain}" for domain in sorted(domains))
            yield f"segment.train_on names {name}, and {named} has no labels: give them, or take it out"


def _device_faults(params: Params) -> Iterator[str]:
    """Devices that this machine doesn't have; torch is asked only where one is named."""
    for section, name in (("translate", params.translate.device), ("segment", params.segment.device)):
        if name not in ("auto", "cpu"):
            from hflow.foundation.devices import pick_device

            try:
                pick_device(name)
            except HflowError as error:
                yield f"{section}.device: {error}"
    if Path(params.translate.model) == MODEL and params.train.accelerator not in ("auto", "cpu"):
        from hflow.training.precision import training_fabric

        try:
            training_fabric(params.train)
        except HflowError as error:
            yield str(error)
