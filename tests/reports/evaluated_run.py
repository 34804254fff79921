"""The files of a tiny run, for the tests of what the evaluation makes of them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from hflow.datasets.images import encode_png
from hflow.datasets.manifest import MANIFEST_SCHEMA
from hflow.datasets.shards import PREPARED_SCHEMA, TRANSLATED_SCHEMA, image_value, shard_files, write_shard
from hflow.datasets.training_sets import TrainingSet, read_training_set, replacing_sets, set_sha256
from hflow.foundation.atomic_files import write_json
from hflow.foundation.hashes import fingerprint, sha256_file
from hflow.model import HierarchyFlow
from hflow.model.store import StyleBank, load_model, model_files
from hflow.reports.evaluation import evaluate
from hflow.reports.evaluation_results import Evaluation

CLASSES = ["road", "sky", "fence"]


def frame_row(key: str, number: int, *, labelled: bool = True, size: tuple[int, int] = (24, 16)) -> dict[str, Any]:
    random = np.random.default_rng(number)
    pixels = random.integers(0, 256, (size[1], size[0], 3), np.uint8)
    ids = encode_png((np.arange(size[0] * size[1]).reshape(size[1], size[0]) % 2).astype(np.uint8))
    return {
        "key": key,
        "image": image_value(encode_png(pixels), f"{key}.png"),
        "label": image_value(ids if labelled else None, f"{key}.png"),
        "label_train_ids": image_value(ids if labelled else None, f"{key}.png"),
        "width": size[0],
        "height": size[1],
        "source_path": f"images/{key}.png",
        "source_sha256": "0",
    }


class Run:
    """The files of a tiny run: `frames` by split, a rejected one, a model, curves; scores are added by a test."""

    def __init__(self, root: Path, *, frames: Mapping[str, int], labelled: bool = True, styles: bool = True):
        self.root = root
        torch.manual_seed(0)
        (root / "model").mkdir(parents=True)
        network, bank = HierarchyFlow((2,)), StyleBank(torch.zeros(2, 8), ["t0", "t1"])
        config = {"train": {"steps": 7}, "encoder": {"name": "vgg16"}}
        for name, content in model_files(network, bank, config).items():
            (root / "model" / name).write_bytes(content)
        model = load_model(root / "model").sha256
        manifest, stats = [], {"classes": CLASSES}
        for split, count in frames.items():
            rows = [frame_row(f"{split}-{i}", i, labelled=labelled) for i in range(count)]
            shard = "shard-0.parquet"
            self._write(f"prepared/source/{split}/{shard}", rows, PREPARED_SCHEMA)
            for i, row in enumerate(rows):
                # Alike for all frames but the last digit, so that the order by SSIM is that of the keys.
                row |= {"style": f"t{i % 2}", "image_sha256": "0", "label_sha256": "0", "ssim": (i + 1) / 10}
                manifest.append(row | {"split": split, "shard": shard, "status": "translated", "reason": ""})
            self._write(f"translated/{split}/{shard}", rows, TRANSLATED_SCHEMA)
            stats[f"source/{split}"] = {"given": count, "prepared": count, "rejected": 0, "labelled": labelled}
        if styles:
            targets = [frame_row(f"t{i}", 50 + i) for i in range(2)]
            self._write("prepared/target/train/shard-0.parquet", targets, PREPARED_SCHEMA)
        faulty = {"key": "bad", "split": "train", "source_path": "images/bad.png", "status": "rejected"}
        manifest.append(faulty | {"reason": "label missing"})
        table = pa.Table.from_pylist([row | {"model_sha256": model, "seed": 0} for row in manifest], MANIFEST_SCHEMA)
        pq.write_table(table, root / "translated/manifest.parquet")
        write_json(root / "prepared/stats.json", stats)
        made_from = {"source": TrainingSet("source", {}).sha256, "model": model}
        with replacing_sets(
            root / "sets",
            TrainingSet("source", {}),
            TrainingSet("target", {}),
            TrainingSet("translated", {Path("translated"): "0"}, made_from),
        ):
            pass
        (root / "model/curves.csv").write_text("step,loss,content,style\n2,3.0,1.0,20.0\n4,2.0,1.0,10.0\n")
        Image.new("RGB", (30, 20)).save(root / "model/contact-sheet.png")

    def score(
        self,
        name: str,
        miou: Sequence[float],
        *,
        network: str = "",
        after: float = 0,
        photographs: str = "",
        **protocol: Any,
    ) -> None:
        iou = {"road": miou[0], "sky": 0.5, "fence": None}
        seeds = [{"seed": i, "mIoU": v, "pxAcc": 0.6, "clsAcc": 0.5, "IoU": iou} for i, v in enumerate(miou)]
        means = {"mIoU": sum(miou) / len(miou), "pxAcc": 0.6, "clsAcc": 0.5, "IoU": iou}
        rules = {"steps": 5, "training_frames": 3, "validation_sha256": fingerprint([]), **protocol}
        made_from = {"training_set": read_training_set(self.root / f"sets/{name}.json").sha256, "code": "c"}
        said = {"train_on": name, **means, "seeds": seeds, "protocol": rules, "made_from": made_from}
        said["network_sha256"] = network
        if after:
            again = [{"seed": i, "mIoU": after} for i in range(len(miou))]
            said["self_training"] = {"mIoU": after, "labelled": 0.7, "seeds": again, "protocol": {"rounds": 1}}
            said["self_training"]["photographs_sha256"] = photographs or self.photographs
        write_json(self.root / f"segment/{name}.json", said)

    @property
    def photographs(self) -> str:
        """The hash of the target's training images."""
        return set_sha256(sha256_file(path) for path in shard_files(self.root / "prepared/target/train"))

    def evaluate(
        self, *, train_on: Sequence[str] = (), compare: Sequence[str] = (), examples: int = 4, curves: bool = True
    ) -> Evaluation:
        for name in () if curves else ("curves.csv", "contact-sheet.png"):
            (self.root / "model" / name).unlink()
        return evaluate(
            prepared=self.root / "prepared",
            translated=self.root / "translated",
            model=self.root / "model",
            sets=self.root / "sets",
            segmentation=self.root / "segment",
            segmenters=self.root / "segmenters",
            train_on=train_on,
            compare={name: self.root / name for name in compare},
            metrics=self.root / "metrics/evaluate.json",
            summary=self.root / "metrics/summary.json",
            plots=self.root / "plots",
            examples=examples,
        )

    def figures(self) -> dict[str, Any]:
        figures: dict[str, Any] = json.loads((self.root / "metrics/evaluate.json").read_text())
        return figures

    def _write(self, name: str, rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        write_shard(self.root / name, rows, schema)
