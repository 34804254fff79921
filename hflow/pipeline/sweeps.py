"""Sweeps: the whole pipeline once for each of some values of a parameter, as experiments of DVC.

An experiment that is done is kept under its name, below the commit that it started from, and the stages that two have
in common are cached; so a sweep that was stopped goes on where it was.
"""

import json
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import fingerprint
from hflow.foundation.params import Params, check_section
from hflow.foundation.progress import say
from hflow.pipeline.dvc_answers import DVC, PIPELINE, dvc_answer
from hflow.pipeline.outputs import SUMMARY

__all__ = ["SWEEPS", "SweepRun", "dvc_options", "run_sweep", "sweep_settings", "with_setting"]

Setting = Mapping[str, Any]
"""Parameters by their full name, such as loss.k, with the values that an experiment gives them."""

LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
SCALES = (0.5, 0.75, 1.0)
COMMITTED = ("params.yaml", "dvc.lock", "data/dvc.lock")


def _resolutions(params: Params) -> list[Setting]:
    if params.prepare.size == "native":
        raise HflowError("prepare.size is native: set a width and height, of which the sweep takes parts")
    sizes: dict[str, tuple[int, int] | None] = {"prepare.size": params.prepare.size}
    sizes |= {f"train.{name}": getattr(params.train, name) for name in ("size", "crop")}
    return [
        {name: [round(side * scale / 8) * 8 for side in size] for name, size in sizes.items() if size}
        for scale in SCALES
    ]


SWEEPS: Mapping[str, Callable[[Params], Sequence[Setting]]] = {
    "k": lambda _: [{"loss.k": k} for k in (0.7, 0.8, 0.9, 1.0)],
    "variant": lambda _: [{"model.variant": variant} for variant in ("hf", "hf+", "hf++")],
    "layers": lambda _: [{"loss.style_layers": list(LAYERS[: n + 1])} for n in range(len(LAYERS))],
    "adain": lambda _: [{"model.adain": place} for place in ("every", "innermost")],
    "resolution": _resolutions,
    "seeds": lambda _: [{"train.seed": seed} for seed in range(10)],
}
"""The paper's ablations (section 4.5) that are parameters here, and how much a training's seed changes."""


@dataclass(frozen=True)
class SweepRun:
    """One experiment of a sweep.

    Attributes:
        name: of the experiment, as DVC knows it.
        setting: what it changes.
        figures: what its metrics/summary.json holds.
    """

    name: str
    setting: Setting
    figures: Mapping[str, float]


def sweep_settings(what: str, params: Params) -> list[Setting]:
    """The settings of a sweep, each checked, each once.

    Args:
        what: the name of one of `SWEEPS`, or a parameter with values: `loss.k=0.7,0.9`, `train.crop=[96,64],null`.
        params: the project's.

    Raises:
        HflowError: there is no such sweep or parameter, or a value is impossible.
    """
    if what in SWEEPS:
        settings = list(SWEEPS[what](params))
    else:
        name, equals, values = what.partition("=")
        try:
            found = yaml.safe_load(f"[{values}]") if equals and values else []
        except yaml.YAMLError:
            found = []
        if not found or not re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", name):
            raise HflowError(
                f"there is no sweep {what!r}: name one of {', '.join(SWEEPS)}, or a parameter with its values, such as "
                "loss.k=0.7,0.9"
            )
        settings = [{name: value} for value in found]
    for setting in settings:
        with_setting(params, setting)
    # DVC has one experiment of a name.
    return list({fingerprint(dict(setting)): setting for setting in settings}.values())


def run_sweep(what: str, settings: Sequence[Setting], folder: Path) -> list[SweepRun]:
    """Run the experiments that are not done yet, one after another, and give the figures of all.

    Args:
        what: the sweep's name, for the experiments' names.
        settings: as `sweep_settings` gives them.
        folder: the project, a Git repository with dvc.yaml.

    Raises:
        HflowError: DVC is missing, the parameters are not committed, or an experiment fails.
    """
    if changed := _changed(folder):
        where = ", ".join(changed)
        raise HflowError(f"experiments start from the last commit, and there are changes in {where}: commit them first")
    names, done = [_experiment_name(what, setting) for setting in settings], _figures(folder)
    for number, (name, setting) in enumerate(zip(names, settings, strict=True), start=1):
        if name in done:
            continue
        say(f"{number} of {len(settings)}: {', '.join(_assignments(setting))}")
        command = [*DVC, "exp", "run", "--temp", "--name", name, *dvc_options(setting), PIPELINE]
        if subprocess.run(command, cwd=folder).returncode:
            raise HflowError(
                f"the experiment {name} failed, its reason is above; the same command goes on with what is not done"
            )
    found = _figures(folder)
    return [SweepRun(name, setting, found[name]) for name, setting in zip(names, settings, strict=True)]


def dvc_options(setting: Setting) -> list[str]:
    """The options by which `dvc exp run` takes a setting."""
    return [part for assignment in _assignments(setting) for part in ("-S", assignment)]


def with_setting(params: Params, setting: Setting) -> Params:
    """The parameters with the values of a setting.

    Raises:
        HflowError: there is no such parameter, or a value is impossible.
    """
    values = params.model_dump(mode="json")
    for name, value in setting.items():
        section, *rest = name.split(".")
        place = values.get(section)
        if not isinstance(place, dict) or len(rest) != 1 or rest[0] not in place:
            raise HflowError(f"{name} is not a parameter: name one of params.yaml, such as loss.k")
        place[rest[0]] = value
    return check_section(Params, values, ", ".join(_assignments(setting)))


def _experiment_name(what: str, setting: Setting) -> str:
    return f"sweep-{re.sub('[^a-z0-9]+', '-', what.partition('=')[0])}-{fingerprint(dict(setting))[:8]}"


def _assignments(setting: Setting) -> list[str]:
    return [f"{name}={_text(value)}" for name, value in setting.items()]


def _text(value: Any) -> str:
    """A value as DVC reads it on its command line."""
    if isinstance(value, list):
        return f"[{','.join(map(_text, value))}]"
    return value if isinstance(value, str) else json.dumps(value)


def _figures(folder: Path) -> dict[str, dict[str, float]]:
    """The figures of the experiments below the last commit that are done, by name."""
    found = {}
    for entry in json.loads(dvc_answer(folder, "exp", "show", "--json")):
        for one in entry.get("experiments") or ():
            data = (one["revs"][0].get("data") or {}).get("metrics", {}).get(SUMMARY.as_posix(), {}).get("data")
            if data:
                found[one["name"]] = data
    return found


def _changed(folder: Path) -> list[str]:
    """Which of the files that an experiment starts from are not as they were committed."""
    command = ["git", "status", "--porcelain", "--", *COMMITTED]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise HflowError(f"git status: {' '.join(done.stderr.split())[:500]}")
    return [line[3:] for line in done.stdout.splitlines()]
