"""What the guided filter behind a network costs beside it, and what its windows would cost by pooling."""

from collections.abc import Callable
from functools import partial
from statistics import median

import torch
from torch import Tensor
from torch.nn import functional as F

from hflow.benchmarks.case import BenchmarkCase
from hflow.foundation.guided_filter import local_affine
from hflow.foundation.progress import progress
from hflow.foundation.window_means import window_means
from hflow.model import HierarchyFlow
from hflow.translation.translator import Translator

__all__ = ["benchmark_guided_filter"]

RADIUS = 8
MAPS = 33
"""Whose windows a guided filter of three channels takes."""


@torch.inference_mode()
def benchmark_guided_filter(case: BenchmarkCase) -> dict[str, float]:
    """Seconds a frame, by turns: windows by pooling and as hflow takes them, the filter, translation without it."""
    width, height = case.size
    torch.manual_seed(0)
    frames = torch.rand(case.batch, 3, height, width, device=case.device)  # (B, 3, H, W)
    maps = torch.rand(case.batch, MAPS, height, width, device=case.device)
    network = HierarchyFlow(case.expansions)
    network.start_from([torch.rand(1, 3, 64, 64)])
    translator = Translator(network, torch.rand(1, 3, 64, 64), device=case.device, precision=case.precision)
    parts: dict[str, Callable[[], Tensor]] = {
        f"{MAPS} maps' windows by pooling": partial(_pooled, maps),
        f"{MAPS} maps' windows by doubling": partial(window_means, maps, RADIUS),
        f"guided filter of radius {RADIUS}": partial(local_affine, frames, frames.flip(1), radius=RADIUS),
        "translation without it": partial(translator.translate_checked, frames),
    }
    seconds: dict[str, list[float]] = {name: [] for name in parts}
    for part in parts.values():
        part()
    with progress("bench", case.rounds, unit="rounds") as advance:
        for _ in range(case.rounds):
            for name, part in parts.items():
                start = case.clock()
                part()
                if case.device.type == "cuda":
                    torch.cuda.synchronize(case.device)
                seconds[name].append(case.clock() - start)
            advance()
    return {name: median(values) / case.batch for name, values in seconds.items()}


def _pooled(maps: Tensor) -> Tensor:
    width = 2 * RADIUS + 1
    maps = F.avg_pool2d(maps, (1, width), stride=1, padding=(0, RADIUS), count_include_pad=False)
    return F.avg_pool2d(maps, (width, 1), stride=1, padding=(RADIUS, 0), count_include_pad=False)
