"""The network with one style of its bank as a file that other runtimes load: ONNX, or PyTorch's own export.

What is in it takes frames, float32 (B, 3, H, W) in [0, 1], of any batch and size from the smallest on, and gives the
same. All of it is float32.
"""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.export import Dim

from hflow.foundation.atomic_files import atomic_path
from hflow.foundation.errors import HflowError
from hflow.foundation.frame_size import SMALLEST_SIDE
from hflow.model.batch_transfer import BatchTransfer
from hflow.model.correction import RADIUS
from hflow.model.hierarchy_flow import HierarchyFlow
from hflow.model.store import StyleBank, TrainedModel

__all__ = ["FRAMES", "Format", "StyledNetwork", "export_model", "typical_style"]

Format = Literal["onnx", "torch-export"]
FRAMES, TRANSLATED = "frames", "translated"
OPSET = 18


class StyledNetwork(nn.Module):
    """The network in one style: frames, (B, 3, H, W) in [0, 1], to the same.

    Args:
        network: in float32.
        code: of the style, (8,).
    """

    style_code: Tensor

    def __init__(self, network: HierarchyFlow, code: Tensor):
        super().__init__()
        self.transfer = BatchTransfer(network)
        self.register_buffer("style_code", code[None].clone())  # (1, 8)

    def forward(self, frames: Tensor) -> Tensor:
        frames = self.transfer.network.correct(frames)
        # Statistics of one code serve every frame of the batch.
        return self.transfer.network.finish(frames, self.transfer(frames, self.style_code))


def export_model(model: TrainedModel, out: Path, *, style: str | None = None, to: Format = "onnx") -> Mapping[str, Any]:
    """Write the network in one style as a file, with what it was made from inside.

    Args:
        model: the trained model.
        out: the file.
        style: the key of a style in the bank; None takes the one nearest to all of them.
        to: "onnx", with one input, frames, and one output, translated; or "torch-export", for `torch.export.load`.

    Returns:
        What the file says of itself: the style, the model's hash, expansions, guide.

    Raises:
        HflowError: there is no such style, or the packages of the extra `onnx` are missing.
    """
    number = typical_style(model.styles) if style is None else _number(model.styles, style)
    network = model.network
    least = _least_side(network)
    said = {
        "style": model.styles.keys[number],
        "model_sha256": model.sha256,
        "expansions": list(network.expansions),
        "guide": network.guide,
        "least_side": least,
    }
    styled = StyledNetwork(network, model.styles.codes[number]).eval()
    example = (torch.zeros(2, 3, 2 * least, 3 * least),)
    shapes = {FRAMES: {0: Dim("batch", min=1), 2: Dim("height", min=least), 3: Dim("width", min=least)}}
    with _quiet(), torch.no_grad(), atomic_path(out) as path:
        if to == "torch-export":
            program = torch.export.export(styled, example, dynamic_shapes=shapes)
            content = io.BytesIO()
            torch.export.save(program, content, extra_files={"hflow.json": json.dumps(said)})
            path.write_bytes(content.getvalue())
        else:
            _write_onnx(styled, example, shapes, path, said)
    return said


def typical_style(styles: StyleBank) -> int:
    """The number of the style whose code is nearest to the mean of all."""
    return int((styles.codes - styles.codes.mean(dim=0)).square().sum(dim=1).argmin())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporters say of their own code."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(before)


def _number(styles: StyleBank, key: str) -> int:
    try:
        return list(styles.keys).index(key)
    except ValueError:
        some = ", ".join(list(styles.keys)[:3])
        raise HflowError(f"there is no style {key!r} among the {len(styles.keys)} of the bank ({some}, ...)") from None


def _least_side(network: HierarchyFlow) -> int:
    """Of a frame in pixels: in a smaller one the guided filters' windows would have to be smaller."""
    return max(SMALLEST_SIDE, 2 * max(network.guide, RADIUS[network.correction]) + 1)


def _write_onnx(
    styled: StyledNetwork, example: tuple[Tensor], shapes: dict[str, Any], path: Path, said: Mapping[str, Any]
) -> None:
    try:
        import onnxscript  # noqa: F401  # what torch.onnx needs
    except ImportError:
        raise HflowError('ONNX needs packages that are missing: `uv pip install "hflow[onnx]"`') from None
    program = torch.onnx.export(
        styled,
        example,
        dynamic_shapes=shapes,
        input_names=[FRAMES],
        output_names=[TRANSLATED],
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    assert program is not None
    program.model.metadata_props.update({key: json.dumps(value) for key, value in said.items()})
    program.save(path, external_data=False)
