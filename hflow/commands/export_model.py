"""hflow export-model: the network in one style, for other runtimes."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from hflow.commands.console import DEFAULT, ParamsFile, show
from hflow.foundation.params import load_params
from hflow.pipeline import outputs
from hflow.pipeline.models import find_model

__all__ = ["export_model"]


def export_model(
    out: Annotated[Path, typer.Argument(help="The file to write, such as hflow.onnx or hflow.pt2.")],
    to: Annotated[
        Literal["onnx", "torch-export"], typer.Option("--format", help="onnx needs the extra hflow[onnx].")
    ] = "onnx",
    style: Annotated[
        str | None, typer.Option(help="The key of a style of the bank; none: the one nearest to all.")
    ] = None,
    model: Annotated[str, typer.Option(help="A model's folder, or models:/NAME@champion.")] = str(outputs.MODEL),
    params: ParamsFile = DEFAULT,
) -> None:
    """Write the translator in one style as a file that ONNX Runtime, TensorRT or torch.export.load reads.

    Writes OUT, in a minute: float32 frames (B, 3, H, W) in [0, 1] in and out, of any batch and size.
    Example: `hflow export-model hflow.onnx --format onnx`
    """
    from hflow.model.deployment import export_model
    from hflow.model.store import load_model

    folder = find_model(model, load_params(params) if params.is_file() else None)
    show(export_model(load_model(folder), out, style=style, to=to))
