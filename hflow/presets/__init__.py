"""A whole params.yaml for each task, a file a preset, and in `classes/` the class tables of known datasets.

A name comes in, the text of its YAML file goes out. The params.yaml at the root of the project is town's. It imports
`foundation` alone.
"""

from importlib import resources

from hflow.foundation.errors import HflowError

__all__ = ["preset_names", "preset_text"]

_FOLDER = resources.files(__name__)


def preset_names() -> list[str]:
    """The names of the presets that ship with hflow."""
    return sorted(p.name.removesuffix(".yaml") for p in _FOLDER.iterdir() if p.name.endswith(".yaml"))


def preset_text(name: str) -> str:
    """The params.yaml of a preset, as text.

    Raises:
        HflowError: there is no preset of this name.
    """
    if name not in preset_names():
        raise HflowError(f"there is no preset {name!r}: choose one of {', '.join(preset_names())}")
    return _FOLDER.joinpath(f"{name}.yaml").read_text(encoding="utf-8")
