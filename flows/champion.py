"""A new champion starts the making of a dataset: an event that says so, and the automation that hears it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from prefect.automations import AutomationCore
from prefect.client.orchestration import SyncPrefectClient
from prefect.events import emit_event
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import EventTrigger, Posture

__all__ = ["PRODUCE", "automate_production", "tell_of_champion"]

EVENT = "hflow.model.champion"
PRODUCE = "hflow: a new champion translates"


def tell_of_champion(outcome: Mapping[str, Any], *, again: bool = False) -> None:
    """Tell Prefect that a version has become champion, where a release or a rollback has made it so.

    Args:
        outcome: what `hflow.pipeline.release` gives.
        again: tell it of a version too that is champion already.
    """
    # It brings MLflow and PyTorch, seconds that a run without a release needn't wait for.
    from hflow.pipeline.release import BECAME_CHAMPION, IS_CHAMPION

    number = outcome["champion"] if "was" in outcome else outcome["version"]
    told = (BECAME_CHAMPION, IS_CHAMPION) if again else (BECAME_CHAMPION,)
    if "was" in outcome or outcome["outcome"] in told:
        name = str(outcome["model"])
        emit_event(
            EVENT,
            resource={"prefect.resource.id": f"hflow.model.{name}", "prefect.resource.name": name},
            payload={"model": name, "version": str(number)},
        )


def automate_production(client: SyncPrefectClient, deployment: UUID, *, frames: str, datasets: str) -> None:
    """Have every new champion translate a folder of frames; an automation that is there is renewed.

    Args:
        client: of the Prefect server.
        deployment: of the flow `translate-folder`.
        frames: the folder, on the worker's machine.
        datasets: the folder there that gets a dataset NAME-VERSION each time.
    """
    for known in client.read_automations_by_name(PRODUCE):
        client.delete_automation(known.id)
    client.create_automation(
        AutomationCore(
            name=PRODUCE,
            description="A version that becomes champion translates the frames into a dataset of its own.",
            trigger=EventTrigger(
                expect={EVENT},
                match={"prefect.resource.id": ["hflow.model.*"]},
                posture=Posture.Reactive,
                threshold=1,
            ),
            actions=[
                RunDeployment(
                    source="selected",
                    deployment_id=deployment,
                    parameters={
                        "frames": frames,
                        "out": _filled_in(f"{datasets}/{{{{ event.payload.model }}}}-{{{{ event.payload.version }}}}"),
                        "model": _filled_in("models:/{{ event.payload.model }}/{{ event.payload.version }}"),
                        "note": True,
                    },
                    job_variables=None,
                )
            ],
        )
    )


def _filled_in(template: str) -> dict[str, str]:
    """A parameter that Prefect fills in from the event."""
    return {"__prefect_kind": "jinja", "template": template}
