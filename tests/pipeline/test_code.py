"""What DVC is told that a stage depends on, held against what the stage runs and reads."""

import ast
import importlib
import pkgutil
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import yaml

from hflow.foundation import code_fingerprint
from hflow.foundation.errors import HflowError
from hflow.foundation.params import Params
from hflow.pipeline import stages
from hflow.pipeline.code import STAGES, write_code_marks
from hflow.pipeline.given_files import READ_BY, given_hashes
from hflow.presets import preset_names, preset_text

ROOT = Path(__file__).parents[2]
PIPELINES = ("dvc.yaml", "data/dvc.yaml")
NAMED = {stage.__name__: stage for stage in STAGES}

CHANGE_NO_BYTE = {
    "prepare": {"prepare.workers"},
    "first_round": {
        *("train.workers", "train.checkpoint_every", "train.log_every", "train.measure_every", "train.judge"),
        *("train.keep", "translate.model", "translate.styles", "translate.class_colours", "translate.judge"),
        *("translate.workers", "translate.engine", "translate.devices", "translate.scheduler", "segment.workers"),
        "translate.cluster",
        *("translate.min_consistency", "translate.reject", "translate.style", "translate.strength"),
        *("segment.train_on", "segment.self_training"),
    },
    "train": {"train.workers", "train.checkpoint_every", "data.source.root", "data.target.root"},  # roots: for MLflow
    "translate": {
        *("translate.workers", "translate.engine", "translate.devices", "translate.scheduler", "translate.cluster"),
        "tracking",
    },
    "baselines": {"baselines.workers"},
    "segment": {"segment.train_on", "segment.workers"},  # the set's own file is a dependency
    "evaluate": {"translate.model", "tracking"},  # the model's folder is a dependency
}
"""Parameters that a stage reads and that say where or how fast it runs, or what MLflow is told."""


BESIDE = (
    "hflow.foundation.timings.",
    "hflow.foundation.atomic_files.write_json",
    "hflow.foundation.atomic_files.write_text",
)
"""Every stage has a watch, and notes that it runs: no result shows it but the report its times."""


def _declared() -> Iterator[tuple[str, dict[str, Any]]]:
    for name in PIPELINES:
        yield from yaml.safe_load((ROOT / name).read_text())["stages"].items()


RUN = {name: stage for name, stage in _declared() if name in NAMED}


def _calls(stage: dict[str, Any]) -> set[str]:
    """The functions of hflow.pipeline.stages that a stage's command calls, by the flow's or the command's source."""
    module, *arguments = stage["cmd"].removeprefix("python -m ").split()
    if module == "hflow":
        tree = ast.parse((ROOT / "hflow/commands/cli.py").read_text())
        tree = next(
            node
            for node in tree.body
            if isinstance(node, ast.FunctionDef) and node.name == arguments[0].replace("-", "_")
        )
    else:
        tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text())
    called = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {f.attr for f in called if isinstance(f, ast.Attribute) and ast.unparse(f.value) == "stages"}


def test_every_stage_depends_on_the_code_that_its_command_runs() -> None:
    for name, stage in _declared():
        for called in _calls(stage):
            assert f"data/code/{called}.json" in stage["deps"], name
    assert RUN.keys() == NAMED.keys()
    assert NAMED.keys() | {"fetch"} == set(stages.__all__)


def _reads(name: str) -> set[str]:
    """The parameters that a stage reads: `translate.seed`, or all of a section that it hands on."""
    found: set[str] = set()
    reached, _ = code_fingerprint._reach(f"{stages.__name__}.{name}")
    for module, statements in reached.items():
        if module.name.startswith("hflow.pipeline."):
            for node in (node for statement in statements for node in ast.walk(statement)):
                if isinstance(node, ast.Attribute) and (text := ast.unparse(node)).startswith("params."):
                    found.add(text.removeprefix("params.").removesuffix(".model_copy"))
    # params.town is given a name first.
    whole = {key for key in found if not any(other.startswith(f"{key}.") for other in found) or key in _handed_on(name)}
    fields = {section: field.annotation.model_fields for section, field in Params.model_fields.items()}
    return {full for key in whole for full in ([f"{key}.{k}" for k in fields[key]] if key in fields else [key])}


def _handed_on(name: str) -> set[str]:
    """The sections that a stage hands on whole."""
    tree = ast.parse((ROOT / "hflow/pipeline/stages.py").read_text())
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    given = [value for call in calls for value in (*call.args, *(keyword.value for keyword in call.keywords))]
    return {ast.unparse(value).removeprefix("params.") for value in given}


def test_the_stage_code_runs_again_where_a_parameter_names_another_file() -> None:
    assert set(READ_BY) == set(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["code"]["params"])


@pytest.mark.parametrize(
    ("stage", "name"),
    [
        ("train", "encoder.weights"),
        ("train", "train.judge"),
        ("train", "loss.source_labels"),
        ("train", "loss.target_labels"),
        ("translate", "translate.judge"),
        ("translate", "translate.reject"),
        ("translate", "translate.style"),
    ],
)
def test_a_stage_depends_on_the_file_or_folder_that_a_parameter_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hflow.pipeline.code.code_marks", lambda stage: {"code": stage.__name__})
    values = yaml.safe_load(preset_text("town"))

    def noted() -> dict[str, str]:
        write_code_marks(Params.model_validate(values))
        return {path.stem: path.read_text() for path in (tmp_path / "data/code").iterdir()}

    without = noted()
    section, _, key = name.partition(".")
    values[section][key] = "models/given/it"
    found = [noted()[stage]]
    (tmp_path / "models/given/it").mkdir(parents=True)
    for content in ("a", "b"):
        (tmp_path / "models/given/it/judge.safetensors").write_text(content)
        found.append(noted()[stage])
    shutil.rmtree("models/given/it")
    Path("models/given/it").write_text("a")
    found.append(noted()[stage])
    assert len({without[stage], *found}) == 5
    assert {other for other, text in noted().items() if text != without[other]} <= {stage, "evaluate", "baselines"}


@pytest.mark.parametrize(("labels", "depends"), [(None, False), ("data/first_round", True)])
def test_a_first_round_that_trains_depends_on_the_encoders_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labels: str | None, depends: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    values = yaml.safe_load(preset_text("town"))
    values["loss"]["target_labels"] = labels
    values["encoder"]["weights"] = "models/given/vgg19.pth"
    Path("models/given").mkdir(parents=True)
    Path("models/given/vgg19.pth").write_text("weights")
    assert ("encoder.weights" in given_hashes(Params.model_validate(values), "first_round")) == depends


def test_a_given_file_that_dvc_would_not_see_change_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    values = yaml.safe_load(preset_text("town"))
    values["encoder"]["weights"] = "models/vgg19.pth"
    with pytest.raises(HflowError, match=r"encoder\.weights is models/vgg19\.pth: put it into models/given"):
        write_code_marks(Params.model_validate(values))


def _covers(listed: set[str], key: str) -> bool:
    return any(key == entry or key.startswith(f"{entry}.") for entry in listed)


@pytest.mark.parametrize("name", RUN)
def test_every_parameter_that_a_stage_reads_is_a_dependency_or_changes_no_byte(name: str) -> None:
    listed, harmless = set(RUN[name]["params"]), CHANGE_NO_BYTE.get(name, set())
    read = _reads(name)
    assert not {key for key in read if not _covers(listed | harmless, key)}
    assert not {key for key in harmless if _covers(listed, key)}


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_has_the_parameters_that_dvc_asks_for(preset: str) -> None:
    values = yaml.safe_load(preset_text(preset))
    for name, stage in _declared():
        for key in stage.get("params", []):
            section, _, rest = key.partition(".")
            if section in values or name != "town":
                assert not rest or rest in values[section], key


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """Parameters of a run of few and small pictures, in a folder of its own, without MLflow and noted times."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(stages, "find_spec", lambda _: None)
    monkeypatch.setattr(stages, "file_timing", lambda *_: None)
    values = yaml.safe_load(preset_text("town"))
    values["town"] = {"seed": 0, "source": 6, "target_train": 4, "target_val": 2, "size": [64, 32]}
    values["prepare"] |= {"size": [64, 32], "shard_size": 4}
    values["model"]["variant"] = [2]
    values["train"] |= {"steps": 2, "warm_up": 1, "crop": [32, 32], "log_every": 1, "checkpoint_every": 1}
    values["segment"] |= {"train_on": ["source", "translated+reinhard", "fda"], "steps": 1, "batch_size": 2}
    return Params.model_validate(values)


@pytest.fixture
def ran() -> Iterator[set[str]]:
    """The definitions of hflow that run from here on; what runs only while a module is imported is not among them."""
    found: set[str] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        module = frame.f_globals.get("__name__", "")
        definition = frame.f_code.co_qualname.partition(".")[0]
        # A dataclass makes its methods in __create_fn__.
        if event == "call" and module.startswith("hflow.") and definition not in ("<module>", "__create_fn__"):
            found.add(f"{module}.{definition}")

    for module in pkgutil.walk_packages([str(ROOT / "hflow")], "hflow."):
        if not module.name.startswith(
            ("hflow.__main__", "hflow.translation.engines.dask", "hflow.translation.engines.clusters")
        ):
            importlib.import_module(module.name)
    threading.setprofile(note)
    sys.setprofile(note)
    yield found
    sys.setprofile(None)
    threading.setprofile(None)


def test_a_stage_runs_no_code_that_its_fingerprint_lacks(project: Params, ran: set[str]) -> None:
    missing: dict[str, set[str]] = {}
    for name, stage in NAMED.items():
        ran.clear()
        for arguments in [[name] for name in project.segment.train_on] if name == "segment" else [[]]:
            stage(project, *arguments)
        reached, _ = code_fingerprint._reach(f"{stages.__name__}.{name}")
        known = {
            f"{module.name}.{defined}"
            for module, statements in reached.items()
            for statement in statements
            for defined in code_fingerprint._defined(statement)
        }
        unknown = {place for place in ran - known if not code_fingerprint._left_out(place)}
        missing[name] = {place for place in unknown if not place.startswith(BESIDE)}
    assert not any(missing.values()), missing
