"""The datasets that a registered version has made, in its description."""

import re

from mlflow.exceptions import MlflowException

from hflow.foundation.errors import HflowError
from hflow.foundation.params import TrackingParams
from hflow.registry.client import connect, tracking_uri

__all__ = ["note_dataset"]

VERSION = re.compile(r"models:/+(?P<name>[^@/]+)/(?P<number>[0-9]+)")


def note_dataset(params: TrackingParams, model: str, place: str, said: str) -> None:
    """Write a dataset into the description of the version that made it; what stands there of the same place goes.

    Args:
        params: where MLflow is.
        model: models:/NAME/VERSION.
        place: where the dataset is.
        said: its version and counts, a line of Markdown.

    Raises:
        HflowError: MLflow can't be reached, or does not take it.
    """
    match = VERSION.fullmatch(model)
    if not match:
        raise HflowError(f"{model} is no version of a registered model: write models:/NAME/VERSION")
    begins = f"- dataset `{place}`: "
    try:
        client = connect(params)
        known = client.get_model_version(match["name"], match["number"]).description or ""
        kept = "\n".join(line for line in known.splitlines() if not line.startswith(begins)).rstrip()
        # Behind a text or a table a list needs an empty line.
        between = "\n" if kept.rpartition("\n")[2].startswith("- dataset ") else "\n\n"
        text = f"{kept}{between}{begins}{said}".lstrip()
        client.update_model_version(match["name"], match["number"], description=text)
    except (MlflowException, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise HflowError(f"MLflow at {tracking_uri(params)} did not note the dataset {place} ({reason})") from None
