"""What code a result depends on, read from the source: a function, what it names, and what that names in its turn.

Docstrings, comments, the layout of the source and definitions that are never named are not of it, nor is what stands in
CHANGES_NO_BYTE. A name in a string (getattr, an annotation in quotes) is not followed.
"""

import ast
import functools
import hashlib
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from hflow.foundation.hashes import fingerprint, sha256_file

__all__ = ["CHANGES_NO_BYTE", "LIBRARIES_CHANGE_NO_BYTE", "code_fingerprint", "code_marks"]

CHANGES_NO_BYTE = {
    "hflow.foundation.code_fingerprint": "makes the fingerprint itself",
    "hflow.foundation.credentials": "keeps secrets out of what is said and noted beside a result",
    "hflow.foundation.errors": "a failed piece of work leaves no result",
    "hflow.foundation.free_disk": "asks whether there is room for a result",
    "hflow.foundation.locks": "keeps two processes from writing the same result",
    "hflow.foundation.nearby": "has files of a store here while they are read",
    "hflow.foundation.params.cluster": "says where shards are translated elsewhere",
    "hflow.foundation.params.whole": "each piece of work is handed sections, and has these in its own code",
    "hflow.foundation.progress": "tells how far the work is",
    "hflow.foundation.stores": "brings files from a store and sends them there as they are",
    "hflow.pipeline.disk_needs": "refuses to begin what the disk has no room for",
    "hflow.pipeline.run_notes": "notes which pieces of work a run used, beside its results",
    "hflow.pipeline.timings": "tells how long the work took, beside its results",
    "hflow.registry": "tells MLflow what was made; a model that it hands out counts by its weights",
    "hflow.translation.engines.clusters": "starts the workers that translate shards, by the same code",
    "hflow.translation.engines.dask": "has shards translated elsewhere, by the same code",
}
"""Rooms, modules and definitions that no fingerprint holds, and why not."""

LIBRARIES_CHANGE_NO_BYTE = {
    "pydantic": "checks parameters, which count by value",
    "rich": "draws the progress",
    "tenacity": "tries again what failed",
    "yaml": "reads parameters and lists, which count by value",
}
"""Third-party modules whose version no fingerprint holds, and why not."""

DISTRIBUTIONS = {"PIL": ("pillow",), "skimage": ("scikit-image", "scipy")}
"""The distributions that do a module's work, where they are not the one of its own name."""

PACKAGE = Path(__file__).parents[1]


def code_fingerprint(work: Callable[..., Any]) -> str:
    """The SHA-256 of `code_marks`, in hexadecimal."""
    return fingerprint(code_marks(work))


@functools.cache
def code_marks(work: Callable[..., Any]) -> Mapping[str, Any]:
    """What of the code can change a byte of what a function or class of hflow makes.

    Returns:
        python: its version, without the patch level.
        libraries: the installed version of each distribution that the code imports, None where it is missing.
        code: by module, a hash of the definitions that `work` reaches there, imports inside functions included.
        files: by path, a hash of each file that lies beside these modules and is no Python.
    """
    reached, libraries = _reach(f"{work.__module__}.{work.__qualname__}")
    folders = {module.file.parent for module, statements in reached.items() if statements}
    return {
        "python": platform.python_version().rpartition(".")[0],
        "libraries": {name: _version(name) for name in sorted(libraries)},
        "code": {module.name: module.hash_of(reached[module]) for module in sorted(reached) if reached[module]},
        "files": {path.relative_to(PACKAGE).as_posix(): sha256_file(path) for path in _other_files(folders)},
    }


@dataclass(frozen=True, order=True)
class _Module:
    """A module's top-level statements, less docstrings and what only type checkers read."""

    name: str
    file: Path

    def hash_of(self, statements: set[ast.stmt]) -> str:
        kept = [ast.unparse(statement) for statement in self._statements if statement in statements]
        return hashlib.sha256("\n".join(kept).encode()).hexdigest()

    @functools.cached_property
    def definitions(self) -> dict[str, list[ast.stmt]]:
        found: dict[str, list[ast.stmt]] = {}
        for statement in self._statements:
            for name in _defined(statement):
                found.setdefault(name, []).append(statement)
        return found

    @functools.cached_property
    def always(self) -> list[ast.stmt]:
        return [statement for statement in self._statements if not _defined(statement)]

    @functools.cached_property
    def _statements(self) -> list[ast.stmt]:
        tree = ast.parse(self.file.read_bytes())
        for node in ast.walk(tree):
            if isinstance(body := getattr(node, "body", None), list):
                body[:] = [part for part in body if not _says_nothing(part)] or [ast.Pass()]
        kept = [statement for statement in tree.body if not isinstance(statement, ast.Pass)]
        return [part for statement in kept for part in _one_import_each(statement)]


def _reach(start: str) -> tuple[dict[_Module, set[ast.stmt]], set[str]]:
    """The statements that a definition reaches, by module, and the distributions that these import."""
    reached: dict[_Module, set[ast.stmt]] = {}
    libraries: set[str] = set()
    waiting, seen = [start], set()
    while waiting:
        name = waiting.pop()
        if name in seen or _left_out(name):
            continue
        seen.add(name)
        root = name.partition(".")[0]
        if root != PACKAGE.name:
            if root not in sys.stdlib_module_names:
                libraries.update(DISTRIBUTIONS.get(root, (root,)))
            continue
        for module, statements in _found(name):
            for statement in statements:
                if statement not in reached.setdefault(module, set()):
                    reached[module].add(statement)
                    waiting += _named(statement, module)
    return reached, libraries


def _found(name: str) -> Iterator[tuple[_Module, list[ast.stmt]]]:
    """The statements that a dotted name of hflow stands for, and those that run when it is imported."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        module = _module(".".join(parts[:length]))
        if module is None:
            return
        yield module, module.always
        rest = parts[length:]
        if not rest:
            yield module, [statement for found in module.definitions.values() for statement in found]
        elif _module(".".join(parts[: length + 1])) is None:
            yield module, module.definitions.get(rest[0], [])


@functools.cache
def _module(name: str) -> _Module | None:
    place = PACKAGE.parent.joinpath(*name.split("."))
    files = (place / "__init__.py", place.with_suffix(".py"))
    return next((_Module(name, file) for file in files if file.is_file()), None)


def _named(statement: ast.stmt, module: _Module) -> Iterator[str]:
    """The dotted names of all that a statement refers to at the top of its module or imports."""
    for node in ast.walk(statement):
        match node:
            case ast.Name(id=name) if name in module.definitions:
                yield f"{module.name}.{name}"
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=source, names=names):
                yield from (f"{source}.{alias.name}" for alias in names)
            # Files that a package carries: resources.files("package").
            case ast.Call(func=ast.Attribute(attr="files"), args=[ast.Constant(value=str(name))]):
                yield name


def _defined(statement: ast.stmt) -> list[str]:
    """The names that a statement defines, if that is all it does."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Import(names=[alias]) | ast.ImportFrom(names=[alias]):
            return [(alias.asname or alias.name).partition(".")[0]]
        case ast.Assign(targets=targets):
            nodes = [node for target in targets for node in ast.walk(target)]
            return [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []


def _one_import_each(statement: ast.stmt) -> list[ast.stmt]:
    match statement:
        case ast.Import(names=names):
            return [ast.Import(names=[alias]) for alias in names]
        case ast.ImportFrom(module=module, names=names, level=level):
            return [ast.ImportFrom(module=module, names=[alias], level=level) for alias in names]
    return [statement]


def _says_nothing(statement: ast.stmt) -> bool:
    """Whether it is a docstring, an import for type checkers, or the list of public names."""
    match statement:
        case ast.Expr(value=ast.Constant(value=str())) | ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Assign(targets=[ast.Name(id="__all__")]) | ast.Pass():
            return True
    return False


def _left_out(name: str) -> bool:
    parts = name.split(".")
    ways = {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
    return bool(ways & (CHANGES_NO_BYTE.keys() | LIBRARIES_CHANGE_NO_BYTE.keys()))


def _other_files(folders: set[Path]) -> list[Path]:
    """What lies in these packages and their folders that are none."""
    found: list[Path] = []
    for folder in folders:
        for path in folder.iterdir():
            if path.is_dir() and path.name != "__pycache__" and not (path / "__init__.py").exists():
                found += (file for file in path.rglob("*") if file.is_file())
            elif path.is_file() and path.suffix != ".py":
                found.append(path)
    return sorted(path for path in found if not path.name.startswith("."))


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
