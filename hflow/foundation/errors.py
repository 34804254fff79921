"""The one exception that a user is meant to read, its kinds, and what is lost at work."""

from hflow.foundation.credentials import without_credentials

__all__ = [
    "AwayError",
    "DatasetError",
    "HflowError",
    "LostSchedulerError",
    "LostWorkerError",
    "NoRoomError",
    "ParamsError",
    "PassingError",
]


class HflowError(Exception):
    """Something the user can put right: the message names the file, parameter or value, and what to do.

    Commands print it as one line and exit with status 1; any other exception is a defect of hflow. It is without the
    credentials that the message may hold.
    """

    def __init__(self, message: str):
        super().__init__(without_credentials(message))


class ParamsError(HflowError):
    """A parameter is unknown or has an impossible value."""


class DatasetError(HflowError):
    """A raw dataset is not there, or not what it should be."""


class NoRoomError(HflowError):
    """A disk is full, or has no room for what is to be written."""


class AwayError(HflowError):
    """A server can't be reached, so that nobody knows what it would say."""


class PassingError(HflowError):
    """A fault of the machine, its disks or permissions: what it was met in is to be tried again, not kept as done."""


class LostWorkerError(Exception):
    """A process that was at work is gone; trying again may help."""


class LostSchedulerError(HflowError):
    """What gives work to the workers is gone: nothing more can be done before it is there again."""
