"""Reading the JSON files that stages leave for each other."""

import json
from pathlib import Path
from typing import Any

from hflow.foundation.errors import HflowError

__all__ = ["read_json"]


def read_json(path: Path, *, made_by: str = "run the stage that writes it") -> dict[str, Any]:
    """The mapping that a JSON file holds.

    Args:
        path: the file.
        made_by: what a user does to get the file, for an error to say.

    Raises:
        HflowError: the file is missing, can't be read, is not JSON, or holds something else than a mapping.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise HflowError(f"{path} is missing: {made_by}") from None
    except OSError as error:
        raise HflowError(f"{path} can't be read ({error.strerror}): {made_by} again") from None
    except (ValueError, RecursionError) as error:
        raise HflowError(f"{path} is not JSON ({error}): {made_by} again") from None
    if not isinstance(value, dict):
        raise HflowError(f"{path} holds no mapping: {made_by} again")
    return value
