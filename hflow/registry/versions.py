"""The models registered with MLflow: versions, the aliases challenger and champion, and models by their URI."""

import contextlib
import functools
import json
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException

from hflow.foundation.atomic_folders import publish
from hflow.foundation.errors import AwayError, HflowError
from hflow.foundation.finished_work import mark_used
from hflow.foundation.json_files import read_json
from hflow.foundation.params import TrackingParams
from hflow.foundation.progress import say
from hflow.model.store import training_fingerprint
from hflow.registry.client import connect, experiment_id, tracking_uri
from hflow.registry.model_runs import run_that_made
from hflow.registry.names import REGISTERED, legal_names
from hflow.registry.run_link import picture_link
from hflow.registry.serving import model_folder, save_translator
from hflow.registry.turns import turn

__all__ = ["Registry", "Version", "fetch_model"]

CHAMPION, CHALLENGER = "champion", "challenger"
FIGURES = "hflow.figures"
SAME = "hflow.same"
"""The tag by which a release that is asked for again finds its version: a hash of the model and of its figures."""
BEFORE = "hflow.champion_before"
ROLLED_BACK = "hflow.rolled_back"

NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""How the registry says that it has no such alias: the latter where the model is there."""

P = ParamSpec("P")
R = TypeVar("R")

URI = re.compile(r"models:/+(?P<name>[^@/]+)(@(?P<alias>[^@/]+)|/(?P<version>[0-9]+))")


@dataclass(frozen=True)
class Version:
    """A version of a registered model, with its tags."""

    number: str
    tags: Mapping[str, str]

    @property
    def figures(self) -> str | None:
        """The figures it was judged by, as JSON."""
        return self.tags.get(FIGURES)

    @property
    def rolled_back(self) -> bool:
        """Whether it was champion, and the alias was taken back from it."""
        return ROLLED_BACK in self.tags


def _refusals_named(method: Callable[Concatenate["Registry", P], R]) -> Callable[Concatenate["Registry", P], R]:
    """Let a method say in one line what MLflow refuses."""

    @functools.wraps(method)
    def named(self: "Registry", *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self, *args, **kwargs)
        except MlflowException as error:
            where, reason = self.where, " ".join(str(error).split())[:200]
            raise HflowError(f"MLflow at {where} did not take the release of {self.name} ({reason})") from None

    return named


class Registry:
    """One registered model, made with its first version.

    Args:
        params: where MLflow is.
        name: of the model.

    Raises:
        HflowError: MLflow can't be reached.
    """

    def __init__(self, params: TrackingParams, name: str):
        self.name = name
        self.where = tracking_uri(params)
        self._params = params
        self._client = _connected(params)

    def champion(self) -> Version | None:
        """The version that has the alias, if one has."""
        return self._version_of(CHAMPION)

    def challenger(self) -> Version | None:
        """The version registered last."""
        return self._version_of(CHALLENGER)

    @_refusals_named
    def register(
        self, model: Path, figures: str, *, same: str, tags: Mapping[str, str], text: str, pictures: Mapping[str, Path]
    ) -> Version:
        """A new version, as challenger; the version that was registered as the same before, where there is one.

        Args:
            model: the model's folder; its run gets the MLflow model.
            figures: what it is judged by, as JSON.
            same: a hash of the model and of its figures.
            tags: lineage: data, commit, parameters; by names that MLflow takes, see `legal_names`.
            text: the version's description, Markdown, also what the model's own begins with.
            pictures: files that are laid beside the model, by name; both descriptions show them.
        """
        with contextlib.suppress(MlflowException):
            self._client.create_registered_model(self.name)
        versions = self._client.search_model_versions(f"name='{self.name}'")
        newest = max((int(version.version) for version in versions), default=0)
        for found in versions:
            if found.tags.get(SAME) == same:
                if int(found.version) == newest:  # a release that was killed may have left it without the alias
                    self._client.set_registered_model_alias(self.name, CHALLENGER, found.version)
                return Version(str(found.version), found.tags)
        made_as = training_fingerprint(model)
        run_id = run_that_made(self._client, experiment_id(self._client, self._params), made_as)
        place = f"translator-{same[:8]}"
        with tempfile.TemporaryDirectory() as folder:
            saved = Path(folder) / "translator"
            save_translator(model, saved, pictures=pictures)
            self._client.log_artifacts(run_id, str(saved), place)
        source = f"{self._client.get_run(run_id).info.artifact_uri}/{place}"
        names = legal_names(tags)
        all_tags = {**{names[name]: value for name, value in tags.items()}, FIGURES: figures, SAME: same}
        shown = "\n\n".join([text, *(picture_link(run_id, f"{place}/{name}", name) for name in pictures)])
        made = self._client.create_model_version(self.name, source, run_id, tags=all_tags, description=shown)
        self._client.update_registered_model(self.name, f"Version {made.version}, the newest: {shown}")
        self._client.set_registered_model_alias(self.name, CHALLENGER, made.version)
        return Version(str(made.version), all_tags)

    @_refusals_named
    def promote(self, version: Version, *, over: Version | None) -> None:
        """Make a version the champion.

        Args:
            version: the new champion.
            over: the champion that it was judged against; None where there was none.

        Raises:
            HflowError: another version became champion meanwhile.
        """
        subject = self._client.get_model_version(self.name, version.number)
        with turn(self._client, self.name, subject=subject) as ours:
            now = self.champion()
            if (now and now.number) != (over and over.number):
                raise HflowError(
                    f"version {now.number if now else 'none'} of {self.name} became champion while this release was "
                    f"under way: version {version.number} stays challenger; release it again to have it judged anew"
                )
            self._tag(version, BEFORE, over.number if over else "")
            ours.check()
            self._client.set_registered_model_alias(self.name, CHAMPION, version.number)

    @_refusals_named
    def rollback(self) -> tuple[Version, Version]:
        """Give the alias back to the champion before; gives the version that had it and the one that has it now.

        Raises:
            HflowError: there is no champion, or none was before it.
        """
        first = self.champion()
        if first is None:
            raise HflowError(f"{self.name} has no champion: there is nothing to roll back")
        subject = self._client.get_model_version(self.name, first.number)
        with turn(self._client, self.name, subject=subject) as ours:
            champion = self.champion()
            if champion is None or champion.number != first.number:
                raise HflowError(f"{self.name} got another champion meanwhile: look, and roll back again")
            number = champion.tags.get(BEFORE)
            if not number:
                raise HflowError(f"version {champion.number} is the first champion of {self.name}: none was before it")
            before = self._version(number)
            ours.check()
            self._tag(champion, ROLLED_BACK, "true")
            self._client.set_registered_model_alias(self.name, CHAMPION, before.number)
        return champion, before

    def _version_of(self, alias: str) -> Version | None:
        try:
            found = self._client.get_model_version_by_alias(self.name, alias)
        except MlflowException as error:
            if error.error_code in NOT_THERE:
                return None
            where, reason = self.where, " ".join(str(error).split())[:200]
            raise HflowError(f"MLflow at {where} doesn't say which version is {alias} ({reason}): try later") from None
        return Version(str(found.version), found.tags)

    def _version(self, number: str) -> Version:
        found = self._client.get_model_version(self.name, number)
        return Version(str(found.version), found.tags)

    def _tag(self, version: Version, key: str, value: str) -> None:
        self._client.set_model_version_tag(self.name, version.number, key, value)


def fetch_model(uri: str, params: TrackingParams, *, cache: Path) -> Path:
    """The folder of a registered model, downloaded once a version; again where the registry is another one.

    Args:
        uri: models:/NAME@ALIAS or models:/NAME/VERSION.
        params: where MLflow is.
        cache: the folder that gets NAME/VERSION, with `registered.json`, which says what the registry knows it by.

    Raises:
        AwayError: MLflow can't be reached.
        HflowError: the URI has another form, or there is no such model.
    """
    match = URI.fullmatch(uri)
    if not match:
        raise HflowError(f"{uri} is no model: write models:/NAME@champion or models:/NAME/VERSION")
    name, alias, number = match["name"], match["alias"], match["version"]
    client = _connected(params)
    try:
        found = client.get_model_version_by_alias(name, alias) if alias else client.get_model_version(name, number)
    except MlflowException as error:
        if error.error_code not in NOT_THERE:
            reason = " ".join(str(error).split())[:200]
            raise AwayError(f"MLflow at {tracking_uri(params)} doesn't say which version {uri} is ({reason})") from None
        raise HflowError(f"{uri} is not registered with {tracking_uri(params)}: {error.message}") from None
    folder = cache / name / str(found.version)
    # Not by a path: a project that has moved rewrites those.
    made = {"version": str(found.version), "run_id": found.run_id, "created": found.creation_timestamp}
    if (folder / REGISTERED).is_file() and read_json(folder / REGISTERED) == made:
        mark_used(folder)
    else:
        where = tracking_uri(params)
        with tempfile.TemporaryDirectory() as place:
            saved = Path(download_artifacts(found.source, dst_path=place, tracking_uri=where, registry_uri=where))
            files = {path.name: path.read_bytes() for path in model_folder(saved).iterdir()}
            publish(files | {REGISTERED: json.dumps(made).encode()}, folder)
        say(f"{uri} is version {found.version}: fetched")
    return folder


def _connected(params: TrackingParams) -> MlflowClient:
    try:
        return connect(params)
    except OSError as error:
        reason = " ".join(str(error).split())[:200]
        raise AwayError(
            f"MLflow at {tracking_uri(params)} can't be reached ({reason}): start it, or try later"
        ) from None
