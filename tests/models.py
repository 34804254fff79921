"""The smallest of models, for tests that need a model and no training."""

from pathlib import Path

import torch

from hflow.foundation.atomic_folders import publish
from hflow.model import HierarchyFlow
from hflow.model.store import StyleBank, model_files

__all__ = ["write_model"]


def write_model(folder: Path, seed: int = 0) -> Path:
    """An untrained network with three styles."""
    torch.manual_seed(seed)
    styles = StyleBank(torch.rand(3, 8), ["a", "b", "c"])
    publish(dict(model_files(HierarchyFlow((2,)), styles, {"fingerprint": f"made from seed {seed}"})), folder)
    return folder
