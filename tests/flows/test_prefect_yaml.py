"""prefect.yaml and the docs give flows what they take."""

import importlib
import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOYMENTS = {one["name"]: one for one in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]}
LINES = [
    line.strip()
    for page in sorted((ROOT / "docs").glob("*/*.md"))
    for line in re.findall(r"^ *prefect deployment run .*", page.read_text(encoding="utf-8"), re.MULTILINE)
]


def _flow(deployment: str) -> Any:
    file, name = DEPLOYMENTS[deployment]["entrypoint"].split(":")
    return getattr(importlib.import_module(file.removesuffix(".py").replace("/", ".")), name)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_deployment_sets_only_parameters_of_its_flow(name: str) -> None:
    assert DEPLOYMENTS[name]["parameters"].keys() <= _flow(name).parameters.properties.keys()


@pytest.mark.parametrize("line", LINES)
def test_a_run_that_the_docs_start_names_all_that_its_flow_asks_for(line: str) -> None:
    words = shlex.split(line, comments=True)
    flow_name, _, name = words[3].partition("/")
    flow = _flow(name)
    assert flow.name == flow_name
    given = {value.partition("=")[0] for option, value in pairwise(words) if option == "--param"}
    form = flow.parameters
    assert set(form.required) <= given | DEPLOYMENTS[name]["parameters"].keys()
    assert given <= form.properties.keys()


def test_the_pipeline_s_gate_is_that_of_the_params_yaml_that_dvc_reads() -> None:
    assert "params" not in _flow("sim2real").parameters.properties
