"""What several tests need: two small prepared domains, and a trained model of them."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from hflow.datasets.preparation import prepare
from hflow.datasets.shards import shard_files
from hflow.foundation.params import DataParams, EncoderParams, LossParams, ModelParams, PrepareParams, TrainParams
from hflow.model.correction import Correction
from hflow.model.store import TrainedModel, load_model
from hflow.training import camera_fit
from hflow.training.logger import TrainingLogger
from hflow.training.loop import TrainingResult, train
from tests.databases import Databases
from tests.pictures import write_cityscapes, write_gta
from tests.stores import S3, s3_server
from tests.translations import bytes_of, translate

# Some tests fork, and a forked process has none of the threads that OpenMP believes in: with several it would wait.
torch.set_num_threads(1)

# How long an example may take is a matter of what else the machine does.
settings.register_profile("hflow", deadline=None)
settings.load_profile("hflow")

# Of a training of four steps, more than half would be the fitting of the camera.
camera_fit.FRAMES = 2


CLASSES = ["road", "sky", "car"]
LONGEST = (
    "pipeline/test_pipeline.py",
    "flows/test_deployments.py",
    "flows/test_translate.py",
    "registry/test_runs.py",
    "training/test_processes.py",
    "engines/test_dask.py",
    "training/test_held_out.py",
    "flows/test_stopping.py",
    "pipeline/test_release.py",
    "engines/test_many_machines.py",
    "flows/test_proxy.py",
    "engines/test_clusters.py",
    "docs/test_notebook.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that several workers end at about the same time."""

    def place(item: pytest.Item) -> int:
        name = f"{item.path.parent.name}/{item.path.name}"
        return LONGEST.index(name) if name in LONGEST else len(LONGEST)

    items.sort(key=place)


@dataclass(frozen=True)
class Project:
    """Where a small project's data are."""

    folder: Path

    @property
    def prepared(self) -> Path:
        return self.folder / "prepared"

    @property
    def sets(self) -> Path:
        return self.folder / "sets"

    def train(
        self,
        out: Path,
        *,
        work: Path | None = None,
        logger: TrainingLogger | None = None,
        encoder: EncoderParams | None = None,
        correction: Correction = "none",
        **options: object,
    ) -> TrainingResult:
        """Train the smallest network on it, into out/model and out/plots."""
        settings = {
            "steps": 4,
            "warm_up": 2,
            "batch_size": 2,
            "crop": (24, 16),
            "learning_rate": 1e-3,
            "accelerator": "cpu",
        }
        return train(
            ModelParams(variant=(2,), correction=correction),
            encoder or EncoderParams(),
            LossParams(),
            TrainParams.model_validate({**settings, **options}),
            source=shard_files(self.prepared / "source" / "train"),
            target=shard_files(self.prepared / "target" / "train"),
            classes=CLASSES,
            out=out / "model",
            plots=out / "plots",
            work=work or out / "work",
            logger=logger,
        )


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Databases:
    """New databases of Prefect and MLflow, to be copied."""
    return Databases(tmp_path_factory)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """A real S3 server."""
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Twelve frames and six target images of 32x24, prepared; read it, don't write to it."""
    folder = tmp_path_factory.mktemp("project")
    data = DataParams.model_validate(
        {
            "source": {"root": write_gta(folder / "gta", 12), "layout": "gta"},
            "target": {
                "root": write_cityscapes(folder / "cs", [("train", 6), ("val", 3)]),
                "layout": "cityscapes",
            },
            "classes": CLASSES,
        }
    )
    params = PrepareParams(size=(32, 24), shard_size=2)
    prepare(data, params, out=folder / "prepared", sets=folder / "sets", work=folder / "work")
    return Project(folder)


@pytest.fixture(scope="session")
def model_folder(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained on the project for a few steps."""
    out = tmp_path_factory.mktemp("trained")
    project.train(out)
    return out / "model"


@pytest.fixture(scope="module")
def model(model_folder: Path) -> TrainedModel:
    return load_model(model_folder)


@pytest.fixture
def given(project: Project, tmp_path: Path) -> Project:
    """The prepared frames, to be broken."""
    shutil.copytree(project.prepared, tmp_path / "given" / "prepared")
    shutil.copytree(project.sets, tmp_path / "given" / "sets")
    return Project(tmp_path / "given")


@pytest.fixture(scope="module")
def undisturbed(project: Project, model: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a run gives that nothing disturbs."""
    out = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(project.sets, out / "sets")
    translate(project, model, out, sets=out / "sets")
    return bytes_of(out / "translated")
