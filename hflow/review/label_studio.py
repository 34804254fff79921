"""Frames as tasks for Label Studio, pictures within; and what came of them, from Label Studio's export.

The formats: https://labelstud.io/guide/tasks (basic Label Studio JSON), https://labelstud.io/guide/export (JSON and
JSON-MIN).
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hflow.datasets.verdicts import VERDICTS, Verdict
from hflow.foundation.atomic_files import atomic_path, write_text
from hflow.foundation.errors import HflowError
from hflow.reports.html_parts import jpeg_uri
from hflow.review.frames import SHOWN_WIDTH, Review

__all__ = ["CONFIG", "TASKS", "read_label_studio", "write_label_studio_tasks"]

TASKS, CONFIG = "label-studio-tasks.json", "label-studio-config.xml"

INTERFACE = """<View>
  <Header value="$key"/>
  <View style="display: flex; gap: 8px">
    <View style="flex: 1"><Image name="source" value="$source"/></View>
    <View style="flex: 1"><Image name="translated" value="$translated"/></View>
    <View style="flex: 1"><Image name="labels" value="$labels"/></View>
  </View>
  <Choices name="verdict" toName="translated" choice="single" showInline="true" required="true">
    <Choice value="keep" hotkey="k"/>
    <Choice value="reject" hotkey="r"/>
  </Choices>
  <TextArea name="reason" toName="translated" placeholder="why it is rejected" maxSubmissions="1"/>
</View>
"""


def write_label_studio_tasks(review: Review, folder: Path) -> list[Path]:
    """Write the tasks, with their pictures in them, and the labelling interface.

    Args:
        review: the frames to judge.
        folder: where to write; what else is in it stays.

    Returns:
        The tasks and the interface.
    """
    with atomic_path(folder / TASKS) as place, place.open("w", encoding="utf-8") as file:
        for number, frame in enumerate(review.frames()):
            row = frame.row
            pictures = {name: jpeg_uri(pixels, SHOWN_WIDTH) for name, pixels in frame.pictures.items()}
            # The interface shows three pictures.
            told = {"labels": pictures["translated"], **pictures, "split": row["split"], "key": row["key"]}
            told |= {"image_sha256": frame.image, "ssim": row["ssim"], "consistency": row["consistency"]}
            file.write(("[\n" if number == 0 else ",\n") + json.dumps({"data": told}))
        file.write("\n]\n")
    write_text(folder / CONFIG, INTERFACE)
    return [folder / TASKS, folder / CONFIG]


def read_label_studio(path: Path) -> list[Verdict]:
    """The verdicts in Label Studio's export of such tasks, as JSON or as JSON-MIN.

    A task that nobody has answered, or that was skipped, has no verdict.

    Raises:
        HflowError: the file is no such export, or two people disagree.
    """
    try:
        tasks = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(tasks, list):
            raise TypeError("it holds no list")
        answers = [(task.get("data", task), answer) for task in tasks for answer in _answers(task)]
        told = [
            Verdict(data["split"], data["key"], data["image_sha256"], _text(answer["verdict"]), _text(answer["reason"]))
            for data, answer in answers
        ]
    except FileNotFoundError:
        raise HflowError(f"{path} is missing: name the export of a project of Label Studio") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise HflowError(
            f"{path} is not Label Studio's export of tasks that `hflow review` wrote ({error!r}): export them as JSON"
        ) from None
    found: dict[tuple[str, str, str], Verdict] = {}
    for one in told:
        if one.verdict not in VERDICTS:
            raise HflowError(f"{path} says {one.verdict!r} of {one.key!r}: keep and reject are the verdicts")
        before = found.setdefault((one.split, one.key, one.image), one)
        if before.verdict != one.verdict:
            raise HflowError(f"{path} has two verdicts on {one.key!r}: settle it in Label Studio and export again")
    return list(found.values())


def _answers(task: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Each person's verdict and reason; a line of JSON-MIN is one person's."""
    if "annotations" not in task:
        if task.get("verdict"):
            yield {"verdict": task["verdict"], "reason": task.get("reason")}
        return
    for annotation in task["annotations"]:
        said = {part["from_name"]: part["value"] for part in annotation["result"]}
        if "verdict" in said and not annotation.get("was_cancelled"):
            yield {"verdict": said["verdict"]["choices"], "reason": said.get("reason", {}).get("text")}


def _text(value: Any) -> str:
    """A text, or the texts of a list."""
    texts = value if isinstance(value, list) else [value or ""]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError(f"{value!r} is no text")
    return " ".join("; ".join(texts).split())
