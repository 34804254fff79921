"""The one exception that a user is meant to read, and the one that a lost worker raises."""

__all__ = ["HflowError", "LostWorkerError"]


class HflowError(Exception):
    """Something the user can put right: the message names the file, parameter or value, and what to do.

    Commands print it as one line and exit with status 1; any other exception is a defect of hflow.
    """


class LostWorkerError(Exception):
    """A process that was at work is gone; trying again may help."""
