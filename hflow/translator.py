"""A trained network with its style bank, ready to be called: frames in, frames out."""

from collections.abc import Sequence

import torch
from torch import Tensor

from hflow.model import HierarchyFlow
from hflow.model.folded import FoldedTransfer
from hflow.model.store import StyleBank, TrainedModel

__all__ = ["Translator"]


class Translator:
    """A network with a style bank: frames in, frames out. One object serves one thread at a time.

    Args:
        model: a network, or a trained model, which brings its own styles.
        styles: a bank, or images, (S, 3, H, W) in [0, 1], whose codes are computed once here.
        device: where to translate.

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
    ):
        self.device = torch.device(device)
        network = model.network if isinstance(model, TrainedModel) else model
        self.network = network.to(self.device).eval()
        self._transfer = FoldedTransfer(self.network) if self.device.type == "cpu" else self.network.transfer
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

    @torch.inference_mode()
    def __call__(self, frames: Tensor, choice: Sequence[int] | None = None) -> Tensor:
        """Translate frames, (B, 3, H, W) in [0, 1], to the same shape and range.

        Args:
            choice: the number in the style bank for each frame; None takes the styles in turn.
        """
        choice = [i % len(self._codes) for i in range(len(frames))] if choice is None else choice
        return self._transfer(frames.to(self.device), self._codes[list(choice)])
