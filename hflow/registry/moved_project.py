"""A store that goes with its project: MLflow notes artifacts by absolute paths, which a moved folder leaves behind."""

import contextlib
import sqlite3
from pathlib import Path

__all__ = ["ARTIFACTS", "follow_project"]

ARTIFACTS = "mlartifacts"
"""The folder of the artifacts, beside the project's own store."""

COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
    ("logged_models", "artifact_location"),
)


def follow_project(database: Path) -> None:
    """Let a project's SQLite store name its artifacts where they lie, after the project was moved or copied.

    Only experiments whose folder lies in `mlartifacts` beside the store are changed. A store that can't be written, or
    that is of another form, stays as it is.
    """
    if not database.is_file():
        return
    here = database.resolve().parent / ARTIFACTS
    with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(database)) as store:
        located = [str(location) for (location,) in store.execute("SELECT artifact_location FROM experiments")]
        for location in located:
            before, _, name = location.rpartition(f"/{ARTIFACTS}/")
            there = f"{before}/{ARTIFACTS}/"
            if not location.startswith("file:") or there == f"{here.as_uri()}/" or not (here / name).is_dir():
                continue
            for table, column in COLUMNS:
                store.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?)"
                    f" WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                    (f"{here.as_uri()}/", len(there) + 1, location, len(location) + 1, f"{location}/"),
                )
        store.commit()
