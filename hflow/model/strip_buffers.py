"""Memory that stays between frames, since memory fresh from the system is slow to touch for the first time."""

import torch
from torch import Tensor

__all__ = ["StripBuffers"]


class StripBuffers:
    """Memory by name. What is asked for under a name lies where the last under that name lay."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, torch.dtype], Tensor] = {}

    def maps(self, name: str, channels: int, like: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Memory for (1, channels, H, W) of this name, H and W those of `like`, channels last; what it held is lost."""
        height, width = like.shape[2:]
        memory = self.memory(name, channels * height * width, dtype)
        return memory.view(1, height, width, channels).permute(0, 3, 1, 2)

    def memory(self, name: str, count: int, dtype: torch.dtype = torch.float32) -> Tensor:
        key = (name, dtype)
        if key not in self._held or len(self._held[key]) < count:
            self._held[key] = torch.empty(count, dtype=dtype)
        return self._held[key][:count]

    def clear(self) -> None:
        """Give everything back."""
        self._held.clear()
