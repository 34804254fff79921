"""train: resumed exactly, deterministic, one code for one process or several, stopped by a loss that is not finite."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import pytest
import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.precision import MixedPrecision
from PIL import Image

from hflow.foundation.errors import HflowError
from hflow.foundation.params import TrainParams
from hflow.model import HierarchyFlow
from hflow.model.correction import Correction
from hflow.model.store import load_model
from hflow.training import loop
from hflow.training.checkpoints import checkpoint_files
from tests.conftest import Project

ROOT = Path(__file__).parents[2]


def _weights(out: Path) -> bytes:
    return b"".join((out / "model" / name).read_bytes() for name in ("model.safetensors", "styles.safetensors"))


def test_training_leaves_a_model_its_curves_and_a_contact_sheet(project: Project, tmp_path: Path) -> None:
    result = project.train(tmp_path, log_every=2)
    model = load_model(tmp_path / "model")
    assert model.network.expansions == (2,)
    assert len(model.styles.keys) == 6
    rows = list(csv.DictReader((tmp_path / "plots" / "curves.csv").open()))
    assert [int(row["step"]) for row in rows] == [2, 4]
    assert float(rows[-1]["loss"]) == pytest.approx(
        float(rows[-1]["content"]) + 0.1 * float(rows[-1]["style"]), rel=1e-5
    )
    assert result.losses["loss"] == float(rows[-1]["loss"])
    assert Image.open(tmp_path / "plots" / "contact-sheet.png").width > 3 * 200


def test_training_sees_frames_corrected_as_translation_does(project: Project, tmp_path: Path) -> None:
    seen: list[Correction] = []

    def noted(images: torch.Tensor, correction: Correction) -> torch.Tensor:
        seen.append(correction)
        return images.sqrt()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hflow.model.hierarchy_flow.correct", noted)
        corrected = project.train(tmp_path / "corrected", correction="gamma").losses
    assert set(seen) == {"gamma"}
    assert load_model(tmp_path / "corrected/model").network.correction == "gamma"
    assert corrected["content"] != project.train(tmp_path / "plain").losses["content"]


class Onlooker:
    """Opens each contact sheet of a training when it is told of it, and reads it at the end."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.opened: list[BinaryIO] = []

    def begin(self, fingerprint: str) -> None: ...

    def metrics(self, values: Mapping[str, float], step: int) -> None: ...

    def image(self, key: str, path: Path, step: int) -> None:
        assert key == "contact-sheet"
        self.steps.append(step)
        self.opened.append(path.open("rb"))


def test_the_newest_contact_sheet_can_be_looked_at_during_training_and_is_replaced_whole(
    project: Project, tmp_path: Path
) -> None:
    onlooker = Onlooker()
    project.train(tmp_path, steps=6, checkpoint_every=2, learning_rate=0.01, logger=onlooker)
    assert onlooker.steps == [2, 4, 6]
    # What was opened before the file was replaced is whole still, and is the picture of its own step.
    pictures = {Image.open(file).convert("RGB").tobytes() for file in onlooker.opened}
    assert len(pictures) == 3
    for file in onlooker.opened:
        file.close()


@pytest.mark.parametrize("keep", ["last", "best"])
def test_a_training_killed_before_its_last_contact_sheet_ends_with_it(
    project: Project, tmp_path: Path, keep: str
) -> None:
    work = tmp_path / "work"
    project.train(tmp_path / "a", work=work, keep=keep, measure_every=2, learning_rate=0.01)
    (sheet,) = work.rglob("contact-sheet.png")
    sheet.unlink()
    project.train(tmp_path / "b", work=work, keep=keep, measure_every=2, learning_rate=0.01)
    sheet.unlink()  # what is published may be a link to it
    Image.new("RGB", (8, 8)).save(sheet)
    os.utime(sheet, (0, 0))  # that of an earlier checkpoint
    project.train(tmp_path / "c", work=work, keep=keep, measure_every=2, learning_rate=0.01)
    wanted, *found = (Image.open(tmp_path / name / "plots/contact-sheet.png").tobytes() for name in "abc")
    assert found == [wanted, wanted]


def test_a_rerun_gives_the_same_bytes(project: Project, tmp_path: Path) -> None:
    for name in ("a", "b"):
        project.train(tmp_path / name)
    assert _weights(tmp_path / "a") == _weights(tmp_path / "b")


def test_the_number_of_loading_workers_changes_no_byte(project: Project, tmp_path: Path) -> None:
    for workers in (0, 2):
        project.train(tmp_path / str(workers), workers=workers)
    assert _weights(tmp_path / "0") == _weights(tmp_path / "2")


def test_another_length_between_points_makes_the_curves_of_a_finished_training_again_and_trains_nothing(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def curves(out: Path) -> list[tuple[int, float]]:
        return [(int(row["step"]), float(row["loss"])) for row in csv.DictReader((out / "curves.csv").open())]

    work = tmp_path / "work"
    project.train(tmp_path / "each", work=work, log_every=1)
    monkeypatch.setattr("hflow.training.loop.training_losses", None)
    project.train(tmp_path / "some", work=work, log_every=3, workers=1, checkpoint_every=2, accelerator="auto")
    assert _weights(tmp_path / "each") == _weights(tmp_path / "some")
    each = [loss for _, loss in curves(tmp_path / "each/plots")]
    assert curves(tmp_path / "some/plots") == [(3, pytest.approx(sum(each[:3]) / 3)), (4, pytest.approx(each[3]))]
    assert curves(tmp_path / "some/model") == curves(tmp_path / "some/plots")


def test_a_training_killed_on_the_way_ends_in_the_same_bytes(project: Project, tmp_path: Path) -> None:
    """N + M steps with a kill -9 between them are N + M steps at once."""
    options = {"steps": 40, "checkpoint_every": 3, "log_every": 7}
    project.train(tmp_path / "whole", **options)
    code = (
        "import json, sys; from pathlib import Path; from tests.conftest import Project; "
        "Project(Path(sys.argv[1])).train(Path(sys.argv[2]), **json.loads(sys.argv[3]))"
    )
    command = [sys.executable, "-c", code, str(project.folder), str(tmp_path / "killed"), json.dumps(options)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    limit = time.monotonic() + 120
    while not list((tmp_path / "killed").glob("work/*/checkpoint-*.pt")):
        assert time.monotonic() < limit
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (work,) = (tmp_path / "killed" / "work").iterdir()
    reached = int(checkpoint_files(work)[-1].stem.split("-")[1])
    assert 0 < reached < 40
    assert not (tmp_path / "killed" / "model").exists()
    project.train(tmp_path / "killed", **options)
    assert _weights(tmp_path / "killed") == _weights(tmp_path / "whole")
    curves = [(tmp_path / name / "plots" / "curves.csv").read_text() for name in ("whole", "killed")]
    assert curves[0] == curves[1]


class Interrupter:
    """Stops a training after a step, as Ctrl-C does."""

    def __init__(self, step: int):
        self.step = step

    def begin(self, fingerprint: str) -> None: ...

    def metrics(self, _: Mapping[str, float], step: int) -> None:
        if step == self.step:
            raise KeyboardInterrupt

    def image(self, key: str, path: Path, step: int) -> None: ...


def _in_two_parts(project: Project, out: Path, monkeypatch: pytest.MonkeyPatch, **options: object) -> None:
    """Stop a training behind its checkpoint of step 6, and go on."""
    options = {"checkpoint_every": 3, "log_every": 1, **options}
    with pytest.raises(KeyboardInterrupt):
        project.train(out, logger=Interrupter(7), **options)
    with monkeypatch.context() as resumed:
        resumed.setattr(loop, "measure_scales", None)  # what was measured before the first step is read
        project.train(out, **options)


def test_what_a_fit_reads_of_an_image_is_not_trained_nor_after_a_stop(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _in_two_parts(project, tmp_path, monkeypatch, steps=8, fit=True)
    torch.manual_seed(0)
    untrained, trained = HierarchyFlow((2,)), load_model(tmp_path / "model").network
    *features, _, _ = trained.style_encoder
    for layer, before in zip(features, untrained.style_encoder, strict=False):
        assert all(torch.equal(a, b) for a, b in zip(layer.parameters(), before.parameters(), strict=True))
    assert not torch.equal(trained.couplings[0].fusion, untrained.couplings[0].fusion)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_training_stopped_on_the_way_ends_in_the_same_bytes_in_each_precision_of_a_cpu(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    options = {"steps": 10, "precision": precision}
    project.train(tmp_path / "whole", **options)
    _in_two_parts(project, tmp_path / "stopped", monkeypatch, **options)
    assert _weights(tmp_path / "stopped") == _weights(tmp_path / "whole")


def test_the_scale_of_float16_is_taken_up_where_it_was(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins so large that the first gradients are infinite and their steps left out, as they would be again."""

    def fabric(_: TrainParams) -> Fabric:
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40, backoff_factor=2.0**-8)
        return Fabric(accelerator="cpu", devices=1, plugins=MixedPrecision("16-mixed", "cpu", scaler))

    monkeypatch.setattr(loop, "training_fabric", fabric)
    project.train(tmp_path / "whole", steps=10)
    _in_two_parts(project, tmp_path / "stopped", monkeypatch, steps=10)
    assert _weights(tmp_path / "stopped") == _weights(tmp_path / "whole")


def test_a_damaged_checkpoint_falls_back_to_the_one_before(project: Project, tmp_path: Path) -> None:
    options = {"steps": 6, "checkpoint_every": 2}
    project.train(tmp_path / "a", **options)
    expected = _weights(tmp_path / "a")
    (work,) = (tmp_path / "a" / "work").iterdir()
    newest = checkpoint_files(work)[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    project.train(tmp_path / "a", **options)
    assert _weights(tmp_path / "a") == expected


def test_two_processes_train_what_one_does(project: Project, tmp_path: Path) -> None:
    """A batch is the same pairs however many processes share it; sums of floats may differ in the last bits."""
    # In bfloat16 the last bits are a thousandth, and a fault would hide in them.
    results = [project.train(tmp_path / str(n), devices=n, precision="32-true") for n in (1, 2)]
    assert results[0].losses == pytest.approx(results[1].losses, rel=1e-4)
    image = torch.rand(1, 3, 24, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        one, two = (load_model(tmp_path / name / "model").network(image, image) for name in ("1", "2"))
    assert (one - two).abs().max() < 1 / 255


def test_a_loss_that_is_not_finite_stops_with_the_step_and_the_last_good_checkpoint(
    project: Project, tmp_path: Path
) -> None:
    with pytest.raises(HflowError, match=r"not finite at step \d+ .*checkpoint-\d+\.pt.*train\.learning_rate"):
        project.train(tmp_path, steps=50, learning_rate=1e30, checkpoint_every=1)
    assert not (tmp_path / "model").exists()


def test_missing_shards_are_an_error_that_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(HflowError, match="hflow prepare"):
        Project(tmp_path).train(tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_said_in_one_line(project: Project, tmp_path: Path) -> None:
    with pytest.raises(HflowError, match=r"^there is no device 'cuda' here .*set it to auto, cpu or cuda$"):
        project.train(tmp_path, accelerator="cuda")
