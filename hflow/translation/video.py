"""Translation of a video: its frames in order in one style, its sound and its time stamps as they were."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hflow.foundation.atomic_files import atomic_path, writable
from hflow.foundation.atomic_folders import remove_leftovers
from hflow.foundation.errors import HflowError
from hflow.foundation.frame_size import MOST_PIXELS, check_frame_size
from hflow.foundation.locks import exclusive
from hflow.foundation.params import StyleParams
from hflow.foundation.progress import progress
from hflow.model.store import TrainedModel
from hflow.translation.camera import Camera
from hflow.translation.frame_pipeline import FramePipeline
from hflow.translation.style_choice import StyleChoice
from hflow.translation.translator import Translator, uncompiled
from hflow.translation.video_files import VIDEO_SUFFIXES, VideoReader, VideoWriter, is_video

__all__ = ["VIDEO_SUFFIXES", "is_video", "translate_video"]

AHEAD = 16
"""Frames read that wait for the network, and made that wait to be encoded."""


def translate_video(
    video: Path,
    out: Path,
    model: TrainedModel,
    *,
    seed: int = 0,
    camera: bool = False,
    strength: float = 1.0,
    device: str = "cpu",
    batch_size: int = 4,
    workers: int = 2,
    compiled: bool = False,
    max_pixels: int = MOST_PIXELS,
) -> dict[str, Any]:
    """Translate a video's first stream of pictures to H.264, every frame in one style; sound is copied as it is.

    Frames keep their time stamps, so also a rate that varies. A picture that its file says to turn is turned. Reading,
    the network and writing go on side by side. `out` has its name once it is whole.

    Args:
        video: a file that FFmpeg reads.
        out: a file whose ending is one of VIDEO_SUFFIXES.
        model: the trained model.
        seed: of the choice of the style, by the name of the video.
        camera, strength, device, compiled: as of `translate_folder`.
        batch_size: frames at once.
        workers: threads that convert colours.
        max_pixels: of a frame.

    Returns:
        Counts: frames, and the mean SSIM.

    Raises:
        HflowError: PyAV is not installed, the video is none, is damaged or cut off, has other colours than 8 bits show,
            or `out` can't hold it or be written.
    """
    if out.suffix.lower() not in VIDEO_SUFFIXES:
        raise HflowError(f"{out} is no name of a video that is written: end it in {', '.join(VIDEO_SUFFIXES)}")
    if out.is_dir() or out.resolve() == video.resolve():
        raise HflowError(f"{out} is {'a folder' if out.is_dir() else 'the video itself'}: name another file")
    where = torch.device(device)
    translator = Translator(model, device=where, backend="auto" if compiled else uncompiled(where), strength=strength)
    pipeline = FramePipeline(
        translator,
        choice=StyleChoice.of(model.styles, StyleParams(seed=seed, style_by="sequence")),
        batch_size=batch_size,
        workers=workers,
        camera=Camera.of(model.config) if camera else None,
    )
    similarity: list[float] = []
    with exclusive(out), writable(out), VideoReader(video) as reader:
        check_frame_size(*reader.size)
        if reader.size[0] * reader.size[1] > max_pixels:
            raise HflowError(f"{video} is {reader.size[0]}x{reader.size[1]}, and {max_pixels:,} pixels are allowed")
        remove_leftovers(out)
        with (
            progress("translate", reader.count, unit="frames") as advance,
            atomic_path(out) as place,
            VideoWriter(place, out, reader) as writer,
            ThreadPoolExecutor(1) as reading,
            ThreadPoolExecutor(1) as writing,
        ):

            def decode(row: dict[str, Any]) -> np.ndarray:
                return reader.pixels(row["frame"])

            def encode(row: dict[str, Any], pixels: np.ndarray) -> None:
                row["frame"] = writer.frame(pixels, row["frame"])

            waiting: deque[Future[None]] = deque()
            for row, fault in pipeline.run(_ahead(reading, _rows(reader, video.stem)), decode, encode):
                if fault:
                    raise HflowError(f"{video}: frame {row['key'].rpartition('/')[2]} {fault}")
                similarity.append(row["ssim"])
                waiting.append(writing.submit(writer.write, row["frame"]))
                if len(waiting) > AHEAD:
                    waiting.popleft().result()
                advance()
            while waiting:
                waiting.popleft().result()
    return {"frames": len(similarity), "ssim": float(np.mean(similarity))}


def _rows(reader: VideoReader, name: str) -> Iterator[dict[str, Any]]:
    return ({"key": f"{name}/{number:06d}", "frame": frame} for number, frame in enumerate(reader.frames()))


def _ahead(pool: ThreadPoolExecutor, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows, some of them made in the pool's one thread before they are asked for."""
    waiting = deque(pool.submit(next, rows, None) for _ in range(AHEAD))
    while (row := waiting.popleft().result()) is not None:
        waiting.append(pool.submit(next, rows, None))
        yield row
