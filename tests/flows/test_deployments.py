"""Deployments on real parts: servers, workers, a run to its end, a cancelled one, a worker that dies."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.databases import Databases

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.end_to_end

MINIATURE: dict[str, dict[str, Any]] = {
    "town": {"source": 12, "target_train": 6, "target_val": 3, "size": [64, 32]},
    "prepare": {"size": [64, 32], "shard_size": 4},
    "model": {"variant": [2]},
    "train": {"steps": 6, "crop": [32, 32], "log_every": 2, "checkpoint_every": 3},
    "segment": {"train_on": []},
}


class Team:
    """A repository, and what `make up` and `make deploy` made of it."""

    def __init__(self, repository: Path):
        self.repository = repository
        self.environment = {
            **{k: v for k, v in os.environ.items() if k not in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI", "DVC_ROOT")},
            "PYTHONPATH": str(repository),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PREFECT_WORKER_QUERY_SECONDS": "2",  # not ten, at the start of every run
        }
        self.servers: subprocess.Popen[bytes] | None = None
        self.api = ""

    @property
    def home(self) -> Path:
        return self.repository / ".hflow" / "servers"

    def up(self) -> None:
        with (self.repository.parent / "up.log").open("wb") as log:
            self.servers = subprocess.Popen(
                [sys.executable, "-m", "flows.up"],
                cwd=self.repository,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                # What a shell starts in the background ignores Ctrl-C, and so would all below it.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        addresses = self.home / "addresses.json"
        _until(addresses.is_file, 240, lambda: (self.repository.parent / "up.log").read_text())
        self.api = json.loads(addresses.read_text())["PREFECT_API_URL"]

    def down(self) -> None:
        assert self.servers is not None
        self.servers.send_signal(signal.SIGINT)
        self.servers.wait(60)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.repository, env=self.environment, capture_output=True, text=True, check=False
        )

    def commit(self, **sections: dict[str, Any]) -> None:
        """Change parameters in the repository."""
        path = self.repository / "params.yaml"
        values = yaml.safe_load(path.read_text())
        for name, changes in sections.items():
            values[name] = values.get(name, {}) | changes
        path.write_text(yaml.safe_dump(values))
        for command in (
            ["git", "add", "-A"],
            ["git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "t"],
        ):
            subprocess.run(command, cwd=self.repository, check=True)

    def post(self, path: str, **body: Any) -> Any:
        for _ in range(20):
            answer = requests.post(f"{self.api}{path}", json=body, timeout=60)
            if answer.status_code != 503:  # SQLite is locked now and then on a busy machine
                break
            time.sleep(1)
        answer.raise_for_status()
        return answer.json()

    def start(self, deployment: str) -> str:
        found = {d["name"]: d["id"] for d in self.post("/deployments/filter")}
        made = self.post(f"/deployments/{found[deployment]}/create_flow_run", state={"type": "SCHEDULED"})
        return str(made["id"])

    def state(self, run: str) -> dict[str, Any]:
        found: dict[str, Any] = self.post("/flow_runs/filter", flow_runs={"id": {"any_": [run]}})[0]["state"]
        return found

    def finish(self, run: str, seconds: float = 400) -> dict[str, Any]:
        _until(lambda: self.state(run)["type"] in ENDS, seconds, self.log)
        return self.state(run)

    def log(self) -> str:
        return (self.home / "worker-gpu.log").read_text()[-4000:]

    def running(self, stage: str) -> bool:
        """Whether a stage's flow is running now."""
        flows = {flow["id"]: flow["name"] for flow in self.post("/flows/filter")}
        runs = self.post("/flow_runs/filter")
        return any(flows[r["flow_id"]] == stage and r["state_type"] == "RUNNING" for r in runs)

    def states(self, stage: str) -> list[str]:
        """The states of a stage's runs, the newest first."""
        flows = {flow["id"]: flow["name"] for flow in self.post("/flows/filter")}
        runs = self.post("/flow_runs/filter", sort="START_TIME_DESC")
        return [run["state_type"] for run in runs if flows[run["flow_id"]] == stage]

    def stage_processes(self) -> list[str]:
        """The command lines of DVC and stages that work in the worker's clone."""
        lines = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                place, words = (process / "cwd").readlink(), (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if place == self.home / "worker-gpu" / "project" and (b"dvc" in words or b"flows.train" in words):
                lines.append(b" ".join(words).decode())
        return lines

    def worker(self) -> int:
        """The process id of the worker of the pool gpu."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                place, words = (process / "cwd").readlink(), (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if place == self.home / "worker-gpu" and b"worker" in words:
                return int(process.name)
        raise AssertionError(self.log())

    def report(self, run: str) -> str:
        """The report that a run has published."""
        [found] = self.post(
            "/artifacts/filter", flow_runs={"id": {"any_": [run]}}, artifacts={"key": {"any_": ["report"]}}
        )
        return str(found["data"])

    def gpu_slots_taken(self) -> int:
        return int(requests.get(f"{self.api}/v2/concurrency_limits/gpu", timeout=60).json()["active_slots"])


ENDS = ("COMPLETED", "FAILED", "CANCELLED", "CRASHED")


def _until(holds: Any, seconds: float, log: Any) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, log()
        time.sleep(0.5)


@pytest.fixture(scope="module")
def team(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    repository = tmp_path_factory.mktemp("team") / "project"
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in names:
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (repository / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, repository / name)
    subprocess.run(["git", "init", "-qb", "main"], cwd=repository, check=True)
    team = Team(repository)
    team.commit(**MINIATURE)
    databases.prefect(team.home / "prefect")
    team.up()
    try:
        done = team.run(sys.executable, "-m", "flows.deploy")
        assert done.returncode == 0, done.stdout + done.stderr
        yield team
    finally:
        team.down()
    assert not (team.home / "addresses.json").exists()


def test_the_deployments_are_there_the_schedule_paused_the_limit_strict(team: Team) -> None:
    deployments = {d["name"]: d for d in team.post("/deployments/filter")}
    assert deployments.keys() == {"sim2real", "train", "translate", "release"}
    [schedule] = deployments["sim2real"]["schedules"]
    assert not schedule["active"]
    form = deployments["translate"]["parameter_openapi_schema"]["properties"]
    assert {"frames", "out", "model"} <= form.keys()
    assert all("description" in field for field in form.values())
    assert requests.get(f"{team.api}/v2/concurrency_limits/gpu", timeout=60).json()["limit"] == 1
    assert {pool["name"]: pool["type"] for pool in team.post("/work_pools/filter")} == {
        "gpu": "process",
        "cpu": "process",
    }
    assert any("worker is gone" in automation["name"] for automation in team.post("/automations/filter"))


def test_a_run_goes_to_its_end_and_the_next_says_that_nothing_has_changed(team: Team) -> None:
    first = team.start("sim2real")
    state = team.finish(first)
    assert state["type"] == "COMPLETED", team.log()
    kinds = {a["key"]: a["type"] for a in team.post("/artifacts/filter")}
    assert kinds["report"] == "markdown"
    assert kinds["contact-sheet"] == "image"
    [link] = [a["data"] for a in team.post("/artifacts/filter") if a["key"] == "report-page"]
    assert re.search(
        r"\]\(http://127\.0\.0\.1:[0-9]+/#/experiments/1/runs/[0-9a-f]{32}/artifacts/evaluate/index\.html", link
    )
    assert kinds["metrics"] == "table"
    out = team.repository.parent / "translated"
    frames = team.home / "worker-gpu/project/data/town/gta5"
    model = ("--model", "models:/town@challenger")
    done = team.run(sys.executable, "-m", "hflow", "translate", str(frames), str(out), *model)
    assert done.returncode == 0, done.stderr
    assert len(list((out / "images").iterdir())) == 12
    state = team.finish(team.start("sim2real"))
    assert state["message"] == "nothing has changed since the last run"


def test_a_cancelled_run_and_a_killed_worker_leave_the_next_run_able_to_finish(team: Team) -> None:
    team.commit(loss={"lambda_style": 0.2})
    cancelled = team.start("sim2real")
    _until(lambda: team.running("train"), 200, team.log)
    assert team.gpu_slots_taken() == 1
    team.post(f"/flow_runs/{cancelled}/set_state", state={"type": "CANCELLING"})
    assert team.finish(cancelled, 60)["type"] == "CANCELLED", team.log()
    _until(lambda: not team.running("train"), 30, team.log)
    assert team.states("train")[0] == "CANCELLED"
    _until(lambda: not team.stage_processes(), 30, lambda: str(team.stage_processes()))
    assert team.gpu_slots_taken() == 0

    killed = team.start("sim2real")
    _until(lambda: team.running("train"), 200, team.log)
    os.kill(team.worker(), signal.SIGKILL)
    assert team.finish(killed, 60)["type"] == "CRASHED", team.log()
    _until(lambda: not team.stage_processes(), 30, lambda: str(team.stage_processes()))
    assert team.gpu_slots_taken() == 0

    last = team.start("sim2real")
    assert team.finish(last)["type"] == "COMPLETED", team.log()
    # The worker's clone is still the one of the first run: the commit has reached it, and nothing was lost by that.
    why = team.report(last).split("## What came of it")[0]
    assert "train: changed deps: loss" in why
    assert "it has not run here" not in why
