"""Kubernetes' own schemas, as the definition of Dask's resources has them; for tests."""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

__all__ = ["dask_cluster_schema", "pod_schema", "unknown_keys"]


def dask_cluster_schema(operator: ModuleType) -> dict[str, Any]:
    """Of the resource DaskCluster; `operator` is the module dask_kubernetes.operator."""
    file = Path(str(operator.__file__)).parent / "deployment/helm/dask-kubernetes-operator/crds/daskcluster.yaml"
    (version,) = yaml.load(file.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))["spec"]["versions"]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return schema


def pod_schema(operator: ModuleType) -> dict[str, Any]:
    """Of a pod's `spec`."""
    schema = dask_cluster_schema(operator)["properties"]["spec"]["properties"]["worker"]["properties"]["spec"]
    assert "containers" in schema["properties"]
    return dict(schema)


def unknown_keys(value: Any, schema: dict[str, Any], at: str = "") -> Iterator[str]:
    """The keys that a schema does not name, which Kubernetes would drop without a word."""
    if isinstance(value, dict) and "properties" in schema:
        for name, inner in value.items():
            if name in schema["properties"]:
                yield from unknown_keys(inner, schema["properties"][name], f"{at}.{name}")
            else:
                yield f"{at}.{name}"
    elif isinstance(value, list):
        for inner in value:
            yield from unknown_keys(inner, schema.get("items", {}), at)
