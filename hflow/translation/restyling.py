"""Every frame in further styles, as one more training set."""

import shutil
from pathlib import Path
from typing import Any

from hflow.datasets.training_sets import TrainingSet, read_training_set, replacing_sets
from hflow.foundation.params import TranslateParams
from hflow.model.store import TrainedModel
from hflow.translation.dataset import translate_dataset
from hflow.translation.engines.running import ShardRunner, translate_shards

__all__ = ["RESTYLED", "restyle_dataset"]

RESTYLED = "restyled"

SEEDS = 2**31
"""How many there are: behind the last comes the first."""


def restyle_dataset(
    model: TrainedModel,
    params: TranslateParams,
    *,
    prepared: Path,
    out: Path,
    sets: Path,
    work: Path,
    run: ShardRunner = translate_shards,
) -> list[dict[str, Any]]:
    """Translate every prepared frame again in each style beyond the first, drawn by the next seed each.

    Args:
        out: the folder that gets a dataset a style, 2/, 3/, ..., as `translate_dataset` writes them.
        sets: the folder of training sets; gets restyled.json, an empty set where `params.styles` is 1.
        model, params, prepared, work, run: as for `translate_dataset`.

    Returns:
        The counts of each dataset.

    Raises:
        HflowError: as `translate_dataset`.
    """
    numbers = range(2, params.styles + 1)
    (sets / f"{RESTYLED}.json").unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    for folder in out.iterdir():
        if folder.is_dir() and folder.name.isdecimal() and int(folder.name) not in numbers:
            shutil.rmtree(folder)
            folder.with_suffix(".json").unlink(missing_ok=True)
    counts = [
        translate_dataset(
            model,
            params.model_copy(update={"seed": (params.seed + number - 1) % SEEDS}),
            prepared=prepared,
            out=out / str(number),
            sets=out,
            work=work,
            run=run,
            name=str(number),
        )
        for number in numbers
    ]
    made = [read_training_set(out / f"{number}.json") for number in numbers]
    shards = {path: sha256 for one in made for path, sha256 in one.shards.items()}
    # DVC keeps no empty folders.
    (out / "README").write_text("Frames in further styles, where translate.styles asks for them: one folder each.\n")
    with replacing_sets(sets, TrainingSet(RESTYLED, shards, made[0].made_from if made else {})):
        pass
    return counts
