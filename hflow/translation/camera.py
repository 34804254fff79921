"""What a camera does to a picture that a renderer doesn't: its sharpness, its noise, its JPEG."""

import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from hflow.datasets.images import open_rgb
from hflow.foundation.errors import HflowError

__all__ = ["Camera"]

MASK_RADIUS = 1.0
"""Of the blurred picture that sharpening moves away from, in pixels."""


@dataclass(frozen=True)
class Camera:
    """A lens, a sensor and a file, in this order; labels stay true, since nothing moves.

    Attributes:
        blur: the sigma of a Gaussian, in pixels.
        sharpen: how far the picture moves away from its blurred self, 0 to 2, as cameras and resizing do it.
        noise: the standard deviation of the noise of brightness, in grey levels.
        quality: of JPEG, 1 to 95; None compresses nothing.
    """

    blur: float = 0.0
    sharpen: float = 0.0
    noise: float = 0.0
    quality: int | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "Camera":
        """The camera that a model's training fitted, as its config.json holds it.

        Raises:
            HflowError: the model knows none.
        """
        try:
            return cls(**config["camera"])
        except (KeyError, TypeError):
            raise HflowError("the model knows no camera of its target: train it again, or leave camera out") from None

    @property
    def settings(self) -> dict[str, float | int | None]:
        """What config.json holds."""
        return asdict(self)

    def __call__(self, pixels: np.ndarray, seed: int) -> np.ndarray:
        """The picture as this camera would have taken it.

        Args:
            pixels: (H, W, 3), uint8.
            seed: of the noise; the same seed and size give the same noise.

        Returns:
            (H, W, 3), uint8.
        """
        image = Image.fromarray(pixels)
        if self.blur:
            image = image.filter(ImageFilter.GaussianBlur(self.blur))
        if self.sharpen:
            image = image.filter(ImageFilter.UnsharpMask(MASK_RADIUS, round(100 * self.sharpen), threshold=0))
        if self.noise:
            grain = np.random.default_rng(seed).normal(0, self.noise, (*pixels.shape[:2], 1))  # (H, W, 1)
            image = Image.fromarray((np.asarray(image) + grain).round().clip(0, 255).astype(np.uint8))
        if self.quality is not None:
            file = io.BytesIO()
            image.save(file, "JPEG", quality=self.quality)
            image = open_rgb(file.getvalue())
        return np.array(image)
