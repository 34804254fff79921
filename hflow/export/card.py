"""The card of an export: README.md, as the Hugging Face hub reads it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hflow.datasets.manifest import ID2LABEL, PSEUDO_LABELLED
from hflow.export.layouts import LAYOUTS
from hflow.foundation.labels import IGNORE

__all__ = ["export_card"]

KINDS = {
    "translated": (
        "synthetic, sim2real",
        "Translated frames",
        "Frames of a simulator in the style of photographs, translated by hflow. The labels are the simulator's.",
    ),
    PSEUDO_LABELLED: (
        "pseudo-labels, sim2real",
        "Photographs with pseudo-labels",
        "Photographs as they were given. The labels are guesses of segmenters that hflow trained, where these were "
        "sure; other pixels are ignored. Nobody has checked them: they are no ground truth, and no test set.",
    ),
}
"""By the status of a dataset's rows: tags, title, and what it is."""


def export_card(
    rows: Sequence[dict[str, Any]],
    frames: Sequence[dict[str, Any]],
    classes: Sequence[str] | None,
    layout: str,
    image_format: str,
    selected: Mapping[str, Any],
    origins: Mapping[str, str],
    mark: str,
) -> str:
    """README.md: counts, provenance and licences, with the header that the Hugging Face hub reads."""
    first = next(row for row in rows if row["status"] != "rejected")
    pixels: Counter[str] = Counter()
    for frame in frames:
        pixels.update(frame["pixels"])
    whole = max(1, pixels.total())

    def count(split: str, status: str) -> int:
        return sum(row["split"] == split and row["status"] == status for row in rows)

    kind = first["status"]
    tags, title, what = KINDS[kind]
    lines = ["---", "license: other", "task_categories: [image-segmentation]", f"tags: [{tags}]", "---"]
    lines += ["", f"# {title}", "", what]
    lines += ["", f"| split | given | {kind} | rejected |", "| --- | --- | --- | --- |"]
    for split in sorted({row["split"] for row in rows}):
        done, not_done = count(split, kind), count(split, "rejected")
        lines.append(f"| {split} | {done + not_done} | {done} | {not_done} |")
    similarity = [row["ssim"] for row in rows if row["status"] == "translated"]
    alike = f"Mean SSIM to the source: {np.mean(similarity):.4f}. " if similarity else ""
    lines += ["", f"{alike}Layout: {layout}; images: {image_format}."]
    if selected:
        lines += [f"Selected: {', '.join(f'{name} {value}' for name, value in selected.items())}."]
    lines += [f"To load: {LAYOUTS[layout].load}"]
    if LAYOUTS[layout].note:
        lines += [LAYOUTS[layout].note]
    if LAYOUTS[layout].official and pixels:
        lines += ["", f"The train ids are those of Cityscapes; what is none of its 19 classes is {IGNORE}."]
    if classes and pixels:
        lines += ["", "| train id | class | share of labelled pixels |", "| --- | --- | --- |"]
        lines += [f"| {i} | {name} | {pixels[str(i)] / whole:.4f} |" for i, name in enumerate(classes)]
        lines += ["", f"The same names for programs: {ID2LABEL}."]
    reasons = Counter(row["reason"] for row in rows if row["status"] == "rejected")
    if reasons:
        lines += ["", "## Rejected", "", *(f"- {number}: {reason}" for reason, number in reasons.most_common(20))]
    lines += ["", "## Provenance", ""]
    seed = "" if first["seed"] is None else f", seed {first['seed']}"
    lines += [f"- model: {first['model']}, weights and styles {first['model_sha256']}{seed}"]
    lines += [f"- parameters: {first['params_fingerprint']}", f"- code: {first['code_fingerprint']}"]
    lines += [
        f"- this export: {mark}",
        "- a row for every frame given: manifest.parquet, its hashes of images and labels those of the dataset that "
        "was exported; hashes of all files here: SHA256SUMS",
    ]
    lines += ["", "## Licences of what it was made from", ""]
    lines += [f"- {name}: {licence}" for name, licence in origins.items()] or ["- not stated"]
    return "\n".join(lines) + "\n"
