"""The one exception that a user is meant to read, and those for a server that is away and for what is lost at work."""

from hflow.foundation.credentials import without_credentials

__all__ = ["AwayError", "HflowError", "LostSchedulerError", "LostWorkerError"]


class HflowError(Exception):
    """Something the user can put right: the message names the file, parameter or value, and what to do.

    Commands print it as one line and exit with status 1; any other exception is a defect of hflow. It is without the
    credentials that the message may hold.
    """

    def __init__(self, message: str):
        super().__init__(without_credentials(message))


class AwayError(HflowError):
    """A server can't be reached, so that nobody knows what it would say."""


class LostWorkerError(Exception):
    """A process that was at work is gone; trying again may help."""


class LostSchedulerError(HflowError):
    """What gives work to the workers is gone: nothing more can be done before it is there again."""
