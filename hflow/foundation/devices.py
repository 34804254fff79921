"""Where tensors live, and what of it can change the last bit of a float."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from hflow.foundation.errors import HflowError

__all__ = [
    "fast_bfloat16",
    "is_out_of_memory",
    "machine_marks",
    "memory_named",
    "most_alike",
    "pick_device",
    "repeatable_kernels",
    "torch_threads",
]

_OUT_OF_MEMORY = (
    "out of memory",  # CUDA's allocator and driver, torch.AcceleratorError among them
    "can't allocate memory",  # a CPU's allocator
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED",  # no room for the handle
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_NOT_INITIALIZED",
    "DEVICE_ALLOCATION_FAILED",  # cuDNN 9
    "HOST_ALLOCATION_FAILED",
    "unable to find an engine to execute this computation",  # no algorithm's work space had room
)


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
    """For fingerprints: the library's version, the device and its model, the number of threads.

    A GPU's model is followed by TensorFloat-32 where its convolutions may take that for float32.
    """
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device) + (", TensorFloat-32" if torch.backends.cudnn.allow_tf32 else "")
    else:
        name = f"{device.type} {_cpu('model name')}"
    return [torch.__version__, name, torch.get_num_threads()]


def most_alike(names: Sequence[str]) -> list[int]:
    """The numbers of the devices of the model, by `names`, that there are most of; of as many, of the first."""
    most = max(names, key=names.count)
    return [number for number, name in enumerate(names) if name == most]


@contextlib.contextmanager
def repeatable_kernels() -> Iterator[None]:
    """Inside the block, cuDNN gives the same result each time, and float32 is float32.

    PyTorch's default for convolutions on a GPU from Ampere on is TensorFloat-32, whose products have 10 bits of
    mantissa in place of 23.
    """
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield


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


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device's memory was too small, so that less at once may fit."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error) for said in _OUT_OF_MEMORY)


@contextlib.contextmanager
def memory_named(advice: str) -> Iterator[None]:
    """Say what to do where the block needs more memory than the device has.

    Raises:
        HflowError: it does; the message ends with the advice.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise HflowError(f"the device's memory is too small ({first[:200]}): {advice}") from None


def _cpu(what: str) -> str:
    """What Linux tells of the first processor under this name: "model name", "flags"; "" where it doesn't."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(what)), "")
