"""Tasks for CVAT and Label Studio, and their exports on the way back; a faulty one is refused in a line."""

import json
import zipfile
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pytest

from hflow.datasets.images import decode_rgb
from hflow.datasets.verdicts import Verdict, read_verdicts, write_verdicts
from hflow.foundation.errors import HflowError
from hflow.review.collected import collect_verdicts
from hflow.review.cvat import read_cvat, write_cvat_task
from hflow.review.label_studio import read_label_studio, write_label_studio_tasks
from tests.review.conftest import Translated
from tests.review.test_frames import KEYS


def _expected(translated: Translated) -> list[Verdict]:
    images = [row["image_sha256"][:16] for row in translated.review(3).rows]
    return [
        Verdict("train", KEYS[0], images[0], "keep"),
        Verdict("train", KEYS[1], images[1], "reject", "a <car> & more"),
    ]


def _cvat_export(names: list[str], *tags: str) -> str:
    """annotations.xml as CVAT writes it: every picture of the task, those that were judged with a tag."""
    images = [
        f'<image id="{i}" name={quoteattr(name)} width="744" height="206">{tag}</image>'
        for i, (name, tag) in enumerate(zip(names, [*tags, *[""] * len(names)], strict=False))
    ]
    return f'<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version>{"".join(images)}</annotations>'


KEEP = '<tag label="keep" source="manual"></tag>'
REJECT = '<tag label="reject" source="manual"><attribute name="reason">{}</attribute></tag>'


@pytest.fixture
def cvat_names(translated: Translated, tmp_path: Path) -> list[str]:
    images, _ = write_cvat_task(translated.review(3), tmp_path)
    return zipfile.ZipFile(images).namelist()


def test_a_cvat_task_has_a_picture_a_frame_and_two_tags(translated: Translated, tmp_path: Path) -> None:
    images, labels = write_cvat_task(translated.review(3), tmp_path)
    with zipfile.ZipFile(images) as archive:
        for name in archive.namelist():
            height, width, _ = decode_rgb(archive.read(name)).shape
            assert width > 3 * height
    before = images.read_bytes()
    write_cvat_task(translated.review(3), tmp_path)
    assert images.read_bytes() == before
    assert [(label["name"], label["type"]) for label in json.loads(labels.read_text())] == [
        ("keep", "tag"),
        ("reject", "tag"),
    ]


@pytest.mark.parametrize("packed", [False, True])
def test_verdicts_come_back_from_cvat(
    translated: Translated, cvat_names: list[str], tmp_path: Path, packed: bool
) -> None:
    text = _cvat_export(cvat_names, KEEP, REJECT.format(escape("a <car> & more")))
    export = tmp_path / "export"
    if packed:
        with zipfile.ZipFile(export, "w") as archive:
            archive.writestr("annotations.xml", text)
    else:
        export.write_text(text)
    assert read_cvat(export) == _expected(translated)


def test_what_is_no_export_of_cvat_is_named(cvat_names: list[str], tmp_path: Path) -> None:
    export = tmp_path / "export.xml"
    for text, said in [
        ("<annotations>", "can't be read"),
        (_cvat_export(cvat_names, KEEP + REJECT), "has both tags"),
        (_cvat_export(["a.jpg"], KEEP), r"has an image 'a\.jpg', which is of no task"),
    ]:
        export.write_text(text)
        with pytest.raises(HflowError, match=said):
            read_cvat(export)


def _answered(task: dict[str, Any], verdict: str, *reasons: str) -> dict[str, Any]:
    """A task as Label Studio exports it as JSON, answered once."""
    result = [
        {"from_name": "verdict", "to_name": "translated", "type": "choices", "value": {"choices": [verdict]}},
        {"from_name": "reason", "to_name": "translated", "type": "textarea", "value": {"text": list(reasons)}},
    ]
    annotations = [{"id": 1, "was_cancelled": False, "result": result[: 1 + bool(reasons)]}]
    return {"id": 1, "annotations": annotations, "data": task["data"]}


@pytest.fixture
def tasks(translated: Translated, tmp_path: Path) -> list[dict[str, Any]]:
    path, _ = write_label_studio_tasks(translated.review(3), tmp_path)
    found: list[dict[str, Any]] = json.loads(path.read_text())
    return found


def test_label_studio_s_tasks_have_their_pictures_in_them(tasks: list[dict[str, Any]]) -> None:
    assert [task["data"]["key"] for task in tasks] == KEYS[:3]
    for task in tasks:
        assert all(task["data"][name].startswith("data:image/jpeg") for name in ("source", "translated", "labels"))


@pytest.mark.parametrize("short", [False, True])
def test_verdicts_come_back_from_label_studio(
    translated: Translated, tasks: list[dict[str, Any]], tmp_path: Path, short: bool
) -> None:
    answers = [_answered(tasks[0], "keep"), _answered(tasks[1], "reject", "a <car>", "& more")]
    answers[1]["annotations"][0]["result"][1]["value"]["text"] = ["a <car> & more"]
    exported = [*answers, {"id": 3, "annotations": [], "data": tasks[2]["data"]}]
    if short:  # JSON-MIN
        exported = [
            {**tasks[0]["data"], "id": 1, "annotator": 1, "verdict": "keep"},
            {**tasks[1]["data"], "id": 2, "annotator": 1, "verdict": "reject", "reason": "a <car> & more"},
            {**tasks[2]["data"], "id": 3},
        ]
    path = tmp_path / "export.json"
    path.write_text(json.dumps(exported))
    assert read_label_studio(path) == _expected(translated)


def test_what_is_no_export_of_label_studio_is_named(tasks: list[dict[str, Any]], tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    for content, said in [
        ({}, "is not Label Studio's export"),
        ([{"data": {}, "annotations": [{"result": 1}]}], "is not Label Studio's export"),
        ([_answered(tasks[0], "maybe")], "says 'maybe' of"),
        ([_answered(tasks[0], "keep"), _answered(tasks[0], "reject")], "has two verdicts on"),
    ]:
        path.write_text(json.dumps(content))
        with pytest.raises(HflowError, match=said):
            read_label_studio(path)


def test_files_of_all_kinds_are_added_to_one_and_the_later_verdict_counts(
    translated: Translated, cvat_names: list[str], tasks: list[dict[str, Any]], tmp_path: Path
) -> None:
    into, first = tmp_path / "given/verdicts.csv", _expected(translated)[0]
    write_verdicts(tmp_path / "page.csv", [first])
    (tmp_path / "cvat.xml").write_text(_cvat_export(cvat_names, "", REJECT.format("cars")))
    collect_verdicts([tmp_path / "page.csv", tmp_path / "cvat.xml"], into)
    (tmp_path / "again.json").write_text(json.dumps([_answered(tasks[0], "reject", "no")]))
    collect_verdicts([tmp_path / "again.json"], into)
    assert {(one.key, one.verdict, one.reason) for one in read_verdicts(into)} == {
        (KEYS[0], "reject", "no"),
        (KEYS[1], "reject", "cars"),
    }
    before = into.read_bytes()
    with pytest.raises(HflowError, match=r"notes\.txt is neither"):
        collect_verdicts([tmp_path / "page.csv", tmp_path / "notes.txt"], into)
    assert into.read_bytes() == before
