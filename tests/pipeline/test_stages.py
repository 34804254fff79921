"""What stages note about themselves, beside their results."""

from pathlib import Path

import pytest
import yaml

from hflow.foundation.params import Params
from hflow.foundation.timings import Timing, write_timing
from hflow.pipeline import outputs
from hflow.pipeline.timings import RESULTS, timings

PARAMS = Params.model_validate(yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text()))


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)


def _result(path: Path, *, timed: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(path.as_posix())
    if timed:
        write_timing(outputs.work_folder("timings"), path, Timing(10, 2.0, "cpu"))


def test_the_stages_that_ran_here_have_times(tmp_path: Path) -> None:
    _result(RESULTS["train"], timed=True)
    _result(RESULTS["translate"], timed=False)
    _result(outputs.SEGMENTATION / "source.json", timed=True)
    assert timings(PARAMS) == {"train": Timing(10, 2.0, "cpu"), "segment source": Timing(10, 2.0, "cpu")}
    assert (tmp_path / ".hflow/timings").is_dir()


def test_a_training_whose_model_is_not_used_is_not_told() -> None:
    _result(RESULTS["train"], timed=True)
    other = PARAMS.model_copy(update={"translate": PARAMS.translate.model_copy(update={"model": "models/other"})})
    assert timings(other) == {}
