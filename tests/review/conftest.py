"""Twelve translated frames that a judge has seen, to be reviewed."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hflow.datasets.manifest import MANIFEST
from hflow.datasets.verdicts import Verdicts
from hflow.model.store import TrainedModel
from hflow.review.frames import Review, choose_frames
from tests.conftest import Project
from tests.translations import translate


@dataclass(frozen=True)
class Translated:
    """A translated dataset and what it was made of. The consistency of frame N is a hundredth of 7 N modulo 12."""

    folder: Path
    prepared: Path

    def review(self, count: int = 100, judged: Verdicts | None = None) -> Review:
        return choose_frames(self.folder, self.prepared, count, judged or Verdicts())


@pytest.fixture(scope="session")
def translated(project: Project, model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Translated:
    out = tmp_path_factory.mktemp("to-review")
    from hflow.model.store import load_model

    model: TrainedModel = load_model(model_folder)
    translate(project, model, out, sets=out / "sets")
    path = out / "translated" / MANIFEST
    table = pq.read_table(path)
    seen = pa.array([int(key) * 7 % 12 / 100 for key in table["key"].to_pylist()], pa.float32())
    table = table.set_column(table.schema.get_field_index("consistency"), "consistency", seen)
    pq.write_table(table, path, write_page_checksum=True)
    return Translated(out / "translated", project.prepared)
