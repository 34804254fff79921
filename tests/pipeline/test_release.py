"""Releases against a real MLflow store: aliases, the gate, rollback, two at once, models by URI."""

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import torch
import yaml
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from PIL import Image

from hflow.commands.compare import compare
from hflow.datasets.images import encode_png
from hflow.datasets.manifest import ManifestWriter
from hflow.datasets.shards import PREPARED_SCHEMA, image_value, write_shard
from hflow.datasets.training_sets import TrainingSet, replacing_sets
from hflow.foundation.atomic_files import write_json
from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import fingerprint, sha256_file
from hflow.foundation.params import Params
from hflow.foundation.project_root import project_root
from hflow.model.store import load_model
from hflow.pipeline import outputs, stages
from hflow.pipeline.models import exact_name, find_model, translating_model
from hflow.pipeline.release import release, rollback
from hflow.presets import preset_text
from hflow.registry import turns
from hflow.registry.client import connect
from hflow.registry.versions import Registry, fetch_model
from hflow.translation.translator import Translator
from tests.databases import Databases
from tests.models import write_model
from tests.pictures import random_picture
from tests.servers import free_port

PROTOCOL = {"steps": 3, "validation_sha256": fingerprint([]), "classes": ["road", "sky"], "training_frames": 4}


@pytest.fixture
def params(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """A project's folder, current, with a store of its own."""
    monkeypatch.chdir(tmp_path)
    databases.mlflow(tmp_path / "mlflow.db")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    return Params.model_validate(
        {
            "data": {"source": {"root": "a", "layout": "gta"}, "target": {"root": "b", "layout": "gta"}},
            "prepare": {"size": [32, 32]},
            "train": {"steps": 1},
            "release": {"name": "town", "margin": 0.01, "tolerance": 0.02},
        }
    )


def _ran(seed: int, translated: float, *, source: float = 0.3, lost: int = 0) -> None:
    """Leave what a run of the pipeline leaves, with these scores."""
    model = load_model(write_model(outputs.MODEL, seed))
    row = {"key": "0", "split": "val", "source_sha256": "0"}
    frame = _frame() | {"source_sha256": "0"}
    write_shard(_folder(outputs.PREPARED / "source/val") / "shard-0.parquet", [frame], PREPARED_SCHEMA)
    sets = {
        "source": TrainingSet("source", {Path("a"): "a"}),
        "translated": TrainingSet("translated", {Path("b"): f"{seed}"}, {"model": model.sha256}),
    }
    with replacing_sets(outputs.SETS, *sets.values()):
        pass
    for name, score in (("source", source), ("translated", translated)):
        made_from = {"training_set": sets[name].sha256, "code": "c"}
        said = {"mIoU": score, "pxAcc": score, "clsAcc": score, "IoU": {}, "seeds": [{"seed": 0, "mIoU": score}]}
        said |= {"protocol": PROTOCOL, "made_from": made_from}
        write_json(outputs.SEGMENTATION / f"{name}.json", {"train_on": name, **said})
    rows = [row | {"status": "translated", "ssim": 0.9, "model_sha256": model.sha256}]
    outputs.TRANSLATED.mkdir(parents=True, exist_ok=True)
    with ManifestWriter(outputs.TRANSLATED / "manifest.parquet", ["road"]) as manifest:
        manifest.write(rows)
    write_json(outputs.PREPARED / "stats.json", {"source/train": {"given": 1 + lost}})
    translated_sha256 = sha256_file(outputs.TRANSLATED / "manifest.parquet")
    write_json(outputs.EVALUATION, {"model": {"sha256": model.sha256}, "data": {"translated": translated_sha256}})
    outputs.EVALUATE_PLOTS.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(outputs.EVALUATE_PLOTS / "before-after.png")


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def _frame() -> dict[str, Any]:
    """A prepared frame without a label."""
    image = image_value(encode_png(random_picture(0)), "0.png")
    none = image_value(None, "0.png")
    sizes = {"width": 48, "height": 24}
    return {"key": "0", "image": image, "label": none, "label_train_ids": none, **sizes, "source_path": "0.png"}


def _champion(params: Params) -> str | None:
    champion = Registry(params.tracking, "town").champion()
    return champion and champion.number


def test_the_first_model_that_passes_is_champion_with_its_lineage(params: Params) -> None:
    _ran(0, 0.4)
    assert release(params)["champion"]
    client = MlflowClient(f"sqlite:///{project_root()}/mlflow.db")
    version = client.get_model_version_by_alias("town", "champion")
    assert version.version == client.get_model_version_by_alias("town", "challenger").version
    assert version.tags["mIoU.translated"] == "0.4000"
    assert version.tags["model_sha256"] == load_model(outputs.MODEL).sha256
    assert {"git.commit", "params", "data.source", "data.target", "data.prepared"} <= version.tags.keys()
    assert client.get_run(version.run_id).data.tags["hflow.model"] == "made from seed 0"
    assert any(
        a.path.endswith("contact-sheet.png")
        for a in client.list_artifacts(version.run_id, version.source.split("/")[-1])
    )


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ("training set", TrainingSet("translated", {Path("b"): "another"})),
        ("model", TrainingSet("translated", {Path("b"): "0"}, {"model": "another"})),
        ("source", TrainingSet("translated", {Path("b"): "0"}, {"source": "another"})),
        ("validation set", None),
    ],
)
def test_a_model_is_not_promoted_on_scores_of_something_else(
    params: Params, changed: str, what: TrainingSet | None
) -> None:
    _ran(0, 0.4)
    if what:
        with replacing_sets(outputs.SETS, what):
            pass
    else:
        write_shard(_folder(outputs.PREPARED / "target/val") / "shard-0.parquet", [_frame()], PREPARED_SCHEMA)
    with pytest.raises(HflowError, match=rf"another {changed} than there is now: run `hflow"):
        release(params)


@pytest.mark.usefixtures("params")
def test_a_model_trained_anew_is_not_promoted_on_the_scores_of_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stages themselves, on a miniature: train, translate, release, and no segment between them."""
    monkeypatch.setattr(stages, "find_spec", lambda _: None)
    values = yaml.safe_load(preset_text("town"))
    values["town"] = {"seed": 0, "source": 4, "target_train": 2, "target_val": 2, "size": [64, 32]}
    values["prepare"] |= {"size": [64, 32], "shard_size": 4}
    values["model"]["variant"] = [2]
    values["train"] |= {"steps": 1, "warm_up": 0, "fit": False, "crop": [32, 32]}
    values["segment"] |= {"train_on": ["source", "translated"], "steps": 1, "batch_size": 2}
    town = Params.model_validate(values)
    for stage in (stages.town, stages.prepare, stages.train, stages.translate):
        stage(town)
    for name in town.segment.train_on:
        stages.segment(town, name)
    release(town)
    values["train"]["seed"] = 1
    anew = Params.model_validate(values)
    stages.train(anew)
    with pytest.raises(HflowError, match="was not made by the model in models/hflow: run `hflow translate` again"):
        release(anew)
    stages.translate(anew)
    for judged in (release, stages.evaluate):
        with pytest.raises(HflowError, match=r"scores of another training set .* run `hflow segment translated` again"):
            judged(anew)
    stages.segment(anew, "translated")
    assert release(anew)["version"] == "2"


def test_a_picture_of_other_frames_does_not_go_with_the_version(params: Params) -> None:
    _ran(0, 0.4)
    write_json(outputs.EVALUATION, {"model": {"sha256": "another"}})
    version = release(params)["version"]
    client = MlflowClient(f"sqlite:///{project_root()}/mlflow.db")
    found = client.get_model_version("town", version)
    assert found.run_id
    kept = client.list_artifacts(found.run_id, found.source.split("/")[-1])
    assert not any(a.path.endswith("contact-sheet.png") for a in kept)


def test_a_worse_model_stays_challenger_and_the_refusal_says_by_how_much(params: Params) -> None:
    _ran(0, 0.4)
    release(params)
    _ran(1, 0.37)
    outcome = release(params)
    assert not outcome["champion"]
    assert "0.0100 short" in outcome["gate/champion"]
    assert _champion(params) == "1"
    challenger = Registry(params.tracking, "town").challenger()
    assert challenger is not None
    assert challenger.number == "2"


def test_the_same_release_again_registers_nothing(params: Params) -> None:
    _ran(0, 0.4)
    release(params)
    assert release(params)["outcome"] == "is the champion already"
    assert len(MlflowClient(f"sqlite:///{project_root()}/mlflow.db").search_model_versions("name='town'")) == 1


def test_a_lost_frame_closes_the_gate(params: Params) -> None:
    _ran(0, 0.4, lost=1)
    assert "1 lost" in release(params)["outcome"]
    assert _champion(params) is None


def test_rollback_gives_the_alias_back_and_the_version_does_not_return_by_itself(params: Params) -> None:
    for seed, score in ((0, 0.4), (1, 0.41)):
        _ran(seed, score)
        release(params)
    assert rollback(params) == {"model": "town", "was": "2", "champion": "1"}
    assert "rolled back" in release(params)["outcome"]
    assert _champion(params) == "1"
    with pytest.raises(HflowError, match="first champion"):
        rollback(params)


def test_of_two_releases_at_once_one_wins(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both register and are judged against the same champion before either promotes."""
    _ran(0, 0.4)
    release(params)
    barrier = threading.Barrier(2)
    promote = Registry.promote

    def together(self: Registry, *args: object, **options: object) -> None:
        barrier.wait()
        promote(self, *args, **options)

    monkeypatch.setattr(Registry, "promote", together)
    results: list[object] = []

    def run() -> None:
        try:
            results.append(release(params)["champion"])
        except HflowError as error:
            results.append(str(error))

    threads = []
    for seed in (1, 2):
        _ran(seed, 0.4 + seed / 100)
        threads.append(threading.Thread(target=run))
        threads[-1].start()
        while len(connect(params.tracking).search_model_versions("name='town'")) < seed + 1:
            threads[-1].join(0.1)
    for thread in threads:
        thread.join()
    assert results.count(True) == 1
    assert "became champion while this release was under way" in next(str(r) for r in results if r is not True)


def test_a_turn_left_by_a_dead_process_is_passed_over(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "LEASE", 0.5)
    client = MlflowClient(f"sqlite:///{project_root()}/mlflow.db")
    client.create_registered_model("town.lock")
    client.create_model_version("town.lock", "nowhere")
    _ran(0, 0.4)
    assert release(params)["champion"]


def test_a_release_is_judged_only_where_the_registry_says_who_is_champion(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise MlflowException("the database is away")

    _ran(0, 0.4)
    monkeypatch.setattr(MlflowClient, "get_model_version_by_alias", fails)
    with pytest.raises(HflowError, match=r"doesn't say which version is champion \(the database is away\)"):
        release(params)


def test_a_model_is_fetched_by_its_uri_and_translates_as_the_folder_does(params: Params, tmp_path: Path) -> None:
    _ran(0, 0.4)
    release(params)
    frames = torch.rand(1, 3, 32, 40)
    expected = Translator(load_model(outputs.MODEL))(frames)
    for uri in ("models:/town@champion", "models:/town/1"):
        folder = fetch_model(uri, params.tracking, cache=tmp_path / "cache")
        assert torch.equal(Translator(load_model(folder))(frames), expected)


@pytest.mark.parametrize("uri", ["models:/town@nobody", "models:/town/7", "models:/town"])
def test_a_model_that_is_not_registered_is_named(params: Params, uri: str) -> None:
    with pytest.raises(HflowError, match=uri):
        find_model(uri, params)


def test_the_pipeline_gets_the_champion_as_a_folder_that_changes_with_it(params: Params) -> None:
    champion = params.model_copy(
        update={"translate": params.translate.model_copy(update={"model": "models:/town@champion"})}
    )
    for seed in (0, 1):
        _ran(seed, 0.4)
        release(params)
        stages.fetch(champion)
        assert load_model(Path("models:/town@champion")).sha256 == load_model(outputs.MODEL).sha256
        assert exact_name("models:/town@champion", Path("models:/town@champion")) == f"models:/town/{seed + 1}"
    with pytest.raises(HflowError, match="nothing to release"):
        release(champion)


def test_translating_asks_the_registry_and_says_which_version_it_takes_where_that_is_away(
    params: Params, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    translate = params.translate.model_copy(update={"model": "models:/town@champion"})
    champion = params.model_copy(update={"translate": translate})
    for seed in (0, 1):
        _ran(seed, 0.4)
        release(params)
        assert load_model(translating_model(champion)).sha256 == load_model(outputs.MODEL).sha256
    capsys.readouterr()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    assert load_model(translating_model(champion)).sha256 == load_model(outputs.MODEL).sha256
    assert "models:/town@champion is version 2 here, fetched before" in capsys.readouterr().err
    shutil.rmtree("models:")
    with pytest.raises(HflowError, match="can't be reached"):
        translating_model(champion)


def test_two_registered_versions_are_compared(params: Params, tmp_path: Path) -> None:
    for seed in (0, 1):
        _ran(seed, 0.4)
        release(params)
    write_json(outputs.PREPARED / "stats.json", {"classes": ["road"]})
    compare("models:/town/1", "models:/town/2", out=tmp_path / "compare", device="cpu")
    page = (tmp_path / "compare/index.html").read_text()
    assert "<h1>models:/town/1 (A) and models:/town/2 (B)</h1>" in page
    assert "1 of 1 frames differ" in page


def test_a_released_model_is_loaded_by_mlflow(params: Params) -> None:
    _ran(0, 0.4)
    release(params)
    uri = f"sqlite:///{project_root()}/mlflow.db"
    source = MlflowClient(uri).get_model_version_by_alias("town", "champion").source
    frame = np.full((20, 24, 3), 99, np.uint8)
    assert mlflow.pyfunc.load_model(source).predict(frame).shape == frame.shape
    assert json.loads((Path(source.removeprefix("file://")) / "artifacts/hflow/config.json").read_text())["expansions"]
