"""The one exception that a user is meant to read."""

__all__ = ["HflowError"]


class HflowError(Exception):
    """Something the user can put right: the message names the file, parameter or value, and what to do.

    Commands print it as one line and exit with status 1; any other exception is a defect of hflow.
    """
