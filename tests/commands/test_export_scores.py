"""The card of the project's own frames has what `hflow segment` scored, while it is of the data that are there."""

import json
from pathlib import Path
from typing import Any

import pytest

from hflow.commands.export import task_scores
from hflow.datasets.shards import shard_files
from hflow.datasets.training_sets import read_training_set
from hflow.foundation.hashes import fingerprint, sha256_file
from hflow.foundation.params import Params, load_params
from hflow.model.store import TrainedModel
from tests.conftest import Project
from tests.translations import translate

SCORED = {"source": 0.4, "translated": 0.5}


@pytest.fixture
def params(given: Project, model: TrainedModel, monkeypatch: pytest.MonkeyPatch) -> Params:
    """A project whose two training sets are scored; it is the current folder."""
    root = given.folder
    (root / "data").mkdir()
    translate(given, model, root / "data")
    given.prepared.rename(root / "data/prepared")
    given.sets.rename(root / "data/sets")
    monkeypatch.chdir(root)
    described = root / "data/sets/translated.json"
    described.write_text(described.read_text().replace(f"{root}/", ""))
    for path in (root / "data/sets").iterdir():
        path.write_text(path.read_text().replace(str(given.prepared), "data/prepared"))
    for name, miou in SCORED.items():
        _score(root / f"metrics/segment/{name}.json", name, miou)
    (root / "params.yaml").write_text((Path(__file__).parents[2] / "params.yaml").read_text())
    return load_params(root / "params.yaml")


def _score(path: Path, name: str, miou: float) -> None:
    validation = fingerprint([sha256_file(shard) for shard in shard_files(Path("data/prepared/target/val"))])
    values: dict[str, Any] = {"train_on": name, "mIoU": miou, "pxAcc": 0.9, "clsAcc": 0.9, "IoU": {"road": miou}}
    values |= {"seeds": [{"seed": 0, "mIoU": miou}], "protocol": {"validation_sha256": validation}}
    values |= {"made_from": {"training_set": read_training_set(Path(f"data/sets/{name}.json")).sha256}}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))


def test_only_scores_of_the_present_data_are_told(params: Params) -> None:
    found = task_scores(params, Path("data/translated"))
    assert {name: score.miou for name, score in found.items()} == SCORED
    assert not task_scores(params, Path("data"))
    outdated = json.loads(Path("metrics/segment/source.json").read_text())
    outdated["protocol"]["validation_sha256"] = "another"
    Path("metrics/segment/source.json").write_text(json.dumps(outdated))
    assert task_scores(params, Path("data/translated")).keys() == {"translated"}
