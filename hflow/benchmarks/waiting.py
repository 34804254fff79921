"""What a user waits for before anything is computed: imports, and a short translation from the shell's prompt to it."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from hflow.benchmarks.case import BenchmarkCase
from hflow.benchmarks.drawn_frames import drawn_frame
from hflow.datasets.images import encode_png
from hflow.foundation.atomic_folders import publish
from hflow.model import HierarchyFlow
from hflow.model.store import StyleBank, model_files

__all__ = ["Waiting", "benchmark_waiting"]

FRAMES = 10
SHOWN = 8


@dataclass(frozen=True)
class Waiting:
    """What was measured, in seconds.

    Attributes:
        help: of `hflow --help`.
        translate: of `hflow translate` of ten frames, the measuring of its imports included.
        imports: of that, what each package's import took, the packages that it imports included; the longest.
    """

    help: float
    translate: float
    imports: Mapping[str, float]


def benchmark_waiting(case: BenchmarkCase) -> Waiting:
    """Run the commands as a shell does, with an untrained model in a temporary folder; `case` says the frames."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        torch.manual_seed(0)
        styles = StyleBank(torch.rand(1, 8), ["0"])
        publish(dict(model_files(HierarchyFlow(case.expansions), styles, {})), folder / "model")
        (folder / "frames").mkdir()
        for number in range(FRAMES):
            (folder / "frames" / f"{number}.png").write_bytes(encode_png(drawn_frame(number, case.size)))
        translate = ["translate", "frames", "out", "--model", "model", "--device", str(case.device)]
        of_help, _ = _timed(["--help"], folder)
        of_translate, said = _timed(translate, folder, ["-X", "importtime"])
    return Waiting(of_help, of_translate, _packages(said))


def _timed(command: Sequence[str], folder: Path, options: Sequence[str] = ()) -> tuple[float, str]:
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, *options, "-m", "hflow", *command], cwd=folder, capture_output=True, text=True, check=True
    )
    return time.monotonic() - begin, done.stderr


def _packages(said: str) -> dict[str, float]:
    """The longest imports of whole packages in what `python -X importtime` says."""
    found = {}
    for line in said.splitlines():
        parts = line.removeprefix("import time:").split("|")
        if len(parts) == 3 and parts[1].strip().isdigit() and "." not in parts[2]:
            found[parts[2].strip()] = int(parts[1]) / 1e6
    return dict(sorted(found.items(), key=lambda item: -item[1])[:SHOWN])
