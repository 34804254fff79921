"""Devices, and what their errors say."""

import pytest
import torch

from hflow.foundation.devices import is_out_of_memory, memory_named, most_alike, repeatable_kernels
from hflow.foundation.errors import HflowError

TOO_SMALL = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 7.79 GiB"),
    torch.AcceleratorError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    RuntimeError("FIND was unable to find an engine to execute this computation"),
    MemoryError("Unable to allocate 12.0 GiB for an array"),
]

OTHERS = [
    torch.AcceleratorError("CUDA error: an illegal memory access was encountered"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    RuntimeError("The size of tensor a (4) must match the size of tensor b (3) at non-singleton dimension 1"),
    OSError("out of memory"),
]


@pytest.mark.parametrize("error", TOO_SMALL, ids=lambda error: str(error)[:40])
def test_an_error_of_memory_is_known_by_what_it_says(error: BaseException) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", OTHERS, ids=lambda error: str(error)[:40])
def test_another_error_is_none_of_memory(error: BaseException) -> None:
    assert not is_out_of_memory(error)


def test_too_little_memory_is_said_with_what_to_do() -> None:
    with (
        pytest.raises(HflowError, match=r"CUDA out of memory.*: lower train\.batch_size"),
        memory_named("lower train.batch_size"),
    ):
        raise TOO_SMALL[0]


def test_an_error_of_another_kind_keeps_its_words() -> None:
    with pytest.raises(RuntimeError, match="size of tensor a"), memory_named("lower train.batch_size"):
        raise OTHERS[2]


def test_inside_repeatable_kernels_float32_is_no_tensor_float_32() -> None:
    before = torch.backends.cudnn.allow_tf32
    with repeatable_kernels():
        assert torch.backends.cudnn.deterministic
        assert not torch.backends.cudnn.allow_tf32
        assert not torch.backends.cuda.matmul.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before


def test_of_unequal_devices_those_are_taken_that_there_are_most_of() -> None:
    assert most_alike(["T4", "A100", "A100"]) == [1, 2]
    assert most_alike(["T4", "A100"]) == [0]
