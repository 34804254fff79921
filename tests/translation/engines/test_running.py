"""Shards given to an engine: what may pass is tried again, what may not is said."""

import errno
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hflow.foundation.errors import HflowError, LostWorkerError
from hflow.foundation.finished_work import Finished
from hflow.foundation.params import TranslateParams
from hflow.model.store import load_model
from hflow.translation.engines.in_process import InProcess
from hflow.translation.engines.running import is_transient, translate_shards
from hflow.translation.plan import plan_translation
from hflow.translation.shard_task import ShardTask, worker_marks
from tests.conftest import Project
from tests.translation.engines.running import IN_PROCESS

CPU = torch.device("cpu")


class _Shaky(InProcess):
    """Fails so many times before it translates."""

    def __init__(self, failures: list[Exception]):
        super().__init__(CPU, worker_marks(CPU, 1, "auto"))
        self.failures, self.calls = failures, 0

    def translate(self, task: ShardTask, advance: Callable[[int], None]) -> Finished:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return super().translate(task, advance)


def _tasks(engine: InProcess, project: Project, model_folder: Path, work: Path) -> tuple[ShardTask, ...]:
    params = TranslateParams.model_validate(IN_PROCESS)
    return plan_translation(load_model(model_folder), params, engine.marks, prepared=project.prepared, work=work).tasks


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), LostWorkerError("gone")])
def test_errors_that_may_pass_are_tried_again_later_and_later(
    project: Project, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    engine = _Shaky([error, error])
    tasks = _tasks(engine, project, model_folder, tmp_path)
    assert len(translate_shards(engine, tasks, lambda _: None)) == len(tasks)
    assert waits == [1, 2]


@pytest.mark.parametrize("error", [HflowError("bad value"), OSError(errno.ENOSPC, "No space left on device")])
def test_bad_values_and_a_full_disk_are_not_tried_again(
    project: Project, model_folder: Path, tmp_path: Path, error: Exception
) -> None:
    assert not is_transient(error)
    engine = _Shaky([error])
    tasks = _tasks(engine, project, model_folder, tmp_path)
    with pytest.raises(type(error)):
        translate_shards(engine, tasks, lambda _: None)
    assert engine.calls == (1 if isinstance(error, OSError) else len(tasks))
