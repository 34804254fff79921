"""Translation of any folder of images as a flow."""

from typing import Annotated, Any, Literal

from pydantic import Field

from flows.stage import alone_on_gpu, publish_table, stage_flow
from hflow.foundation.devices import pick_device
from hflow.foundation.errors import HflowError
from hflow.foundation.params import load_params
from hflow.foundation.stores import path_or_store
from hflow.model.store import load_model
from hflow.pipeline.folder_style import folder_style
from hflow.pipeline.models import exact_name, find_model, is_registered
from hflow.pipeline.production import note_production
from hflow.translation.folder import translate_folder as translate_images

__all__ = ["translate_folder"]


@stage_flow
def translate_folder(
    frames: str,
    out: str,
    model: str | None = None,
    style: str | None = None,
    strength: Annotated[float | None, Field(ge=0, le=1)] = None,
    seed: int = 0,
    style_by: Literal["frame", "sequence"] = "frame",
    sequence: str | None = None,
    style_group: str | None = None,
    device: str = "auto",
    max_rejected: float = 0.01,
    note: bool = False,
) -> dict[str, Any]:
    """Translate every image of a folder; a run that was stopped goes on where it was.

    Args:
        frames: the folder of images, on the worker's machine or in a store, s3://BUCKET/FOLDER.
        out: the folder that gets images of the same names, and manifest.parquet; s3://BUCKET/FOLDER too.
        model: models:/NAME@champion, models:/NAME/VERSION, or the folder of a model; null is the champion of the name
            that release in params.yaml has.
        style: random, nearest, or one for all: an image file, average, a key of the model's style images; null is as
            params.yaml says.
        strength: from 0, an image as it is, to 1, in its style; null is as params.yaml says.
        seed: of the choice of a style for each frame.
        style_by: frame, or sequence: all frames of a sequence keep one style.
        sequence: a pattern whose first group names a key's sequence; null is the key's folder.
        style_group: a pattern whose first group names a style image's group; a frame or a sequence draws a group first.
        device: auto, cpu, cuda, cuda:1, ...
        max_rejected: the share of images that may be at fault.
        note: write a card that names the model's version and the licences in params.yaml, and Croissant metadata, and
            note the dataset in that version's description.
    """
    chosen = {"seed": seed, "style_by": style_by, "sequence": sequence, "style_group": style_group}
    given, target = path_or_store(frames), path_or_store(out)
    params = load_params()
    if model is None:
        model = f"models:/{params.release.name}@champion"
    asked = folder_style(params, style, strength, chosen, by="translate-folder")
    if note and not is_registered(model):
        raise HflowError(f"{model} is not registered: there is no version to note the dataset with")
    folder = find_model(model, params)
    model = exact_name(model, folder)
    with alone_on_gpu():
        where = str(pick_device(device))
        counts = translate_images(
            given,
            target,
            asked.given_to(load_model(folder)),
            name=model,
            style=asked.choice,
            strength=asked.strength,
            device=where,
            max_rejected=max_rejected,
        )
    if note:
        note_production(params, model, given, target, counts)
    publish_table("translate-folder", {"frames": frames, "out": out, "model": model, **counts}, "What was translated")
    return counts
