"""How much of the content a translation kept."""

from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

__all__ = ["ssim"]


def ssim(images: Tensor, reference: Tensor) -> Tensor:
    """Structural similarity (Wang et al. 2004) of each image to its reference, at their own size.

    A Gaussian window of standard deviation 1.5, the mean over the three colour channels.

    Args:
        images, reference: (B, 3, H, W) in [0, 1], H and W at least 11.

    Returns:
        (B,), at most 1; higher is closer, 1 is equal.
    """
    value = structural_similarity_index_measure(images, reference, data_range=1.0, reduction="none")
    assert isinstance(value, Tensor)
    return value.reshape(len(images))
