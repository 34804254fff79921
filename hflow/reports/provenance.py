"""When and from what a report was made, and where what it shows is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

__all__ = ["Provenance", "RunLink"]


@dataclass(frozen=True)
class RunLink:
    """A run on MLflow's pages.

    Attributes:
        run: its id.
        address: the page, a URL without credentials.
        served_by: the command that serves the page on this machine; None where a server has it.
    """

    run: str
    address: str
    served_by: str | None

    def artifact(self, path: str) -> str:
        """The address at which one of the run's artifacts is shown."""
        page, mark, query = self.address.partition("?")
        return f"{page}/artifacts/{path}{mark}{query}"


@dataclass(frozen=True)
class Provenance:
    """What a reader needs to find a run's code and data again.

    Attributes:
        made: when the report was written; its time zone is known.
        version: of hflow.
        commit: of the project; None outside a repository.
        changed: whether tracked files differed from the commit.
        run: of the training; None where MLflow is not there or knows no run of the model.
        data: the hashes by which DVC keeps files and folders, by their paths; empty without DVC.
    """

    made: datetime
    version: str
    commit: str | None = None
    changed: bool = False
    run: RunLink | None = None
    data: Mapping[str, str] = field(default_factory=dict)
