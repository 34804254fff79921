"""`python -m docs.execute_notebook`: run the notebook again and store what it shows, without its messages."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import nbformat
from nbclient import NotebookClient

__all__ = ["NOTEBOOK", "execute"]

NOTEBOOK = Path(__file__).parent / "start/in-python.ipynb"


def execute(folder: Path, replaced: Mapping[str, str] = MappingProxyType({})) -> nbformat.NotebookNode:
    """The notebook, run in a folder: its results, no messages, no times.

    Args:
        folder: where it runs.
        replaced: what of its code is something else in this run, as smaller numbers.

    Raises:
        CellExecutionError: a cell has failed.
        ValueError: what is to be replaced does not stand in it once.
    """
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for given, other in replaced.items():
        cells = [cell for cell in notebook.cells if given in cell.source]
        if len(cells) != 1 or cells[0].source.count(given) != 1:
            raise ValueError(f"{given!r} does not stand in the notebook once")
        cells[0].source = cells[0].source.replace(given, other)
    resources = {"metadata": {"path": folder}}
    NotebookClient(notebook, timeout=900, kernel_name="python3", record_timing=False, resources=resources).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.output_type != "stream"]
    notebook.metadata.pop("language_info", None)
    return notebook


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        nbformat.write(execute(Path(place)), NOTEBOOK)
