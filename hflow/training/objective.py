"""What a training step minimises: equation 4 of the paper, and the terms that are ours."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from hflow.foundation.params import LossParams
from hflow.training.encoder import Encoder
from hflow.training.losses import CONTENT_LAYER, aligned_style_loss, content_loss, dark_channel_loss, detail_loss
from hflow.training.region_style import (
    COLOUR,
    Regions,
    band_masks,
    fill_missing,
    region_statistics,
    region_style_loss,
    with_colour,
)

__all__ = ["training_losses"]


def training_losses(
    module: nn.Module,
    encoder: Encoder,
    content: Tensor,
    style: Tensor,
    loss: LossParams,
    regions: Regions | None = None,
) -> dict[str, Tensor]:
    """Equation 4 and its terms, for a batch of content and style, each (B, 3, H, W).

    Args:
        regions: the classes of both, where the style is compared class by class.

    Returns:
        "loss", "content", "style", and "detail" and "dark_channel" where they have a weight.
    """
    image = module(content, style)  # (B, 3, H, W)
    output = encoder(image, {CONTENT_LAYER, *loss.style_layers})
    with torch.no_grad():
        wanted_content, wanted_style = encoder(content, (CONTENT_LAYER,)), encoder(style, loss.style_layers)
    of_content = content_loss(output, wanted_content)
    if regions is None and not loss.colour:
        of_style = aligned_style_loss(
            output, wanted_style, k=loss.k, layers=loss.style_layers, std_weight=loss.std_weight, bands=loss.bands
        )
    else:
        output = {layer: output[layer] for layer in loss.style_layers}
        of_style = _style_by_region(with_colour(output, image), with_colour(wanted_style, style), loss, regions)
    losses = {"loss": of_content + loss.lambda_style * of_style, "content": of_content, "style": of_style}
    if loss.detail:
        losses["detail"] = detail_loss(image, content)
        losses["loss"] = losses["loss"] + loss.detail * losses["detail"]
    if loss.dark_channel:
        losses["dark_channel"] = dark_channel_loss(image, style)
        losses["loss"] = losses["loss"] + loss.dark_channel * losses["dark_channel"]
    return losses


def _style_by_region(
    output: Mapping[str, Tensor], style: Mapping[str, Tensor], loss: LossParams, regions: Regions | None
) -> Tensor:
    """The style loss of features by layer, the images among them, by the classes of both or else by bands."""
    if regions is None:
        regions = Regions(_bands(output[COLOUR], loss.bands), _bands(style[COLOUR], loss.bands))
    wanted = region_statistics(style, regions.style)
    return region_style_loss(
        region_statistics(output, regions.content),
        wanted if regions.typical is None else fill_missing(wanted, regions.typical),
        k=loss.k,
        std_weight=loss.std_weight,
        layer_weights=[*(1.0 for _ in loss.style_layers), loss.colour],
    )


def _bands(images: Tensor, bands: int) -> Tensor:
    """Masks, (B, bands, H, W), of images (B, 3, H, W)."""
    masks = band_masks((images.shape[2], images.shape[3]), bands).to(images.device)
    return masks.expand(len(images), -1, -1, -1)
