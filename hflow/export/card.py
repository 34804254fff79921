"""The card of a dataset: README.md, as the Hugging Face hub reads it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hflow.datasets.manifest import CROISSANT, ID2LABEL
from hflow.export.base import Layout
from hflow.export.description import Description
from hflow.foundation.labels import IGNORE

__all__ = ["card", "export_card"]


def card(of: Description, *, head: Sequence[str] = (), load: Sequence[str] = (), note: Sequence[str] = ()) -> str:
    """README.md: what it is, counts, intended use, limits, provenance and licences, and a header for the hub.

    Args:
        of: the dataset.
        head: further lines of the header, YAML.
        load: how its files are loaded.
        note: more of its provenance.
    """
    kind, first = of.kind, of.first
    lines = ["---", "license: other", "task_categories: [image-segmentation]", f"tags: [{', '.join(kind.tags)}]", *head]
    lines += ["---", "", f"# {kind.title}", "", kind.what]
    lines += ["", f"| split | given | {first['status']} | rejected |", "| --- | --- | --- | --- |"]
    for split in of.splits:
        done, not_done = of.count(split, first["status"]), of.count(split, "rejected")
        lines.append(f"| {split or 'all'} | {done + not_done} | {done} | {not_done} |")
    similarity = of.rows.having("status", "translated").column("ssim")
    lines += ["", f"Mean SSIM to the source: {np.mean(similarity.to_numpy().astype(float)):.4f}."] if similarity else []
    lines += ["", *load] if load else []
    if of.shares:
        lines += ["", "| train id | class | share of labelled pixels |", "| --- | --- | --- |"]
        lines += [f"| {i} | {name} | {share:.4f} |" for i, (name, share) in enumerate(of.shares.items())]
        lines += ["", f"The same names for programs: {ID2LABEL}."]
    lines += ["", "## Intended use", "", *(f"- {use}" for use in kind.uses)]
    lines += ["", "## Limits", "", *(f"- {limit}" for limit in of.limits)]
    if of.missing:
        lines += ["", "## Rejected", "", *(f"- {number}: {reason}" for reason, number in of.missing.most_common(20))]
    lines += ["", "## Provenance", ""]
    seed = "" if first["seed"] is None else f", seed {first['seed']}"
    lines += [f"- model: {first['model']}, hash {first['model_sha256']}{seed}"]
    lines += [f"- parameters: {first['params_fingerprint']}", f"- code: {first['code_fingerprint']}", *note]
    lines += [f"- the same for programs, in Croissant 1.1: {CROISSANT}"]
    lines += ["", "## Licences of what it was made from", ""]
    lines += [f"- {name}: {licence}" for name, licence in of.origins.items()] or ["- not stated"]
    return "\n".join(lines) + "\n"


def export_card(
    of: Description, name: str, layout: Layout, image_format: str, selected: Mapping[str, Any], mark: str
) -> str:
    """The card of an export.

    Args:
        of: what was exported.
        name: of the layout.
        layout: it.
        image_format: of the images.
        selected: what was asked for, see `Selection.told`.
        mark: the export's fingerprint.
    """
    load = [f"Layout: {name}; images: {image_format}."]
    if selected:
        load += [f"Selected: {', '.join(f'{what} {value}' for what, value in selected.items())}."]
    load += [f"To load: {layout.load}", *([layout.note] if layout.note else ())]
    if layout.official and of.pixels:
        load += ["", f"The train ids are those of Cityscapes; what is none of its 19 classes is {IGNORE}."]
    note = [
        f"- this export: {mark}",
        "- a row for every frame given: manifest.parquet, its hashes of images and labels those of the dataset that "
        "was exported; hashes of all files here: SHA256SUMS",
    ]
    return card(of, load=load, note=note)
