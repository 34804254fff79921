"""What a project's own store names by absolute paths is found after the project has moved."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

from hflow.foundation.params import TrackingParams
from hflow.registry.client import connect, experiment_id
from hflow.registry.moved_project import follow_project
from tests.databases import Databases

PARAMS = TrackingParams(experiment="town", uri="sqlite:///mlflow.db")


@pytest.fixture
def run(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a run, with an artifact and a registered version, in a store in tmp_path/first."""
    for name in ("MLFLOW_TRACKING_URI", "DVC_ROOT"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "first").mkdir()
    databases.mlflow(tmp_path / "first/mlflow.db")
    monkeypatch.chdir(tmp_path / "first")
    client = connect(PARAMS)
    made = client.create_run(experiment_id(client, PARAMS))
    client.log_text(made.info.run_id, "said", "model/said.txt")
    client.create_registered_model("town")
    client.create_model_version("town", f"{made.info.artifact_uri}/model", made.info.run_id)
    return str(made.info.run_id)


def test_artifacts_go_with_the_project(run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.move(tmp_path / "first", tmp_path / "second")
    monkeypatch.chdir(tmp_path / "second")
    version = connect(PARAMS).get_model_version("town", "1")
    for source in (version.source, f"runs:/{run}/model"):
        folder = Path(download_artifacts(source, tracking_uri=f"sqlite:///{tmp_path}/second/mlflow.db"))
        assert (folder / "said.txt").read_text() == "said"


def test_a_copy_of_a_project_leaves_the_first_one_alone(
    run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    for name in ("second", "first"):
        monkeypatch.chdir(tmp_path / name)
        there = connect(PARAMS).get_run(run).info.artifact_uri
        assert there == (tmp_path / name / f"mlartifacts/town/{run}/artifacts").as_uri()


def test_artifacts_that_lie_elsewhere_stay_where_they_are(run: str, tmp_path: Path) -> None:
    shutil.move(tmp_path / "first/mlflow.db", tmp_path / "alone.db")
    follow_project(tmp_path / "alone.db")
    there = MlflowClient(f"sqlite:///{tmp_path}/alone.db").get_run(run).info.artifact_uri
    assert there.startswith((tmp_path / "first/mlartifacts").as_uri())


def test_a_file_that_is_no_store_is_left_alone(tmp_path: Path) -> None:
    follow_project(tmp_path / "none.db")
    (tmp_path / "empty.db").touch()
    follow_project(tmp_path / "empty.db")
    assert (tmp_path / "empty.db").read_bytes() == b""


@pytest.mark.usefixtures("run")
def test_an_experiment_is_shown_as_one_of_trainings_unless_someone_has_said_otherwise() -> None:
    client = connect(PARAMS)
    town = experiment_id(client, PARAMS)
    client.set_experiment_tag(town, "mlflow.experimentKind", "genai_development_inferred")
    experiment_id(client, PARAMS)
    assert client.get_experiment(town).tags["mlflow.experimentKind"] == "custom_model_development"
    client.set_experiment_tag(town, "mlflow.experimentKind", "finetuning")
    experiment_id(client, PARAMS)
    assert client.get_experiment(town).tags["mlflow.experimentKind"] == "finetuning"
