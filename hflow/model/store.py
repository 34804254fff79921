"""A trained model as a folder: model.safetensors, styles.safetensors, config.json. No pickle."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import fingerprint, sha256_file
from hflow.foundation.json_files import read_json
from hflow.model.hierarchy_flow import HierarchyFlow

__all__ = ["StyleBank", "TrainedModel", "load_model", "model_files", "training_fingerprint"]

WEIGHTS, STYLES, CONFIG = "model.safetensors", "styles.safetensors", "config.json"


@dataclass(frozen=True)
class StyleBank:
    """The styles of S images.

    Attributes:
        codes: (S, 8).
        keys: of the images.
        layouts: of the images, (S, 128), as `hflow.translation.style_choice.layout` gives them; None where only codes
            are known.
    """

    codes: Tensor
    keys: Sequence[str]
    layouts: Tensor | None = None


@dataclass(frozen=True)
class TrainedModel:
    """A network with its style bank.

    Attributes:
        config: what config.json says; `expansions`, `guide`, `adain` and `correction` rebuild the network, the rest
            tells how it was trained.
        sha256: one hash of weights, styles and what else builds the network.
    """

    network: HierarchyFlow
    styles: StyleBank
    config: Mapping[str, Any]
    sha256: str


def model_files(network: HierarchyFlow, styles: StyleBank, config: Mapping[str, Any]) -> dict[str, bytes]:
    """The files of a model folder, name to content."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    keys = json.dumps(list(styles.keys))
    bank = {"codes": styles.codes.detach().cpu().contiguous()}
    if styles.layouts is not None:
        bank["layouts"] = styles.layouts.contiguous()
    return {
        WEIGHTS: save(weights),
        STYLES: save(bank, metadata={"keys": keys}),
        CONFIG: (json.dumps(_built(network) | dict(config), indent=2) + "\n").encode(),
    }


def load_model(folder: Path) -> TrainedModel:
    """Read a model folder, to the CPU.

    Raises:
        HflowError: the folder is missing or is not a whole model.
    """
    for name in (WEIGHTS, STYLES, CONFIG):
        if not (folder / name).is_file():
            raise HflowError(f"{folder / name} is missing: {folder} is not a model; `hflow train` makes one")
    try:
        config = _read_config(folder)
        # Without memory of its own: a file of a few bytes is not to ask for gigabytes.
        with torch.device("meta"):
            network = HierarchyFlow(
                config["expansions"],
                config.get("guide", 0),
                config.get("adain", "every"),
                config.get("correction", "none"),
            )
        # A copy, since what safetensors gives is a window into the file.
        weights = {name: tensor.to(torch.float32, copy=True) for name, tensor in load_file(folder / WEIGHTS).items()}
        network.load_state_dict(weights, assign=True)
        with safe_open(folder / STYLES, "pt") as file:
            names = file.keys()
            layouts = file.get_tensor("layouts") if "layouts" in names else None
            styles = StyleBank(file.get_tensor("codes"), json.loads(file.metadata()["keys"]), layouts)
    except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise HflowError(f"{folder} is not a whole model ({' '.join(str(error).split())}): train it again") from None
    if len(styles.codes) != len(styles.keys) or not styles.keys:
        raise HflowError(f"{folder / STYLES} has {len(styles.codes)} codes and {len(styles.keys)} keys")
    # Models that differ in their guide alone have the same weights, and translate otherwise.
    mark = fingerprint([sha256_file(folder / WEIGHTS), sha256_file(folder / STYLES), _built(network)])
    return TrainedModel(network.eval(), styles, config, mark)


def training_fingerprint(folder: Path) -> str:
    """The fingerprint of the training that made a model folder.

    Raises:
        HflowError: config.json is missing, is damaged, or names none.
    """
    try:
        return str(_read_config(folder)["fingerprint"])
    except KeyError:
        raise HflowError(f"{folder / CONFIG} names no fingerprint: {folder} was not made by `hflow train`") from None


def _built(network: HierarchyFlow) -> dict[str, Any]:
    """What builds the network, beside its weights."""
    return {
        "expansions": list(network.expansions),
        "guide": network.guide,
        "adain": network.adain,
        "correction": network.correction,
    }


def _read_config(folder: Path) -> dict[str, Any]:
    return read_json(folder / CONFIG, made_by="run `hflow train`")
