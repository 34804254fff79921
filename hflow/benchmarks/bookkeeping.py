"""What a dataset of many frames takes beside its pictures: publishing, verifying, evaluating, exporting
and comparing it.

The frames are tiny, so that what is measured is the manifest, the shards' rows and the files of the result.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hflow.benchmarks.drawn_frames import drawn_frame
from hflow.datasets.shards import PREPARED_SCHEMA, TRANSLATED_SCHEMA, shard_files
from hflow.foundation.errors import HflowError

__all__ = ["PARTS", "Taken", "benchmark_bookkeeping", "draw_project"]

ROWS_A_SHARD = 330
"""As many as a shard has on average by `prepare.shard_size: 256`."""

REJECTED = 100
"""One frame of so many was rejected by prepare."""

SIZE, STYLES = (24, 24), 500


@dataclass(frozen=True)
class Taken:
    """What a part took, in a process of its own, importing its packages included: seconds by the clock and of
    processors, and bytes of memory at the peak."""

    seconds: float
    busy: float
    peak: int


def benchmark_bookkeeping(frames: int) -> dict[str, Taken]:
    """Each of `PARTS` once, on so many frames in a temporary folder, which takes 2 KB of disk a frame."""
    with TemporaryDirectory() as name:
        draw_project(Path(name), frames)
        return {part: _apart(part, Path(name)) for part in PARTS}


def draw_project(folder: Path, frames: int) -> None:
    """What the stages leave of so many frames: prepared shards, a model, and finished translated shards in work/.

    All frames show the same, and no two have the same bytes.
    """
    import torch

    from hflow.datasets.images import encode_png
    from hflow.datasets.preparation import REJECTED_SCHEMA
    from hflow.datasets.preparation_stats import STATS
    from hflow.foundation.atomic_files import write_json
    from hflow.foundation.atomic_folders import publish
    from hflow.model import HierarchyFlow
    from hflow.model.store import StyleBank, model_files

    picture = encode_png(drawn_frame(0, SIZE) // 64 * 64)
    model = folder / "model"
    torch.manual_seed(0)
    styles = StyleBank(torch.rand(STYLES, 8), [f"aachen/photograph_{number:06d}" for number in range(STYLES)])
    publish(dict(model_files(HierarchyFlow((2,)), styles, {})), model)
    for domain, count in (("source", frames), ("target", 2 * ROWS_A_SHARD)):
        for name, rows in _shards(count):
            table = _prepared(rows, picture)
            _write(folder / "prepared" / domain / name, table, PREPARED_SCHEMA)
            if domain == "source":
                _write(folder / "work" / name, _translated(table, styles.keys), TRANSLATED_SCHEMA)
    rejected = frames // REJECTED
    write_json(folder / "prepared" / STATS, {"classes": ["road"], "source/train": {"given": frames + rejected}})
    numbers = [f"town01/rejected_{number:08d}" for number in range(rejected)]
    told = {"domain": "source", "split": "train", "reason": "is of one colour"}
    columns = {"key": numbers, "source_path": [f"images/{key}.png" for key in numbers]}
    columns |= {name: [value] * rejected for name, value in told.items()}
    pq.write_table(pa.table(columns, schema=REJECTED_SCHEMA), folder / "prepared" / "rejected.parquet")


# Each imports what it needs alone, as a command does, since packages take memory too.


def _publish(folder: Path) -> None:
    import torch

    from hflow.foundation.finished_work import Finished
    from hflow.foundation.hashes import fingerprint
    from hflow.foundation.params import TranslateParams
    from hflow.model.store import load_model
    from hflow.translation.plan import Plan
    from hflow.translation.publication import publish_translation
    from hflow.translation.shard_task import Recipe, ShardTask, worker_marks

    params = TranslateParams()
    model, marks = load_model(folder / "model"), worker_marks(torch.device("cpu"), 1, "fp32")
    recipe = Recipe(folder / "model", model.sha256, params, marks, folder / "work")
    tasks, finished = [], {}
    for split in ("train", "val"):
        for path in shard_files(folder / "work" / split):
            rows = pq.read_metadata(path).num_rows
            task = ShardTask(recipe, split, path, "0" * 64, rows, fingerprint([split, path.name]))
            tasks.append(task)
            finished[task.fingerprint] = Finished(path, task.fingerprint, {"rows": rows, "rejected": []})
    plan = Plan(recipe, tuple(tasks), fingerprint("params"), fingerprint("code"))
    publish_translation(plan, finished, prepared=folder / "prepared", out=folder / "translated", sets=folder / "sets")


def _verify(folder: Path) -> None:
    from hflow.datasets.verification import verify

    found = verify(folder / "translated")
    # The shards' own hashes were not computed here.
    wrong = [fault for fault in found.faults if "other bytes" not in fault.what]
    if wrong:
        raise HflowError(f"{wrong[0]}")


def _evaluate(folder: Path) -> None:
    from hflow.reports.evaluation import evaluate

    evaluate(
        prepared=folder / "prepared",
        translated=folder / "translated",
        model=folder / "model",
        sets=folder / "sets",
        segmentation=folder / "segmentation",
        segmenters=folder / "segmenters",
        train_on=[],
        metrics=folder / "metrics.json",
        summary=folder / "summary.json",
        plots=folder / "plots",
        examples=8,
    )


def _export(folder: Path) -> None:
    from hflow.export.writing import export

    export(folder / "translated", folder / "exported", layout="webdataset")


def _compare(folder: Path) -> None:
    from hflow.reports.comparison import compare

    compare(folder / "translated", folder / "translated", prepared=folder / "prepared")


PARTS: Mapping[str, Callable[[Path], None]] = {
    "publish": _publish,
    "verify": _verify,
    "evaluate": _evaluate,
    "export": _export,
    "compare": _compare,
}
"""By name, what is measured, in the order in which each finds what it needs; the export is one of WebDataset, and
what is compared is the dataset with itself."""


def _apart(part: str, folder: Path) -> Taken:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_take, part, folder).result()


def _take(part: str, folder: Path) -> Taken:
    begin, busy = time.monotonic(), time.process_time()
    PARTS[part](folder)
    return Taken(time.monotonic() - begin, time.process_time() - busy, _most_memory())


def _most_memory() -> int:
    """Bytes that this process has had at the most; getrusage counts those of the one that started it too."""
    said = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(next(line for line in said.splitlines() if line.startswith("VmHWM")).split()[1])


def _shards(count: int) -> Iterator[tuple[str, range]]:
    """The name of each shard with its split, and its rows; a tenth of the shards are those of val."""
    shards = max(2, count // ROWS_A_SHARD)
    ends = list(accumulate([count // shards + (number < count % shards) for number in range(shards)], initial=0))
    for number in range(shards):
        split = "val" if number < shards // 10 or number == 0 else "train"
        yield f"{split}/shard-{number:05d}.parquet", range(ends[number], ends[number + 1])


def _prepared(rows: range, picture: bytes) -> pa.Table:
    # A key's shard is found by its hash, so neighbours in a shard are none in the manifest.
    keys = [f"town01/{sha256(str(row).encode()).hexdigest()[:4]}/frame_{row:08d}" for row in rows]
    images = [picture + row.to_bytes(8, "big") for row in rows]
    columns = {
        "key": keys,
        "image": [{"bytes": image, "path": f"{key}.png"} for key, image in zip(keys, images, strict=True)],
        "width": [SIZE[0]] * len(rows),
        "height": [SIZE[1]] * len(rows),
        "source_path": [f"images/{key}.png" for key in keys],
        "source_sha256": [sha256(b"source" + image).hexdigest() for image in images],
    }
    return pa.table({field.name: _column(field, columns, len(rows)) for field in PREPARED_SCHEMA})


def _translated(prepared: pa.Table, styles: Sequence[str]) -> pa.Table:
    images = prepared["image"].combine_chunks().field("bytes").to_pylist()
    numbers = np.array([int.from_bytes(image[-8:], "big") for image in images])
    columns = {
        "style": [styles[number % len(styles)] for number in numbers],
        "image_sha256": [sha256(image).hexdigest() for image in images],
        "ssim": (0.5 + (numbers * 7919 % 10_000) / 25_000).astype(np.float32),
        "consistency": (0.4 + (numbers * 104_729 % 10_000) / 20_000).astype(np.float32),
    }
    return pa.table(
        {
            field.name: prepared[field.name]
            if field.name in prepared.column_names
            else _column(field, columns, len(images))
            for field in TRANSLATED_SCHEMA
        }
    )


def _column(field: pa.Field, columns: Mapping[str, object], rows: int) -> pa.Array:
    return pa.array(columns[field.name], field.type) if field.name in columns else pa.nulls(rows, field.type)


def _write(path: Path, table: pa.Table, schema: pa.Schema) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(
        table.cast(schema), path, row_group_size=16, compression="none", use_dictionary=False, write_page_checksum=True
    )
