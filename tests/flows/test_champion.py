"""A version that becomes champion starts the making of a dataset, on a Prefect server and an MLflow server."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mlflow import MlflowClient
from prefect.client.orchestration import SyncPrefectClient
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.champion import automate_production, tell_of_champion
from flows.translate_folder import translate_folder
from hflow.datasets.manifest import MANIFEST, read_manifest
from hflow.foundation.hashes import sha256_file
from hflow.foundation.params import load_params
from hflow.pipeline.release import BECAME_CHAMPION
from hflow.presets import preset_text
from hflow.registry.versions import Registry
from tests.databases import Databases
from tests.models import write_model
from tests.pictures import write_folder
from tests.servers import free_port, served

pytestmark = pytest.mark.end_to_end


@contextmanager
def _own_connection() -> Iterator[None]:
    """The process keeps the connection for events that it made first, whichever server it is asked for later."""
    EventsWorker.drain_all(timeout=30, at_exit=False)
    yield
    EventsWorker.drain_all(timeout=30, at_exit=False)


def test_a_new_champion_translates_the_frames_and_each_names_the_other(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(preset_text("town"))
    write_folder(Path("frames"), 2)
    prefect, mlflow = f"http://127.0.0.1:{free_port()}/api", f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow)
    monkeypatch.setenv("PREFECT_HOME", str(databases.prefect(tmp_path / "prefect")))
    for_prefect = ["prefect", "server", "start", "--no-ui", "--port", prefect.removesuffix("/api").rpartition(":")[2]]
    store = f"sqlite:///{databases.mlflow(tmp_path / 'mlflow.db')}"
    for_mlflow = ["mlflow", "server", "--port", mlflow.rpartition(":")[2], "--workers", "1"]
    for_mlflow += ["--backend-store-uri", store]
    with (
        served(*for_prefect, url=f"{prefect}/health", log=tmp_path / "prefect.log", seconds=300),
        served(*for_mlflow, url=f"{mlflow}/health", log=tmp_path / "mlflow.log", seconds=300),
        temporary_settings({PREFECT_API_URL: prefect}),
        _own_connection(),
        SyncPrefectClient(prefect) as client,
    ):
        deployment = translate_folder.to_deployment("translate").apply()
        for _ in range(2):
            automate_production(client, deployment, frames="frames", datasets="datasets")
        registry = Registry(load_params().tracking, "town")
        version = registry.register(write_model(Path("model")), "{}", same="s", tags={}, text="A text.", pictures={})
        registry.promote(version, over=None)
        tell_of_champion({"model": "town", "version": "1", "outcome": "stays challenger: similarity"})
        tell_of_champion({"model": "town", "version": version.number, "outcome": BECAME_CHAMPION})
        end = time.monotonic() + 120
        while not (runs := client.read_flow_runs()):
            assert time.monotonic() < end, (tmp_path / "prefect.log").read_text()[-3000:]
            time.sleep(0.2)
        (run,) = runs
        assert run.deployment_id == deployment
        translate_folder(**run.parameters)
        card, manifest = Path("datasets/town-1/README.md").read_text(), Path("datasets/town-1") / MANIFEST
        assert "model: models:/town/1, hash" in card
        assert {row["model"] for row in read_manifest(manifest, fill=True).rows} == {"models:/town/1"}
        said = f"- dataset `datasets/town-1`: sha256 {sha256_file(manifest)[:12]}, 2 given, 2 translated"
        description = MlflowClient(mlflow).get_model_version("town", "1").description
        assert description.startswith("A text.")
        assert said in description
