"""The whole pipeline as one flow: fetch, reproduce what has changed, push, release. What a schedule runs."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, cast

from prefect import task
from prefect.artifacts import create_image_artifact, create_link_artifact, create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed, Failed, State
from pydantic import Field

from flows.champion import tell_of_champion
from flows.child_runs import for_children
from flows.dvc_commands import PIPELINE, changes, dvc, has_remote, pull
from flows.stage import alone_on_gpu, publish_table, run_as_command, stage_flow, stopped
from hflow.commands.clean import cleaning_in_words
from hflow.foundation.errors import HflowError
from hflow.foundation.params import Params, load_params
from hflow.pipeline import outputs
from hflow.pipeline.cleaning import clean
from hflow.pipeline.models import fetch_model, is_registered, pipeline_model
from hflow.pipeline.provenance import run_link

__all__ = ["sim2real"]

NOTHING = "nothing has changed since the last run"

UNPUSHED, UNRELEASED = Path(".hflow/unpushed"), Path(".hflow/unreleased")
"""There while results are not in the DVC remote, and have not been to the gate: the next run makes up for it."""


@stage_flow
def sim2real(
    push: bool = True,
    release: bool = False,
    hours: Annotated[float, Field(gt=0)] = 72,
    keep: Annotated[int, Field(ge=1)] = 1,
) -> Any:
    """Run the pipeline in the current project.

    Args:
        push: hand results to the DVC remote, where there is one.
        release: register the model, and make it champion if it passes the gate in params.yaml.
        hours: how long the stages may take together; what is not finished then is stopped, and the next run goes on.
        keep: of how many last runs of a stage the finished pieces stay in .hflow after a release; hflow clean has more.
    """
    settings = load_params()
    with alone_on_gpu():
        environment = for_children()
        remote = has_remote()
        if remote:
            fetch()
        if is_registered(settings.translate.model):
            fetch_champion(settings)
        why = changes()
        if why:
            print("what has changed, and so runs again:", *_reasons(why), sep="\n")
            for owed in (UNPUSHED, UNRELEASED):
                owed.parent.mkdir(exist_ok=True)
                owed.touch()
            timed = reproduce.with_options(timeout_seconds=hours * 3600)
            _done(timed(environment, pull_first=remote, return_state=True))
        pushes, releases = remote and push and UNPUSHED.exists(), release and UNRELEASED.exists()
        if not (why or pushes or releases):
            return Completed(message=NOTHING)
        if pushes:
            hand_on(environment)
            UNPUSHED.unlink()
        publish(settings, why or _made_up_for(pushes, releases), _released(settings) if release else None)
        if release:
            print(*cleaning_in_words(clean(keep, remove=True), removed=True), sep="\n")
    return str(outputs.REPORTS / "index.html")


@task(cache_policy=NO_CACHE, retries=2, retry_delay_seconds=[10, 60])
def fetch() -> None:
    """Fetch the newest data and the results of earlier runs, so that `reproduce` need not make them again."""
    pull()


@task(cache_policy=NO_CACHE, retries=2, retry_delay_seconds=[10, 60])
def fetch_champion(params: Params) -> None:
    """Fetch the registered model that translates."""
    fetch_model(params)


@task(cache_policy=NO_CACHE)
def reproduce(environment: Mapping[str, str], *, pull_first: bool) -> State[None]:
    """Run the stages whose inputs have changed; each is a flow run of its own on the same Prefect server."""
    try:
        code = dvc("repro", *(["--pull"] if pull_first else []), PIPELINE, environment=environment)
    except KeyboardInterrupt:
        # Prefect would call it a crash, in two lines, before the run has said what it is.
        return stopped()
    if code == 0:
        return Completed(message="reproduced")
    return Failed(message="a stage failed, its reason is above; `dvc checkout` brings back what was there before")


@task(cache_policy=NO_CACHE, retries=2, retry_delay_seconds=[10, 60])
def hand_on(environment: Mapping[str, str]) -> None:
    """Push the results to the DVC remote."""
    if dvc("push", "--run-cache", environment=environment):
        raise HflowError("the results can't be pushed to the DVC remote, its reason is above")


def publish(params: Params, why: Mapping[str, list[str]], outcome: Mapping[str, Any] | None) -> None:
    """Artifacts of the run: what ran and why, the figures, the contact sheet, a link to the whole report."""
    report = outputs.REPORTS / "index.html"
    page = _report_page(params, report)
    figures = json.loads(outputs.SUMMARY.read_text(encoding="utf-8"))
    released = [f"Version {outcome['version']} of {outcome['model']} {outcome['outcome']}."] if outcome else []
    table = ["| figure | value |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in figures.items())]
    lines = ["## Why it ran", *(f"- {line}" for line in _reasons(why)), "", "## What came of it", *released, "", *table]
    lines += ["", f"[The whole report]({page}), on the worker's disk: `{report.resolve()}`"]
    create_markdown_artifact("\n".join(lines), key="report", description="What ran, why, and what came of it")
    create_link_artifact(page, "The whole report", key="report-page", description="Figures and pictures of the run")
    publish_table("metrics", figures, "The figures of the run")
    sheet = base64.b64encode((outputs.EVALUATE_PLOTS / "before-after.png").read_bytes()).decode()
    create_image_artifact(f"data:image/png;base64,{sheet}", key="contact-sheet", description="Before and after")


def _report_page(params: Params, report: Path) -> str:
    """Where the report is seen: on the pages of an MLflow server, else on this machine's disk."""
    run = run_link(params, pipeline_model(params))
    if run is None or run.served_by:
        return report.resolve().as_uri()
    return run.artifact("evaluate/index.html")


def _released(settings: Params) -> dict[str, Any] | None:
    from hflow.pipeline.release import release

    outcome = None if is_registered(settings.translate.model) else release(settings)
    if outcome:
        # A run that was killed behind the gate has told nobody.
        tell_of_champion(outcome, again=UNRELEASED.exists())
        print(f"version {outcome['version']} of {outcome['model']} {outcome['outcome']}")
    UNRELEASED.unlink(missing_ok=True)
    return outcome


def _made_up_for(pushes: bool, releases: bool) -> dict[str, list[str]]:
    return {name: ["an earlier run could not"] for name, now in (("push", pushes), ("release", releases)) if now}


def _reasons(why: Mapping[str, list[str]]) -> list[str]:
    return [f"{stage}: {'; '.join(reasons)}" for stage, reasons in why.items()]


def _done(state: Any) -> None:
    if cast("State[None]", state).is_cancelled():
        raise KeyboardInterrupt
    if not cast("State[None]", state).is_completed():
        raise HflowError(str(state.message))


if __name__ == "__main__":
    run_as_command(sim2real)
