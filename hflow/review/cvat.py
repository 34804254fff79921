"""Frames as a task for CVAT: a picture and two tags a frame; and what came of it, from CVAT's export.

The formats: https://docs.cvat.ai/docs/manual/advanced/formats/format-cvat/ ("CVAT for images 1.1"), and CVAT's raw
description of labels.
"""

import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from xml.etree import ElementTree

from PIL import Image

from hflow.datasets.verdicts import IMAGE_DIGITS, VERDICTS, Verdict
from hflow.foundation.atomic_files import atomic_path, write_text
from hflow.foundation.contact_sheet import contact_sheet
from hflow.foundation.errors import HflowError
from hflow.review.frames import Review, ReviewFrame

__all__ = ["IMAGES", "LABELS", "read_cvat", "write_cvat_task"]

IMAGES, LABELS = "cvat-images.zip", "cvat-labels.json"

ANNOTATIONS = "annotations.xml"

NAME = re.compile(rf"(?P<split>[^/]+)/(?P<key>.+)\.(?P<image>[0-9a-f]{{{IMAGE_DIGITS}}})\.jpg")
"""Of a picture in the task: what a verdict on it needs."""

NARROWEST = 240


def write_cvat_task(review: Review, folder: Path) -> list[Path]:
    """Write the pictures of a task, in one archive, and its labels.

    Args:
        review: the frames to judge.
        folder: where to write; what else is in it stays.

    Returns:
        The archive and the labels.
    """
    with atomic_path(folder / IMAGES) as place, zipfile.ZipFile(place, "w") as archive:
        for frame in review.frames():
            name = f"{frame.row['split']}/{frame.row['key']}.{frame.image}.jpg"
            # Without time and owner: the same frames give the same bytes.
            archive.writestr(zipfile.ZipInfo(name), _picture(frame))
    reason = {"name": "reason", "input_type": "text", "mutable": False, "default_value": "", "values": [""]}
    labels = [
        {"name": verdict, "type": "tag", "attributes": [reason] if verdict == "reject" else []} for verdict in VERDICTS
    ]
    write_text(folder / LABELS, json.dumps(labels, indent=2) + "\n")
    return [folder / IMAGES, folder / LABELS]


def read_cvat(path: Path) -> list[Verdict]:
    """The verdicts in CVAT's export of such a task, "CVAT for images 1.1": the archive, or its annotations.xml.

    A picture without a tag has no verdict.

    Raises:
        HflowError: the file is no such export, or a picture has both tags.
    """
    try:
        if not zipfile.is_zipfile(path):
            with path.open("rb") as file:
                return list(_verdicts(file, path))
        with zipfile.ZipFile(path) as archive, archive.open(ANNOTATIONS) as annotations:
            return list(_verdicts(annotations, path))
    except FileNotFoundError:
        raise HflowError(f"{path} is missing: name the export of a task of CVAT") from None
    except KeyError:
        raise HflowError(f'{path} has no {ANNOTATIONS}: export the task from CVAT as "CVAT for images 1.1"') from None
    except (
        ElementTree.ParseError,
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
        RuntimeError,
        EOFError,
    ) as error:
        raise HflowError(
            f'{path} can\'t be read ({error}): export the task from CVAT as "CVAT for images 1.1"'
        ) from None


def _verdicts(annotations: IO[bytes], path: Path) -> Iterator[Verdict]:
    for _, image in ElementTree.iterparse(annotations):
        if image.tag != "image":
            continue
        tags = [tag for tag in image.iter("tag") if tag.get("label") in VERDICTS]
        name = image.get("name") or ""
        found = NAME.fullmatch(name)
        if tags and found is None:
            raise HflowError(f"{path} has an image {name!r}, which is of no task that `hflow review` wrote")
        if len({tag.get("label") for tag in tags}) > 1:
            raise HflowError(f"{path} has both tags at {name!r}: remove one in CVAT and export again")
        if tags and found:
            reasons = [
                part.text or "" for tag in tags for part in tag.iter("attribute") if part.get("name") == "reason"
            ]
            reason = " ".join("; ".join(reasons).split())
            yield Verdict(found["split"], found["key"], found["image"], str(tags[0].get("label")), reason)
        image.clear()


def _picture(frame: ReviewFrame) -> bytes:
    """All pictures of a frame side by side, as JPEG."""
    height, width = frame.source.shape[:2]
    wide = max(width, NARROWEST)
    shown: dict[str, Any] = frame.pictures
    sheet: Image.Image = contact_sheet([list(shown.values())], list(shown), cell=(wide, round(height * wide / width)))
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=90, subsampling=0)
    return buffer.getvalue()
