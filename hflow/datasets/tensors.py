"""Images as tensors: RGB, float32 in [0, 1], or the bytes as they are."""

import numpy as np
import torch
from torch import Tensor

__all__ = ["to_bytes", "to_pixels", "to_tensor"]


def to_tensor(pixels: np.ndarray) -> Tensor:
    """uint8 (H, W, 3) to float32 (3, H, W) in [0, 1]."""
    return to_bytes(pixels).float().div(255)


def to_bytes(pixels: np.ndarray) -> Tensor:
    """uint8 (H, W, 3) to uint8 (3, H, W)."""
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)


def to_pixels(image: Tensor) -> np.ndarray:
    """float (3, H, W) in [0, 1] to uint8 (H, W, 3), rounded to the nearest grey level."""
    return image.detach().float().mul(255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()
