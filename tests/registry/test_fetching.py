"""What was fetched of a registry is known by the registry's own version, and a release that was killed is finished."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from hflow.foundation.params import TrackingParams
from hflow.model.store import load_model
from hflow.registry.versions import Registry, Version, fetch_model
from tests.databases import Databases
from tests.models import write_model


@pytest.fixture
def tracking(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrackingParams:
    """Of a project's folder, current, with a store of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    databases.mlflow(tmp_path / "mlflow.db")
    return TrackingParams()


def _register(tracking: TrackingParams, seed: int) -> Version:
    model = write_model(Path(f"model-{seed}"), seed)
    return Registry(tracking, "town").register(model, "{}", same=str(seed), tags={}, text="A text.", pictures={})


def test_the_same_version_of_another_registry_is_fetched_anew(
    databases: Databases, tracking: TrackingParams, capsys: pytest.CaptureFixture[str]
) -> None:
    fetched = []
    for seed in (0, 1):
        databases.mlflow(Path("mlflow.db"))
        _register(tracking, seed)
        for _ in range(2):
            folder = fetch_model("models:/town/1", tracking, cache=Path("cache"))
        fetched.append(load_model(folder).sha256)
    assert fetched == [load_model(Path(f"model-{seed}")).sha256 for seed in (0, 1)]
    assert capsys.readouterr().err.count("fetched") == 2


def test_a_release_that_was_killed_before_its_alias_gets_it_when_it_is_asked_for_again(
    tracking: TrackingParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    registry = Registry(tracking, "town")
    old = _register(tracking, 0)
    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "set_registered_model_alias", killed)
        with pytest.raises(KeyboardInterrupt):
            _register(tracking, 1)
    new = _register(tracking, 1)
    assert (old.number, new.number) == ("1", "2")
    assert registry.challenger() == new
    assert _register(tracking, 0) == old
    assert registry.challenger() == new, "it is the version registered last"
