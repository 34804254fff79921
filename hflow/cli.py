"""The command `hflow`."""

import signal
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from hflow import stages
from hflow.datasets.inspection import FULL, inspect_dataset
from hflow.datasets.layouts import LAYOUTS
from hflow.errors import HflowError
from hflow.params import VARIANTS, load_params, preset_names, preset_text
from hflow.project import write_params

__all__ = ["app", "end_on_sigterm", "main"]

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
    end_on_sigterm()
    try:
        app()
    except HflowError as error:
        print(f"hflow: {error}", file=sys.stderr)
        sys.exit(1)


def end_on_sigterm() -> None:
    """Let SIGTERM end the process as an error would, so that temporary files and locks are removed; status 143."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


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
def check(
    root: Annotated[Path | None, typer.Argument(help="A raw dataset; none: those that params.yaml names.")] = None,
    layout: Annotated[str, typer.Option(help=f"Of ROOT: {', '.join(LAYOUTS)}.")] = "gta",
    train: Annotated[str, typer.Option(help="The folder of ROOT's training split.")] = "train",
    val: Annotated[str, typer.Option(help="The folder of ROOT's validation split.")] = "val",
    whole: Annotated[bool, typer.Option("--whole", help="Read every file of ROOT, not some of them.")] = False,
    params: ParamsFile = DEFAULT,
) -> None:
    """Check params.yaml and its raw datasets, or see whether a folder is the dataset that it should be."""
    if root is None:
        stages.check(load_params(params))
        return
    if layout not in LAYOUTS:
        raise HflowError(f"there is no layout {layout!r}: take one of {', '.join(LAYOUTS)}")
    found = inspect_dataset(root, layout, train=train, val=val, whole=whole)
    for split, images in found.images.items():
        full = FULL.get(layout, {}).get(split)
        official = f" (the official dataset has {full:,})" if full and full != images else ""
        print(f"{split}: {images:,} images{official}, {found.labelled[split]:,} with label")
    sizes = ", ".join(f"{width}x{height} ({count:,})" for (width, height), count in list(found.sizes.items())[:5])
    print(f"sizes: {sizes}{', ...' if len(found.sizes) > 5 else ''}")
    if found.classes:
        print("classes: " + ", ".join(f"{name} {share:.1%}" for name, share in found.classes.items()))
    print(f"looked at: names of all files, headers of {found.headers:,} samples, pixels of {found.read:,}")
    for fault in found.faults:
        print(f"fault: {fault}")
    if found.at_fault:
        more = f", the first {len(found.faults)} are above" if found.at_fault > len(found.faults) else ""
        raise HflowError(f"{found.at_fault:,} samples of {root} are at fault{more}: prepare will reject them")
    print(f"{root} is a dataset of the layout {layout}: no fault found")


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
    model: Annotated[str, typer.Option(help="A model's folder, or models:/NAME@champion.")] = str(stages.MODEL),
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
    folder = stages.find_model(model, load_params(params) if params.is_file() else None)
    counts = translate_folder(frames, out, load_model(folder), seed=seed, device=where, max_rejected=max_rejected)
    _show(counts)
    print(f"{counts['translated']} images are in {out}")


@app.command()
def verify(
    path: Annotated[Path, typer.Argument(help="A folder that translate wrote.")] = stages.TRANSLATED,
    workers: Annotated[int, typer.Option(min=1, help="Threads that decode.")] = 4,
) -> None:
    """Read a translated dataset again and name whatever is not as it was written; exit status 1 if anything is."""
    from hflow.verification import verify

    found = verify(path, workers=workers)
    for fault in found.faults:
        print(fault)
    if found.faults:
        raise HflowError(f"{path} is not whole: {len(found.faults)} faults")
    print(f"{path} is whole: {found.given} given, {found.translated} translated, {found.rejected} rejected")


@app.command()
def export(
    path: Annotated[Path, typer.Argument(help="A folder of shards that translate wrote.")],
    out: Annotated[Path, typer.Argument(help="The folder to write.")],
    layout: Annotated[Literal["gta", "cityscapes", "webdataset", "imagefolder"], typer.Option(help="Whose files.")],
    image_format: Annotated[Literal["png", "jpeg", "webp"], typer.Option("--format", help="Of the images.")] = "png",
    params: ParamsFile = DEFAULT,
) -> None:
    """Write a translated dataset as other tools load it, with a card that says what it was made from."""
    known = load_params(params) if params.is_file() else None
    _show(stages.export(path, out, layout=layout, image_format=image_format, params=known))


@app.command()
def segment(
    name: Annotated[str, typer.Argument(help="A training set named in segment.train_on.")], params: ParamsFile = DEFAULT
) -> None:
    """Train the downstream segmenter on one set and score it on the target's validation set."""
    scores = stages.segment(load_params(params), name)
    _show({key: value for key, value in scores.items() if isinstance(value, float)})


@app.command()
def baselines(params: ParamsFile = DEFAULT) -> None:
    """Recolour the prepared frames by each baseline that segment.train_on names."""
    _show(stages.baselines(load_params(params)))


@app.command()
def judge(
    out: Annotated[Path, typer.Argument(help="The folder to write.")] = stages.JUDGE,
    steps: Annotated[int, typer.Option(min=1, help="Of training.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the training.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    params: ParamsFile = DEFAULT,
) -> None:
    """Train the judge that tells what translation changed, on the labelled frames of both domains."""
    _show(stages.train_judge(load_params(params), out, steps=steps, seed=seed, device=device))


@app.command()
def evaluate(
    datasets: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=PATH]...", help="Folders of shards or of images to compare.")
    ] = None,
    source: Annotated[Path, typer.Option(help="The frames that they were made of.")] = stages.PREPARED / "source",
    target: Annotated[Path, typer.Option(help="The images that they should look like.")] = (
        stages.PREPARED / "target" / "train"
    ),
    split: Annotated[str, typer.Option(help="Which shards are meant, where a folder has several splits.")] = "train",
    features: Annotated[str, typer.Option(help="Of FID and KID: auto, inception, vgg16.")] = "auto",
    inception: Annotated[Path | None, typer.Option(help="A file of Inception-v3's weights.")] = None,
    judge: Annotated[Path, typer.Option(help="The folder of a judge, as `hflow judge` writes it.")] = stages.JUDGE,
    model: Annotated[Path, typer.Option(help="The network whose size is shown.")] = stages.MODEL,
    segment: Annotated[bool, typer.Option(help="Train the downstream segmenter on each dataset too.")] = True,
    out: Annotated[list[Path] | None, typer.Option(help="A file to write, .json or .md; may be repeated.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    params: ParamsFile = DEFAULT,
) -> None:
    """Bring all figures together and write the report; or compare datasets: `hflow evaluate NAME=PATH ...`."""
    if not datasets:
        _show(stages.evaluate(load_params(params)))
        return
    from hflow.score_table import check_suffix, print_scores, write_scores

    for path in out or ():
        check_suffix(path)
    rows, protocol = stages.score_datasets(
        load_params(params),
        _named_paths(datasets),
        source=source,
        target=target,
        split=split,
        features=features,
        inception=inception,
        judge=judge,
        model=model,
        segment=segment,
        device=device,
    )
    print_scores(rows)
    for path in out or ():
        write_scores(path, rows, protocol)
        print(f"written: {path}")


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(help="A translated dataset or a model.")],
    b: Annotated[Path, typer.Argument(help="Another one of the same kind.")],
    out: Annotated[Path, typer.Option(help="The folder to write the page to.")] = Path("compare"),
    prepared: Annotated[Path, typer.Option(help="Models translate its source frames.")] = stages.PREPARED,
    frames: Annotated[int, typer.Option(min=1, help="How many frames two models are compared on.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Of the choice of a style for each frame, for models.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    examples: Annotated[int, typer.Option(min=1, max=50, help="How many changes to show.")] = 12,
) -> None:
    """Show what differs between two translated datasets or two models, frame by frame, on a page like the report."""
    said = stages.compare(a, b, out=out, prepared=prepared, frames=frames, seed=seed, device=device, examples=examples)
    print(said)
    print(f"page: {out / 'index.html'}")


@app.command()
def picture(
    out: Annotated[Path, typer.Argument(help="The .png or .jpg to write.")],
    frames: Annotated[int, typer.Option(min=1, help="How many frames.")] = 4,
) -> None:
    """Draw frames of the last run before and after, with the images whose style they took."""
    stages.picture(out, frames=frames)


@app.command()
def fetch(params: ParamsFile = DEFAULT) -> None:
    """Fetch the registered model that translate.model names, for the pipeline."""
    _show(stages.fetch(load_params(params)))


@app.command()
def release(
    rollback: Annotated[bool, typer.Option("--rollback", help="Make the champion before champion again.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Leave the champion's score out of the gate.")] = False,
    params: ParamsFile = DEFAULT,
) -> None:
    """Register the trained model as challenger; it becomes champion if it passes the gate in params.yaml."""
    if rollback:
        _show(stages.rollback(load_params(params)))
        return
    outcome = stages.release(load_params(params), replace=replace)
    _show(outcome)
    if not outcome["champion"]:
        raise HflowError(f"version {outcome['version']} of {outcome['model']} {outcome['outcome']}")


@app.command()
def bench(
    variant: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(VARIANTS)}; may be repeated.")] = None,
    size: Annotated[tuple[int, int] | None, typer.Option(min=16, help="Width and height: 512 256 or all.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Frames a call: 1 or all.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is timed.")] = 5,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    precision: Annotated[Literal["auto", "fp32", "bf16"], typer.Option(help="Of translation or training.")] = "auto",
    stages: Annotated[int, typer.Option(min=0, help="Time decode, network, encode and the whole on so many.")] = 0,
    training: Annotated[bool, typer.Option("--training", help="Time the training step.")] = False,
    others: Annotated[bool, typer.Option("--others", help="Time the generators of other methods.")] = False,
    table: Annotated[bool, typer.Option("--table", help="All sizes and batches, or those given, as Markdown.")] = False,
    busy: Annotated[
        bool, typer.Option("--busy", help="Count processor seconds of one thread, not the clock's.")
    ] = False,
) -> None:
    """Time translation against the network run plainly, by turns, and against the device's limits."""
    from hflow import benchmarks_shown
    from hflow.benchmark import busy_clock
    from hflow.devices import pick_device

    names = variant or ["hf"]
    for name in names:
        if name not in VARIANTS:
            raise HflowError(f"there is no variant {name!r}: take one of {', '.join(VARIANTS)}")
    sizes = benchmarks_shown.SIZES if size is None else (size,)
    batches = benchmarks_shown.BATCHES if batch is None else (batch,)
    size, batch, where = size or (512, 256), batch or 1, pick_device(device)
    if stages:
        for name in names:
            benchmarks_shown.show_stages(name, size=size, frames=stages, batch=batch, device=where, precision=precision)
        return
    with busy_clock(busy) as clock:
        if table:
            benchmarks_shown.show_table(
                names, sizes=sizes, batches=batches, rounds=rounds, device=where, precision=precision, clock=clock
            )
        elif others:
            benchmarks_shown.show_others(size=size, batch=batch, rounds=rounds, device=where, clock=clock)
        else:
            show = benchmarks_shown.show_training if training else benchmarks_shown.show_benchmark
            for name in names:
                show(name, size=size, batch=batch, rounds=rounds, device=where, precision=precision, clock=clock)


def _show(values: dict[str, Any]) -> None:
    for key, value in values.items():
        print(f"{key}: {value:.4g}" if isinstance(value, float) else f"{key}: {value}")


def _named_paths(datasets: list[str]) -> dict[str, Path]:
    """NAME=PATH, each name once and fit for a file's name."""
    paths = {}
    for dataset in datasets:
        name, equals, path = dataset.partition("=")
        if not (name and equals and path) or "/" in name:
            raise HflowError(f"{dataset!r} is not NAME=PATH: say hflow evaluate translated=data/translated")
        if name in paths:
            raise HflowError(f"the name {name!r} is given twice")
        paths[name] = Path(path)
    return paths
