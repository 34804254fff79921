"""Images without labels get them from a segmenter, of a first round of training or given, for the loss."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from hflow.commands.cli import app
from hflow.datasets.images import decode_ids
from hflow.datasets.shards import read_rows, shard_files
from hflow.datasets.verification import verify
from hflow.foundation.errors import HflowError
from hflow.foundation.locks import exclusive
from hflow.foundation.params import Params
from hflow.pipeline import stages
from hflow.pipeline.outputs import FIRST_ROUND, FRAMES, PREPARED, work_folder
from hflow.presets import preset_text
from hflow.segmentation.judge import Judge, save_judge
from hflow.segmentation.networks import segmentation_network
from hflow.training import loop
from hflow.training.loop import TrainingResult
from tests.projects import SMALL


@pytest.fixture
def values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, object]]:
    """The town's parameters in miniature, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").touch()
    found: dict[str, dict[str, object]] = yaml.safe_load(preset_text("town"))
    for section, changes in SMALL.items():
        found[section] |= changes
    found["train"] |= {"steps": 2, "accelerator": "cpu"}
    return found


def test_without_being_asked_the_stage_leaves_no_labels(values: dict[str, dict[str, object]]) -> None:
    assert stages.first_round(Params.model_validate(values)) == {"images": 0, "labelled": 0.0}
    assert [path.name for path in FIRST_ROUND.iterdir()] == ["no-labels.json"]


def test_a_first_round_beside_another_is_refused(values: dict[str, dict[str, object]]) -> None:
    values["loss"]["target_labels"] = str(FIRST_ROUND)
    with (
        exclusive(work_folder("first_round")),
        pytest.raises(HflowError, match=r"\.hflow/first_round is being written by process"),
    ):
        stages.first_round(Params.model_validate(values))


def test_the_second_round_compares_class_by_class_by_the_first_rounds_labels(
    values: dict[str, dict[str, object]],
) -> None:
    values["loss"] |= {"regions": "labels", "target_labels": str(FIRST_ROUND), "label_threshold": 0.2}
    params = Params.model_validate(values)
    stages.town(params)
    stages.prepare(params)
    photographs = shard_files(PREPARED / "target" / "train")
    counts = stages.first_round(params)
    rows = [row for shard in shard_files(FIRST_ROUND / "train") for row in read_rows(shard)]
    assert counts["images"] == len(rows) == sum(1 for shard in photographs for _ in read_rows(shard))
    assert counts["labelled"] > 0
    assert not verify(FIRST_ROUND).faults
    given = {row["key"]: row["label_train_ids"]["bytes"] for shard in photographs for row in read_rows(shard)}
    assert all((decode_ids(row["label_train_ids"]["bytes"]) != decode_ids(given[row["key"]])).any() for row in rows)
    first = json.loads(Path(".hflow/first_round/model/config.json").read_text())
    stages.train(params)
    second = json.loads(Path("models/hflow/config.json").read_text())
    assert first["loss"]["regions"] == "none"
    assert second["loss"]["regions"] == "labels"
    assert second["class_colours"] != {}


def test_a_training_compares_frames_by_the_labels_that_a_given_segmenter_saw_in_them(
    values: dict[str, dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    values["loss"] |= {"regions": "labels", "source_labels": str(FRAMES)}
    params = Params.model_validate(values)
    stages.town(params)
    stages.prepare(params)
    name = "lraspp_mobilenet_v3_large"
    classes = params.data.classes
    save_judge(Judge(segmentation_network(name, len(classes)).eval(), name, classes), Path("models/given/judge"))
    Path("params.yaml").write_text(yaml.safe_dump(values))
    command = ["label", "--of", "source", "--by", "models/given/judge", "--threshold", "0", "--device", "cpu"]
    done = CliRunner().invoke(app, command)
    assert (done.exit_code, done.exception) == (0, None)
    assert not verify(FRAMES).faults
    labelled, prepared = (
        [row["key"] for file in shard_files(folder / "train") for row in read_rows(file)]
        for folder in (FRAMES, PREPARED / "source")
    )
    assert labelled == prepared != []
    seen: dict[str, Any] = {}
    learn = loop.train

    def noted(*given: Any, **named: Any) -> TrainingResult:
        seen.update(named)
        return learn(*given, **named)

    monkeypatch.setattr(loop, "train", noted)
    stages.train(params)
    assert (seen["source"], seen["target"]) == (shard_files(FRAMES / "train"), shard_files(PREPARED / "target/train"))
