"""A dataset that was translated, once for the tests of a module."""

from pathlib import Path

import pytest

from hflow.foundation.params import TranslateParams
from hflow.model.store import load_model
from hflow.translation.dataset import translate_dataset
from tests.conftest import Project


@pytest.fixture(scope="module")
def dataset(project: Project, model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    translate_dataset(
        load_model(model_folder),
        TranslateParams(device="cpu"),
        prepared=project.prepared,
        out=folder / "translated",
        sets=project.sets,
        work=folder / "work",
    )
    return folder / "translated"
