"""The last pull step of a deployment: `python -m flows.pull [STAGE ...]` fetches what a run needs from the remote."""

import sys

from flows.dvc_commands import pull
from hflow.foundation.errors import HflowError

if __name__ == "__main__":
    try:
        pull(*sys.argv[1:])
    except HflowError as error:
        sys.exit(f"hflow: {error}")
