"""A batch of frames on the device: through the network, measured, and fetched while the next one is computed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hflow.foundation.devices import is_out_of_memory, repeatable_kernels
from hflow.metrics.ssim_psnr import ssim
from hflow.segmentation.judge import Judge
from hflow.translation.translator import Translator

__all__ = ["BatchTranslator", "Finish", "FrameResult", "PendingFrames"]

Finish = Callable[[np.ndarray], np.ndarray]
"""From a translated frame, uint8 (H, W, 3), to the one that is measured and kept, of the same shape."""


@dataclass(frozen=True)
class FrameResult:
    """What came of one frame, on the CPU.

    Attributes:
        pixels: (H, W, 3), uint8.
        finite: whether the network gave numbers alone.
        similarity: SSIM to the frame given.
        seen: what the judge sees before and after, (H, W) each; None without a judge.
        size: how many frames were translated at once; 0 where the device's memory does not hold one.
        halved: whether the batch had to be halved.
    """

    pixels: np.ndarray
    finite: bool
    similarity: float
    seen: tuple[Tensor, Tensor] | None
    size: int
    halved: bool


@dataclass(frozen=True)
class PendingFrames:
    """What the network makes of frames at once, on its way to the CPU's memory.

    Attributes:
        size, halved: as of `FrameResult`.
        levels: (B, H, W, 3), uint8.
        finite: (B,), bool.
        similarity: (B,).
        seen: of the judge, (B, H, W) each, uint8.
        arrived: of the device's stream, once all of it is there; None where it is there from the start.
    """

    size: int
    levels: Tensor
    finite: Tensor
    similarity: Tensor
    seen: tuple[Tensor, Tensor] | None
    arrived: torch.cuda.Event | None = None
    halved: bool = False

    def fetch(self) -> Iterator[FrameResult]:
        """The frames one by one, as soon as they are there: what the device does after them is not waited for."""
        if self.arrived is not None:
            self.arrived.synchronize()
        levels, finite, similarity = self.levels.numpy(), self.finite.tolist(), self.similarity.tolist()
        for i in range(len(levels)):
            seen = None if self.seen is None else (self.seen[0][i], self.seen[1][i])
            yield FrameResult(levels[i], finite[i], similarity[i], seen, self.size, self.halved)


class BatchTranslator:
    """Starts the translation of batches on the translator's device; a GPU goes on while others are fetched.

    Args:
        translator: the network with its styles.
        judge: looks at each frame before and after.
    """

    def __init__(self, translator: Translator, judge: Judge | None):
        self.translator, self.judge = translator, judge

    def __call__(
        self,
        pixels: Sequence[np.ndarray],
        styles: Sequence[int],
        finishes: Sequence[Finish] = (),
        halved: bool = False,
    ) -> list[PendingFrames]:
        """Translate a batch; where the device's memory does not hold it, each half by itself.

        Args:
            pixels: of each frame, (H, W, 3), uint8, all of one shape.
            styles: the number in the style bank for each.
            finishes: what is done to each frame behind the network, on the CPU, so that a GPU waits for it; none leaves
                them as they are.
            halved: whether this is a half already.
        """
        try:
            return [self._started(pixels, styles, finishes, halved)]
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Outside the handler, since the error holds on to the tensors that did not fit.
        if self.translator.device.type == "cuda":
            torch.cuda.empty_cache()
        if len(pixels) == 1:
            nothing = torch.zeros(1)
            levels = torch.zeros(1, *pixels[0].shape, dtype=torch.uint8)
            return [PendingFrames(0, levels, nothing > 0, nothing, None, halved=halved)]
        half = len(pixels) // 2
        parts = (slice(None, half), slice(half, None))
        return [made for part in parts for made in self(pixels[part], styles[part], finishes[part], True)]

    @torch.inference_mode()
    @repeatable_kernels()
    def _started(
        self, pixels: Sequence[np.ndarray], styles: Sequence[int], finishes: Sequence[Finish], halved: bool
    ) -> PendingFrames:
        device = self.translator.device
        given = torch.from_numpy(np.stack(pixels))  # (B, H, W, 3)
        if device.type == "cuda":
            given = given.pin_memory().to(device, non_blocking=True)
        frames = given.permute(0, 3, 1, 2).contiguous().float().div(255)  # (B, 3, H, W)
        outputs = self.translator.translate_checked(frames, styles).float()  # (B, 3, H, W)
        finite = outputs.isfinite().flatten(1).all(1)  # (B,)
        levels = outputs.mul_(255).round_().clamp_(0, 255).to(torch.uint8)
        del outputs
        if finishes:
            rendered = levels.permute(0, 2, 3, 1).cpu().numpy()  # (B, H, W, 3)
            finished = [finish(frame) for finish, frame in zip(finishes, rendered, strict=True)]
            levels = torch.from_numpy(np.stack(finished)).permute(0, 3, 1, 2).to(device)  # (B, 3, H, W)
        shown = levels.float().div(255)
        similarity = ssim(shown, frames)
        seen = None
        if self.judge:
            before, after = (self.judge.predict(images).to(torch.uint8) for images in (frames, shown))
            seen = _to_cpu(before), _to_cpu(after)
        levels = _to_cpu(levels.permute(0, 2, 3, 1).contiguous())  # (B, H, W, 3)
        finite, similarity, arrived = _to_cpu(finite), _to_cpu(similarity), None
        if device.type == "cuda":
            arrived = torch.cuda.Event()
            arrived.record(torch.cuda.current_stream(device))
        return PendingFrames(len(pixels), levels, finite, similarity, seen, arrived, halved)


def _to_cpu(tensor: Tensor) -> Tensor:
    """The tensor in the CPU's memory; from a GPU it arrives there later, in the order of the GPU's stream."""
    if tensor.device.type != "cuda":
        return tensor.cpu()
    # A copy to memory that is not pinned would wait for all that the stream has to do.
    return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor, non_blocking=True)
