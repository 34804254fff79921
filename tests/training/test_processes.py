"""Training in several processes: they end with the one that started them, and an error in any of them is one line."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hflow.foundation.errors import HflowError
from hflow.training.checkpoints import checkpoint_files
from tests.conftest import Project
from tests.workers import descendants, is_worker

ROOT = Path(__file__).parents[2]
TRAIN = """
if __name__ == "__main__":  # the processes that it starts need none of these, and import this file too
    import sys
    from pathlib import Path
    from hflow.commands.cli import end_on_sigterm
    from hflow.foundation.errors import HflowError
    from tests.conftest import Project

    end_on_sigterm()
    try:
        Project(Path(sys.argv[1])).train(Path(sys.argv[2]), devices=2, steps=1_000_000, checkpoint_every=2)
    except HflowError as error:
        sys.exit(f"hflow: {error}")
"""


def _running(project: Project, out: Path) -> tuple["subprocess.Popen[str]", list[int]]:
    """A training that has written a checkpoint, and the ids of its two processes."""
    script = out / "train.py"
    script.write_text(TRAIN)
    process = subprocess.Popen(
        [sys.executable, str(script), str(project.folder), str(out)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        # As a shell starts what is to run in the background, and all below it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    end = time.monotonic() + 240
    while not list(out.glob("work/*/checkpoint-*.pt")):
        assert time.monotonic() < end
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    workers = [child for child in descendants(process.pid) if is_worker(child)]
    assert len(workers) == 2
    return process, workers


def _end(workers: list[int], seconds: float) -> None:
    end = time.monotonic() + seconds
    while any(map(is_worker, workers)):
        assert time.monotonic() < end, "the processes outlive the one that started them"
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_processes_end_with_the_one_that_started_them(
    number: signal.Signals, project: Project, tmp_path: Path
) -> None:
    process, workers = _running(project, tmp_path)
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == (143 if number == signal.SIGTERM else -number)
    _end(workers, 10)
    (work,) = (tmp_path / "work").iterdir()
    left = checkpoint_files(work)
    time.sleep(0.5)
    assert checkpoint_files(work) == left


def test_a_process_that_is_lost_is_named_and_ends_the_other(project: Project, tmp_path: Path) -> None:
    process, workers = _running(project, tmp_path)
    os.kill(workers[1], signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors.splitlines()[-1].startswith("hflow: process 1 of the training was lost (SIGKILL): ")
    assert "Traceback" not in errors
    _end(workers, 1)


def test_what_the_user_can_mend_comes_from_a_process_as_it_is(project: Project, tmp_path: Path) -> None:
    with pytest.raises(HflowError, match=r"^the loss is not finite at step \d+ .*train\.learning_rate"):
        project.train(tmp_path, devices=2, steps=50, learning_rate=1e30, checkpoint_every=1)
