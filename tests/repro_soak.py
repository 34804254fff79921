"""A bounded soak of the pipeline, `make soak-repro`: `make repro` killed at a random moment of each stage in turn.

Each round has a project of its own. A run is killed, SIGKILL to all of its processes or to the flow's alone, and
started again until it is through; then its results are compared with those of an undisturbed run. Prints what happened
and exits with status 1 if a byte differs, a run fails or a process outlives its run. Not a test that pytest collects:
it takes half an hour.
"""

import argparse
import contextlib
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.projects import SMALL, copy_project

RESULTS = ("data", "models", "metrics", "plots")
"""Where the stages write; not `reports`, in whose pages is the time."""

PARAMS = SMALL | {"train": SMALL["train"] | {"steps": 40, "checkpoint_every": 5, "workers": 0}}
MARK = "HFLOW_SOAK"
SECONDS_TO_END = 60.0


@dataclass(frozen=True)
class Run:
    """What became of one `make repro`: its exit status, None where it was killed, and when each stage began."""

    status: int | None
    began: dict[str, float]
    seconds: float


@dataclass(frozen=True)
class Kill:
    """Kill the run this many seconds after this stage began, the flow's process alone or all."""

    stage: str
    after: float
    flow_alone: bool


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=60, help="of killing; after that it goes through")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="hflow-repro-soak-"))
    try:
        return _soak(folder, options.kills, 60 * options.minutes, random.Random(options.seed))
    finally:
        _kill_all()
        shutil.rmtree(folder)


def _soak(folder: Path, most: int, longest: float, chance: random.Random) -> int:
    # One copy for all rounds: the files here may change meanwhile.
    copy_project(folder / "given", **PARAMS)
    shutil.copytree(folder / "given", folder / "undisturbed")
    whole = _run(folder / "undisturbed", None)
    if whole.status != 0:
        print((folder / "undisturbed.log").read_text()[-3000:])
        return 1
    expected = _hashes(folder / "undisturbed")
    starts = [*whole.began.values(), whole.seconds]
    lasts = {stage: starts[i + 1] - starts[i] for i, stage in enumerate(whole.began)}
    print(f"undisturbed: {whole.seconds:.0f} s, {len(expected)} files", flush=True)
    kills: Counter[str] = Counter()
    faults, rounds, end = [], 0, time.monotonic() + longest
    while kills.total() < most and time.monotonic() < end:
        rounds += 1
        project = folder / f"round-{rounds}"
        shutil.copytree(folder / "given", project)
        for stage, seconds in lasts.items():
            if kills.total() == most or time.monotonic() > end:
                break
            kill = Kill(stage, chance.uniform(0, seconds), chance.random() < 0.5)
            run = _run(project, kill)
            if run.status is None:
                kills[list(run.began)[-1]] += 1
            elif run.status:
                faults.append(f"{project.name}: status {run.status} in {list(run.began)[-1]}")
            print(f"{project.name}: {kill}, {'killed' if run.status is None else run.status}", flush=True)
            if kill.flow_alone and (left := _left_over()):
                faults.append(f"{project.name}: the flow of {stage} is outlived by {', '.join(left)}")
                _kill_all()
        run = _run(project, None)
        if run.status:
            print(project.with_suffix(".log").read_text()[-3000:])
            faults.append(f"{project.name}: status {run.status} in the last run")
        found = _hashes(project)
        differing = sorted(name for name in expected | found if expected.get(name) != found.get(name))
        faults += [f"{project.name}: {name} differs" for name in differing]
        print(f"{project.name}: {len(found)} files, {len(differing)} differ", flush=True)
        if not faults:
            shutil.rmtree(project)
    print(*faults, sep="\n")
    print(f"kills: {kills.total()} in {rounds} rounds; faults: {len(faults)}; by stage: {dict(kills)}")
    return 1 if faults else 0


def _run(project: Path, kill: Kill | None) -> Run:
    """`make repro` in the project, killed as asked; its output goes to a log beside the project."""
    environment = {
        **{k: v for k, v in os.environ.items() if k not in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI", "DVC_ROOT")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(project),
        "PYTHONUNBUFFERED": "1",
        "PREFECT_HOME": str(project / ".prefect"),
        MARK: str(os.getpid()),
    }
    log, start = project.with_suffix(".log"), time.monotonic()
    # The environment that runs this script is there already.
    command = ["make", "--old-file=.venv/.installed", "repro"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=project, env=environment, stdout=out, stderr=out)
    began = {"start": 0.0}
    while process.poll() is None:
        now = time.monotonic() - start
        for stage in re.findall(r"Running stage '([^']+)'", log.read_text(errors="replace")):
            began.setdefault(stage, now)
        if kill and kill.stage in began and now - began[kill.stage] >= kill.after:
            if not (kill.flow_alone and _kill_flow()):
                _kill_all()
            process.wait()
            return Run(None, began, now)
        time.sleep(0.02)
    return Run(process.returncode, began, time.monotonic() - start)


def _processes() -> list[psutil.Process]:
    """All that a run has started, whatever session it is in."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == str(os.getpid()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _kill_all() -> None:
    while processes := _processes():
        for process in processes:
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)


def _kill_flow() -> bool:
    """Kill the flow's own process, where there is one."""
    for process in _processes():
        with contextlib.suppress(psutil.Error):
            if process.cmdline()[1:] == ["-m", "flows.sim2real"]:
                process.send_signal(signal.SIGKILL)
                return True
    return False


def _left_over() -> list[str]:
    """The commands that have not ended by themselves after a while."""
    end = time.monotonic() + SECONDS_TO_END
    while (processes := _processes()) and time.monotonic() < end:
        time.sleep(0.2)
    left = []
    for process in processes:
        with contextlib.suppress(psutil.Error):
            left.append(" ".join(process.cmdline())[-80:])
    return left


def _hashes(project: Path) -> dict[str, str]:
    files = [path for name in RESULTS for path in sorted((project / name).rglob("*")) if path.is_file()]
    return {str(path.relative_to(project)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


if __name__ == "__main__":
    sys.exit(main())
