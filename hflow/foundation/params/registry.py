"""The gate to the registry, and the store behind it."""

from typing import Annotated

from pydantic import Field

from hflow.foundation.params.section import Section, Share

__all__ = ["ReleaseParams", "TrackingParams"]


class ReleaseParams(Section):
    """The gate that a model passes to become the champion; scores are mIoU on the target's validation set."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")] = "hflow"
    """Of the registered model, `models:/NAME@champion`."""
    margin: Annotated[float, Field(ge=-1, le=1)] = 0.0
    """What translated frames must score above raw ones, in mIoU."""
    tolerance: Share = 0.02
    """What they may score below the champion, in mIoU."""
    min_ssim: Annotated[float, Field(ge=-1, le=1)] = 0.5
    """The least mean SSIM of the frames to their source."""


class TrackingParams(Section):
    """MLflow: the experiment, and the store where MLFLOW_TRACKING_URI names none."""

    experiment: str = "hflow"
    """The name of MLflow's experiment."""
    uri: str = "sqlite:///mlflow.db"
    """The store, where MLFLOW_TRACKING_URI names no other."""
