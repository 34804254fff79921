"""A saved model is the model, and a damaged one is refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from hflow.foundation.atomic_folders import publish
from hflow.foundation.errors import HflowError
from hflow.model import HierarchyFlow
from hflow.model.store import StyleBank, load_model, model_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    styles = StyleBank(torch.rand(3, 8), ["a", "b", "c/d"], torch.rand(3, 128))
    publish(dict(model_files(HierarchyFlow((4,)), styles, {"note": 1})), tmp_path / "model")
    return tmp_path / "model"


def test_a_loaded_model_is_the_one_saved(folder: Path) -> None:
    torch.manual_seed(0)
    styles, layouts = torch.rand(3, 8), torch.rand(3, 128)
    expected = HierarchyFlow((4,))
    model = load_model(folder)
    assert torch.equal(model.styles.codes, styles)
    assert model.styles.layouts is not None
    assert torch.equal(model.styles.layouts, layouts)
    assert list(model.styles.keys) == ["a", "b", "c/d"]
    assert model.config["note"] == 1
    for name, tensor in expected.state_dict().items():
        assert torch.equal(model.network.state_dict()[name], tensor)


@pytest.mark.parametrize("built", [{"guide": 8}, {"adain": "innermost"}, {"correction": "gamma"}])
def test_models_of_the_same_weights_that_are_built_otherwise_have_other_hashes(
    folder: Path, built: dict[str, Any]
) -> None:
    plain = load_model(folder)
    network = HierarchyFlow((4,), **built)
    network.load_state_dict(plain.network.state_dict())
    publish(dict(model_files(network, plain.styles, plain.config | built)), folder)
    assert load_model(folder).sha256 != plain.sha256


def test_a_model_of_before_the_guide_has_the_hash_of_one_without(folder: Path) -> None:
    plain, path = load_model(folder).sha256, folder / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({"expansions": config["expansions"], "note": "another"}))
    assert load_model(folder).sha256 == plain


def test_the_files_are_no_pickles(folder: Path) -> None:
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "model.safetensors", "styles.safetensors"]


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "styles.safetensors"])
def test_a_truncated_file_is_refused(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).unlink()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(HflowError, match=r"is not a whole model|config\.json is not JSON"):
        load_model(folder)


def test_a_config_that_asks_for_more_than_the_weights_have_takes_no_memory(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps(config | {"expansions": [1 << 17]}))
    with pytest.raises(HflowError, match="size mismatch"):
        load_model(folder)


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(HflowError, match="nowhere"):
        load_model(tmp_path / "nowhere")
