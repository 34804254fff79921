"""translate under faults: whatever dies or breaks, no frame is lost, doubled or mixed, and the message says what."""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hflow.commands.cli import end_on_sigterm
from hflow.datasets.images import decode_rgb
from hflow.datasets.shards import read_rows, shard_files
from hflow.foundation.errors import HflowError
from hflow.foundation.finished_work import Finished
from hflow.foundation.locks import exclusive
from hflow.model.store import CONFIG, STYLES, WEIGHTS, TrainedModel
from hflow.translation import shard_worker
from hflow.translation.engines.processes import Processes
from hflow.translation.translator import Translator
from tests.conftest import Project
from tests.translations import bytes_of, manifest_of, rewrite, translate
from tests.workers import descendants, is_worker


def _fork(work: Callable[[], object], said: Path, prepare: Callable[[], None] = lambda: None) -> int:
    """Run in a forked process, which writes to a file what is raised; gives its id."""
    child = os.fork()
    if child == 0:
        status = 0
        try:
            prepare()
            work()
        except HflowError as error:
            said.write_text(str(error))
        except SystemExit as stop:
            status = int(stop.code or 0)
        except BaseException as error:
            said.write_text(f"unexpected: {error!r}")
        finally:
            os._exit(status)
    return child


def _in_child(work: Callable[[], object], prepare: Callable[[], None]) -> int:
    """Run in a forked process; its wait status."""
    return os.waitpid(_fork(work, Path(os.devnull), prepare), 0)[1]


def _killed_at(step: int, folder: Path) -> Callable[[], None]:
    """In the process that calls it: kill -9 at this step of those it takes in the file system below a folder."""
    taken = 0

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal taken
        if event not in ("open", "os.rename", "os.link", "os.remove", "os.mkdir", "shutil.rmtree"):
            return
        if any(isinstance(value, str | os.PathLike) and str(value).startswith(str(folder)) for value in arguments):
            taken += 1
            if taken == step:
                os.kill(os.getpid(), signal.SIGKILL)

    return lambda: sys.addaudithook(count)


@pytest.mark.parametrize("step", [3, 11, *range(20, 118, 8)])
def test_kill_9_at_any_step_and_the_same_command_again_give_the_same_bytes(
    given: Project, model: TrainedModel, undisturbed: dict[str, bytes], tmp_path: Path, step: int
) -> None:
    status = _in_child(lambda: translate(given, model, tmp_path), _killed_at(step, tmp_path))
    assert os.WIFSIGNALED(status), "the run ended before it was killed: it takes fewer steps now"
    finished = {p: p.with_suffix("").stat().st_mtime_ns for p in (tmp_path / "work").glob("*.json")}
    translate(given, model, tmp_path)
    assert bytes_of(tmp_path / "translated") == undisturbed
    for marker, written in finished.items():
        assert marker.with_suffix("").stat().st_mtime_ns == written, "a finished shard was translated again"
    left = [p.name for p in (*tmp_path.iterdir(), *(tmp_path / "work").iterdir()) if p.name.startswith(".")]
    assert not left


def test_kill_9_again_and_again_ends_in_the_same_bytes(
    given: Project, model: TrainedModel, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    kills = 0
    while os.WIFSIGNALED(_in_child(lambda: translate(given, model, tmp_path), _killed_at(60, tmp_path))):
        kills += 1
        assert kills < 30
    assert kills > 1
    assert bytes_of(tmp_path / "translated") == undisturbed


def test_kill_9_within_a_shard_repeats_that_shard_alone(
    given: Project, model: TrainedModel, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    def killed_in_the_middle() -> None:
        encode, done = shard_worker.encode_row, 0

        def dying(row: dict[str, Any], pixels: np.ndarray) -> None:
            nonlocal done
            done += 1
            if done == 8:
                os.kill(os.getpid(), signal.SIGKILL)
            encode(row, pixels)

        shard_worker.encode_row = dying
        translate(given, model, tmp_path, workers=1)

    status = os.waitpid(_fork(killed_in_the_middle, tmp_path / "said"), 0)[1]
    assert os.WIFSIGNALED(status)
    assert len(list((tmp_path / "work").glob(".*.tmp"))) == 1, "the shard in flight"
    finished = {p: p.with_suffix("").stat().st_mtime_ns for p in (tmp_path / "work").glob("*.json")}
    assert 0 < len(finished) < 5
    translate(given, model, tmp_path)
    assert bytes_of(tmp_path / "translated") == undisturbed
    assert all(p.with_suffix("").stat().st_mtime_ns == written for p, written in finished.items())
    assert not list((tmp_path / "work").glob(".*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_of_several_processes_that_is_ended_takes_them_all_with_it(
    given: Project, model: TrainedModel, undisturbed: dict[str, bytes], tmp_path: Path, number: signal.Signals
) -> None:
    def run() -> None:
        plain = Processes.translate

        def held(*arguments: Any) -> Finished:
            finished = plain(*arguments)
            time.sleep(1000)  # else a busy machine lets the run end before the signal comes
            return finished

        Processes.translate = held
        end_on_sigterm()
        translate(given, model, tmp_path, devices=2)

    child = _fork(run, tmp_path / "said")
    end = time.monotonic() + 400
    workers: list[int] = []
    while len(workers) < 2 or not list(tmp_path.glob("work/*.json")):
        assert time.monotonic() < end, "no shard is finished, or a worker is missing"
        time.sleep(0.005)
        workers = [process for process in descendants(child) if is_worker(process)]
    os.kill(child, number)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == (143 if number == signal.SIGTERM else -9)
    end = time.monotonic() + 400  # one that was still starting ends once it has started
    while any(map(is_worker, workers)):
        assert time.monotonic() < end, "a worker lives on"
        time.sleep(0.02)
    assert not (tmp_path / "translated").exists()
    translate(given, model, tmp_path)
    assert bytes_of(tmp_path / "translated") == undisturbed
    assert not list((tmp_path / "work").glob(".*"))


def _own_mount(folder: Path, options: bytes) -> Callable[[], None]:
    """In the process that calls it: a small tmpfs of its own over a folder."""
    libc = ctypes.CDLL(None, use_errno=True)

    def mount() -> None:
        flags = 0x00020000 | (0x10000000 if os.getuid() else 0)  # CLONE_NEWNS, CLONE_NEWUSER
        failed = libc.unshare(flags) or libc.mount(b"none", b"/", None, 0x44000, None)  # private to this process
        failed = failed or libc.mount(b"tmpfs", bytes(folder), b"tmpfs", 0, options)
        if failed:
            raise SystemExit(77)

    return mount


def _said_with_mount(work: Callable[[], object], folder: Path, options: bytes, said: Path) -> str:
    folder.mkdir()
    status = os.waitpid(_fork(work, said, _own_mount(folder, options)), 0)[1]
    if os.waitstatus_to_exitcode(status) == 77:
        pytest.skip("no file system can be mounted here")
    return said.read_text()


def test_a_full_disk_is_said_at_once_and_what_is_finished_is_kept(
    given: Project, model: TrainedModel, model_folder: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    # The copy of the model, and some of the shards, in pages of 4 KiB.
    copied = [(model_folder / name).stat().st_size for name in (WEIGHTS, STYLES, CONFIG)]
    size = sum(-(-n // 4096) * 4096 for n in copied) + 80 * 1024

    def until_full_then_with_room() -> None:
        with pytest.raises(HflowError) as full:
            translate(given, model, out)
        finished = {p: p.with_suffix("").stat().st_mtime_ns for p in out.glob("work/*.json")}
        assert finished
        assert not (out / "translated").exists()
        ctypes.CDLL(None).mount(b"tmpfs", bytes(out), b"tmpfs", 0x20, b"size=100m")  # MS_REMOUNT
        translate(given, model, out)
        assert bytes_of(out / "translated") == undisturbed
        assert all(p.with_suffix("").stat().st_mtime_ns == written for p, written in finished.items())
        raise full.value

    said = _said_with_mount(until_full_then_with_room, out, f"size={size}".encode(), tmp_path / "said")
    assert f"{out}/translated can't be written: No space left on device; make room" in said


def test_an_output_that_is_read_only_is_named_before_anything_is_done(
    given: Project, model: TrainedModel, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    said = _said_with_mount(lambda: translate(given, model, out), out, b"ro", tmp_path / "said")
    assert f"{out}/translated can't be written: Read-only file system" in said


def test_a_second_run_on_one_output_refuses_and_names_the_first(
    given: Project, model: TrainedModel, tmp_path: Path
) -> None:
    with (
        exclusive(tmp_path / "translated"),
        pytest.raises(HflowError, match=rf"translated is being written by process {os.getpid()}"),
    ):
        translate(given, model, tmp_path)
    translate(given, model, tmp_path)


def test_sigterm_ends_the_shard_and_not_the_data(
    given: Project, model: TrainedModel, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    def slowly() -> None:
        slow = Translator.translate_checked
        Translator.translate_checked = lambda *args: time.sleep(0.3) or slow(*args)
        end_on_sigterm()
        translate(given, model, tmp_path)

    child = _fork(slowly, tmp_path / "said")
    while not list(tmp_path.glob("work/*.json")):
        time.sleep(0.02)
    os.kill(child, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 143
    assert not (tmp_path / "translated").exists()
    assert not [p for p in tmp_path.rglob(".*") if p.suffix in (".tmp", ".lock")]
    translate(given, model, tmp_path)
    assert bytes_of(tmp_path / "translated") == undisturbed


def test_too_little_memory_halves_the_batch_and_that_is_recorded(
    given: Project, model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Translator.translate_checked
    translate(given, model, tmp_path / "plain", batch_size=4)

    def small(self: Translator, frames: Tensor, choice: list[int]) -> Tensor:
        if len(frames) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(self, frames, choice)

    monkeypatch.setattr(Translator, "translate_checked", small)
    translate(given, model, tmp_path / "small", batch_size=4)
    rows = manifest_of(tmp_path / "small")
    assert {row["batch"] for row in manifest_of(tmp_path / "plain").values()} == {None}
    assert {row["batch"] for row in rows.values()} <= {1, None}
    assert any(row["batch"] == 1 for row in rows.values())
    for shard in shard_files(tmp_path / "plain/translated/train"):
        other = tmp_path / "small/translated/train" / shard.name
        for expected, row in zip(read_rows(shard), read_rows(other), strict=True):
            a, b = (decode_rgb(r["image"]["bytes"]).astype(int) for r in (expected, row))
            assert abs(a - b).max() <= 1


def test_a_frame_too_large_even_by_itself_is_rejected_by_name(
    given: Project, model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Translator, "translate_checked", none)
    with pytest.raises(HflowError, match="too little memory"):
        translate(given, model, tmp_path)


def test_a_frame_that_memory_did_not_hold_is_translated_by_the_next_run(
    given: Project,
    model: TrainedModel,
    undisturbed: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain, calls = Translator.translate_checked, 0

    def busy_at_first(self: Translator, frames: Tensor, choice: list[int]) -> Tensor:
        nonlocal calls
        calls += 1
        if calls <= 2:  # a batch, and the first frame of it by itself
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(self, frames, choice)

    with monkeypatch.context() as busy:
        busy.setattr(Translator, "translate_checked", busy_at_first)
        assert translate(given, model, tmp_path, max_rejected=0.5)["rejected"] == 1
    finished = {p: p.with_suffix("").stat().st_mtime_ns for p in (tmp_path / "work").glob("*.json")}
    assert translate(given, model, tmp_path, max_rejected=0.5)["rejected"] == 0
    assert bytes_of(tmp_path / "translated") == undisturbed
    assert finished
    assert all(p.with_suffix("").stat().st_mtime_ns == written for p, written in finished.items())


def test_values_that_are_not_numbers_are_rejected(
    given: Project, model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Translator, "translate_checked", lambda _, frames, __: frames * float("nan"))
    with pytest.raises(HflowError, match="not numbers"):
        translate(given, model, tmp_path)


def test_a_frame_that_is_lost_is_noticed_before_publishing(given: Project, model: TrainedModel, tmp_path: Path) -> None:
    shard = shard_files(given.prepared / "source/train")[0]
    rewrite(shard, lambda rows: rows.pop() and None)
    with pytest.raises(HflowError, match="12 frames were given and 11 are accounted for"):
        translate(given, model, tmp_path)
    assert not (tmp_path / "translated").exists()


def test_a_frame_that_is_there_twice_is_noticed_before_publishing(
    given: Project, model: TrainedModel, tmp_path: Path
) -> None:
    first, second = shard_files(given.prepared / "source/train")[:2]
    double = next(read_rows(first))
    rewrite(second, lambda rows: rows.__setitem__(0, double))
    with pytest.raises(HflowError, match="are accounted for"):
        translate(given, model, tmp_path)
