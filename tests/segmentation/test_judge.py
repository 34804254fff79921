"""The judge: learns what is to be seen, and is the same after it was saved and loaded."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hflow.datasets.images import decode_ids, decode_rgb
from hflow.datasets.shards import read_rows, shard_files
from hflow.datasets.tensors import to_tensor
from hflow.foundation.errors import HflowError
from hflow.segmentation.judge import Judge, load_judge, save_judge
from hflow.segmentation.judge_training import train_judge
from tests.conftest import Project

CLASSES = ["road", "sky", "car"]


def _shards(project: Project) -> list[Path]:
    return [path for domain in ("source", "target") for path in shard_files(project.prepared / domain / "train")]


@pytest.fixture(scope="module")
def judge(project: Project) -> Judge:
    return train_judge(_shards(project), CLASSES, steps=40, batch_size=6)


def test_a_judge_learns_the_labels(project: Project, judge: Judge) -> None:
    right = counted = 0
    for path in _shards(project):
        for row in read_rows(path):
            seen = judge.predict(to_tensor(decode_rgb(row["image"]["bytes"]))[None])[0]
            truth = torch.from_numpy(decode_ids(row["label_train_ids"]["bytes"]).astype("int64"))
            assert seen.shape == truth.shape
            right += int((seen == truth).sum())
            counted += truth.numel()
    assert right / counted > 0.7


def test_a_judge_that_was_saved_sees_the_same(judge: Judge, tmp_path: Path) -> None:
    saved = save_judge(judge, tmp_path / "judge")
    loaded = load_judge(tmp_path / "judge")
    images = torch.rand(2, 3, 24, 32)
    assert torch.equal(loaded.predict(images), judge.predict(images))
    assert (loaded.classes, loaded.sha256) == (tuple(CLASSES), saved.sha256)
    assert {p.suffix for p in (tmp_path / "judge").iterdir()} == {".safetensors", ".json"}


def test_a_judge_says_what_it_was_trained_on_and_one_of_before_does_not(judge: Judge, tmp_path: Path) -> None:
    save_judge(replace(judge, trained_on="target"), tmp_path / "judge")
    assert load_judge(tmp_path / "judge").trained_on == "target"
    config = json.loads((tmp_path / "judge" / "judge.json").read_text())
    del config["trained_on"]
    (tmp_path / "judge" / "judge.json").write_text(json.dumps(config))
    assert load_judge(tmp_path / "judge").trained_on == ""


def test_a_judge_is_written_over_a_judge_and_over_nothing_else(judge: Judge, tmp_path: Path) -> None:
    for _ in range(2):
        save_judge(judge, tmp_path / "judge")
    (tmp_path / "judge" / "verdicts.csv").touch()
    with pytest.raises(HflowError, match="judge holds something else already"):
        save_judge(judge, tmp_path / "judge")
    assert (tmp_path / "judge" / "verdicts.csv").is_file()


def test_the_same_seed_gives_the_same_judge(project: Project) -> None:
    first, again = (train_judge(_shards(project), CLASSES, steps=2, seed=3).network.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_what_is_no_judge_is_refused_by_name(judge: Judge, tmp_path: Path) -> None:
    with pytest.raises(HflowError, match=r"none/judge\.safetensors is missing"):
        load_judge(tmp_path / "none")
    save_judge(judge, tmp_path / "judge")
    (tmp_path / "judge" / "judge.json").write_text('{"network": "os.system", "classes": ["road", "sky"]}')
    with pytest.raises(HflowError, match=r"os\.system"):
        load_judge(tmp_path / "judge")
    (tmp_path / "judge" / "judge.json").write_text('{"network": "lraspp_mobilenet_v3_large", "classes": ["road"]}')
    with pytest.raises(HflowError, match="not a whole judge"):
        load_judge(tmp_path / "judge")


def test_a_judge_without_labels_is_an_error() -> None:
    with pytest.raises(HflowError, match="labelled frames"):
        train_judge([], CLASSES, steps=1)
