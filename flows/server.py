"""The Prefect server of a run: the one that PREFECT_API_URL names, or one for the run's own time."""

import contextlib
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from prefect.client.orchestration import get_client
from prefect.settings import (
    PREFECT_API_SSL_CERT_FILE,
    PREFECT_API_URL,
    PREFECT_HOME,
    PREFECT_UI_URL,
    temporary_settings,
)

from flows.processes import started
from hflow.foundation.errors import HflowError
from hflow.foundation.loopback import free_port
from hflow.foundation.project_root import project_root

__all__ = ["check_server", "prefect_server"]

SECONDS_TO_START = 180.0
STARTS = 3
"""Two runs that begin at once on a new machine both make Prefect's database, and one of their servers gives up."""

# In a session of its own, so that Ctrl-C in a terminal reaches the run and not its server: what became of the run must
# still be said to it. Prefect's own temporary server is in the terminal's process group.
COMMAND = ("-m", "prefect", "server", "start", "--no-ui", "--no-services", "--host", "127.0.0.1", "--port")


@contextlib.contextmanager
def prefect_server() -> Iterator[None]:
    """Have a Prefect server while the context lasts; one that is started here ends with it.

    Raises:
        HflowError: the server that is named is away or asks for another password, or none can be started.
    """
    named = PREFECT_API_URL.value()
    if named:
        check_server(named)
        yield
        return
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    # The server itself must not take itself for a client of another one.
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    home = _home()
    environment["PREFECT_HOME"] = str(home)
    with contextlib.ExitStack() as running:
        servers: list[subprocess.Popen[bytes]] = []
        end = time.monotonic() + SECONDS_TO_START
        while not _answers(url):
            ended = not servers or servers[-1].poll() is not None
            if time.monotonic() > end or (ended and len(servers) == STARTS):
                raise HflowError(
                    "a temporary Prefect server did not start: see what `prefect server start` says, or name a "
                    "server in PREFECT_API_URL"
                )
            if ended:
                command = [sys.executable, *COMMAND, str(port)]
                servers.append(running.enter_context(started(command, environment, subprocess.DEVNULL)))
            time.sleep(0.1)
        # Without pages of its own, it would be no use to say where a run is seen.
        with temporary_settings({PREFECT_API_URL: url, PREFECT_HOME: home, PREFECT_UI_URL: ""}):
            yield


def check_server(url: str, *, otherwise: str = "start it, or unset PREFECT_API_URL") -> None:
    """See that the server that the settings name is there and lets this client in.

    Args:
        url: the server's address, as in the settings.
        otherwise: what to do where nothing answers.

    Raises:
        HflowError: it is away or asks for another password.
    """
    if not _answers(url):
        raise HflowError(f"no Prefect server answers at {url}: {otherwise}")
    if _refuses():
        raise HflowError(f"the Prefect server at {url} refuses: set PREFECT_API_AUTH_STRING to USER:PASSWORD")


def _home() -> Path:
    """Where a server that is started here keeps its database: Prefect's home, or where that can't be written, as with
    some containers' users, the work folder.

    Raises:
        HflowError: neither can be written.
    """
    usual, own = Path(PREFECT_HOME.value()), project_root() / ".hflow" / "prefect"
    for home in (usual, own):
        with contextlib.suppress(OSError):
            home.mkdir(parents=True, exist_ok=True)
            if os.access(home, os.W_OK):
                return home
    raise HflowError(f"neither {usual} nor {own} can be written: name a folder in PREFECT_HOME")


def _refuses() -> bool:
    """Whether the server that the settings name turns this client away; its health it tells everyone."""
    try:
        with get_client(sync_client=True) as client:
            client.read_flows(limit=1)
    except httpx.HTTPStatusError as error:
        return error.response.status_code == httpx.codes.UNAUTHORIZED
    return False


def _answers(url: str) -> bool:
    """Whether a server is at this address."""
    try:
        trusted = ssl.create_default_context(cafile=PREFECT_API_SSL_CERT_FILE.value())
        answer = httpx.get(f"{url.rstrip('/')}/health", timeout=10, verify=trusted)
        return answer.status_code == httpx.codes.OK
    except (httpx.HTTPError, httpx.InvalidURL, OSError):  # OSError: a certificate that is not there
        return False
