"""How fast the exported network is in other runtimes, beside the Translator."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from hflow.benchmarks.case import BenchmarkCase
from hflow.foundation.errors import HflowError
from hflow.foundation.progress import progress
from hflow.model import HierarchyFlow
from hflow.model.deployment import FRAMES, export_model
from hflow.model.store import StyleBank, TrainedModel
from hflow.translation.translator import Translator

__all__ = ["benchmark_exported"]


@torch.inference_mode()
def benchmark_exported(case: BenchmarkCase) -> Mapping[str, float]:
    """Seconds a frame of the Translator and of the exported network, by turns on a CPU; medians, by name.

    Raises:
        HflowError: ONNX Runtime is not installed, or the device is no CPU.
    """
    if case.device.type != "cpu":
        raise HflowError("exported networks are timed on a CPU alone: add --device cpu")
    torch.manual_seed(0)
    network = HierarchyFlow(case.expansions).eval()
    network.start_from([torch.rand(1, 3, 64, 64)])
    model = TrainedModel(network, StyleBank(torch.randn(1, 8), ["0"]), {}, "untrained")
    frames = torch.rand(case.batch, 3, case.size[1], case.size[0])  # (B, 3, H, W)
    translators = {f"translate, {p}": Translator(model, precision=p) for p in ("auto", "fp32")}
    runners: dict[str, Callable[[], object]] = {
        f"{name} ({t.precision})": partial(t.translate_checked, frames) for name, t in translators.items()
    }
    with TemporaryDirectory() as folder:
        exported = Path(folder) / "hflow.onnx"
        export_model(model, exported)
        runners["ONNX Runtime (fp32)"] = _onnx_runtime(exported, frames)
    seconds: dict[str, list[float]] = {name: [] for name in runners}
    with progress("bench", case.rounds + 1, unit="rounds") as advance:
        for number in range(case.rounds + 1):
            for name, run in runners.items():
                begin = case.clock()
                run()
                if number:
                    seconds[name].append(case.clock() - begin)
            advance()
    return {name: median(found) / case.batch for name, found in seconds.items()}


def _onnx_runtime(path: Path, frames: Tensor) -> Callable[[], object]:
    try:
        import onnxruntime
    except ImportError:
        raise HflowError('ONNX Runtime is not installed: `uv pip install "hflow[onnx]"`') from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return partial(session.run, None, {FRAMES: frames.numpy()})
