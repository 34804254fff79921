"""A project of its own for a test: a copy of this one with other parameters."""

import shutil
import subprocess
from pathlib import Path

import yaml

__all__ = ["SMALL", "change_params", "copy_project"]

ROOT = Path(__file__).parents[1]

SMALL: dict[str, dict[str, object]] = {
    "town": {"source": 12, "target_train": 6, "target_val": 3, "size": [64, 32]},
    "prepare": {"size": [64, 32], "shard_size": 4},
    "model": {"variant": [2]},
    "train": {"steps": 6, "crop": [32, 32], "log_every": 2, "checkpoint_every": 3, "workers": 1},
    "segment": {"train_on": ["source", "translated", "reinhard"], "steps": 3, "batch_size": 4},
}
"""Parameters of a few small pictures, with which every stage takes seconds."""


def copy_project(folder: Path, **sections: dict[str, object]) -> None:
    """Copy this project's files without its tests and results, as a Git repository, and change these parameters."""
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    for name in files:
        if (ROOT / name).is_file() and not name.endswith("dvc.lock") and not name.startswith("tests/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    change_params(folder, **sections)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)


def change_params(folder: Path, **sections: dict[str, object]) -> None:
    """Change these keys of these sections of the project's params.yaml."""
    path = folder / "params.yaml"
    values = yaml.safe_load(path.read_text())
    for name, changes in sections.items():
        values[name] = values.get(name, {}) | changes
    path.write_text(yaml.safe_dump(values))
