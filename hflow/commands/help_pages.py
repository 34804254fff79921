"""Which page of the documentation helps with which kind of error."""

from hflow.foundation.errors import (
    AwayError,
    DatasetError,
    HflowError,
    LostSchedulerError,
    NoRoomError,
    ParamsError,
)

__all__ = ["PAGES", "with_page"]

PAGES: dict[type[HflowError], str] = {
    AwayError: "docs/how-to/operations.md#when-the-tracking-server-is-away",
    DatasetError: "docs/how-to/datasets.md#is-it-what-it-should-be",
    LostSchedulerError: "docs/how-to/operations.md#on-several-machines",
    NoRoomError: "docs/how-to/operations.md#disks",
    ParamsError: "docs/reference/params.md",
}


def with_page(error: HflowError) -> str:
    """What an error says, and the page that helps where there is one for its kind."""
    page = PAGES.get(type(error))
    return f"{error}; see {page}" if page else str(error)
