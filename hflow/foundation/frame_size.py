"""How small and how large a frame may be."""

from hflow.foundation.errors import HflowError

__all__ = ["LARGEST_SIDE", "MOST_PIXELS", "SMALLEST_SIDE", "check_frame_size"]

SMALLEST_SIDE = 16
"""The least width and height of a frame in pixels: the network reflects 10 at its edges, the window of SSIM has 11."""

LARGEST_SIDE = 16384
"""The largest width and height of a frame in pixels that a parameter may ask for."""

MOST_PIXELS = 178_956_970
"""The most pixels of an image that is decoded at all, Pillow's own bound; 537 MB in RGB."""


def check_frame_size(width: int, height: int) -> None:
    """See whether a frame is large enough for the network.

    Raises:
        HflowError: it is not; the frame's name is left for the caller to say.
    """
    if min(width, height) < SMALLEST_SIDE:
        raise HflowError(f"is {width}x{height}; the least is {SMALLEST_SIDE}x{SMALLEST_SIDE}")
