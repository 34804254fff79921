"""`python -m docs.execute_notebook`: run the notebook again and store what it shows, without its messages."""

import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

__all__ = ["NOTEBOOK", "execute"]

NOTEBOOK = Path(__file__).parent / "start/in-python.ipynb"


def execute(folder: Path) -> nbformat.NotebookNode:
    """The notebook, run in a folder: its results, no messages, no times.

    Raises:
        CellExecutionError: a cell has failed.
    """
    notebook = nbformat.read(NOTEBOOK, as_version=4)
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
