"""Prefect flows: the stages and the whole pipeline, orchestrated. Without the decorators the code still works."""

import os

from hflow.foundation.loopback import ask_loopback_directly

# These hold for the temporary server that Prefect starts where PREFECT_API_URL names none, and must be set before
# Prefect is imported. On SQLite its telemetry prints tracebacks about a locked database; on a busy machine, with a new
# database, it needs more than the 20 s that Prefect waits for it.
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")

ask_loopback_directly()  # the servers of a run are there
