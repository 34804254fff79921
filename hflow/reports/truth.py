"""How close frames and their translations come to the truth, where there is one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow.compute as pc
import torch

from hflow.datasets.images import decode_rgb
from hflow.datasets.manifest_rows import ManifestRows
from hflow.datasets.rows_by_key import RowsByKey
from hflow.datasets.tensors import to_tensor
from hflow.foundation.errors import HflowError
from hflow.foundation.evenly_spaced import evenly_spaced
from hflow.foundation.progress import progress
from hflow.metrics.closeness import Closeness, closeness, mean_closeness
from hflow.metrics.lpips import load_vgg
from hflow.metrics.niqe import niqe
from hflow.reports.sampled_images import SAMPLE

__all__ = ["RAW", "TRANSLATED", "TRUTH", "TruthScores", "measure_truth"]

FURTHEST = 3

RAW, TRANSLATED, TRUTH = "raw", "translated", "the truth"


@dataclass(frozen=True)
class TruthScores:
    """The closeness of a sample to its truth.

    Attributes:
        split: of the frames: val where its frames have a truth, since nothing was trained on them; else all.
        frames: how many were measured, evenly spaced.
        raw, translated: means of the source frames and of their translations.
        others: means of the frames recoloured by simple means, by the name of the baseline.
        closer: how many frames have a higher PSNR after translation.
        furthest: rows of the manifest with the translation's PSNR, the lowest first.
        natural: the mean NIQE of `RAW`, `TRANSLATED`, the others and `TRUTH`; of those for which it is known.
    """

    split: str
    frames: int
    raw: Closeness
    translated: Closeness
    closer: int
    furthest: Sequence[tuple[Mapping[str, Any], float]]
    others: Mapping[str, Closeness] = field(default_factory=dict)
    natural: Mapping[str, float] = field(default_factory=dict)

    @property
    def gain(self) -> float:
        """What translating adds to the PSNR, in decibels."""
        return self.translated.psnr - self.raw.psnr


def measure_truth(
    rows: ManifestRows,
    *,
    prepared: Path,
    translated: Path,
    others: Mapping[str, Path] = MappingProxyType({}),
    device: torch.device | str = "cpu",
) -> TruthScores | None:
    """The closeness of up to 48 frames, at their own size, to their truth; None where no frame has one.

    Args:
        rows: of translated frames, from the manifest.
        prepared, translated: the folders that prepare and translate wrote.
        others: by name, folders of the same frames in other colours, with the shards of `translated`.
        device: where the network of ST-LPIPS computes.

    Raises:
        HflowError: a shard is missing or damaged, or another folder has other frames of these keys.
    """
    known = rows.where(pc.not_equal(rows.column("truth_sha256"), ""))
    held_out = known.having("split", "val")
    sample = evenly_spaced(held_out or known, SAMPLE)
    if not sample:
        return None
    vgg = load_vgg().to(device)
    folders = {TRANSLATED: translated, **others}
    sources, outputs = RowsByKey(["image", "truth", "source_sha256"]), RowsByKey(["image", "source_sha256"])
    raw: list[Closeness] = []
    made: dict[str, list[Closeness]] = {name: [] for name in folders}
    natural: dict[str, list[float]] = {name: [] for name in (RAW, *folders, TRUTH)}

    def pixels_of(name: str, image: Mapping[str, Any]) -> np.ndarray:
        pixels = decode_rgb(image["bytes"])
        value = niqe(pixels)
        natural[name] += [] if value is None else [value]
        return pixels

    with progress("measure against the truth", len(sample), unit="frames") as advance:
        for row in sample:
            source = sources.find(prepared / "source" / row["split"] / row["shard"], row["key"])
            truth = to_tensor(pixels_of(TRUTH, source["truth"]))[None].to(device)  # (1, 3, H, W)
            image = to_tensor(pixels_of(RAW, source["image"]))[None].to(device)
            raw.append(closeness(image, truth, vgg))
            for name, folder in folders.items():
                output = outputs.find(folder / row["split"] / row["shard"], row["key"])
                if output["source_sha256"] != source["source_sha256"]:
                    raise HflowError(
                        f"{folder} was made of another frame {row['key']} than is prepared now: run "
                        f"`hflow {'translate' if name == TRANSLATED else 'baselines'}` again"
                    )
                image = to_tensor(pixels_of(name, output["image"]))[None].to(device)
                made[name].append(closeness(image, truth, vgg))
            advance()
    by_psnr = sorted(zip(sample, (pair.psnr for pair in made[TRANSLATED]), strict=True), key=lambda pair: pair[1])
    closer = sum(after.psnr > before.psnr for before, after in zip(raw, made[TRANSLATED], strict=True))
    means = {name: mean_closeness(pairs) for name, pairs in made.items()}
    return TruthScores(
        split="val" if held_out else "all",
        frames=len(sample),
        raw=mean_closeness(raw),
        translated=means.pop(TRANSLATED),
        closer=closer,
        furthest=by_psnr[:FURTHEST],
        others=means,
        natural={name: float(np.mean(values)) for name, values in natural.items() if values},
    )
