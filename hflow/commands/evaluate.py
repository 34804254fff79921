"""hflow evaluate: the report of a run, or any datasets measured side by side."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hflow.commands.console import DEFAULT, Device, ParamsFile, refuse_options, show
from hflow.foundation.errors import HflowError
from hflow.foundation.params import Params, load_params
from hflow.foundation.progress import say
from hflow.foundation.stores import path_or_store
from hflow.pipeline import outputs, stages

if TYPE_CHECKING:
    import torch

    from hflow.datasets.image_sets import ImageSet
    from hflow.segmentation.judge import Judge

__all__ = ["evaluate"]

Score = Callable[[str, "ImageSet", "ImageSet"], Mapping[str, Any] | None]


def evaluate(
    context: typer.Context,
    datasets: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=PATH]...", help="Folders of shards or of images to compare; may be s3://..."),
    ] = None,
    source: Annotated[str, typer.Option(metavar="PATH", help="The frames that they were made of.")] = str(
        outputs.PREPARED / "source"
    ),
    target: Annotated[str, typer.Option(metavar="PATH", help="The images that they should look like.")] = str(
        outputs.PREPARED / "target" / "train"
    ),
    suffix: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=SUFFIX", help="What image names of NAME end in beside the key, as _fake_B."),
    ] = None,
    split: Annotated[str, typer.Option(help="Which shards are meant, where a folder has several splits.")] = "train",
    features: Annotated[str, typer.Option(help="Of FID and KID: auto, inception, vgg16.")] = "auto",
    inception: Annotated[Path | None, typer.Option(help="A file of Inception-v3's weights.")] = None,
    judge: Annotated[Path, typer.Option(help="The folder of a judge, as `hflow judge` writes it.")] = outputs.JUDGE,
    model: Annotated[Path, typer.Option(help="The network whose size is shown.")] = outputs.MODEL,
    segment: Annotated[bool, typer.Option(help="Train the downstream segmenter on each dataset too.")] = True,
    out: Annotated[list[Path] | None, typer.Option(help="A file to write, .json or .md; may be repeated.")] = None,
    device: Device = "auto",
    params: ParamsFile = DEFAULT,
) -> None:
    """Bring all figures together and write the report; or compare datasets: `hflow evaluate NAME=PATH ...`.

    Writes metrics/, plots/evaluate/ and reports/: the default's in 12 seconds on two cores; of datasets, --out.
    Example: `hflow evaluate raw=data/prepared/source translated=data/translated`
    """
    if not datasets:
        refuse_options(context, read=("params",), where="the run's report: name datasets to compare, NAME=PATH")
        show(stages.evaluate(load_params(params)))
        return
    settings, named = load_params(params), {name: path_or_store(path) for name, path in _named(datasets).items()}
    frames, wanted = path_or_store(source), path_or_store(target)
    suffixes = _named(suffix or ())
    for name in suffixes.keys() - named.keys():
        raise HflowError(f"--suffix names {name!r}, which is no dataset given: {', '.join(named)}")
    for place in (*named.values(), frames, wanted):
        if isinstance(place, Path) and not place.exists():
            raise HflowError(f"{place} is missing: name a folder of shards or of images")
    from hflow.foundation.devices import pick_device
    from hflow.metrics.feature_spaces import load_feature_space
    from hflow.metrics.fid_kid import SUBSETS
    from hflow.metrics.lpips import load_vgg
    from hflow.model.store import load_model
    from hflow.pipeline.run_notes import noted_run
    from hflow.reports.dataset_score_table import check_suffix, print_scores, write_scores
    from hflow.reports.dataset_scores import score_datasets

    for path in out or ():
        check_suffix(path)
    where = pick_device(device)
    frozen = _judge(judge, settings.data.classes, where)
    vgg = load_vgg().to(where)
    space = load_feature_space(features, device=where, weights=inception, vgg=vgg)
    protocol: dict[str, Any] = {
        "source": source,
        "target": target,
        "split": split,
        "SSIM, PSNR, ST-LPIPS": "means over pairs of one key, at the size of the source frame",
        "to truth": "the same, to what the source frame should become, where that is known",
        "FID, KID": f"in {space.name}, against all images of the target; KID over {SUBSETS} subsets, seed 0",
        "GMAC": "multiply-accumulates (10^9) of one frame of 512x256, the Style-Net included",
    }
    if frozen:
        shown = f"{judge} ({frozen.name}, {frozen.sha256[:12]})"
        protocol["judge"] = f"{shown}, on pixels where it is right about the source"
    with noted_run("evaluate", "evaluate", "segment") if segment else nullcontext():
        rows = score_datasets(
            named,
            source=frames,
            target=wanted,
            split=split,
            space=space,
            vgg=vgg,
            suffixes=suffixes,
            judge=frozen,
            model=load_model(model) if model.exists() else None,
            score=_segmenter(settings, protocol) if segment else None,
        )
    print_scores(rows)
    for path in out or ():
        write_scores(path, rows, protocol)
        print(f"written: {path}")


def _judge(folder: Path, classes: Sequence[str], device: "torch.device") -> "Judge | None":
    """The judge, where there is one."""
    from hflow.segmentation.judge import load_judge

    if not folder.exists():
        say(
            f"there is no judge in {folder}, so what changed from class to class is not shown: `hflow judge` trains one"
        )
        return None
    return load_judge(folder, classes=classes, device=device)


def _segmenter(params: Params, protocol: dict[str, Any]) -> Score | None:
    """What trains the downstream segmenter on a set and gives its scores; the stage segment's work is taken over."""
    from hflow.datasets.image_sets import labelled_set
    from hflow.datasets.shards import shard_files
    from hflow.segmentation.downstream import segment
    from hflow.segmentation.labelled_frames import LabelledFrames
    from hflow.segmentation.scores import parse_scores

    validation = shard_files(outputs.PREPARED / "target" / "val")
    if not (params.data.classes and len(LabelledFrames(validation, params.data.classes))):
        say("the target has no validation set with labels, so no segmenter is trained")
        return None
    work = outputs.work_folder("evaluate")
    plain = params.segment.model_copy(update={"self_training": None})  # whose scores are not shown here

    def score(name: str, images: "ImageSet", frames: "ImageSet") -> dict[str, Any] | None:
        training_set = labelled_set(name, images, frames, work)
        if training_set is None:
            say(f"{name} has no labels, so no segmenter is trained on it")
            return None
        try:
            found = segment(
                plain,
                training_set=training_set,
                validation=validation,
                classes=params.data.classes,
                out=work / f"{name}.json",
                work=outputs.work_folder("segment"),
            )
        except HflowError as error:  # what was measured of all sets is worth more than this one's score
            say(f"{name} has no score of a segmenter: {error}")
            protocol[f"segmenter of {name}"] = f"none: {error}"
            return None
        scores = parse_scores(found)
        protocol["segmenter"] = scores.settings
        return {**{key: found[key] for key in ("pxAcc", "clsAcc", "mIoU", "IoU")}, "mIoU by seed": scores.miou_by_seed}

    return score


def _named(datasets: Sequence[str]) -> dict[str, str]:
    """The values of NAME=VALUE, each name once and fit for a file's name."""
    values: dict[str, str] = {}
    for dataset in datasets:
        name, equals, value = dataset.partition("=")
        if not (name and equals and value) or "/" in name:
            raise HflowError(f"{dataset!r} is not NAME=PATH: say hflow evaluate translated=data/translated")
        if name in values:
            raise HflowError(f"the name {name!r} is given twice")
        values[name] = value
    return values
