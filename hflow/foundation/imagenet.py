"""What networks that were trained on ImageNet expect of an image."""

__all__ = ["MEAN", "STD"]

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the red, green and blue of ImageNet's training images in [0, 1]: (image - MEAN) / STD is what a network takes."""
