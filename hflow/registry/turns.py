"""One release at a time, on whatever machines: turns, which the registry gives out."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from hflow.foundation.errors import HflowError
from hflow.foundation.progress import say

__all__ = ["Turn", "turn"]

LEASE = 60.0
"""Seconds after which a turn that is not renewed counts as left by a dead process."""
SLOW = 10
"""A registry that takes long to answer delays renewals too: the lease is at least so many of its slowest answers."""
SECONDS_BETWEEN_LOOKS = 0.2

HOLDER, RENEWED = "holder", "renewed"


class Turn:
    """A turn that has come.

    Args:
        client: of the registry.
        lock: the registered model whose versions are the turns.
        number: of the version that is this one.
    """

    def __init__(self, client: MlflowClient, lock: str, number: str):
        self._client = client
        self._lock = lock
        self._number = number

    def check(self) -> None:
        """Ask whether the turn is still this process's: to be called right before what nobody else may do meanwhile.

        Raises:
            HflowError: it was silent for too long, as a suspended machine is, and others took it for dead.
        """
        if self._number not in _waiting(self._client, self._lock):
            raise HflowError(
                "this release was silent for so long that another took its turn: nothing was changed; release again"
            )


@contextlib.contextmanager
def turn(client: MlflowClient, name: str, *, subject: ModelVersion) -> Iterator[Turn]:
    """Wait for a turn to change what the aliases of a registered model name, and have it while the block lasts.

    Turns are versions of the registered model NAME.lock. The registry gives each number once, and the lowest that is
    there has its turn. Its process renews it; one that stays as it is was left by a dead process, and whoever waits
    removes that number, which can be nobody else's. What goes wrong with giving a turn back does not undo what was
    done in it: it is said, and the next one waits until the lease is over.

    Args:
        client: of the registry.
        name: of the registered model.
        subject: the version that it is about, whose source and run the turn is listed with.
    """
    lock = f"{name}.lock"
    with contextlib.suppress(MlflowException):  # it is there already; should it not be, the next call says why
        client.create_registered_model(lock, description=f"Turns of the releases that change the aliases of {name}")
    holder = f"process {os.getpid()} on {socket.gethostname()}"
    made = client.create_model_version(
        lock, subject.source or "", subject.run_id, tags={HOLDER: holder, RENEWED: "0"}, await_creation_for=0
    )
    number = str(made.version)
    ended = threading.Event()
    renewing = threading.Thread(target=_renew, args=(client, lock, number, ended), daemon=True)
    renewing.start()
    try:
        held = Turn(client, lock, number)
        _wait(client, lock, number)
        yield held
    finally:
        ended.set()
        renewing.join()
        _give_back(client, lock, number)


def _wait(client: MlflowClient, lock: str, number: str) -> None:
    """Until the turn of this number has come."""
    seen, since, slowest = ("", ""), time.monotonic(), 0.0
    while True:
        asked = time.monotonic()
        waiting = _waiting(client, lock)
        slowest = max(slowest, time.monotonic() - asked)
        first = min([*waiting, number], key=int)
        if first == number:
            return
        state = first, waiting[first].tags.get(RENEWED, "")
        if state != seen:
            seen, since = state, time.monotonic()
        elif time.monotonic() - since > max(LEASE, SLOW * slowest):
            who = waiting[first].tags.get(HOLDER, "a process")
            say(f"{who} left turn {first} of {lock} without a sign of life: it is passed over")
            with contextlib.suppress(MlflowException):  # another that waits was faster
                client.delete_model_version(lock, first)
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _waiting(client: MlflowClient, lock: str) -> dict[str, ModelVersion]:
    """The turns that are not over, by number."""
    return {str(version.version): version for version in client.search_model_versions(f"name='{lock}'")}


def _renew(client: MlflowClient, lock: str, number: str, ended: threading.Event) -> None:
    renewals = 0
    while not ended.wait(LEASE / 6):
        renewals += 1
        with contextlib.suppress(Exception):  # the registry may be away for a moment
            client.set_model_version_tag(lock, number, RENEWED, str(renewals))


def _give_back(client: MlflowClient, lock: str, number: str) -> None:
    try:
        client.delete_model_version(lock, number)
    except Exception as error:  # whatever the registry throws, the work of this turn is done
        if isinstance(error, MlflowException) and error.error_code == "RESOURCE_DOES_NOT_EXIST":  # another took it
            return
        reason = " ".join(str(error).split())[:200]
        say(f"turn {number} of {lock} can't be given back ({reason}): the next release waits {LEASE:.0f} s for it")
