"""The flow that translates a folder takes the style and the folders that `hflow translate FRAMES OUT` takes."""

import contextlib
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.translate_folder import translate_folder
from hflow.foundation.stores import Store
from hflow.model.store import TrainedModel
from hflow.presets import preset_text
from tests.models import write_model

ROOT = Path(__file__).parents[2]
module = importlib.import_module("flows.translate_folder")


Translation = tuple[Sequence[Path | Store], TrainedModel, dict[str, Any]]


@pytest.fixture
def translations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Translation]:
    """What is translated, which is only noted: the folders, the model and how; the model is in ./model."""
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(preset_text("town"))
    write_model(Path("model"))
    noted: list[Translation] = []

    def note(frames: Path | Store, out: Path | Store, model: TrainedModel, **how: Any) -> dict[str, int]:
        noted.append(((frames, out), model, how))
        return {}

    monkeypatch.setattr(module, "translate_images", note)
    monkeypatch.setattr(module, "alone_on_gpu", contextlib.nullcontext)
    monkeypatch.setattr(module, "publish_table", lambda *_: None)
    return noted


def test_without_a_style_a_folder_is_translated_as_params_yaml_says(translations: list[Translation]) -> None:
    values = yaml.safe_load(preset_text("town"))
    values["translate"] |= {"style": "average", "strength": 0.25}
    Path("params.yaml").write_text(yaml.safe_dump(values))
    given: tuple[dict[str, Any], ...] = ({}, {"style": "nearest", "strength": 1.0})
    for asked in given:
        translate_folder.fn("frames", "out", model="model", device="cpu", **asked)
    seen = [(len(model.styles.keys), how["strength"], how["style"].nearest) for _, model, how in translations]
    assert seen[0] == (1, 0.25, None)
    assert seen[1][0] > 1
    assert seen[1][1:] == (1.0, 1)


def test_an_address_of_a_store_is_no_folder_of_the_worker(translations: list[Translation]) -> None:
    parameters = translate_folder.validate_parameters({"frames": "s3://town/frames", "out": "s3://town/out"})
    translate_folder.fn(**parameters | {"model": "model", "device": "cpu"})
    ((frames, out), _, _) = translations[0]
    assert (type(frames), type(out)) == (Store, Store)
    assert (str(frames), str(out)) == ("s3://town/frames", "s3://town/out")


def test_without_a_model_the_champion_of_the_project_s_own_name_translates(
    translations: list[Translation], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("params.yaml").write_text(preset_text("town").replace("name: town ", "name: rainy "))
    asked: list[str] = []

    def find(model: str, _: object) -> Path:
        asked.append(model)
        return Path("model")

    monkeypatch.setattr(module, "find_model", find)
    translate_folder.fn("frames", "out", device="cpu")
    assert asked == ["models:/rainy@champion"]
    (deployment,) = [
        one for one in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"] if one["name"] == "translate"
    ]
    assert "model" not in deployment["parameters"], "a value there would come before the flow's"
    assert translations
