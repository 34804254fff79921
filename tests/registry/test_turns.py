"""Turns of releases: one at a time over processes, however slow the registry is, and no turn is another's to end."""

import subprocess
import sys
import threading
import time

import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from hflow.foundation.errors import HflowError
from hflow.foundation.params import TrackingParams
from hflow.registry import turns
from hflow.registry.turns import turn
from hflow.registry.versions import Registry
from tests.databases import Databases

PROMOTE = """
import sys, time
from mlflow import MlflowClient
from hflow.foundation.errors import HflowError
from hflow.foundation.params import TrackingParams
from hflow.registry import turns
from hflow.registry.versions import Registry, Version

number, uri = sys.argv[1:]
turns.LEASE = 1.0
put = MlflowClient.set_registered_model_alias

def slowly(*arguments):
    print("promotes", flush=True)
    time.sleep(4)
    put(*arguments)

MlflowClient.set_registered_model_alias = slowly
registry = Registry(TrackingParams(uri=uri), "town")
before = registry.champion()
print("has looked", flush=True)
sys.stdin.readline()
try:
    registry.promote(Version(number, {}), over=before)
    print("is champion")
except HflowError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def uri(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with three versions of a model, the first of them champion."""
    uri = f"sqlite:///{databases.mlflow(tmp_path_factory.mktemp('store') / 'mlflow.db')}"
    client = MlflowClient(uri, uri)
    client.create_registered_model("town")
    for _ in range(3):
        client.create_model_version("town", "somewhere")
    client.set_registered_model_alias("town", "champion", "1")
    return uri


@pytest.fixture
def client(uri: str) -> MlflowClient:
    return MlflowClient(uri, uri)


@pytest.fixture
def subject(client: MlflowClient) -> ModelVersion:
    return client.get_model_version("town", "1")


def _promoting(number: str, uri: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", PROMOTE, number, uri]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _go(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_process_whose_registry_is_slow_keeps_its_turn_and_the_other_is_told(uri: str) -> None:
    """Writing the alias takes four times the lease."""
    with _promoting("2", uri) as first, _promoting("3", uri) as second:
        assert [_line(process) for process in (first, second)] == ["has looked"] * 2
        _go(first)
        assert _line(first) == "promotes"
        _go(second)
        assert _line(first) == "is champion"
        assert _line(second).startswith("version 2 of town became champion while this release was under way")
    champion = Registry(TrackingParams(uri=uri), "town").champion()
    assert champion is not None
    assert champion.number == "2"


def test_of_many_that_find_a_dead_turn_one_at_a_time_goes_on(
    uri: str, subject: ModelVersion, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "LEASE", 0.6)
    with turn(client, "town", subject=subject):
        pass  # the lock is there
    client.create_model_version("town.lock", "somewhere")
    inside, most, through = 0, 0, 0

    def release() -> None:
        nonlocal inside, most, through
        with turn(MlflowClient(uri, uri), "town", subject=subject):
            inside += 1
            most = max(most, inside)
            time.sleep(0.3)
            inside -= 1
            through += 1

    threads = [threading.Thread(target=release) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, through) == (1, 4)
    assert not client.search_model_versions("name='town.lock'")


def test_a_turn_that_cannot_be_given_back_does_not_undo_what_was_done_in_it(
    client: MlflowClient, subject: ModelVersion, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> None:
        raise MlflowException("the database is away")

    with monkeypatch.context() as broken, turn(client, "town", subject=subject):
        broken.setattr(MlflowClient, "delete_model_version", fails)
    assert "can't be given back (the database is away)" in capsys.readouterr().err


def test_a_turn_that_was_taken_is_noticed(client: MlflowClient, subject: ModelVersion) -> None:
    for left in client.search_model_versions("name='town.lock'"):
        client.delete_model_version("town.lock", left.version)
    with turn(client, "town", subject=subject) as ours:
        ours.check()
        (taken,) = client.search_model_versions("name='town.lock'")
        client.delete_model_version("town.lock", taken.version)
        with pytest.raises(HflowError, match="another took its turn"):
            ours.check()
