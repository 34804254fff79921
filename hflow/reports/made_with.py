"""What a run was made with, as text: groups of names and values."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hflow.foundation.params import DataParams, DomainParams, LossParams
from hflow.reports.evaluation_results import Evaluation
from hflow.reports.html_parts import count

__all__ = ["made_with"]

TOLD = ("lambda_style", "k", "std_weight", "bands", "style_layers")
"""Of the loss, what is told whatever it is."""


def made_with(evaluation: Evaluation, data: DataParams) -> list[tuple[str, list[tuple[str, str]]]]:
    """Data, model, training and translation, each with its names and values; a group without any is left out."""
    model, stats = evaluation.model, evaluation.stats
    smallest, largest = (f"{width}×{height}" for width, height in evaluation.sizes)
    frames = [
        ("source", _domain(data.source)),
        ("target", _domain(data.target)),
        *((f"{name}, version", version[:12]) for name, version in evaluation.versions.items()),
        ("frame size", smallest if smallest == largest else f"{smallest} to {largest}"),
        ("classes", str(len(stats["classes"]))),
    ]
    for split, counts in stats.items():
        if isinstance(counts, Mapping):
            labels = "" if counts["labelled"] else ", without labels"
            frames.append((split, f"{count(counts['prepared'])} of {count(counts['given'])}{labels}"))
    network = [
        ("expansion rates", ", ".join(map(str, model.expansions))),
        ("parameters", count(model.parameters)),
        ("style images", count(model.styles)),
        ("hash", model.sha256[:12]),
    ]
    config = model.config
    built = (("adain", "every"), ("guide", 0), ("correction", "none"))
    network += [(name, str(config[name])) for name, plain in built if config.get(name, plain) != plain]
    told: dict[str, Any] = {
        "encoder": config.get("encoder", {}).get("name"),
        "λ, style weight": config.get("loss", {}).get("lambda_style"),
        "k, aligned channels": config.get("loss", {}).get("k"),
        "weight of the stds": config.get("loss", {}).get("std_weight"),
        "bands": config.get("loss", {}).get("bands"),
        "style layers": config.get("loss", {}).get("style_layers"),
        **_further_losses(config.get("loss", {})),
        "size": config.get("size"),
        **{name.replace("_", " "): value for name, value in config.get("train", {}).items()},
    }
    training = [(name, _told(value, name)) for name, value in told.items() if value is not None]
    translation = [(name, ", ".join(values)) for name, values in evaluation.translated_with.items() if values]
    groups = [("Data", frames), ("Model", network), ("Training", training), ("Translation", translation)]
    return [(title, lines) for title, lines in groups if lines]


def _further_losses(loss: Mapping[str, Any]) -> dict[str, Any]:
    """What of the loss isn't told anyway and is not as it is by default."""
    fields = {name: field for name, field in LossParams.model_fields.items() if name not in TOLD}
    changed = {name: loss[name] for name, field in fields.items() if loss.get(name, field.default) != field.default}
    return {
        name.replace("_", " "): _place(Path(value)) if name.endswith("_labels") else value
        for name, value in changed.items()
    }


def _domain(domain: DomainParams) -> str:
    return f"{_place(domain.root)} ({domain.layout})"


def _place(path: Path) -> str:
    # An absolute path is of this machine alone.
    return path.name if path.is_absolute() else path.as_posix()


def _told(value: Any, name: str) -> str:
    if isinstance(value, list):
        return ("×" if name in ("size", "crop") else ", ").join(map(str, value))
    if isinstance(value, float):
        return f"{value:g}"
    return count(value) if isinstance(value, int) else str(value)
