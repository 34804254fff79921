"""How long the stages took: each timing is filed under a file that its stage made."""

from pathlib import Path

from hflow.foundation.params import Params
from hflow.foundation.timings import Timing, Watch, read_timing, write_timing
from hflow.pipeline.outputs import MODEL, SEGMENTATION, SETS, TRANSLATED, work_folder

__all__ = ["RESULTS", "file_timing", "start_watch", "steps_saved", "timings"]

RESULTS = {
    "prepare": SETS / "source.json",
    "train": MODEL / "config.json",
    "translate": TRANSLATED / "manifest.parquet",
}
"""A file of each stage that is another one where the stage's result is; a timing is filed under it."""


def start_watch(stage: str) -> Watch:
    """Begin to time a run of this stage."""
    return Watch(work_folder(stage))


def file_timing(stage: str, watch: Watch, frames: int, device: str | None = None) -> None:
    """End the timing of a run and file it.

    Args:
        stage: its name; `segment NAME` for the downstream training on a set.
        watch: what `start_watch` gave.
        frames: how many frames the run worked on; none, and the earlier timing stays.
        device: where it ran, as params.yaml names it; without one, on the CPU without torch.
    """
    write_timing(work_folder("timings"), _result(stage), watch.stop(frames, _machine(device) if device else "cpu"))


def timings(params: Params) -> dict[str, Timing]:
    """How long the stages took whose results are here, by name; those that ran elsewhere are not in it."""
    stages = [*RESULTS, *(f"segment {name}" for name in params.segment.train_on)]
    if Path(params.translate.model) != MODEL:
        stages.remove("train")
    found = {stage: read_timing(work_folder("timings"), _result(stage)) for stage in stages}
    return {stage: timing for stage, timing in found.items() if timing}


def steps_saved() -> dict[str, int]:
    """The newest checkpoint's step of every training in the work folder, by the training's fingerprint."""
    from hflow.training.checkpoints import checkpoint_files

    folders = [folder for folder in work_folder("train").glob("*") if checkpoint_files(folder)]
    return {folder.name: int(checkpoint_files(folder)[-1].stem.rpartition("-")[2]) for folder in folders}


def _result(stage: str) -> Path:
    name = stage.removeprefix("segment ")
    return RESULTS[stage] if name == stage else SEGMENTATION / f"{name}.json"


def _machine(device: str) -> str:
    """The device of this name as a reader knows it: a GPU by its model, a CPU with the threads that are used."""
    from hflow.foundation.devices import machine_marks, pick_device

    where = pick_device(device)
    name, threads = machine_marks(where)[1:3]
    return f"{name}, {threads} thread{'s' if threads > 1 else ''}" if where.type == "cpu" else str(name)
