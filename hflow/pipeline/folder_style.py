"""The style that a folder of images is translated in: as asked for, or as params.yaml says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hflow.foundation.params import Params, StyleParams, TranslateParams, check_section
from hflow.model.store import TrainedModel
from hflow.translation.chosen_style import NEAREST, RANDOM, with_style

__all__ = ["FolderStyle", "folder_style"]


@dataclass(frozen=True)
class FolderStyle:
    """What images of a folder are translated to.

    Attributes:
        style: random, nearest, or one for all: an image file, average, a key of the model's style images.
        strength: from 0, an image as it is, to 1, in its style.
        choice: how a style is chosen for each.
    """

    style: str
    strength: float
    choice: StyleParams

    def given_to(self, model: TrainedModel) -> TrainedModel:
        """The model, with one style for all where that is asked for.

        Raises:
            HflowError: as `with_style`.
        """
        return model if self.style in (NEAREST, RANDOM) else with_style(model, self.style)


def folder_style(
    params: Params | None, style: str | None, strength: float | None, how_chosen: Mapping[str, Any], *, by: str
) -> FolderStyle:
    """The style that is asked for; what is None is as `translate` in params.yaml says.

    Args:
        params: all of params.yaml; None where there is none, which is as good as its defaults.
        style: as of FolderStyle, or None.
        strength: from 0 to 1, or None.
        how_chosen: fields of StyleParams, by name.
        by: who asks, for a message.

    Raises:
        HflowError: a field has a value that it may not have.
    """
    told = params.translate if params else TranslateParams()
    style = told.style if style is None else style
    nearest = {"nearest": 1} if style == NEAREST else {}
    choice = check_section(StyleParams, {**how_chosen, **nearest}, by)
    return FolderStyle(style, told.strength if strength is None else strength, choice)
