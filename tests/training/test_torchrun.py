"""Training across machines: torchrun starts the processes, here as two machines with a process each."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hflow.foundation.errors import HflowError
from hflow.foundation.params import TrainParams
from hflow.training.precision import training_fabric
from tests.conftest import Project
from tests.servers import free_port

ROOT = Path(__file__).parents[2]
TRAIN = """
import sys
from pathlib import Path
from tests.conftest import Project

result = Project(Path(sys.argv[1])).train(Path(sys.argv[2]), devices=2, precision="32-true")
print(result.losses["loss"])
"""


def test_two_machines_train_what_one_process_does(project: Project, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(TRAIN)
    common = ["--nnodes", "2", "--nproc-per-node", "1", "--master-addr", "127.0.0.1", "--master-port", str(free_port())]
    machines = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "torch.distributed.run", *common, "--node-rank", str(number)),
                *(str(script), str(project.folder), str(tmp_path / "two")),
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in (0, 1)
    ]
    said = [machine.communicate(timeout=240) for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], said[0][1] + said[1][1]
    one = project.train(tmp_path / "one", precision="32-true")
    assert [float(out) for out, _ in said] == pytest.approx([one.losses["loss"]] * 2, rel=1e-4)
    assert {path.name for path in (tmp_path / "two/model").iterdir()} == {
        path.name for path in (tmp_path / "one/model").iterdir()
    }


def test_another_number_of_processes_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(HflowError, match=r"started 4 processes, and train\.devices is 2: make it 4"):
        training_fabric(TrainParams(steps=1, devices=2, batch_size=2, accelerator="cpu"))
