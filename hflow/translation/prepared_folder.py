"""Translation of prepared frames wherever they lie, as the stage translate does it to those of the project."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hflow.datasets.manifest import EXPORTED, MANIFEST, SUMS
from hflow.datasets.shard_records import RECORDS
from hflow.foundation.errors import HflowError
from hflow.foundation.params import TranslateParams
from hflow.foundation.stores import Store
from hflow.model.store import TrainedModel
from hflow.translation.dataset import translate_dataset
from hflow.translation.plan import SPLITS

__all__ = ["holds_prepared_shards", "translate_prepared"]


def holds_prepared_shards(frames: Path | Store) -> bool:
    """Whether a folder has shards of a prepared domain, by what was noted of them: else it is one of images.

    Raises:
        HflowError: the store can't be read.
    """
    names = [f"{split}/{RECORDS}" for split in SPLITS]
    if isinstance(frames, Store):
        return any(frames.read(name) is not None for name in names)
    return any((frames / name).is_file() for name in names)


def translate_prepared(
    frames: Path | Store, out: Path | Store, model: TrainedModel, params: TranslateParams, *, work: Path
) -> dict[str, Any]:
    """Translate prepared frames to a dataset with the bytes that the stage translate would write.

    Args:
        frames: PREPARED/source of a folder PREPARED that prepare wrote.
        out: a folder that is missing, empty, or was written by this function before.
        model: the trained model.
        params: the section of params.yaml.
        work: where finished shards are kept for an `out` of this machine; one in a store keeps them itself.

    Returns:
        Counts: given, translated, rejected, and the mean SSIM.

    Raises:
        HflowError: these are no frames of the source, `out` holds something else, a store is asked for what needs a
            folder here; or as `translate_dataset`.
    """
    prepared = _prepared(frames)
    _check_out(frames, out)
    if params.engine == "dask" and (isinstance(frames, Store) or isinstance(out, Store)):
        raise HflowError(
            "translate.engine is dask, whose workers read and write folders, and not a store: set it to local"
        )
    if not isinstance(out, Store):
        return translate_dataset(model, params, prepared=prepared, out=out, sets=None, work=work)
    if params.reject:
        raise HflowError(
            f"translate.reject is {params.reject}, and what is in a store is not made shorter: set it to null, or "
            "translate into a folder of this machine and `hflow push` that"
        )
    with TemporaryDirectory() as folder:
        return translate_dataset(model, params, prepared=prepared, out=out, sets=None, work=Path(folder))


def _prepared(frames: Path | Store) -> Path | Store:
    """The folder that prepare wrote."""
    if isinstance(frames, Store):
        parent, _, name = frames.address.rpartition("/")
        prepared: Path | Store = Store(parent)
    else:
        whole = frames.resolve()
        name, prepared = whole.name, frames.parent if frames.name == whole.name else whole.parent
    if name != "source":
        raise HflowError(
            f"{frames} has prepared shards, but no frames of the source: name the folder {prepared}/source"
        )
    return prepared


def _check_out(frames: Path | Store, out: Path | Store) -> None:
    """See that a folder of this machine is one to be replaced; of one in a store its shards tell."""
    if isinstance(out, Store):
        if f"{out}/".startswith(f"{frames}/"):
            raise HflowError(f"{out} lies in {frames}: name an output folder elsewhere")
        return
    if isinstance(frames, Path):
        given, made = frames.resolve(), out.resolve()
        if made.is_relative_to(given) or given.is_relative_to(made):
            raise HflowError(f"{out} and {frames} lie in each other: name an output folder elsewhere")
    if out.exists() and not out.is_dir():
        raise HflowError(f"{out} is a file: name a folder")
    there = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if there and (EXPORTED in there or not {MANIFEST, SUMS} <= there):
        raise HflowError(f"{out} holds something else already: name an empty folder")
