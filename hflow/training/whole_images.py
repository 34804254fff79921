"""How large the images may be that training gives to a network whole, beside its steps."""

__all__ = ["MOST_PIXELS"]

MOST_PIXELS = 1 << 20
"""Of an image at once: the network as it reads keeps 2.3 kB a pixel, so that a whole camera image would take more
memory than a training on crops."""
