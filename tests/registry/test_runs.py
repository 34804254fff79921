"""A tracking server that is away stops nothing, and hears everything later."""

import json
import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient

from hflow.commands.cli import end_on_sigterm
from hflow.foundation.atomic_files import write_json
from hflow.foundation.contact_sheet import contact_sheet
from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import fingerprint
from hflow.foundation.params import ModelParams, Params, TrainParams
from hflow.pipeline import outputs, stages
from hflow.registry.run_link import find_run_page, trainings_page
from hflow.registry.run_writer import MAIN
from hflow.registry.runs import TrainingRun, hand_in, log_scores
from hflow.registry.versions import Registry
from hflow.reports.evaluation_files import run_summary
from tests.browser import running_browser
from tests.conftest import CLASSES, Project
from tests.databases import Databases
from tests.evaluations import an_evaluation
from tests.models import write_model
from tests.servers import free_port, served

SCORES = {
    "mIoU": 0.5,
    "pxAcc": 0.6,
    "clsAcc": 0.7,
    "IoU": {"road": 0.5, "car (parked)": 0.4},
    "seeds": [{"seed": 0, "mIoU": 0.5}],
    "self_training": {
        "mIoU": 0.6,
        "seeds": [{"seed": 0, "mIoU": 0.6}],
        "protocol": {"rounds": 1},
        "photographs_sha256": "p",
    },
    "protocol": {"steps": 3},
    "made_from": {"training_set": "a", "code": "b"},
}


def _train(params: Params, *, until: str = "end") -> None:
    """What a training tells its logger."""
    run = TrainingRun(params, {"prepared": Path("prepared")})
    run.begin(fingerprint(params.model_dump(mode="json")))
    for step in (1, 2, 3):
        run.metrics({"loss": 1 / step}, step)
    run.image("contact-sheet", Path("plots/sheet.png"), 3)
    if until == "end":
        run.finish(write_model(Path("model")), "made from seed 0", Path("plots"))


def _look(of_list: str, of_run: str) -> None:
    """MLflow's pages in a browser: the list says which training was which, the run shows its picture."""
    with running_browser() as browser:
        page = browser.new_page(viewport={"width": 2000, "height": 900})
        page.goto(of_list)
        row = page.get_by_role("row").filter(has_text="prepared unknown")
        row.wait_for()
        assert {"0.5", "0.9", "hflow train"} <= set(row.inner_text().split("\n"))
        page.goto(of_run)
        picture = page.locator('a[href*="contact-sheet-step-000003"] img')
        picture.wait_for()
        page.wait_for_function("image => image.naturalHeight == 88", arg=picture.element_handle())
        page.get_by_text("mIoU 0.5000, SSIM 0.9000").wait_for()
        page.get_by_text("step 3", exact=True).wait_for()
        assert not page.get_by_text("Show more").is_visible(), "the picture is hidden until someone asks for more"


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """A project's folder, current, whose tracking server is not up."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    (tmp_path / "plots").mkdir()
    row = [np.zeros((120, 240, 3), np.uint8)] * 3
    contact_sheet([row] * 4, ["content", "style", "translated"]).save("plots/sheet.png")
    return Params.model_validate(
        {
            "data": {"source": {"root": "a", "layout": "gta"}, "target": {"root": "b", "layout": "gta"}},
            "prepare": {"size": [32, 32]},
            "train": {"steps": 3},
            "tracking": {"experiment": "town", "uri": f"http://127.0.0.1:{free_port()}"},
        }
    )


def test_training_goes_on_without_the_server_and_says_so_once(
    params: Params, capsys: pytest.CaptureFixture[str]
) -> None:
    start = time.monotonic()
    _train(params)
    assert time.monotonic() - start < 10
    said = capsys.readouterr().err
    assert said.count("can't be reached") == 1
    assert "waits in" in said
    assert find_run_page(params.tracking, Path("model")) is None
    assert len(list(Path(".hflow/tracking").glob("*.jsonl"))) == 1


def test_no_message_and_no_entry_has_the_password_of_the_server(
    params: Params, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://somebody:sEcret99@127.0.0.1:{free_port()}")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "sEcret98")
    _train(params)
    with pytest.raises(HflowError, match=r"^MLflow at http://127\.0\.0\.1:\d+ can't be reached") as raised:
        Registry(params.tracking, "town")
    (waiting,) = Path(".hflow/tracking").glob("*.jsonl")
    assert "sEcret9" not in f"{raised.value}{waiting.read_text()}{''.join(capfd.readouterr())}"


def test_the_main_figures_are_named_as_the_summary_has_them() -> None:
    assert MAIN.keys() <= run_summary(an_evaluation()).keys()


def test_parameters_are_logged_without_credentials(
    params: Params, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    databases.mlflow(Path("mlflow.db"))
    translate = params.translate.model_copy(update={"model": "https://somebody:sEcret99@host/model"})
    params = params.model_copy(update={"translate": translate})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    _train(params)
    assert not list(Path(".hflow/tracking").glob("*.jsonl"))
    (run,) = MlflowClient("sqlite:///mlflow.db").search_runs(["1"])
    assert run.data.params["translate.model"] == "https://host/model"
    assert "sEcret99" not in str(run.to_dictionary())


def test_what_mlflow_refuses_holds_up_nothing(
    params: Params, databases: Databases, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = f"sqlite:///{databases.mlflow(Path.cwd() / 'mlflow.db')}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    poisoned = Path(".hflow/tracking/early.jsonl")
    poisoned.parent.mkdir(parents=True)
    write_model(Path("model"))
    write_json(Path("scores.json"), SCORES)
    scores = {"translated": SCORES | {"protocol": {"a (b)": 1}}}
    entry = {"what": "scores", "time": 0, "model": "made from seed 0", "scores": scores}
    poisoned.write_text(json.dumps(entry) + '\n{"what": "of another version"}\n')
    log_scores(params, Path("model"), {"translated": Path("scores.json")})
    assert not list(Path(".hflow/tracking").glob("*.jsonl"))
    assert len(Path(".hflow/tracking/early.refused").read_text().splitlines()) == 2
    assert "scores was refused (Invalid value" in capsys.readouterr().err
    runs = MlflowClient(store).search_runs(["1"])
    found = {run.info.status: run.data.metrics for run in runs if run.info.run_name == "segment translated"}
    assert found["FAILED"] == {}
    assert found["FINISHED"]["IoU/car _parked_"] == 0.4
    assert found["FINISHED"]["mIoU self-trained"] == 0.6


@pytest.mark.end_to_end
def test_what_waited_is_handed_in_by_the_next_run(params: Params, capsys: pytest.CaptureFixture[str]) -> None:
    _train(params)
    write_json(Path("scores.json"), SCORES)
    figures = {"given": 3.0, "mIoU/translated": 0.5, "ssim": 0.9}
    log_scores(params, Path("model"), {"translated": Path("scores.json")}, figures=figures)
    port = params.tracking.uri.rpartition(":")[2]
    store = ["--backend-store-uri", f"sqlite:///{Path.cwd()}/server.db", "--artifacts-destination", "artifacts"]
    command = ["mlflow", "server", "--host", "127.0.0.1", "--port", port, "--workers", "1", *store]
    with served(*command, url=f"{params.tracking.uri}/health", log=Path.cwd() / "log"):
        assert hand_in(params.tracking) == 7
        assert "handed in to MLflow" in capsys.readouterr().err
        assert not list(Path(".hflow/tracking").glob("*.jsonl"))
        client = MlflowClient(params.tracking.uri)
        experiment = client.get_experiment_by_name("town")
        assert experiment is not None
        runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
        [name] = runs.keys() - {"segment translated"}
        training = runs[name]
        assert training.data.metrics["mIoU"] == 0.5
        assert training.data.metrics["SSIM"] == 0.9
        assert "mIoU 0.5000, SSIM 0.9000" in training.data.tags["mlflow.note.content"]
        assert training.info.status == "FINISHED"
        assert [m.step for m in client.get_metric_history(training.info.run_id, "loss")] == [1, 2, 3]
        assert {"model", "plots", "images"} <= {a.path for a in client.list_artifacts(training.info.run_id)}
        assert runs["segment translated"].data.tags["mlflow.parentRunId"] == training.info.run_id
        pages = f"{params.tracking.uri}/#/experiments/{experiment.experiment_id}/runs"
        page = f"{pages}/{training.info.run_id}?workflowType=machine_learning"
        assert find_run_page(params.tracking, Path("model")) == (training.info.run_id, page)
        of_list = f"{pages}?viewStateShareKey=trainings&workflowType=machine_learning"
        assert trainings_page(params.tracking) == of_list
        if shutil.which("chromium"):
            _look(of_list, page)
        _train(params, until="killed")
        _train(params)
        again = client.search_runs([experiment.experiment_id], f"attributes.run_name = '{name}'")
        assert [run.info.status for run in again] == ["FINISHED", "FINISHED"]


@pytest.mark.parametrize(
    ("number", "raised", "status"),
    [
        (signal.SIGINT, KeyboardInterrupt, "KILLED"),
        (signal.SIGTERM, SystemExit, "KILLED"),
        (0, HflowError, "FAILED"),
    ],
    ids=["Ctrl-C", "SIGTERM", "crops too large"],
)
def test_a_training_that_is_stopped_was_killed_and_one_with_a_fault_has_failed(
    number: int,
    raised: type[BaseException],
    status: str,
    params: Params,
    project: Project,
    databases: Databases,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = f"sqlite:///{databases.mlflow(Path.cwd() / 'mlflow.db')}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    shutil.copytree(project.prepared, outputs.PREPARED)
    settings = {"steps": 10_000, "warm_up": 2, "crop": (24, 16), "batch_size": 2, "log_every": 1, "workers": 0}
    settings |= {"accelerator": "cpu"} if number else {"crop": (640, 640)}
    changed = {"train": TrainParams.model_validate(settings), "model": ModelParams(variant=(2,))}
    changed["data"] = params.data.model_copy(update={"classes": tuple(CLASSES)})

    def end() -> None:
        while not any(run.data.metrics for run in MlflowClient(store).search_runs(["1"])):
            time.sleep(0.1)
        os.kill(os.getpid(), number)

    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits that it is ignored
    end_on_sigterm()
    try:
        if number:
            threading.Thread(target=end, daemon=True).start()
        with pytest.raises(raised):
            stages.train(params.model_copy(update=changed))
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    (run,) = MlflowClient(store).search_runs(["1"])
    assert run.info.status == status
    assert not list(Path(".hflow/tracking").glob("*.jsonl"))


def test_a_training_that_goes_on_from_its_checkpoint_goes_on_in_its_run_whatever_else_has_changed(
    params: Params, project: Project, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = f"sqlite:///{databases.mlflow(Path.cwd() / 'mlflow.db')}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    shutil.copytree(project.prepared, outputs.PREPARED)
    settings = {"steps": 4, "crop": (24, 16), "batch_size": 2, "log_every": 1, "checkpoint_every": 2, "warm_up": 0}
    data = params.data.model_copy(update={"classes": tuple(CLASSES)})

    def train(**changed: Any) -> None:
        given = TrainParams.model_validate({**settings, "accelerator": "cpu", **changed})
        stages.train(params.model_copy(update={"train": given, "model": ModelParams(variant=(2,)), "data": data}))

    metrics = TrainingRun.metrics

    def stop(self: TrainingRun, values: Mapping[str, float], step: int) -> None:
        metrics(self, values, step)
        if step == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(TrainingRun, "metrics", stop)
        with pytest.raises(KeyboardInterrupt):
            train()
    params = params.model_copy(update={"translate": params.translate.model_copy(update={"seed": 7})})
    train(checkpoint_every=4)
    client = MlflowClient(store)
    (run,) = client.search_runs(["1"])
    assert run.info.status == "FINISHED"
    assert [point.step for point in client.get_metric_history(run.info.run_id, "loss")] == [1, 2, 3, 3, 4]


def test_a_run_in_a_dvc_experiment_has_its_name(
    params: Params, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    databases.mlflow(Path("mlflow.db"))
    local = params.model_copy(update={"tracking": params.tracking.model_copy(update={"uri": "sqlite:///mlflow.db"})})
    _train(local)
    monkeypatch.setenv("DVC_EXP_NAME", "lucid-quay")
    _train(local.model_copy(update={"train": local.train.model_copy(update={"seed": 1})}))
    client = MlflowClient(f"sqlite:///{Path.cwd()}/mlflow.db")
    experiment = client.get_experiment_by_name("town")
    assert experiment is not None
    named, other = (run.info.run_name for run in client.search_runs([experiment.experiment_id]))
    assert named == "lucid-quay"
    assert re.fullmatch("train hf, 3 steps, [0-9a-f]{7}", other)


@pytest.mark.end_to_end
def test_a_server_that_turns_the_client_away_is_named_with_its_reason(params: Params, databases: Databases) -> None:
    """MLflow answers /health to everyone, and 403 to the rest where the Host header is not among those allowed."""
    port = params.tracking.uri.rpartition(":")[2]
    database = f"sqlite:///{databases.mlflow(Path.cwd() / 'server.db')}"
    store = ["--backend-store-uri", database, "--allowed-hosts", f"mlflow.example:{port}"]
    command = ["mlflow", "server", "--host", "127.0.0.1", "--port", port, "--workers", "1", *store]
    with (
        served(*command, url=f"{params.tracking.uri}/health", log=Path.cwd() / "log"),
        pytest.raises(HflowError, match=r"403 .*Invalid Host header"),
    ):
        Registry(params.tracking, "town")
