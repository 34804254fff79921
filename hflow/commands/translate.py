"""hflow translate: the prepared frames, a folder of images or shards, a video."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from hflow.commands.console import DEFAULT, Device, MaxPixels, ParamsFile, options_given, refuse_options, show
from hflow.foundation.errors import HflowError
from hflow.foundation.frame_size import MOST_PIXELS
from hflow.foundation.params import Params, TranslateParams, check_section, load_params
from hflow.foundation.stores import Store, path_or_store
from hflow.pipeline import outputs, stages
from hflow.pipeline.models import exact_name, find_model

__all__ = ["translate"]

OF_VIDEOS = (
    *("frames", "out", "model", "style", "strength", "seed", "camera", "device", "batch_size", "workers", "compiled"),
    *("max_pixels", "params"),
)
"""The parameters that are read for a video."""

FOR_IMAGES = ("names", "output_format", "suffix", "compiled", "max_pixels")
"""The parameters that prepared shards don't take."""


def translate(
    context: typer.Context,
    frames: Annotated[
        str | None,
        typer.Argument(
            help="A folder of images or of prepared shards, s3://... too, or a video; none: the prepared frames."
        ),
    ] = None,
    out: Annotated[
        str | None, typer.Argument(help="The folder to write, images or shards of the same names; or the video.")
    ] = None,
    model: Annotated[str, typer.Option(help="A model's folder, or models:/NAME@champion.")] = str(outputs.MODEL),
    style: Annotated[
        str | None,
        typer.Option(
            help="random, nearest, or one for all: an image file, average, a key of the model's style images; none: as "
            "params.yaml says."
        ),
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="From 0, an image as it is, to 1, in its style; none: as params.yaml says."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the choice of a style for each frame.")] = 0,
    style_by: Annotated[
        str, typer.Option(help="frame, or sequence: one style for all frames of a sequence.")
    ] = "frame",
    sequence: Annotated[
        str | None, typer.Option(help="A pattern whose first group names an image's sequence; none: its folder.")
    ] = None,
    style_group: Annotated[
        str | None, typer.Option(help="A pattern whose first group names a style image's group; none: no groups.")
    ] = None,
    camera: Annotated[bool, typer.Option(help="Give images the sharpness, noise and JPEG of the target's.")] = False,
    names: Annotated[
        Path | None,
        typer.Option("--list", help="A text file of the images to take, a path in FRAMES a line; none: all."),
    ] = None,
    output_format: Annotated[
        Literal["png", "jpg", "webp", "bmp", "tif"] | None, typer.Option(help="Of the images; none: each one's own.")
    ] = None,
    suffix: Annotated[str, typer.Option(help="Put behind each name, before its ending.")] = "",
    device: Device = "auto",
    devices: Annotated[
        int | None, typer.Option(min=1, help="Processes, a GPU each; none: all GPUs of one model, or one on a CPU.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Images of one size at once.")] = 4,
    workers: Annotated[int, typer.Option(min=1, help="Threads of each process that decode and encode.")] = 2,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Compile a GPU's network for each size: a minute, repaid by thousands.")
    ] = False,
    max_rejected: Annotated[float, typer.Option(min=0, max=1, help="Share of faulty images allowed.")] = 0.01,
    max_pixels: MaxPixels = MOST_PIXELS,
    params: ParamsFile = DEFAULT,
) -> None:
    """Translate the prepared frames, the images of any folder, `hflow translate FRAMES OUT`, or a video, into another.

    Writes data/translated/, or OUT: on two cores 40 frames of 128x64 a second by the default's model, 7 of 512x256 by
    one without a guided filter. Stopped, it goes on where it was; a video begins again.
    Of prepared shards, PREPARED/source, OUT gets those that the stage writes, what no option says as in params.yaml.
    Example: `hflow translate FRAMES OUT --model models/hflow`
    """
    if frames is None:
        where = "the prepared frames, for which the section translate of params.yaml says it: name FRAMES and OUT"
        refuse_options(context, read=("params",), where=where)
        show(stages.translate(load_params(params)))
        return
    if out is None:
        raise HflowError("name the folder to write too: hflow translate FRAMES OUT --model M")
    given, target = path_or_store(frames), path_or_store(out)
    from hflow.foundation.devices import pick_device
    from hflow.model.store import load_model
    from hflow.pipeline.folder_style import folder_style
    from hflow.translation.chosen_style import NEAREST
    from hflow.translation.folder import translate_folder
    from hflow.translation.prepared_folder import holds_prepared_shards
    from hflow.translation.video import is_video, translate_video

    video = given if isinstance(given, Path) and is_video(given) else None
    if video:
        refuse_options(context, read=OF_VIDEOS, where=f"{video}, which is a video and has one style")
    known = load_params(params) if params.is_file() else None
    if holds_prepared_shards(given):
        _translate_shards(context, given, target, known)
        return
    how_chosen = {"seed": seed, "style_by": style_by, "sequence": sequence, "style_group": style_group}
    asked = folder_style(known, style, strength, how_chosen, by="hflow translate")
    where = str(pick_device(device))
    folder = find_model(model, known)
    trained = asked.given_to(load_model(folder))
    how: dict[str, Any] = {"camera": camera, "strength": asked.strength, "device": where, "max_pixels": max_pixels}
    how |= {"batch_size": batch_size, "workers": workers, "compiled": compiled}
    if video:
        if asked.style == NEAREST:
            raise HflowError(
                f"{video} is a video, which has one style, and nearest goes by each frame: --style average"
            )
        if not isinstance(target, Path):
            raise HflowError(f"{target} is in a store, and a video is written to a file of this machine")
        show(translate_video(video, target, trained, seed=seed, **how))
        return
    counts = translate_folder(
        given,
        target,
        trained,
        name=exact_name(model, folder),
        names=names,
        style=asked.choice,
        devices=devices or "all",
        output_format=output_format,
        suffix=suffix,
        max_rejected=max_rejected,
        **how,
    )
    show(counts)
    print(f"{counts['translated']} images are in {target}")


def _translate_shards(context: typer.Context, given: Path | Store, target: Path | Store, params: Params | None) -> None:
    """Translate prepared shards by the options that were given, and else as params.yaml says."""
    from hflow.model.store import load_model
    from hflow.translation.prepared_folder import translate_prepared

    said = options_given(context)
    for name in FOR_IMAGES:
        if name in said:
            raise HflowError(f"{given} has prepared shards, and {said[name]} is for folders of images: leave it out")
    told = params.translate if params else TranslateParams()
    options = {name: context.params[name] for name in said if name in TranslateParams.model_fields}
    asked = check_section(TranslateParams, {**told.model_dump(), **options}, "hflow translate")
    folder = find_model(asked.model, params)
    named = asked.model_copy(update={"model": exact_name(asked.model, folder)})
    show(translate_prepared(given, target, load_model(folder), named, work=outputs.work_folder("translate")))
    print(f"the shards are in {target}")
