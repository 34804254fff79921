"""What of the code a result depends on, tried on a package of a few lines."""

import importlib.util
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hflow.foundation import code_fingerprint as own
from hflow.foundation.code_fingerprint import CHANGES_NO_BYTE, code_fingerprint, code_marks
from hflow.training.loop import train

WORK = """
    import json
    from hflow.tools import helper, unused
    LEVEL = 3

    def work():
        from hflow.lazy import late
        return helper(LEVEL) + late()

    def other():
        return json.dumps(unused())
"""
TOOLS = """
    import numpy as np

    def helper(level):
        return np.zeros(level)

    def unused():
        return 1
"""
LAZY = """
    def late():
        return 2
"""


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Gives the fingerprint of `work` in a package that has the modules of these sources."""
    package = tmp_path / "hflow"
    monkeypatch.setattr(own, "PACKAGE", package)

    def made(*, work: str = WORK, tools: str = TOOLS, lazy: str = LAZY, package_source: str = "") -> str:
        package.mkdir(exist_ok=True)
        for name, source in (("work", work), ("tools", tools), ("lazy", lazy), ("__init__", package_source)):
            (package / f"{name}.py").write_text(textwrap.dedent(source))
        own._module.cache_clear()
        own.code_marks.cache_clear()

        def given() -> None: ...

        given.__module__, given.__qualname__ = "hflow.work", "work"
        return code_fingerprint(given)

    return made


@pytest.fixture(autouse=True)
def forgotten() -> Any:
    yield
    own._module.cache_clear()
    own.code_marks.cache_clear()


@pytest.mark.parametrize(
    "changes",
    [
        {"tools": TOOLS.replace("    return np", "    # why\n        return np")},
        {"tools": TOOLS.replace("(level):", '(level):\n        """What it gives."""')},
        {"tools": TOOLS.replace("return 1", "return 7")},
        {"work": WORK.replace("LEVEL = 3", 'LEVEL = 3\n    """Its unit."""')},
        {"work": WORK.replace("json.dumps(unused())", "0").replace("import json", "import re")},
        {"package_source": '"""What it is for."""'},
    ],
)
def test_what_changes_no_byte_leaves_the_fingerprint(mark: Callable[..., str], changes: dict[str, str]) -> None:
    assert mark(**changes) == mark()


@pytest.mark.parametrize(
    "changes",
    [
        {"work": WORK.replace("LEVEL = 3", "LEVEL = 4")},
        {"tools": TOOLS.replace("np.zeros", "np.ones")},
        {"lazy": LAZY.replace("return 2", "return 3")},
        {"lazy": LAZY + "\n    print(late)\n"},
        {"package_source": 'import numpy\nnumpy.seterr(all="raise")'},
    ],
)
def test_what_can_change_a_byte_changes_the_fingerprint(mark: Callable[..., str], changes: dict[str, str]) -> None:
    assert mark(**changes) != mark()


def test_templates_beside_the_code_count(mark: Callable[..., str], tmp_path: Path) -> None:
    before = mark()
    (tmp_path / "hflow/templates").mkdir()
    (tmp_path / "hflow/templates/page.html").write_text("a page")
    assert mark() != before


def test_libraries_that_the_code_imports_count_by_their_version() -> None:
    libraries = code_marks(train)["libraries"]
    assert {"torch", "numpy", "pillow", "stlpips_pytorch", "lightning"} <= libraries.keys()
    assert all(libraries.values())
    assert not {"mlflow", "rich", "pydantic"} & libraries.keys()


@pytest.mark.parametrize("name", CHANGES_NO_BYTE)
def test_what_is_left_out_exists(name: str) -> None:
    module, _, definition = name.rpartition(".")
    if importlib.util.find_spec(module) and not importlib.util.find_spec(module).submodule_search_locations:
        assert hasattr(importlib.import_module(module), definition)
    else:
        assert importlib.util.find_spec(name)
    assert "hflow" in sys.modules
