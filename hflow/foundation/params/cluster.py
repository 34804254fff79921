"""The Dask cluster that a run starts for itself, by Slurm or on Kubernetes."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hflow.foundation.params.section import Count, Section

__all__ = ["ClusterParams", "KubernetesParams", "SlurmParams"]

Memory = Annotated[str, Field(pattern=r"^[1-9][0-9]* ?[MGT]i?B$")]
Line = Annotated[str, Field(pattern=r"^[^\n\r]+$")]


class ClusterWorkersParams(Section):
    """What each worker is given. It translates one shard at a time, on one device."""

    workers: Count
    """How many."""
    cores: Count = 6
    """Of each; they decode and encode beside the network."""
    memory: Memory = "16 GiB"
    """Of each; one that takes more is ended."""
    gpus: Literal[0, 1] = 1
    """Of each; all of one model, since others give other bytes."""
    gpu_model: Line | None = None
    """Slurm's type of it, as `a100` in `gpu:a100:1`, or Kubernetes' label `nvidia.com/gpu.product`; null takes any."""
    wait: Count = 3600
    """Seconds until the first worker must be there."""

    @model_validator(mode="after")
    def _model_of_a_gpu(self) -> "ClusterWorkersParams":
        if self.gpu_model is not None and not self.gpus:
            raise ValueError(f"gpu_model ({self.gpu_model}) is for workers with a GPU: set gpus to 1, or it to null")
        return self


class SlurmParams(ClusterWorkersParams):
    """Workers as jobs of Slurm, in a folder and with a Python that its machines share."""

    queue: Line | None = None
    """Slurm's partition; null is its default."""
    account: Line | None = None
    """That pays; null is the user's own."""
    walltime: Annotated[str, Field(pattern=r"^([0-9]+-)?[0-9]+(:[0-9]{2}){0,2}$")] = "04:00:00"
    """Of a job; when it ends another takes its place."""
    interface: Line | None = None
    """The network by which workers and scheduler reach each other, such as ib0; null is that of the host's name."""
    directives: tuple[Line, ...] = ()
    """Further options of sbatch, such as `--qos=high`."""
    prologue: tuple[Line, ...] = ()
    """Lines of shell before the worker starts, such as `module load cuda`."""


class KubernetesParams(ClusterWorkersParams):
    """Workers as pods of Dask's operator, which must be installed in the cluster."""

    image: Line
    """Of workers and scheduler, with hflow in it: `deploy/Dockerfile`."""
    namespace: Line | None = None
    """null is that of the context."""
    claim: Line
    """The name of the persistent volume claim that holds the project's folder, for all pods to write."""
    mount: Path | None = None
    """Where pods have it: the path that it has here; null is the project's folder."""


class ClusterParams(Section):
    """A Dask cluster that a run starts and ends: by Slurm or on Kubernetes."""

    slurm: SlurmParams | None = None
    """Jobs of Slurm; needs `hflow[slurm]`."""
    kubernetes: KubernetesParams | None = None
    """Pods of Kubernetes; needs `hflow[kubernetes]`."""

    @model_validator(mode="after")
    def _one(self) -> "ClusterParams":
        if (self.slurm is None) == (self.kubernetes is None):
            raise ValueError("names one of slurm and kubernetes")
        return self

    @property
    def workers(self) -> ClusterWorkersParams:
        """What each worker is given, whoever starts it."""
        chosen = self.slurm or self.kubernetes
        assert chosen is not None
        return chosen
