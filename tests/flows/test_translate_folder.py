"""The flow that translates a folder takes the style that `hflow translate FRAMES OUT` takes."""

import contextlib
import importlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.translate_folder import translate_folder
from hflow.model.store import TrainedModel
from hflow.presets import preset_text
from tests.models import write_model

module = importlib.import_module("flows.translate_folder")


def test_without_a_style_a_folder_is_translated_as_params_yaml_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    values = yaml.safe_load(preset_text("town"))
    values["translate"] |= {"style": "average", "strength": 0.25}
    Path("params.yaml").write_text(yaml.safe_dump(values))
    write_model(Path("model"))
    seen: list[tuple[int, float, int | None]] = []

    def noted(_: Path, __: Path, model: TrainedModel, **how: Any) -> dict[str, int]:
        seen.append((len(model.styles.keys), how["strength"], how["style"].nearest))
        return {}

    monkeypatch.setattr(module, "translate_images", noted)
    monkeypatch.setattr(module, "alone_on_gpu", contextlib.nullcontext)
    monkeypatch.setattr(module, "publish_table", lambda *_: None)
    given: tuple[dict[str, Any], ...] = ({}, {"style": "nearest", "strength": 1.0})
    for asked in given:
        translate_folder.fn(Path("frames"), Path("out"), model="model", device="cpu", **asked)
    assert seen[0] == (1, 0.25, None)
    assert seen[1][0] > 1
    assert seen[1][1:] == (1.0, 1)
