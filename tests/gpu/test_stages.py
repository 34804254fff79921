"""The stages on a GPU: a training killed and resumed, a dataset translated, the segmenter, two processes at once."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from hflow.datasets.images import decode_rgb
from hflow.datasets.shards import read_rows, shard_files
from hflow.datasets.training_sets import TrainingSet
from hflow.foundation.hashes import sha256_file
from hflow.foundation.params import EncoderParams, SegmentParams
from hflow.model.store import load_model
from hflow.segmentation.downstream import segment
from tests.conftest import Project
from tests.models import write_model
from tests.translations import bytes_of, translate

ROOT = Path(__file__).parents[2]
STEPS = {"steps": 20, "checkpoint_every": 2}
TRAIN = """
import json, sys
from pathlib import Path
from hflow.foundation.params import EncoderParams
from tests.conftest import Project
folder, out, encoder, options = sys.argv[1:]
Project(Path(folder)).train(Path(out), encoder=EncoderParams(weights=encoder), **json.loads(options))
"""
TRANSLATE = """
import sys
from pathlib import Path
from hflow.model.store import load_model
from tests.conftest import Project
from tests.translations import translate
project, model, out, device = sys.argv[1:]
translate(Project(Path(project)), load_model(Path(model)), Path(out), device=device)
"""


def _started(code: str, *arguments: object) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, stderr=subprocess.DEVNULL)


def _pixels(out: Path) -> dict[str, np.ndarray]:
    rows = (row for shard in shard_files(out / "translated" / "train") for row in read_rows(shard))
    return {row["key"]: decode_rgb(row["image"]["bytes"]).astype(int) for row in rows}


@pytest.mark.gpu
def test_a_training_killed_on_the_way_ends_in_the_same_bytes(
    gpu: torch.device, project: Project, encoder: EncoderParams, tmp_path: Path
) -> None:
    options = {**STEPS, "accelerator": gpu.type}
    project.train(tmp_path / "whole", encoder=encoder, **options)
    process = _started(TRAIN, project.folder, tmp_path / "killed", encoder.weights, json.dumps(options))
    limit = time.monotonic() + 120
    while not list((tmp_path / "killed").glob("work/*/checkpoint-*.pt")):
        assert time.monotonic() < limit
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    project.train(tmp_path / "killed", encoder=encoder, **options)
    models = [bytes_of(tmp_path / name / "model") for name in ("whole", "killed")]
    for name in ("model.safetensors", "styles.safetensors", "curves.csv"):
        assert models[0][name] == models[1][name], name


def test_a_dataset_is_translated_as_a_cpu_does_it(device: torch.device, project: Project, tmp_path: Path) -> None:
    model = load_model(write_model(tmp_path / "model"))
    translate(project, model, tmp_path / "cpu", device="cpu", precision="fp32")
    translate(project, model, tmp_path / "there", device=str(device), precision="fp32", batch_size=3)
    wanted, found = _pixels(tmp_path / "cpu"), _pixels(tmp_path / "there")
    assert len(wanted) == 12
    assert wanted.keys() == found.keys()
    assert max(abs(wanted[key] - found[key]).max() for key in wanted) <= 1


@pytest.mark.gpu
def test_two_processes_translate_on_one_gpu_to_the_same_bytes(
    gpu: torch.device, project: Project, tmp_path: Path
) -> None:
    model = write_model(tmp_path / "model")
    processes = [_started(TRANSLATE, project.folder, model, tmp_path / name, gpu) for name in ("one", "two")]
    assert [process.wait(timeout=150) for process in processes] == [0, 0]
    one, two = (bytes_of(tmp_path / name / "translated") for name in ("one", "two"))
    assert one == two


def test_the_segmenter_learns_and_is_scored(device: torch.device, project: Project, tmp_path: Path) -> None:
    training = TrainingSet(
        "source", {path: sha256_file(path) for path in shard_files(project.prepared / "source" / "train")}
    )
    scores = segment(
        SegmentParams(steps=2, batch_size=2, device=str(device), workers=0),
        training_set=training,
        validation=shard_files(project.prepared / "target" / "val"),
        classes=("road", "sky", "car"),
        out=tmp_path / "scores.json",
        work=tmp_path / "work",
    )
    assert math.isfinite(scores["seeds"][0]["curve"][-1][1])
    assert 0 <= scores["mIoU"] <= 1


@pytest.mark.gpu
def test_a_registered_model_answers(gpu: torch.device, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    from hflow.registry.serving import save_translator

    save_translator(write_model(tmp_path / "model"), tmp_path / "saved")
    frame = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
    answers = []
    for device in ("cpu", str(gpu)):
        model = mlflow.pyfunc.load_model(str(tmp_path / "saved"), model_config={"device": device})
        answers.append(model.predict(frame).astype(int))
    assert abs(answers[0] - answers[1]).max() <= 4
