"""Dask clusters that a run starts for itself and ends again: jobs of Slurm, pods of Kubernetes."""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hflow.foundation.errors import HflowError
from hflow.foundation.params.cluster import ClusterParams, KubernetesParams, SlurmParams
from hflow.foundation.progress import say

__all__ = ["kubernetes_spec", "slurm_cluster", "started"]

LOGS = Path(".hflow/cluster")
"""Where the output of Slurm's jobs goes."""
IMAGE_USER = 10001
"""The user that deploy/Dockerfile makes."""


@contextlib.contextmanager
def started(params: ClusterParams) -> Iterator[Any]:
    """The cluster, a `distributed.deploy.Cluster`, whose workers are asked for and may yet have to come.

    Raises:
        HflowError: what starts it is not installed or not there, or refuses it.
    """
    if params.slurm:
        with slurm_cluster(params.slurm) as cluster:
            _ask_slurm(cluster.job_script())
            # Not scale: a job that ends, as at its walltime, is submitted again.
            cluster.adapt(minimum_jobs=params.slurm.workers, maximum_jobs=params.slurm.workers)
            say(f"asked Slurm for {params.slurm.workers} jobs; `squeue --me` shows them, their output is in {LOGS}")
            yield cluster
    elif params.kubernetes:
        with _kubernetes_cluster(params.kubernetes) as cluster:
            yield cluster


def slurm_cluster(params: SlurmParams) -> Any:
    """The scheduler of Slurm's jobs, in this process, without a job yet.

    Raises:
        HflowError: dask-jobqueue is not installed, or this machine has no such network interface.
    """
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError:
        raise HflowError(_missing("slurm", "dask-jobqueue")) from None
    import dask

    kind = f"{params.gpu_model}:" if params.gpu_model else ""
    gres = [f"--gres=gpu:{kind}1"] if params.gpus else []
    try:
        return SLURMCluster(
            # A thread, not one a core: a worker takes one shard at a time.
            cores=1,
            processes=1,
            job_cpu=params.cores,
            memory=params.memory,
            queue=params.queue,
            account=params.account,
            walltime=params.walltime,
            interface=params.interface,
            job_name="hflow",
            job_extra_directives=[*gres, *params.directives],
            job_script_prologue=list(params.prologue),
            log_directory=str(LOGS),
            protocol="tls://" if dask.config.get("distributed.comm.require-encryption") else None,
            scheduler_options={"dashboard_address": None},
        )
    except ValueError as error:  # of the interface
        raise HflowError(f"translate.cluster.slurm: {error}") from None


def _ask_slurm(script: str) -> None:
    """Have Slurm look at the script of a job, which it does not start; dask-jobqueue would only log a refusal."""
    if shutil.which("sbatch") is None:
        raise HflowError("translate.cluster is slurm, and there is no `sbatch` here: run it where jobs are submitted")
    with tempfile.NamedTemporaryFile("w", suffix=".sh") as file:
        file.write(script)
        file.flush()
        done = subprocess.run(["sbatch", "--test-only", file.name], capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join(done.stderr.split())
        raise HflowError(f"Slurm refuses the job that translate.cluster.slurm describes: {said}")


def _kubernetes_cluster(params: KubernetesParams) -> Any:
    try:
        from dask_kubernetes.operator import KubeCluster
    except ImportError:
        raise HflowError(_missing("kubernetes", "dask-kubernetes")) from None
    name = f"hflow-{uuid.uuid4().hex[:8]}"
    say(f"asks Kubernetes for {params.workers} workers; `kubectl get pods -l dask.org/cluster-name={name}` shows them")
    spec = kubernetes_spec(params, name)
    try:
        return KubeCluster(
            custom_cluster_spec=spec, namespace=params.namespace, resource_timeout=params.wait, quiet=True
        )
    except Exception as error:  # whatever its client meets: no access, no operator, a quota, a time-out
        raise HflowError(
            f"Kubernetes does not start the Dask cluster {name}: {_first_line(error)}; "
            "docs/how-to/clusters.md says what it needs"
        ) from None


def kubernetes_spec(params: KubernetesParams, name: str) -> dict[str, Any]:
    """The resource `DaskCluster` of Dask's operator, with a scheduler and all workers.

    Args:
        params: the section.
        name: of the cluster, 40 lower-case letters, digits and hyphens at most.
    """
    from dask_kubernetes.operator import make_cluster_spec

    spec: dict[str, Any] = make_cluster_spec(name, image=params.image, n_workers=params.workers, env=[])
    memory = _quantity(params.memory)
    gpu = {"nvidia.com/gpu": "1"} if params.gpus else {}
    wanted = {"cpu": str(params.cores), "memory": memory}
    _fill(
        spec["spec"]["worker"]["spec"],
        params,
        {"requests": wanted, "limits": {"memory": memory, **gpu}},
        ["worker", "--name", "$(DASK_WORKER_NAME)", "--nthreads", "1", "--no-dashboard"],
    )
    _fill(
        spec["spec"]["scheduler"]["spec"],
        params,
        {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "2Gi"}},
        ["scheduler", "--host", "0.0.0.0"],
    )
    if params.gpus:
        pod = spec["spec"]["worker"]["spec"]
        # Nodes with GPUs are often kept for pods that ask for one.
        pod["tolerations"] = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
        if params.gpu_model:
            pod["nodeSelector"] = {"nvidia.com/gpu.product": params.gpu_model}
    return spec


def _fill(pod: dict[str, Any], params: KubernetesParams, resources: dict[str, Any], arguments: list[str]) -> None:
    mount = str((params.mount or Path()).absolute())
    # The user of this process, so that both can replace each other's files; but never root.
    user, group = os.getuid() or IMAGE_USER, os.getgid() or IMAGE_USER
    pod["securityContext"] = {"runAsNonRoot": True, "runAsUser": user, "runAsGroup": group, "fsGroup": group}
    pod["volumes"] = [{"name": "project", "persistentVolumeClaim": {"claimName": params.claim}}]
    (container,) = pod["containers"]
    # The image's entry point is hflow.
    container |= {
        "command": ["python3", "-m", "dask"],
        "args": arguments,
        "resources": resources,
        "workingDir": mount,
        "volumeMounts": [{"name": "project", "mountPath": mount}],
        # The image may have no home for this user.
        "env": [{"name": "HOME", "value": "/tmp"}],
    }


def _quantity(memory: str) -> str:
    """`16 GiB` as Kubernetes writes it, `16Gi`."""
    match = re.fullmatch(r"(\d+) ?([MGT]i?)B", memory)
    assert match
    return "".join(match.groups())


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _missing(extra: str, package: str) -> str:
    return f'translate.cluster is {extra}, and {package} is not installed: `uv pip install "hflow[{extra}]"`'
