"""The work pool for Kubernetes: its template is one that Prefect takes, and the jobs made from it ask for a GPU."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import jsonschema
import pytest

from tests.kubernetes_schemas import pod_schema, unknown_keys

TEMPLATE = json.loads((Path(__file__).parents[2] / "deploy/kubernetes-job.json").read_text())


def _job(**values: object) -> dict[str, Any]:
    """The manifest that Prefect's worker makes for a flow run with these job variables."""
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun
    from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration

    nobody = PrefectClient("http://127.0.0.1:1/api")  # without one a server would be started, and nothing asks it
    making = KubernetesWorkerJobConfiguration.from_template_and_values(TEMPLATE, values, client=nobody)
    made = asyncio.run(making)
    made.prepare_for_flow_run(FlowRun(id=uuid4(), flow_id=uuid4(), name="nightly"))
    manifest: dict[str, Any] = made.job_manifest
    return manifest


def test_a_run_gets_a_gpu_the_image_and_a_folder_that_stays() -> None:
    pytest.importorskip("prefect_kubernetes")
    pod = _job()["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == "hflow:0.1.0"
    assert container["resources"]["limits"] == {"memory": "24Gi", "nvidia.com/gpu": "1"}
    # The image's entry point is hflow: without a command of its own the run would be `hflow prefect flow-run execute`.
    assert container["command"][0] == "/usr/bin/env"
    assert container["args"] == ["prefect", "flow-run", "execute"]
    assert {"name": "work", "mountPath": container["workingDir"]} in container["volumeMounts"]
    assert pod["volumes"][0]["persistentVolumeClaim"] == {"claimName": "hflow"}
    assert pod["securityContext"]["runAsNonRoot"]


def test_kubernetes_knows_all_of_the_pod_and_a_run_may_ask_for_other_values() -> None:
    pytest.importorskip("prefect_kubernetes")
    schema = pod_schema(pytest.importorskip("dask_kubernetes.operator"))
    model = {"nvidia.com/gpu.product": "NVIDIA-L4"}
    job = _job(gpus="2", node_selector=model, claim="other", env={"HFLOW_GPU": "gpu"})
    pod = job["spec"]["template"]["spec"]
    jsonschema.validate(pod, schema)
    assert not list(unknown_keys(pod, schema))
    assert pod["nodeSelector"] == model
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert {"name": "HFLOW_GPU", "value": "gpu"} in pod["containers"][0]["env"]
    assert set(job["spec"]) >= {"completions", "parallelism", "backoffLimit"}
