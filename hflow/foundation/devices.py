"""Where tensors live, and what of it can change the last bit of a float."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from hflow.foundation.errors import HflowError

__all__ = ["fast_bfloat16", "machine_marks", "pick_device", "torch_threads"]


def pick_device(name: str) -> torch.device:
    """The device of this name; "auto" is a GPU where there is one.

    Raises:
        HflowError: there is no such device.
    """
    try:
        device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        first = str(error).splitlines()[0]
        raise HflowError(f"there is no device {name!r} here ({first}): set it to auto, cpu or cuda") from None
    return device


def machine_marks(device: torch.device) -> list[Any]:
    """For fingerprints: the library's version, the device and its model, the number of threads."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} {_cpu('model name')}"
    return [torch.__version__, name, torch.get_num_threads()]


@contextlib.contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Let torch use so many threads inside the block; None leaves their number as it is."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(count or before)
        yield
    finally:
        torch.set_num_threads(before)


def fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is multiplied faster than float32: by a GPU from Ampere on, a CPU with AMX or AVX512_BF16."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    flags = set(_cpu("flags").split())
    return "amx_bf16" in flags or "avx512_bf16" in flags


def _cpu(what: str) -> str:
    """What Linux tells of the first processor under this name: "model name", "flags"; "" where it doesn't."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(what)), "")
