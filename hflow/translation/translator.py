"""A trained network with its style bank, ready to be called: frames in, frames out."""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from hflow.foundation.devices import fast_bfloat16, repeatable_kernels
from hflow.foundation.progress import say
from hflow.model import HierarchyFlow
from hflow.model.batch_transfer import BatchTransfer
from hflow.model.compiled_transfer import CompiledTransfer
from hflow.model.store import StyleBank, TrainedModel
from hflow.model.strip_transfer import StripTransfer

__all__ = ["Backend", "Precision", "Translator", "choose_backend", "uncompiled"]

Precision = Literal["auto", "fp32", "bf16"]
ROUNDING = 1e-4
"""How far beyond [0, 1] a value may be that was computed to lie in it."""

Backend = Literal["auto", "plain", "strips", "whole", "compiled"]


class Translator:
    """A network with a style bank: frames in, frames out. One object serves one thread at a time.

    Args:
        model: a network, or a trained model, which brings its own styles.
        styles: a bank, or images, (S, 3, H, W) in [0, 1], whose codes are computed once here.
        device: where to translate.
        precision: of the Affine-Nets' convolutions, "fp32", in which a GPU takes no TensorFloat-32, or "bf16";
            statistics are float32 in both. "auto" is bf16 where the device multiplies it faster.
        backend: "plain" is the network as it reads, in fp32 alone; "strips" is for CPUs; "whole" folds sums and
            statistics on whole batches, "compiled" is the same by `torch.compile`, which needs a compiler on the
            machine and makes a graph for each size of frames; see `uncompiled`. "auto" is strips on a CPU, else
            compiled, or whole where that fails, with a line that says why.
        strength: how far a frame goes from what it is, corrected where the network corrects, 0, to its style, 1. The
            means of its channels go there linearly.

    Attributes:
        precision, backend: what was chosen.

    Examples:
        >>> translate = Translator(HierarchyFlow((4,)), styles=torch.rand(2, 3, 64, 64))
        >>> translate(torch.rand(5, 3, 32, 48)).shape
        torch.Size([5, 3, 32, 48])
    """

    def __init__(
        self,
        model: HierarchyFlow | TrainedModel,
        styles: StyleBank | Tensor | None = None,
        *,
        device: torch.device | str = "cpu",
        precision: Precision = "auto",
        backend: Backend = "auto",
        strength: float = 1.0,
    ):
        self.device = torch.device(device)
        network = model.network if isinstance(model, TrainedModel) else model
        self.network = network.to(self.device).eval()
        self.precision, self.backend = choose_backend(self.device, precision, backend)
        self.strength = strength
        self._transfer = self._built()
        if styles is None and isinstance(model, TrainedModel):
            styles = model.styles
        if styles is None:
            raise ValueError("a network without a style bank needs styles")
        if isinstance(styles, Tensor):
            with torch.inference_mode():
                codes = torch.cat([self.network.encode_style(image[None].to(self.device)) for image in styles])
            styles = StyleBank(codes, [str(number) for number in range(len(codes))])
        self.styles = styles
        self._codes = styles.codes.to(self.device)  # (S, 8)

    def __call__(self, frames: Tensor, choice: Sequence[int] | None = None) -> Tensor:
        """Translate frames, (B, 3, H, W) in [0, 1], to the same shape and range.

        Args:
            choice: the number in the style bank for each frame; None takes the styles in turn.

        Raises:
            ValueError: there are no frames, or they are not floats in [0, 1] of this shape.
        """
        _check(frames)
        return self.translate_checked(frames, choice)

    @torch.inference_mode()
    @repeatable_kernels()
    def translate_checked(self, frames: Tensor, choice: Sequence[int] | None = None) -> Tensor:
        """Translate frames that are known to be as `__call__` wants them: a GPU need not be waited for to look."""
        choice = [i % len(self._codes) for i in range(len(frames))] if choice is None else choice
        # Indexed by a list, a GPU would first end what it has to do.
        numbers = torch.tensor(list(choice)).to(self.device, non_blocking=True)
        frames = self.network.correct(frames.to(self.device))
        codes = self._codes[numbers]  # (B, 8)
        images = self._transfer(frames, codes)
        if self.backend != "plain":  # which has done it itself
            images = self.network.finish(frames, images)
        return images if self.strength == 1 else torch.lerp(frames, images, self.strength)

    def bytes_needed(self, height: int, width: int) -> int | None:
        """About how much memory a frame of this size takes at its peak; None where that isn't known beforehand."""
        return self._transfer.bytes_needed(height, width) if isinstance(self._transfer, StripTransfer) else None

    def _built(self) -> Callable[[Tensor, Tensor], Tensor]:
        """(B, 3, H, W) and codes, (B, 8), to (B, 3, H, W), by the backend chosen."""
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        if self.backend == "plain":
            return self.network.transfer
        if self.backend == "strips":
            return StripTransfer(self.network, dtype=dtype)
        whole = BatchTransfer(self.network, dtype)
        return CompiledTransfer(whole) if self.backend == "compiled" else whole


def _check(frames: Tensor) -> None:
    """See that frames are (B, 3, H, W), at least one, floats in [0, 1]; a ValueError says what they are instead."""
    if frames.ndim != 4 or frames.shape[1] != 3 or not len(frames):
        raise ValueError(f"frames are (B, 3, H, W), at least one of them, not {tuple(frames.shape)}")
    if not frames.is_floating_point():
        raise ValueError(
            f"frames are floats in [0, 1], not {frames.dtype}: frames.float().div(255) makes such of uint8"
        )
    low, high = (float(value) for value in frames.aminmax())
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):
        raise ValueError(f"frames are floats in [0, 1], not from {low:.4g} to {high:.4g}: scale or clamp them")


def choose_backend(
    device: torch.device, precision: Precision = "auto", backend: Backend = "auto"
) -> tuple[Precision, Backend]:
    """What a Translator with these arguments takes: a precision and a backend, neither of them "auto".

    Raises:
        ValueError: the backend does not have this precision or is not for this device.
    """
    if backend == "auto":
        backend = "strips" if device.type == "cpu" else "compiled"
    if backend == "compiled":
        fault = _compiler_fault(device)
        if fault is not None:
            say(f"torch.compile fails here, so translation runs uncompiled: {fault}")
            backend = "whole"
    if backend == "strips" and device.type != "cpu":
        raise ValueError(f"the backend strips is for CPUs, not for {device}")
    if precision == "auto":
        precision = "bf16" if backend != "plain" and fast_bfloat16(device) else "fp32"
    if backend == "plain" and precision == "bf16":
        raise ValueError("the backend plain is in fp32 alone")
    return precision, backend


def uncompiled(device: torch.device | str) -> Backend:
    """The backend for frames of any size: a graph a size would take longer to make than it saves."""
    return "strips" if torch.device(device).type == "cpu" else "whole"


def _compiler_fault(device: torch.device) -> str | None:
    """Why `torch.compile` doesn't work for this device, found out by a small trial; None where it does."""
    try:
        torch.compile(torch.sin)(torch.zeros(8, device=device))
    except (RuntimeError, ImportError, OSError) as error:
        return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return None
