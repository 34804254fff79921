"""How frames that training does not see come out, while it goes on: the measures by which the best step is known.

The losses can't tell: the style loss falls as well by grain and halos as by right colours.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hflow.datasets.tensors import to_pixels, to_tensor
from hflow.metrics.colour_error import ColourStatistics, class_colour_error, class_statistics, colour_error, pooled
from hflow.metrics.invented_detail import invented_detail
from hflow.metrics.segmentation import confusion_matrix, segment_scores
from hflow.model import HierarchyFlow

__all__ = ["HeldOut", "LabelledImage"]

Predict = Callable[[Tensor], Tensor]
"""Train ids, (B, H, W), of images (B, 3, H, W) in [0, 1], such as `Judge.predict`."""


@dataclass(frozen=True)
class LabelledImage:
    """A picture, uint8 (H, W, 3), RGB, and its train ids, (H, W), or None."""

    pixels: np.ndarray
    ids: np.ndarray | None = None


class HeldOut:
    """Frames with a style image each, and what the target's classes look like.

    Args:
        frames: that training does not see.
        styles: one for each frame.
        target: target images; where they and the frames have labels, colours are compared class by class.
        names: the class names; a name's place is its train id.
        judge: a segmenter trained on the target's labelled images, where there is one.
    """

    def __init__(
        self,
        frames: Sequence[LabelledImage],
        styles: Sequence[LabelledImage],
        *,
        target: Sequence[LabelledImage] = (),
        names: Sequence[str] = (),
        judge: Predict | None = None,
    ):
        self.frames, self.styles, self.names, self.judge = frames, styles, names, judge
        self.wanted: Mapping[int, ColourStatistics] = pooled(
            [class_statistics(image.pixels, image.ids) for image in target if image.ids is not None]
        )

    @torch.no_grad()
    def measure(self, network: HierarchyFlow) -> dict[str, float]:
        """Translate the frames and measure them.

        Returns:
            detail: invented detail, RMS in grey levels.
            colour: the distance of a frame's colours from its style's, in CIELAB, over the picture.
            class_colour: the same by class, against the target's classes, the mean over the classes of a frame by the
                root of their size; missing without labels on both sides.
            fcn: mIoU of the judge's reading against the labels, in [0, 1]; missing without a judge or labels.
            error: class_colour, or else colour, plus detail. Lower is better; the best step has the least. Of both a
                unit is about as visible: a grey level is 0.4 of lightness, spread over the picture as an RMS.
        """
        device = next(network.parameters()).device
        found: dict[str, list[float]] = {"detail": [], "colour": [], "class_colour": []}
        confusion = torch.zeros(len(self.names), len(self.names), dtype=torch.int64)
        for frame, style in zip(self.frames, self.styles, strict=True):
            source, wanted = (to_tensor(image.pixels)[None].to(device) for image in (frame, style))
            image = network(source, wanted)  # (1, 3, H, W)
            pixels = to_pixels(image[0])
            found["detail"].append(invented_detail(source, image).item())
            found["colour"].append(colour_error(pixels, style.pixels))
            if frame.ids is None:
                continue
            errors = class_colour_error(pixels, frame.ids, self.wanted, self.names)
            if errors:
                weights = [float(np.mean(frame.ids == self.names.index(name))) ** 0.5 for name in errors]
                found["class_colour"].append(float(np.average(list(errors.values()), weights=weights)))
            if self.judge is not None:
                truth = torch.from_numpy(frame.ids.astype(np.int64))
                confusion += confusion_matrix(self.judge(image)[0].cpu(), truth, len(self.names))
        measures = {name: float(np.mean(values)) for name, values in found.items() if values}
        if confusion.any():
            measures["fcn"] = segment_scores(confusion, self.names)["mIoU"]
        return {**measures, "error": measures.get("class_colour", measures["colour"]) + measures["detail"]}
