"""The notebook runs from its first cell to its last, and what is stored with it is what it shows."""

from pathlib import Path

import nbformat
import pytest

from docs.execute_notebook import NOTEBOOK, execute

SMALLER = {
    "source=40, target_train=20, target_val=10": "source=12, target_train=6, target_val=3",
    "steps=40": "steps=4",
    "rise=10": "rise=2",
    "steps=100": "steps=4",
}
"""What its pictures need to be worth looking at, and its running does not."""


def _kinds(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """The kinds of result of every cell, such as image/png."""
    results = [cell.get("outputs", []) for cell in notebook.cells]
    return [[kind for result in cell for kind in sorted(result.get("data", {}))] for cell in results]


@pytest.mark.end_to_end
def test_the_notebook_goes_from_two_folders_to_a_segmenter_and_shows_pictures(tmp_path: Path) -> None:
    stored = _kinds(nbformat.read(NOTEBOOK, as_version=4))
    assert sum("image/jpeg" in kinds for kinds in stored) == 4
    assert _kinds(execute(tmp_path, SMALLER)) == stored
