"""One style for all frames, that the user chooses: an image of the style bank, its average, or a file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from hflow.datasets.images import open_rgb
from hflow.datasets.tensors import to_tensor
from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import fingerprint, sha256_file
from hflow.foundation.params import TranslateParams
from hflow.model.store import StyleBank, TrainedModel

__all__ = ["AVERAGE", "NEAREST", "RANDOM", "chosen", "with_style"]

RANDOM, NEAREST = "random", "nearest"

AVERAGE = "average"

LONGEST = 1024
"""Pixels of a file's longer side: a larger image is made smaller before its style is read."""


def chosen(model: TrainedModel, params: TranslateParams) -> tuple[TrainedModel, TranslateParams]:
    """The model and the parameters by which `translate.style` is what each frame gets.

    Raises:
        HflowError: as `with_style`.
    """
    if params.style == RANDOM:
        return model, params
    if params.style == NEAREST:
        return model, params.model_copy(update={"nearest": 1})
    return with_style(model, params.style), params


def with_style(model: TrainedModel, style: str) -> TrainedModel:
    """The model with a style bank of this one style.

    Args:
        style: `average`, the mean of all codes; a key of the style bank; or an image file. A key comes before a file
            of the same name.

    Returns:
        The same network; its sha256 is of the style too.

    Raises:
        HflowError: there is neither such a key nor such a file, or the file is no image.
    """
    bank, path = model.styles, Path(style)
    if style == AVERAGE:
        code, seen = bank.codes.mean(dim=0, keepdim=True), AVERAGE  # (1, 8)
    elif style in bank.keys:
        code, seen = bank.codes[[list(bank.keys).index(style)]], style
    elif path.is_file():
        code, seen = _code_of(model, path), sha256_file(path)
    else:
        raise HflowError(
            f"there is no style {style!r}: name an image file, {AVERAGE}, or one of the model's {len(bank.keys)} style "
            f"images, such as {bank.keys[0]}"
        )
    return replace(model, styles=StyleBank(code, [style]), sha256=fingerprint([model.sha256, seen]))


@torch.inference_mode()
def _code_of(model: TrainedModel, path: Path) -> torch.Tensor:
    try:
        image = open_rgb(path)
    except HflowError as error:
        raise HflowError(f"the style {path} {error}") from None
    image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    return model.network.encode_style(to_tensor(np.asarray(image))[None]).clone()  # (1, 8)
