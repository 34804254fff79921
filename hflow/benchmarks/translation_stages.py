"""How fast a dataset is translated, from prepared shards to translated ones, beside each stage alone."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from hflow.benchmarks.case import BenchmarkCase
from hflow.benchmarks.drawn_frames import drawn_frame
from hflow.datasets.images import encode_png
from hflow.datasets.preparation import prepare
from hflow.datasets.shards import TRANSLATED_SCHEMA, read_rows, shard_files, write_shard
from hflow.foundation.params import DataParams, PrepareParams, TranslateParams
from hflow.foundation.progress import say
from hflow.model import HierarchyFlow
from hflow.model.store import StyleBank, TrainedModel
from hflow.translation.dataset import translate_dataset
from hflow.translation.folder import translate_folder
from hflow.translation.frame_pipeline import FramePipeline
from hflow.translation.shard_worker import decode_row, encode_row
from hflow.translation.style_choice import StyleChoice
from hflow.translation.translator import Translator

__all__ = ["StageBenchmark", "benchmark_stages"]

STYLES = 8
ROWS_A_SHARD = 64


@dataclass(frozen=True)
class StageBenchmark:
    """Seconds a frame of each stage with the others at rest, and of the whole.

    Attributes:
        decode: reading the shards and decoding images and labels, in as many threads as the whole has.
        network: from pixels to pixels, with what else is measured of a frame there.
        encode: encoding, hashing and writing the shards, in as many threads.
        whole: of `translate_dataset`, the published dataset and its manifest included.
        folder: of `translate_folder`, from the same frames as a folder of images and labels to such a folder.
    """

    decode: float
    network: float
    encode: float
    whole: float
    folder: float

    @property
    def share(self) -> float:
        """The part of the slowest stage's frames a second that the whole reaches."""
        return max(self.decode, self.network, self.encode) / self.whole


def benchmark_stages(case: BenchmarkCase, frames: int) -> StageBenchmark:
    """Prepare frames with labels in a temporary folder, time the stages on them, the whole, and `translate_folder`.

    Args:
        case: what to measure; each is timed once, by the clock.
        frames: how many.
    """
    size, batch, device = case.size, case.batch, case.device
    params = TranslateParams(batch_size=batch, device=str(device), devices=1, precision=case.precision)
    model = _model(case.expansions)
    with TemporaryDirectory() as name:
        folder = Path(name)
        _prepare(folder, size, frames, params.workers)
        shards = shard_files(folder / "prepared/source/train")
        translator = Translator(model, device=device, precision=case.precision)
        choice = StyleChoice.of(model.styles, params)
        pipeline = FramePipeline(translator, choice=choice, batch_size=batch, workers=params.workers)
        say(f"timing {frames} frames of {size[0]}x{size[1]} on {device}, {translator.precision}, {translator.backend}")
        times: dict[str, float] = {}
        with _timed(times, "decode"):
            decoded = _decode(shards, params.workers)
        for _ in pipeline.run(_copies(decoded[: 2 * batch]), _pixels, _keep):  # Warms the network up.
            pass
        with _timed(times, "network"):
            translated = [row["pixels"] for row, _ in pipeline.run(_copies(decoded), _pixels, _keep)]
        with _timed(times, "encode"):
            _encode([row for row, _ in decoded], translated, folder / "shard.parquet", params.workers)
        with _timed(times, "whole"):
            prepared, out, sets, work = (folder / place for place in ("prepared", "out", "sets", "work"))
            translate_dataset(model, params, prepared=prepared, out=out, sets=sets, work=work)
        with _timed(times, "folder"):
            translate_folder(folder / "source", folder / "images", model, device=str(device), batch_size=batch)
    return StageBenchmark(**{stage: seconds / frames for stage, seconds in times.items()})


def _model(expansions: Sequence[int]) -> TrainedModel:
    torch.manual_seed(0)
    network = HierarchyFlow(expansions).eval()
    styles = torch.rand(STYLES, 3, 64, 64)
    network.start_from(styles.split(1))
    with torch.inference_mode():
        bank = StyleBank(network.encode_style(styles), [str(number) for number in range(STYLES)])
    return TrainedModel(network, bank, {}, "untrained")


def _prepare(folder: Path, size: tuple[int, int], frames: int, workers: int) -> None:
    """Draw frames with labels, and prepare them into folder/prepared."""
    for domain, count in (("source", frames), ("target", 1)):
        for kind in ("images", "labels"):
            (folder / domain / kind).mkdir(parents=True)
        for number in range(count):
            pixels = drawn_frame(number, size)  # (H, W, 3)
            (folder / domain / "images" / f"{number:06d}.png").write_bytes(encode_png(pixels))
            (folder / domain / "labels" / f"{number:06d}.png").write_bytes(encode_png(pixels[..., 0] // 128))
        (folder / domain / "classes.yaml").write_text("0: road\n1: sky\n", encoding="utf-8")
    domains = {name: {"root": folder / name, "layout": "folder"} for name in ("source", "target")}
    data = DataParams.model_validate(domains | {"classes": ["road", "sky"]})
    params = PrepareParams(size=size, shard_size=ROWS_A_SHARD, workers=workers)
    prepare(data, params, out=folder / "prepared", sets=folder / "sets", work=folder / "work")


def _decode(shards: Sequence[Path], workers: int) -> list[tuple[dict[str, Any], np.ndarray]]:
    rows = [row for shard in shards for row in read_rows(shard)]
    with ThreadPoolExecutor(workers) as pool:
        return list(zip(rows, pool.map(decode_row, rows), strict=True))


def _encode(rows: Sequence[dict[str, Any]], translated: Sequence[np.ndarray], place: Path, workers: int) -> None:
    def encode(row: dict[str, Any], pixels: np.ndarray) -> dict[str, Any]:
        row = dict.fromkeys(TRANSLATED_SCHEMA.names) | row
        encode_row(row, pixels)
        return row

    with ThreadPoolExecutor(workers) as pool:
        write_shard(place, pool.map(encode, rows, translated), TRANSLATED_SCHEMA)


def _copies(decoded: Sequence[tuple[dict[str, Any], np.ndarray]]) -> Iterator[dict[str, Any]]:
    return ({"key": row["key"], "pixels": pixels} for row, pixels in decoded)


def _pixels(row: dict[str, Any]) -> np.ndarray:
    pixels: np.ndarray = row["pixels"]
    return pixels


def _keep(row: dict[str, Any], pixels: np.ndarray) -> None:
    row["pixels"] = pixels


@contextmanager
def _timed(times: dict[str, float], stage: str) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    times[stage] = time.perf_counter() - begin
