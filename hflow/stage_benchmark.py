"""How fast images are translated from disk to disk, beside each stage alone."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from hflow.datasets.images import decode_rgb, encode_png
from hflow.datasets.tensors import to_pixels, to_tensor
from hflow.drawn_frames import drawn_frame
from hflow.folder_translation import translate_folder
from hflow.model import HierarchyFlow
from hflow.model.store import load_model, model_files
from hflow.progress import say
from hflow.translator import Translator

__all__ = ["StageBenchmark", "benchmark_stages"]

STYLES = 8


@dataclass(frozen=True)
class StageBenchmark:
    """Seconds a frame of decoding, network and encoding, each alone and one frame after the other, and of the whole."""

    decode: float
    network: float
    encode: float
    whole: float

    @property
    def share(self) -> float:
        """The part of the slowest stage's frames a second that the whole reaches."""
        return max(self.decode, self.network, self.encode) / self.whole


def benchmark_stages(
    expansions: Sequence[int], *, size: tuple[int, int], frames: int, device: torch.device
) -> StageBenchmark:
    """Write frames and a model into a temporary folder, time the stages on them, then `translate_folder`.

    Args:
        expansions: of the network, which is untrained.
        size: (width, height) of a frame.
        frames: how many.
    """
    torch.manual_seed(0)
    network = HierarchyFlow(expansions).eval()
    network.start_from(torch.rand(STYLES, 3, 64, 64).split(1))
    translator = Translator(network, torch.rand(STYLES, 3, 64, 64), device=device)
    with TemporaryDirectory() as name:
        folder = Path(name)
        for part, files in (
            ("frames", {f"{i:05d}.png": encode_png(drawn_frame(i, size)) for i in range(frames)}),
            ("model", model_files(network, translator.styles, {})),
        ):
            (folder / part).mkdir()
            for file, content in files.items():
                (folder / part / file).write_bytes(content)
        paths = sorted((folder / "frames").iterdir())
        pixels = [decode_rgb(paths[0].read_bytes())]
        output = to_pixels(translator(to_tensor(pixels[0])[None])[0])  # Warms the network up as well.
        say(f"timing {frames} frames of {size[0]}x{size[1]} on {device}, {translator.precision}, {translator.backend}")
        return StageBenchmark(
            decode=_seconds(frames, lambda i: decode_rgb(paths[i].read_bytes())),
            network=_seconds(frames, lambda _: to_pixels(translator(to_tensor(pixels[0])[None])[0])),
            encode=_seconds(frames, lambda _: encode_png(output)),
            whole=_whole(folder, frames, device),
        )


def _whole(folder: Path, frames: int, device: torch.device) -> float:
    model = load_model(folder / "model")
    begin = time.perf_counter()
    translate_folder(folder / "frames", folder / "out", model, device=str(device))
    return (time.perf_counter() - begin) / frames


def _seconds(frames: int, work: Callable[[int], object]) -> float:
    begin = time.perf_counter()
    for number in range(frames):
        work(number)
    return (time.perf_counter() - begin) / frames
