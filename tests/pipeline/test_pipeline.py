"""The whole pipeline through the real tools: DVC, Prefect, MLflow, on a miniature of the town."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from tests.browser import running_browser
from tests.databases import Databases
from tests.projects import SMALL, change_params, copy_project
from tests.servers import free_port, served

STAGES = ("town", "prepare", "first_round", "train", "translate", "baselines", "sums", "segment", "evaluate")


def _run(folder: Path, *command: str, settings: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command in a project; without settings, flows have no Prefect server but one that they start."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PREFECT_HOME": str(folder / ".prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    }
    environment = {
        k: v for k, v in environment.items() if k not in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI", "DVC_ROOT")
    } | dict(settings or {})
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900, check=False
    )


def _python(
    folder: Path, *arguments: str, settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return _run(folder, sys.executable, *arguments, settings=settings)


@pytest.fixture(scope="module")
def project(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with a params.yaml of few and small pictures, run once through the flow sim2real."""
    folder = tmp_path_factory.mktemp("pipeline") / "project"
    copy_project(folder, **SMALL)
    _python(folder, "-m", "dvc", "remote", "add", "--quiet", "--default", "store", str(folder.parent / "store"))
    _commit(folder)
    databases.prefect(folder / ".prefect")
    databases.mlflow(folder / "mlflow.db")
    done = _python(folder, "-m", "flows.sim2real")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def server(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The settings of a Prefect server that is up, so that not every stage waits for one of its own."""
    home, api = databases.prefect(tmp_path_factory.mktemp("prefect")), f"http://127.0.0.1:{free_port()}/api"
    settings = {"PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    port = api.removesuffix("/api").rpartition(":")[2]
    command = ["prefect", "server", "start", "--no-ui", "--port", port]
    with served(*command, url=f"{api}/health", log=home / "log", environment=settings, seconds=240):
        yield settings | {"PREFECT_API_URL": api}


def _commit(folder: Path) -> None:
    who = ("-c", "user.name=t", "-c", "user.email=t@t")
    for command in (["git", "add", "-A"], ["git", *who, "commit", "--allow-empty", "-qm", "t"]):
        subprocess.run(command, cwd=folder, check=True)


def _clone(folder: Path, name: str) -> Path:
    """A clone of the project's last commit, with an empty DVC cache."""
    place = folder.parent / name
    subprocess.run(["git", "clone", "-q", str(folder), str(place)], check=True)
    return place


@pytest.mark.end_to_end
def test_every_stage_leaves_what_it_promises(project: Path) -> None:
    assert list((project / "data/translated/train").glob("shard-*.parquet"))
    assert (project / "data/translated/manifest.parquet").is_file()
    assert (project / "models/hflow/model.safetensors").is_file()
    assert (project / "plots/train/contact-sheet.png").is_file()
    assert list((project / "data/baselines/reinhard/train").glob("shard-*.parquet"))
    for name in ("source", "translated", "reinhard"):
        assert 0 <= json.loads((project / f"metrics/segment/{name}.json").read_text())["mIoU"] <= 1
    assert json.loads((project / "metrics/evaluate.json").read_text())
    report = (project / "reports/index.html").read_text()
    for stage in ("prepare", "train", "translate", "segment source", "segment translated"):
        assert re.search(rf'<th scope="row">{stage}</th><td class="value">[1-9]', report)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=project, capture_output=True, text=True, check=True)
    lock = yaml.safe_load((project / "dvc.lock").read_text())["stages"]["translate"]["outs"]
    digest = next(out["md5"] for out in lock if out["path"] == "data/translated")
    for told in ("prove nothing", commit.stdout.strip(), "MLflow run", 'id="predictions"', digest):
        assert told in report, told


@pytest.mark.end_to_end
def test_one_server_knows_the_run_of_every_stage(project: Path) -> None:
    code = (
        "import asyncio\nfrom prefect import get_client\n"
        "async def main():\n"
        "    async with get_client() as client:\n"
        "        flows = (await client.request('POST', '/flows/filter', json={})).json()\n"
        "        runs = (await client.request('POST', '/flow_runs/filter', json={})).json()\n"
        "        names = {flow['id']: flow['name'] for flow in flows}\n"
        "        top = next(run['id'] for run in runs if names[run['flow_id']] == 'sim2real')\n"
        "        graph = (await client.request('GET', f'/flow_runs/{top}/graph-v2')).json()\n"
        "        print('below it:', sorted(node[1]['label'].split()[0] for node in graph['nodes']))\n"
        "        print(sorted((names[run['flow_id']], run['state_name']) for run in runs))\n"
        "asyncio.run(main())\n"
    )
    done = _python(project, "-c", code)
    names = ["baselines", "evaluate", "prepare", "segment", "segment", "segment", "sim2real", "train", "translate"]
    assert str([(name, "Completed") for name in names]) in done.stdout, done.stdout + done.stderr
    assert f"below it: {[name for name in names if name != 'sim2real']}" in done.stdout


@pytest.mark.end_to_end
def test_mlflow_has_the_training_with_its_data_and_a_child_run_a_score(project: Path) -> None:
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    experiment = client.get_experiment_by_name("town")
    assert experiment is not None
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    [name] = runs.keys() - {"segment source", "segment translated", "segment reinhard"}
    training = runs[name]
    assert re.fullmatch("train 2, 6 steps, [0-9a-f]{7}", name)
    assert training.info.status == "FINISHED"
    assert training.data.params["loss.k"] == "1.0"
    assert [m.step for m in client.get_metric_history(training.info.run_id, "loss")] == [2, 4, 6]
    lock = yaml.safe_load((project / "dvc.lock").read_text())["stages"]["prepare"]["outs"]
    digests = {d.dataset.name: d.dataset.digest for d in training.inputs.dataset_inputs}
    assert digests["prepared"] == next(out["md5"] for out in lock if out["path"] == "data/prepared")
    assert digests["source"].endswith(".dir")
    artifacts = {a.path for a in client.list_artifacts(training.info.run_id)}
    assert {"model", "plots", "images", "evaluate"} <= artifacts
    images = [a.path for a in client.list_artifacts(training.info.run_id, "images")]
    assert images == [f"images/contact-sheet-step-{step:06d}.png" for step in (3, 6)]
    main = json.loads((project / "metrics/summary.json").read_text())
    shown = {"mIoU": main["mIoU/translated"], "gain": main["gain"], "SSIM": main["ssim"]}
    assert shown.items() <= training.data.metrics.items()
    assert "get-artifact?path=evaluate%2Fbefore-after.png" in training.data.tags["mlflow.note.content"]
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    for name in ("source", "translated", "reinhard"):
        said = json.loads((project / f"metrics/segment/{name}.json").read_text())
        run = runs[f"segment {name}"]
        assert run.data.tags["mlflow.parentRunId"] == training.info.run_id
        assert run.data.metrics["mIoU"] == pytest.approx(said["mIoU"])


@pytest.mark.end_to_end
def test_after_a_run_dvc_has_nothing_to_say_of_any_stage(project: Path) -> None:
    assert _python(project, "-m", "dvc", "status").stdout.strip() == "Data and pipelines are up to date."
    assert not _run(project, "git", "diff", "--name-only").stdout, "a clone is as clean as it was"


@pytest.mark.end_to_end
def test_figures_are_compared_in_a_few_lines_and_drawn_without_network(project: Path, tmp_path: Path) -> None:
    compared = _python(project, "-m", "dvc", "metrics", "diff").stdout.splitlines()
    assert 5 < len(compared) < 20
    shown = _python(project, "-m", "dvc", "plots", "show", "--out", str(tmp_path))
    assert shown.returncode == 0, shown.stderr
    assert not re.findall(r"<(?:script|link)[^>]+(?:src|href)=", (tmp_path / "index.html").read_text())
    with running_browser() as browser:
        page = browser.new_context(offline=True).new_page()
        page.goto((tmp_path / "index.html").as_uri())
        page.wait_for_selector(".vega-embed")
        assert page.locator(".vega-embed canvas, .vega-embed svg.marks").count() == 5


@pytest.mark.end_to_end
def test_a_registered_model_gets_its_stage_where_it_is_used(project: Path, server: dict[str, str]) -> None:
    clone = _clone(project, "registered")
    assert _python(clone, "-m", "dvc", "fetch", "--run-cache").returncode == 0
    assert _python(clone, "-m", "dvc", "repro", "--pull", "evaluate", settings=server).returncode == 0
    assert "fetch" not in _python(clone, "-m", "dvc", "stage", "list", "--all", "--name-only").stdout
    change_params(clone, release={"min_ssim": 0.0, "margin": -1.0})
    done = _python(clone, "-m", "hflow", "release")
    assert done.returncode == 0, done.stderr
    change_params(clone, translate={"model": "models:/town@champion"}, segment={"train_on": []})
    assert "models/dvc.yaml is written" in _python(clone, "-m", "hflow", "fetch").stderr
    done = _python(clone, "-m", "dvc", "repro", "translate", settings=server)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    ran = set(re.findall(r"Running stage '([^']+)'", done.stdout + done.stderr))
    assert {"models/dvc.yaml:fetch", "translate"} <= ran
    status = json.loads(_python(clone, "-m", "dvc", "status", "--json", "--with-deps", "translate").stdout)
    assert not status, status


@pytest.mark.end_to_end
def test_a_clone_without_lock_files_gets_every_result_from_the_remote(project: Path) -> None:
    """The flow has pushed; the commit that is cloned was made before anything had run."""
    clone = _clone(project, "without-lock")
    assert not (clone / "dvc.lock").exists()
    assert _python(clone, "-m", "dvc", "fetch", "--run-cache").returncode == 0
    done = _python(clone, "-m", "dvc", "repro", "--pull", "evaluate")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not re.findall(r"Running stage '([^']+)'", done.stdout)
    for name in ("models/hflow/model.safetensors", "data/translated/manifest.parquet", "metrics/evaluate.json"):
        assert (clone / name).read_bytes() == (project / name).read_bytes(), name


@pytest.mark.end_to_end
def test_with_lock_files_committed_pull_brings_every_output(project: Path) -> None:
    _commit(project)
    clone = _clone(project, "with-lock")
    done = _python(clone, "-m", "dvc", "pull")
    assert done.returncode == 0, done.stdout + done.stderr
    assert _python(clone, "-m", "dvc", "status", "--quiet", "--with-deps", "evaluate").returncode == 0
    assert (clone / "reports/index.html").read_bytes() == (project / "reports/index.html").read_bytes()


@pytest.mark.end_to_end
def test_experiments_run_from_a_queue_and_are_compared(project: Path, server: dict[str, str]) -> None:
    dvc = (sys.executable, "-m", "dvc")
    _run(project, *dvc, "exp", "run", "--queue", "-S", "loss.k=0.6", "-S", "segment.train_on=[]", "evaluate")
    done = _run(project, *dvc, "exp", "run", "--run-all", settings=server)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    shown = json.loads(_run(project, *dvc, "exp", "show", "--json").stdout)
    found = [revision for entry in shown for revision in (entry.get("experiments") or [])]
    tried = {e["revs"][0]["data"]["params"]["params.yaml"]["data"]["loss"]["k"] for e in found}
    assert tried == {0.6}
    assert all("metrics/summary.json" in e["revs"][0]["data"]["metrics"] for e in found)
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    experiment = client.get_experiment_by_name("town")
    assert experiment is not None
    trainings = [run for run in client.search_runs([experiment.experiment_id]) if "loss.k" in run.data.params]
    assert {run.data.params["loss.k"] for run in trainings} == {"1.0", "0.6"}
    assert {e["name"] for e in found} < {run.info.run_name for run in trainings}


@pytest.mark.end_to_end
def test_a_fault_ends_the_stage_in_one_line_without_a_traceback(project: Path, server: dict[str, str]) -> None:
    path = project / "params.yaml"
    before = path.read_text()
    try:
        change_params(project, data={"source": {"root": "data/nowhere", "layout": "gta"}})
        done = _python(project, "-m", "flows.prepare", settings=server)
    finally:
        path.write_text(before)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    fault = "hflow: data.source: data/nowhere is missing: put the dataset there, or name the folder that it lies in"
    assert f"{fault}; see docs/how-to/datasets.md#is-it-what-it-should-be" in done.stderr.splitlines()
    assert list((project / "data/prepared/source/train").glob("shard-*.parquet"))


@pytest.mark.end_to_end
def test_code_and_parameters_that_change_no_byte_make_no_stage_run_again(project: Path, server: dict[str, str]) -> None:
    """Even in a clone, whose work folders are empty."""
    _commit(project)
    clone = _clone(project, "same-bytes")
    loop = clone / "hflow/training/loop.py"
    loop.write_text(f"# A comment.\n{loop.read_text()}")
    values = yaml.safe_load((clone / "params.yaml").read_text())
    change_params(
        clone, train={"workers": values["train"]["workers"] + 1, "checkpoint_every": 2}, translate={"workers": 1}
    )
    assert _python(clone, "-m", "dvc", "fetch", "--run-cache").returncode == 0
    done = _python(clone, "-m", "dvc", "repro", "--pull", "evaluate", settings=server)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(re.findall(r"Running stage '([^']+)'", done.stdout)) == {"code"}
    loop.write_text(loop.read_text().replace("FIRST_IMAGES = 16", "FIRST_IMAGES = 15"))
    assert _python(clone, "-m", "hflow", "code").returncode == 0
    changed = json.loads(_python(clone, "-m", "dvc", "status", "--json", "train", "prepare").stdout)
    assert "prepare" not in changed
    assert "data/code/train.json" in str(changed["train"])


@pytest.mark.end_to_end
def test_lambda_runs_only_training_and_what_follows_it(project: Path, server: dict[str, str]) -> None:
    change_params(project, loss={"lambda_style": 0.2})
    done = _python(project, "-m", "flows.sim2real", settings=server)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "train: changed deps: loss" in done.stdout
    for compared in ("metrics", "params"):
        assert _run(project, sys.executable, "-m", "dvc", compared, "diff").stdout.strip()
    plots = _run(project, sys.executable, "-m", "dvc", "plots", "diff", "--json")
    assert "contact-sheet.png" in plots.stdout
    ran = set(re.findall(r"Running stage '([^']+)'", done.stdout + done.stderr))
    kept = set(re.findall(r"Stage '([^']+)' didn't change", done.stdout + done.stderr))
    assert {"first_round", "train", "translate", "sums", "segment@translated", "evaluate"} == ran
    assert {"code", "data/dvc.yaml:town", "prepare", "baselines", "segment@source", "segment@reinhard"} == kept
