"""The class tables of known datasets, a file a dataset: each class with its raw ids and its colours."""

from importlib import resources

__all__ = ["shipped_tables", "table_text"]

_FOLDER = resources.files(__name__)


def shipped_tables() -> list[str]:
    """The names of the class tables that ship with hflow."""
    return sorted(p.name.removesuffix(".yaml") for p in _FOLDER.iterdir() if p.name.endswith(".yaml"))


def table_text(name: str) -> str:
    """A class table that ships with hflow, as text."""
    return _FOLDER.joinpath(f"{name}.yaml").read_text(encoding="utf-8")
