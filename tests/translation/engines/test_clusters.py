"""A cluster that the run starts: by Slurm itself where that is installed, as a specification for Kubernetes."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import jsonschema
import pytest

from hflow.foundation.errors import HflowError, ParamsError
from hflow.foundation.params import KubernetesParams, SlurmParams, TranslateParams, check_section
from hflow.translation.engines.clusters import kubernetes_spec, slurm_cluster
from hflow.translation.engines.opening import open_engine
from hflow.translation.plan import Plan
from tests.conftest import Project
from tests.kubernetes_schemas import dask_cluster_schema, unknown_keys
from tests.slurm import has_slurm, slurm
from tests.translation.engines.running import run

needs_slurm = pytest.mark.skipif(
    not (has_slurm() and find_spec("dask_jobqueue")), reason="needs Slurm, root and dask-jobqueue"
)
SLURM = {"workers": 2, "cores": 2, "memory": "2 GiB", "gpu_model": "a100", "interface": "lo", "wait": 120}
KUBERNETES = {"workers": 3, "image": "registry.example/hflow:0.1.0", "claim": "hflow", "mount": "/srv/hflow"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"slurm": {"workers": 1, "coers": 2}}, "cluster.slurm.coers is not a parameter"),
        ({"slurm": {}}, "cluster.slurm.workers is missing"),
        ({"slurm": {"workers": 1, "memory": "16"}}, "cluster.slurm.memory is '16'"),
        ({"slurm": {"workers": 1, "queue": "gpu\nreboot"}}, "cluster.slurm.queue is"),
        ({"slurm": {"workers": 1, "gpus": 0, "gpu_model": "a100"}}, "set gpus to 1"),
        ({"pbs": {"workers": 1}}, "cluster.pbs is not a parameter"),
        ({}, "names one of slurm and kubernetes"),
        ({"slurm": {"workers": 1}, "kubernetes": KUBERNETES}, "names one of slurm and kubernetes"),
    ],
)
def test_a_cluster_that_can_t_be_is_refused_by_name(given: dict[str, object], said: str) -> None:
    with pytest.raises(ParamsError, match=said):
        check_section(TranslateParams, {"engine": "dask", "cluster": given}, "params.yaml")


@pytest.mark.parametrize(
    ("options", "said"),
    [({"engine": "local"}, "set engine to dask"), ({"engine": "dask", "scheduler": "tcp://a:1"}, "exclude each other")],
)
def test_a_cluster_is_for_dask_and_in_place_of_a_scheduler(options: dict[str, object], said: str) -> None:
    with pytest.raises(ParamsError, match=said):
        check_section(TranslateParams, {**options, "cluster": {"slurm": {"workers": 1}}}, "params.yaml")


def test_the_job_asks_slurm_for_what_the_section_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dask_jobqueue")
    monkeypatch.chdir(tmp_path)
    more = {"queue": "gpu", "account": "vision", "walltime": "1-02:00:00", "directives": ["--qos=high"]}
    params = SlurmParams.model_validate(SLURM | more | {"cores": 6, "prologue": ["module load cuda"]})
    with slurm_cluster(params) as cluster:
        script = cluster.job_script()
    asked = {line.removeprefix("#SBATCH ") for line in script.splitlines() if line.startswith("#SBATCH")}
    assert asked >= {
        *("-p gpu", "-A vision", "-t 1-02:00:00", "--cpus-per-task=6", "--mem=2G", "--gres=gpu:a100:1", "--qos=high")
    }
    worker = script.splitlines()[-1]
    assert script.index("module load cuda") < script.index(worker)
    assert "--nthreads 1 --memory-limit 2.00GiB" in worker
    assert "--interface lo" in worker


@pytest.fixture
def slurm_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Slurm that this process's commands ask, in a folder of a short name for its sockets; the output goes beside."""
    monkeypatch.chdir(tmp_path)
    with tempfile.TemporaryDirectory(prefix="slurm", dir="/tmp") as home, slurm(Path(home)) as environment:
        for name in ("PATH", "SLURM_CONF"):
            monkeypatch.setenv(name, environment[name])
        yield


@needs_slurm
@pytest.mark.usefixtures("slurm_here")
def test_a_job_that_slurm_refuses_is_named_before_anything_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    params = TranslateParams.model_validate({"engine": "dask", "cluster": {"slurm": SLURM | {"gpu_model": "h100"}}})
    with pytest.raises(HflowError, match=r"Slurm refuses.*node configuration is not available"), open_engine(params):
        pass
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(HflowError, match="no `sbatch` here"), open_engine(params):
        pass


@needs_slurm
@pytest.mark.end_to_end
@pytest.mark.usefixtures("slurm_here")
def test_slurm_s_jobs_give_the_same_bytes_and_one_that_is_cancelled_is_submitted_again(
    project: Project, model_folder: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    dask = pytest.importorskip("dask")
    cancelled: list[str] = []
    # Of one worker, so that nothing is done before another takes its place.
    cluster = {"slurm": SLURM | {"workers": 1}}

    def cancel_one(_: Plan) -> None:
        while not list((tmp_path / "work").glob("*.json")):
            time.sleep(0.05)
        cancelled.extend(_jobs("%A")[:1])
        subprocess.run(["scancel", *cancelled], check=True)

    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1s"}):
        assert run(project, model_folder, tmp_path, cancel_one, engine="dask", cluster=cluster) == expected
    assert cancelled
    assert len(list((tmp_path / ".hflow/cluster").glob("*.err"))) > 1
    assert not _jobs("%A")  # the run ends what it has started


def _jobs(form: str) -> list[str]:
    """Of the jobs that wait or run, what squeue says in this form; by itself it also lists those that are ending."""
    command = ["squeue", "--noheader", "--states=PENDING,RUNNING", f"--format={form}"]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    return said.stdout.split()


def test_the_pods_ask_kubernetes_for_what_the_section_says() -> None:
    pytest.importorskip("dask_kubernetes")
    params = KubernetesParams.model_validate(KUBERNETES | {"memory": "24 GiB", "gpu_model": "NVIDIA-L4"})
    spec = kubernetes_spec(params, "hflow-1")
    worker, scheduler = (spec["spec"][part]["spec"] for part in ("worker", "scheduler"))
    assert spec["spec"]["worker"]["replicas"] == 3
    assert worker["containers"][0]["resources"] == {
        "requests": {"cpu": "6", "memory": "24Gi"},
        "limits": {"memory": "24Gi", "nvidia.com/gpu": "1"},
    }
    assert worker["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-L4"}
    assert "nvidia.com/gpu" not in str(scheduler)
    for pod in (worker, scheduler):
        assert pod["containers"][0]["image"] == params.image
        assert pod["containers"][0]["workingDir"] == "/srv/hflow"
        assert pod["containers"][0]["command"] == ["python3", "-m", "dask"]  # the image's entry point is hflow
        assert pod["securityContext"]["runAsUser"] != 0
    assert worker["containers"][0]["args"][-3:] == ["--nthreads", "1", "--no-dashboard"]


def test_dask_s_operator_takes_the_specification_and_knows_all_of_it() -> None:
    operator = pytest.importorskip("dask_kubernetes.operator")
    spec = kubernetes_spec(KubernetesParams.model_validate(KUBERNETES), "hflow-1")
    schema = dask_cluster_schema(operator)
    jsonschema.validate(spec, schema)
    assert not list(unknown_keys(spec["spec"], schema["properties"]["spec"]))
    spec["spec"]["worker"]["spec"]["containers"][0]["resources"]["limits"] = "all"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(spec, schema)
