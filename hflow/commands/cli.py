"""The command `hflow`: the pipeline's stages here, what stands beside them in `commands/`."""

import signal
import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from hflow import __version__
from hflow.commands.bench import bench
from hflow.commands.check import check
from hflow.commands.clean import clean
from hflow.commands.compare import compare
from hflow.commands.console import DEFAULT, ParamsFile, show
from hflow.commands.doctor import doctor
from hflow.commands.evaluate import evaluate
from hflow.commands.export import export
from hflow.commands.export_model import export_model
from hflow.commands.help_pages import with_page
from hflow.commands.judge import judge
from hflow.commands.label import label
from hflow.commands.picture import picture
from hflow.commands.project import ask_for_preset, write_params
from hflow.commands.push import push
from hflow.commands.release import release
from hflow.commands.review import review, verdicts
from hflow.commands.status import status
from hflow.commands.sweep import sweep
from hflow.commands.translate import translate
from hflow.commands.view import view
from hflow.foundation.atomic_files import FULL, writing_fault
from hflow.foundation.credentials import without_credentials
from hflow.foundation.errors import HflowError, NoRoomError
from hflow.foundation.params import load_params
from hflow.foundation.stores import path_or_store
from hflow.foundation.utf8_mode import ensure_utf8
from hflow.pipeline import outputs, stages
from hflow.pipeline.code import write_code_marks
from hflow.presets import preset_names, preset_text

__all__ = ["app", "end_on_sigterm", "main"]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command; a fault that the user can mend is printed in one line, and the exit status is 1."""
    ensure_utf8()
    end_on_sigterm()
    try:
        app()
    except HflowError as error:
        fault: str | None = with_page(error)
    except Exception as error:
        fault = writing_fault(error) if isinstance(error, OSError) else None
        if fault and isinstance(error, OSError) and error.errno in FULL:
            fault = with_page(NoRoomError(fault))
        if fault is None:
            print(without_credentials(traceback.format_exc()), end="", file=sys.stderr)
            sys.exit(1)
    else:
        return
    print(f"hflow: {fault}", file=sys.stderr)
    sys.exit(1)


def end_on_sigterm() -> None:
    """Let SIGTERM end the process as an error would, so that temporary files and locks are removed; status 143."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def _print_version(asked: bool) -> None:
    if asked:
        print(f"hflow {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Simulator frames into frames that look real, labels kept."""


def init(
    preset: Annotated[
        str | None, typer.Argument(help=f"One of {', '.join(preset_names())}; none: a terminal is asked.")
    ] = None,
    source: Annotated[Path | None, typer.Option(help="Root of the frames to translate.")] = None,
    target: Annotated[Path | None, typer.Option(help="Root of the target images.")] = None,
) -> None:
    """Write params.yaml from a preset; the one that was there is kept as params.yaml.bak.

    Writes the file at once. Example: `hflow init carla2camvid --source /data/carla --target /data/camvid`
    Without a preset it asks in a terminal which one and where the images are, and checks them.
    """
    asked = preset is None
    if preset is None:
        if not sys.stdin.isatty():
            raise typer.BadParameter(f"name one of {', '.join(preset_names())}", param_hint="PRESET")
        preset, source, target = ask_for_preset(source, target)
    kept = write_params(DEFAULT, preset_text(preset), source=source, target=target)
    print(f"{DEFAULT} is the preset {preset!r}" + (f"; what it was before is in {kept}" if kept else ""))
    if asked:
        check(params=DEFAULT)


def code(params: ParamsFile = DEFAULT) -> None:
    """Note for DVC what each stage depends on beside data: its code, the libraries, the files that parameters name.

    Writes data/code/, in two seconds. Example: `hflow code`
    """
    write_code_marks(load_params(params))


def town(params: ParamsFile = DEFAULT) -> None:
    """Draw the miniature datasets that a fresh clone runs on.

    Writes data/town/: the default's 420 images in 5 seconds on two cores. Example: `hflow town`
    """
    stages.town(load_params(params))


def prepare(params: ParamsFile = DEFAULT) -> None:
    """Check, resize and shard the raw datasets.

    Writes data/prepared/, data/sets/source.json and data/sets/target.json: 350 images of 128x64 a second on two cores.
    Stopped, it goes on where it was. Example: `hflow prepare`
    """
    show(stages.prepare(load_params(params)))


def first_round(params: ParamsFile = DEFAULT) -> None:
    """Label the target's photographs by a segmenter of a first round, where `loss.target_labels` is data/first_round.

    Writes data/first_round/, without labels where they aren't asked for, at once; else as long as a training, a
    translation and a segmenter take. Stopped, it goes on where it was. Example: `hflow first-round`
    """
    show(stages.first_round(load_params(params)))


def train(params: ParamsFile = DEFAULT) -> None:
    """Train Hierarchy Flow on the prepared images.

    Writes models/hflow/ and plots/train/: the default's 400 steps take a minute on two cores, those of carla2camvid 7
    minutes, those of gta2cityscapes want a GPU. Stopped, it goes on from its last checkpoint. Example: `hflow train`
    """
    show(stages.train(load_params(params)))


def verify(
    path: Annotated[str, typer.Argument(help="A folder that a stage or export wrote; s3://... too.")] = str(
        outputs.TRANSLATED
    ),
    workers: Annotated[int, typer.Option(min=1, help="Threads that decode.")] = 4,
) -> None:
    """Read a dataset again and name whatever is not as it was written; exit status 1 if anything is.

    Writes nothing: 850 frames of 128x64 a second on two cores. Example: `hflow verify data/translated`
    """
    from hflow.datasets.preparation_stats import STATS
    from hflow.datasets.prepared_verification import verify_prepared
    from hflow.datasets.verification import verify

    folder = path_or_store(path)
    is_prepared = (folder / STATS).is_file() if isinstance(folder, Path) else folder.read(STATS) is not None
    found = verify_prepared(folder, workers=workers) if is_prepared else verify(folder, workers=workers)
    for fault in found.faults:
        print(fault)
    if found.faults:
        raise HflowError(f"{path} is not whole: {len(found.faults)} faults")
    done = "prepared" if is_prepared else "translated"
    print(f"{path} is whole: {found.given} given, {found.translated} {done}, {found.rejected} rejected")


def segment(
    name: Annotated[str, typer.Argument(help="A training set named in segment.train_on.")], params: ParamsFile = DEFAULT
) -> None:
    """Train the downstream segmenter on one set and score it on the target's validation set.

    Writes metrics/segment/NAME.json and models/segmenters/NAME/: the default's 150 steps take 20 seconds on two cores.
    Example: `hflow segment translated`
    """
    scores = stages.segment(load_params(params), name)
    show({key: value for key, value in scores.items() if isinstance(value, float)})


def baselines(params: ParamsFile = DEFAULT) -> None:
    """Recolour the prepared frames by each baseline that segment.train_on names.

    Writes data/baselines/NAME/ and data/sets/NAME.json: the default's frames in seconds. Example: `hflow baselines`
    """
    show(stages.baselines(load_params(params)))


def sums(params: ParamsFile = DEFAULT) -> None:
    """List the shards of each training set that segment.train_on names, sums with + among them, for DVC to track.

    Writes data/sums/, at once. Example: `hflow sums`
    """
    show(stages.sums(load_params(params)))


def fetch(params: ParamsFile = DEFAULT) -> None:
    """Fetch the registered model that translate.model names, for the pipeline.

    Writes the folder models:/ of the project, as fast as the network is. Example: `hflow fetch`
    """
    show(stages.fetch(load_params(params)))


for command in (
    *(
        doctor,
        init,
        check,
        status,
        clean,
        code,
        town,
        prepare,
        first_round,
        train,
        translate,
        verify,
        export,
        push,
        baselines,
        sums,
        segment,
        judge,
    ),
    *(label, evaluate, compare, sweep, view, review, verdicts, picture, export_model, fetch, release, bench),
):
    app.command()(command)
