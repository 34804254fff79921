"""A run on an engine with something going on beside it, for tests."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hflow.foundation.params import TranslateParams
from hflow.model.store import load_model
from hflow.translation.engines.opening import open_engine
from hflow.translation.engines.running import translate_shards
from hflow.translation.plan import Plan, plan_translation
from hflow.translation.publication import publish_translation
from tests.conftest import Project
from tests.translations import bytes_of
from tests.workers import descendants, kill_a_worker

__all__ = ["IN_PROCESS", "killing_a_worker", "run"]

IN_PROCESS = {"device": "cpu", "threads": 1, "batch_size": 2}


def run(
    project: Project,
    model_folder: Path,
    out: Path,
    meanwhile: Callable[[Plan], object] = lambda _: None,
    **options: Any,
) -> dict[str, bytes]:
    """A run with `meanwhile` in a thread beside it; the published bytes."""
    params = TranslateParams.model_validate({**IN_PROCESS, **options})
    with open_engine(params) as engine:
        model, work = load_model(model_folder), out / "work"
        plan = plan_translation(model, params, engine.marks, prepared=project.prepared, work=work)
        beside = threading.Thread(target=meanwhile, args=[plan])
        beside.start()
        finished = translate_shards(engine, plan.tasks, lambda _: None)
        beside.join()
    publish_translation(plan, finished, prepared=project.prepared, out=out / "translated", sets=project.sets)
    return bytes_of(out / "translated")


def killing_a_worker(work: Path) -> Callable[[Plan], None]:
    """Kill -9 the first new child process that has Python work to do, once a shard is finished."""
    known = set(descendants(os.getpid()))
    return lambda _: kill_a_worker(os.getpid(), work, known)
