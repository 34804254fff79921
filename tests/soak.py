"""A bounded soak, `make soak`: a translation of many frames, killed and started again at random until it is through.

Prints what happened and exits with status 1 if a frame was lost or a byte differs from the undisturbed run. Not a
test that pytest collects: it takes minutes.
"""

import argparse
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from hflow.datasets.preparation import prepare
from hflow.datasets.verification import verify
from hflow.foundation.params import DataParams, PrepareParams, TranslateParams
from hflow.model import HierarchyFlow
from hflow.model.store import StyleBank, load_model, model_files
from hflow.translation.dataset import translate_dataset
from tests.pictures import write_cityscapes, write_gta

SIZE = (32, 24)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=40, help="at most so many")
    parser.add_argument("--minutes", type=float, default=4, help="of killing; after that it goes through")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        _translate(options.child, options.child / "killed")
        return 0
    folder = Path(tempfile.mkdtemp(prefix="hflow-soak-"))
    try:
        return _soak(folder, options.frames, options.kills, 60 * options.minutes, random.Random(options.seed))
    finally:
        shutil.rmtree(folder)


def _soak(folder: Path, frames: int, most: int, longest: float, chance: random.Random) -> int:
    _make(folder, frames)
    start = time.monotonic()
    _translate(folder, folder / "undisturbed")
    seconds = time.monotonic() - start
    start, kills = time.monotonic(), 0
    while True:
        child = subprocess.Popen([sys.executable, "-m", "tests.soak", "--child", str(folder)], start_new_session=True)
        try:
            # From the start of the work on, not of the interpreter.
            _wait_for_work(folder, child)
            late = kills == most or time.monotonic() - start > longest
            through = late or (folder / "killed" / "translated").exists()
            child.wait(None if through else chance.uniform(0, seconds / 4))
            break
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            kills += 1
    if child.returncode:
        print(f"the translation failed with status {child.returncode}")
        return 1
    found = verify(folder / "killed" / "translated")
    lost = frames - found.translated
    same = _hashes(folder / "killed" / "translated") == _hashes(folder / "undisturbed" / "translated")
    print(f"frames: {frames}; kills: {kills}; lost: {lost}; faults: {len(found.faults)}; same bytes: {same}")
    return 0 if same and not lost and not found.faults else 1


def _make(folder: Path, frames: int) -> None:
    write_gta(folder / "gta", frames, SIZE)
    write_cityscapes(folder / "cityscapes", [("train", 2)], SIZE)
    data = {
        "source": {"root": folder / "gta", "layout": "gta"},
        "target": {"root": folder / "cityscapes", "layout": "cityscapes"},
    }
    settings = PrepareParams(size=SIZE, shard_size=32)
    prepare(DataParams.model_validate(data), settings, out=folder / "prepared", sets=folder / "sets", work=folder / "w")
    torch.manual_seed(0)
    network = HierarchyFlow((2,))
    for name, content in model_files(network, StyleBank(torch.randn(4, 8), list("abcd")), {}).items():
        (folder / "model").mkdir(exist_ok=True)
        (folder / "model" / name).write_bytes(content)


def _translate(folder: Path, out: Path) -> None:
    translate_dataset(
        load_model(folder / "model"),
        TranslateParams(device="cpu", threads=1),
        prepared=folder / "prepared",
        out=out / "translated",
        sets=folder / "sets",
        work=out / "work",
    )


def _wait_for_work(folder: Path, child: subprocess.Popen[bytes]) -> None:
    """Until the run holds its output's lock."""
    lock = folder / "killed" / ".translated.lock"
    lock.unlink(missing_ok=True)
    while child.poll() is None and not lock.exists():
        time.sleep(0.01)


def _hashes(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


if __name__ == "__main__":
    sys.exit(main())
