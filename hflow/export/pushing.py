"""A dataset onto the Hugging Face hub: the data first, then card and metadata; what was sent is not sent again."""

import glob
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hflow.datasets.manifest import CARD, CROISSANT, EXPORTED, MANIFEST, SUMS, read_manifest, read_sums
from hflow.datasets.verification import verify
from hflow.export.card import card
from hflow.export.croissant import SHARDS, croissant, set_suffixes
from hflow.export.description import Description, TaskScore
from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import sha256_file

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["push"]

ADDRESS = re.compile(r"hf://(?:datasets/)?(?P<name>[\w.-]+/[\w.-]+)")
HEAD = (
    "configs:",
    "- config_name: default",
    "  data_files:",
    '  - {split: train, path: "train/shard-*.parquet"}',
)
HEAD_VAL = '  - {split: validation, path: "val/shard-*.parquet"}'
COLUMNS = {
    "image": "The frame.",
    "label": "Its raw ids.",
    "label_train_ids": "Its train ids; 255 is none of the classes.",
}
OURS = {".gitattributes"}
"""What the hub itself puts into a repository."""


def push(
    folder: Path,
    to: str,
    *,
    private: bool = False,
    endpoint: str | None = None,
    origins: Mapping[str, str] | None = None,
    scores: Mapping[str, TaskScore] | None = None,
) -> dict[str, Any]:
    """Put a dataset onto the Hugging Face hub, and take away what the repository has beside it.

    Interrupted and started again, it sends what isn't there yet. The card comes last: where it is, the data are whole.

    Args:
        folder: of shards, as the stage translate writes them, or an export.
        to: hf://USER/NAME; the repository is made where there is none.
        private: whether it is then a private one.
        endpoint: the hub's address; None is what HF_ENDPOINT says, or the public hub.
        origins, scores: for the card of shards, as `export` takes them; an export has its own.

    Returns:
        How many files there are, and where.

    Raises:
        HflowError: the address is none, the dataset is not whole, huggingface_hub is missing, or the hub refuses.
    """
    address = ADDRESS.fullmatch(to)
    if address is None:
        raise HflowError(f"{to} is no address of a dataset: give hf://USER/NAME")
    name = address["name"]
    if not (folder / SUMS).is_file():
        raise HflowError(f"{folder} has no {SUMS}: push a folder that the stage translate or `hflow export` wrote")
    found = verify(folder)
    if found.faults:
        raise HflowError(f"{folder} is not whole ({found.faults[0]}): see `hflow verify {folder}`")
    api = _api(endpoint)
    with _told(to):
        api.create_repo(name, repo_type="dataset", private=private, exist_ok=True)
        info = api.dataset_info(name)
        page = f"{api.endpoint}/datasets/{name}"
        user = name.partition("/")[0]
        published = {
            "url": page,
            "creator": {"@type": "sc:Organization", "name": user, "url": f"{api.endpoint}/{user}"},
            "datePublished": f"{info.created_at:%Y-%m-%d}" if info.created_at else None,
        }
        last = _last_files(folder, published, origins or {}, scores or {})
        known = set(read_sums(folder))
        there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        api.upload_folder(
            repo_id=name,
            repo_type="dataset",
            folder_path=folder,
            ignore_patterns=[glob.escape(file) for file in sorted(set(last) | (there - known))],
            commit_message=f"Dataset {sha256_file(folder / MANIFEST)[:16]}",
        )
        _finish(api, name, last, known | set(last))
    return {"files": len(known | set(last)), "out": page}


def _api(endpoint: str | None) -> "HfApi":
    try:
        from huggingface_hub import HfApi
    except ImportError:
        raise HflowError("huggingface_hub is missing: uv pip install 'hflow[hub]'") from None
    return HfApi(endpoint)


def _finish(api: "HfApi", name: str, last: Mapping[str, bytes], files: set[str]) -> None:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    stale = set(api.list_repo_files(name, repo_type="dataset")) - files - OURS
    api.create_commit(
        name,
        [
            *(CommitOperationDelete(path) for path in sorted(stale)),
            *(CommitOperationAdd(path, content) for path, content in sorted(last.items())),
        ],
        repo_type="dataset",
        commit_message="Card, metadata and hashes",
    )


def _last_files(
    folder: Path, published: Mapping[str, Any], origins: Mapping[str, str], scores: Mapping[str, TaskScore]
) -> dict[str, bytes]:
    """The card, where the folder has none, the metadata of a published dataset, and the hashes with theirs."""
    sums = read_sums(folder)
    made: dict[str, bytes] = {}
    if (folder / EXPORTED).is_file():
        metadata = (folder / CROISSANT).read_bytes()
    else:
        manifest = read_manifest(folder / MANIFEST)
        told = Description(manifest.rows, classes=manifest.classes, origins=origins, scores=scores)
        head = [*HEAD, HEAD_VAL] if "val" in manifest.frames.occurring("split") else HEAD
        load = ["To load: `datasets.load_dataset(REPOSITORY)`"]
        made[CARD] = card(told, head=head, load=load).encode()
        sets = {SHARDS: ("train/shard-*", "val/shard-*")}
        metadata = croissant(
            told,
            {file: digest for file, digest in sums.items() if "/" not in file},
            sets=sets,
            suffixes=set_suffixes(sums, sets),
            columns=COLUMNS,
            mark=sha256_file(folder / MANIFEST),
        )
    whole = {**json.loads(metadata), **{key: value for key, value in published.items() if value}}
    made[CROISSANT] = (json.dumps(whole, indent=2, ensure_ascii=False) + "\n").encode()
    sums |= {file: sha256(content).hexdigest() for file, content in made.items()}
    made[SUMS] = "".join(f"{digest}  {file}\n" for file, digest in sorted(sums.items())).encode()
    return made


@contextmanager
def _told(to: str) -> Iterator[None]:
    """What goes wrong between here and the hub, as one line that says what to do."""
    from httpx import HTTPError
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError

    try:
        yield
    except HFValidationError as error:
        raise HflowError(f"{to}: {str(error).splitlines()[0]}") from None
    except LocalTokenNotFoundError:
        raise HflowError(f"{to}: nobody is logged in: `hf auth login`, or set HF_TOKEN") from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        hint = "log in (`hf auth login`, or HF_TOKEN) as one who may write there" if status in (401, 403) else ""
        said = str(error).strip().splitlines()[0]
        raise HflowError(f"{to}: {said}: {hint or 'try again later: what was sent stays'}") from None
    except (HTTPError, OSError) as error:
        raise HflowError(f"{to} was not reached ({error}): try again, what was sent stays") from None
