"""The device of these tests. What needs a GPU is marked `gpu` and skipped where there is none: `make test-gpu`.

They need neither Prefect nor DVC nor MLflow, and no weights: the encoder's are random.
"""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from hflow.foundation.params import EncoderParams
from hflow.training.encoder import Encoder

NAMED = os.environ.get("HFLOW_TEST_GPU", "cuda")
"""Another device, such as cpu, to try the tests themselves."""


@pytest.fixture(scope="session")
def gpu() -> torch.device:
    """The GPU."""
    if NAMED.startswith("cuda") and not torch.cuda.is_available():
        pytest.skip("there is no GPU here")
    return torch.device(NAMED)


@pytest.fixture(params=["cpu", pytest.param("gpu", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> torch.device:
    """The CPU and the GPU in turn."""
    if request.param == "cpu":
        return torch.device("cpu")
    found: torch.device = request.getfixturevalue("gpu")
    return found


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> EncoderParams:
    """A VGG-16 that has learned nothing."""
    torch.manual_seed(0)
    stages = Encoder((2, 2, 3, 1), shift_tolerant=False).stages
    convolutions = [layer for stage in stages for layer in stage.children()]
    path: Path = tmp_path_factory.mktemp("encoder") / "vgg16.safetensors"
    state = {}
    for number, layer in enumerate(convolutions):
        state |= {f"features.{number}.{name}": value.contiguous() for name, value in layer.state_dict().items()}
    save_file(state, path)
    return EncoderParams(weights=path)
