"""Setting up a project's params.yaml."""

import itertools
import json
from pathlib import Path

import typer
import yaml

from hflow.foundation.atomic_files import write_text
from hflow.foundation.errors import HflowError
from hflow.foundation.progress import say
from hflow.presets import preset_names

__all__ = ["ask_for_preset", "write_params"]


def ask_for_preset(source: Path | None, target: Path | None) -> tuple[str, Path | None, Path | None]:
    """Ask in the terminal for a preset and, unless it draws its own images, for the folders that aren't given yet.

    Returns:
        The preset's name, and the folders of the frames and of the target images; None: those of the preset.
    """
    names = preset_names()
    preset = ""
    while preset not in names:
        preset = typer.prompt(f"preset ({', '.join(names)})", default="town")
    if not preset.startswith("town"):
        source = source or _ask_for_folder("folder of the frames to translate")
        target = target or _ask_for_folder("folder of the target images")
    return preset, source, target


def _ask_for_folder(what: str) -> Path:
    while not (folder := Path(typer.prompt(what)).expanduser()).is_dir():
        typer.echo(f"{folder} is not a folder")
    return folder


def write_params(path: Path, preset: str, *, source: Path | None = None, target: Path | None = None) -> Path | None:
    """Write a preset to `path`, with other roots of the raw datasets where they are given, and without the truth of
    frames where there is none.

    Returns:
        Where the file that was there before is kept, if one of other content was.

    Raises:
        HflowError: a root is no folder.
    """
    text = preset
    for domain, root in (("source", source), ("target", target)):
        if root is None:
            continue
        if not root.is_dir():
            raise HflowError(f"--{domain} {root} is not a folder")
        default = f"root: {yaml.safe_load(preset)['data'][domain]['root']}"
        assert text.count(default) == 1
        # JSON's quoting is YAML's too.
        text = text.replace(default, f"root: {json.dumps(_as_seen_from(path.resolve().parent, root))}")
    truth = yaml.safe_load(preset)["data"]["source"].get("truth")
    if source and truth and not any(folder.is_dir() for folder in (source / truth, *source.glob(f"*/{truth}"))):
        text = text.replace(f", truth: {truth}", "", 1)
        say(f"{source} has no folder {truth}: nothing says what its frames should become, and the report has no PSNR")
    before = path.read_text(encoding="utf-8") if path.exists() else text
    kept = _free_name(path) if before != text else None
    if kept:
        write_text(kept, before)
    write_text(path, text)
    return kept


def _as_seen_from(project: Path, root: Path) -> str:
    """A folder's path: within the project, where another clone has it too, relative to it; else absolute."""
    whole = root.resolve()
    return whole.relative_to(project).as_posix() if whole.is_relative_to(project) else str(whole)


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.bak{number or ''}") for number in itertools.count())
    return next(name for name in names if not name.exists())
