"""A written dataset opened in FiftyOne's app."""

from pathlib import Path
from typing import Any

from hflow.foundation.errors import HflowError
from hflow.review.fiftyone_folder import EMBEDDING, SHOWN_SLICE

__all__ = ["import_dataset", "open_app"]

WORST = "worst first"
MAP = "map"


def import_dataset(folder: Path, name: str, *, measure: str, embedded: bool) -> Any:
    """Import a folder that `write_fiftyone_dataset` wrote into FiftyOne, in place of an earlier one of this name.

    Args:
        folder: the dataset's.
        name: what it is called in FiftyOne.
        measure: the field by which the saved view `worst first` is ordered.
        embedded: whether there are embeddings, for the map of the app's panel.

    Returns:
        The dataset of FiftyOne.

    Raises:
        HflowError: FiftyOne reaches no database.
    """
    import fiftyone as fo
    from fiftyone.core.config import FiftyOneConfigError

    try:
        if fo.dataset_exists(name):
            fo.delete_dataset(name)
    except (FiftyOneConfigError, RuntimeError, ConnectionError) as error:
        raise HflowError(
            f"FiftyOne has no database ({' '.join(str(error).split())}): set FIFTYONE_DATABASE_URI to a MongoDB"
        ) from None
    dataset = fo.Dataset.from_dir(dataset_dir=str(folder), dataset_type=fo.types.FiftyOneDataset, name=name)
    dataset.save_view(WORST, dataset.sort_by(measure))
    if embedded and len(dataset) > 2:
        import fiftyone.brain as brain

        frames = dataset.select_group_slices(SHOWN_SLICE)
        brain.compute_visualization(frames, embeddings=EMBEDDING, method="pca", brain_key=MAP)
    return dataset


def open_app(dataset: Any) -> None:
    """Open FiftyOne's app on the view `worst first`, until it is closed.

    Raises:
        HflowError: its server did not start.
    """
    import fiftyone as fo
    from fiftyone.core.service import ServiceListenTimeout

    try:
        session = fo.launch_app(view=dataset.load_saved_view(WORST))
    except ServiceListenTimeout as error:
        raise HflowError(
            f"FiftyOne's app did not start within a minute ({error}): try again where the machine was busy, or name a "
            "free port by FIFTYONE_DEFAULT_APP_PORT"
        ) from None
    session.wait()
