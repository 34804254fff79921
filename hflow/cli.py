"""The command `hflow`."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from hflow import stages
from hflow.errors import HflowError
from hflow.params import VARIANTS, load_params, preset_names, preset_text
from hflow.project import write_params

__all__ = ["app", "main"]

app = typer.Typer(
    help="Simulator frames into frames that look real, labels kept.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ParamsFile = Annotated[Path, typer.Option("--params", help="The parameters to run with.")]
DEFAULT = Path("params.yaml")


def main() -> None:
    """Run the command; a fault that the user can mend is printed in one line, and the exit status is 1."""
    try:
        app()
    except HflowError as error:
        print(f"hflow: {error}", file=sys.stderr)
        sys.exit(1)


@app.command()
def init(
    preset: Annotated[str, typer.Argument(help=f"One of {', '.join(preset_names())}.")],
    source: Annotated[Path | None, typer.Option(help="Root of the frames to translate.")] = None,
    target: Annotated[Path | None, typer.Option(help="Root of the target images.")] = None,
) -> None:
    """Write params.yaml from a preset; the one that was there is kept as params.yaml.bak."""
    kept = write_params(DEFAULT, preset_text(preset), source=source, target=target)
    print(f"{DEFAULT} is the preset {preset!r}" + (f"; what it was before is in {kept}" if kept else ""))


@app.command()
def check(params: ParamsFile = DEFAULT) -> None:
    """Check params.yaml, and that the raw datasets are where and what it says, without running anything."""
    stages.check(load_params(params))


@app.command()
def town(params: ParamsFile = DEFAULT) -> None:
    """Draw the miniature datasets that a fresh clone runs on."""
    stages.build_town(load_params(params))


@app.command()
def prepare(params: ParamsFile = DEFAULT) -> None:
    """Check, resize and shard the raw datasets."""
    _show(stages.prepare(load_params(params)))


@app.command()
def train(params: ParamsFile = DEFAULT) -> None:
    """Train Hierarchy Flow on the prepared images."""
    _show(stages.train(load_params(params)))


@app.command()
def translate(
    frames: Annotated[Path | None, typer.Argument(help="A folder of images; none: the prepared frames.")] = None,
    out: Annotated[Path | None, typer.Argument(help="The folder to write, images of the same names.")] = None,
    model: Annotated[Path, typer.Option(help="The folder of a trained model.")] = stages.MODEL,
    seed: Annotated[int, typer.Option(min=0, help="Of the choice of a style for each frame.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    max_rejected: Annotated[float, typer.Option(min=0, max=1, help="Share of faulty images allowed.")] = 0.01,
    params: ParamsFile = DEFAULT,
) -> None:
    """Translate the prepared frames, or the images of any folder: `hflow translate FRAMES OUT --model M`."""
    if frames is None:
        _show(stages.translate(load_params(params)))
        return
    if out is None:
        raise HflowError("name the folder to write too: hflow translate FRAMES OUT --model M")
    from hflow.devices import pick_device
    from hflow.folder_translation import translate_folder
    from hflow.model.store import load_model

    where = str(pick_device(device))
    counts = translate_folder(frames, out, load_model(model), seed=seed, device=where, max_rejected=max_rejected)
    _show(counts)
    print(f"{counts['translated']} images are in {out}")


@app.command()
def segment(
    name: Annotated[str, typer.Argument(help="A training set named in segment.train_on.")], params: ParamsFile = DEFAULT
) -> None:
    """Train the downstream segmenter on one set and score it on the target's validation set."""
    scores = stages.segment(load_params(params), name)
    _show({key: value for key, value in scores.items() if isinstance(value, float)})


@app.command()
def evaluate(params: ParamsFile = DEFAULT) -> None:
    """Bring all figures together and write the report."""
    _show(stages.evaluate(load_params(params)))


@app.command()
def bench(
    variant: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(VARIANTS)}; may be repeated.")] = None,
    size: Annotated[tuple[int, int], typer.Option(min=16, help="Width and height of a frame.")] = (512, 256),
    batch: Annotated[int, typer.Option(min=1, help="Frames a call.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is timed.")] = 5,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    precision: Annotated[Literal["auto", "fp32", "bf16"], typer.Option(help="Of translation.")] = "auto",
    stages: Annotated[int, typer.Option(min=0, help="Time decode, network, encode and the whole on so many.")] = 0,
    training: Annotated[bool, typer.Option("--training", help="Time the training step.")] = False,
    others: Annotated[bool, typer.Option("--others", help="Time the generators of other methods.")] = False,
    table: Annotated[bool, typer.Option("--table", help="Sizes to 2048x1024, batches 1 and 4, as Markdown.")] = False,
) -> None:
    """Time translation against the network run plainly, by turns, and against the device's limits."""
    from hflow import benchmarks_shown
    from hflow.devices import pick_device

    names = variant or ["hf"]
    for name in names:
        if name not in VARIANTS:
            raise HflowError(f"there is no variant {name!r}: take one of {', '.join(VARIANTS)}")
    where = pick_device(device)
    if table:
        benchmarks_shown.show_table(names, rounds=rounds, device=where, precision=precision)
    elif others:
        benchmarks_shown.show_others(size=size, batch=batch, rounds=rounds, device=where)
    for name in [] if table or others else names:
        if stages:
            benchmarks_shown.show_stages(name, size=size, frames=stages, device=where)
        elif training:
            benchmarks_shown.show_training(name, size=size, batch=batch, rounds=rounds, device=where)
        else:
            benchmarks_shown.show_benchmark(
                name, size=size, batch=batch, rounds=rounds, device=where, precision=precision
            )


def _show(values: dict[str, Any]) -> None:
    for key, value in values.items():
        print(f"{key}: {value:.4g}" if isinstance(value, float) else f"{key}: {value}")
