"""The downstream stage learns, repeats itself to the byte, and trains no finished seed again."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hflow.datasets.images import encode_png
from hflow.datasets.manifest import PSEUDO_LABELLED, read_manifest
from hflow.datasets.shards import PREPARED_SCHEMA, image_value, shard_files, write_shard
from hflow.datasets.training_sets import TrainingSet
from hflow.datasets.verification import verify
from hflow.foundation.errors import HflowError
from hflow.foundation.hashes import sha256_file
from hflow.foundation.labels import IGNORE
from hflow.foundation.params import SegmentParams, SelfTrainingParams
from hflow.segmentation.downstream import segment
from hflow.segmentation.judge import load_judge
from hflow.segmentation.labelled_frames import Crops, LabelledFrames
from hflow.segmentation.mixed_crops import class_shares
from hflow.segmentation.networks import DilatedConvolution

CLASSES = ("road", "sky", "car")
COLOURS = np.array([(60, 60, 60), (120, 180, 250), (220, 30, 30)], np.uint8)
QUICK = SegmentParams(steps=3, batch_size=2, device="cpu")


def _frame(number: int, height: int = 32, width: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """A sky over a road with a car on it, in three colours and some noise, and its train ids; one row is unknown."""
    random = np.random.default_rng(number)
    ids = np.zeros((height, width), np.uint8)
    ids[: height // 2 + int(random.integers(-4, 5))] = 1
    left = int(random.integers(width - 24))
    ids[height // 2 - 4 : height - 4, left : left + 24] = 2
    noise = random.integers(-20, 21, (height, width, 3))
    image = np.clip(COLOURS[ids].astype(int) + noise, 0, 255).astype(np.uint8)
    ids[-1] = IGNORE
    return image, ids


def _shard(path: Path, numbers: Sequence[int], *, labelled: bool = True, **size: int) -> Path:
    rows = []
    for number in numbers:
        image, ids = _frame(number, **size)
        label = image_value(encode_png(ids), f"{number}.png") if labelled else None
        rows.append(
            {
                "key": f"{number}",
                "image": image_value(encode_png(image), f"{number}.png"),
                "label": label,
                "label_train_ids": label,
                "width": image.shape[1],
                "height": image.shape[0],
                "source_path": f"{number}.png",
                "source_sha256": "",
            }
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_shard(path, rows, PREPARED_SCHEMA)
    return path


def _set(*files: Path) -> TrainingSet:
    return TrainingSet("source", {path: sha256_file(path) for path in files})


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """For pictures this small, threads that share a busy machine wait for each other longer than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def sets(tmp_path: Path) -> dict[str, Any]:
    """A training set of a labelled and an unlabelled shard, and a validation set of frames of two sizes."""
    training = _set(
        _shard(tmp_path / "train" / "shard-0.parquet", range(20)),
        _shard(tmp_path / "train" / "shard-1.parquet", range(20, 22), labelled=False),
    )
    validation = [
        _shard(tmp_path / "val" / "shard-0.parquet", range(100, 104)),
        _shard(tmp_path / "val" / "shard-1.parquet", range(104, 106), height=48, width=80),
    ]
    return {"training_set": training, "validation": validation, "classes": CLASSES}


def test_learns_an_easy_task(sets: dict[str, Any], tmp_path: Path) -> None:
    params = SegmentParams(steps=40, batch_size=4, learning_rate=2e-3, device="cpu")
    result = segment(params, **sets, out=tmp_path / "source.json", work=tmp_path / "work")
    assert result["mIoU"] > 0.4  # one class everywhere is below 0.2
    assert result["pxAcc"] > 0.7
    curve = result["seeds"][0]["curve"]
    assert curve[-1][0] == 40
    assert curve[-1][1] < curve[0][1] / 2


def test_what_is_written(sets: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "metrics" / "source.json"
    params = QUICK.model_copy(update={"seeds": (0, 1)})
    result = segment(params, **sets, out=out, work=tmp_path / "work", network=tmp_path / "network")
    kept = load_judge(tmp_path / "network")
    assert (kept.sha256, kept.classes) == (result["network_sha256"], CLASSES)
    assert json.loads(out.read_text()) == result
    assert result["train_on"] == "source"
    assert list(result["IoU"]) == list(CLASSES)
    assert [run["seed"] for run in result["seeds"]] == [0, 1]
    for key in ("mIoU", "pxAcc", "clsAcc"):
        assert result[key] == pytest.approx(np.mean([run[key] for run in result["seeds"]]))
    protocol = result["protocol"]
    assert protocol["training_frames"] == 20  # the unlabelled shard is passed over
    assert protocol["validation_frames"] == 6
    assert protocol["size"] == [64, 32]


def test_the_network_that_is_named_is_trained(sets: dict[str, Any], tmp_path: Path) -> None:
    first = segment(QUICK, **sets, out=tmp_path / "a.json", work=tmp_path / "work")
    other = QUICK.model_copy(update={"network": "efficientnet_lite0"})
    second = segment(other, **sets, out=tmp_path / "b.json", work=tmp_path / "work")
    assert second["protocol"]["network"] == "efficientnet_lite0"
    assert second["seeds"][0]["curve"] != first["seeds"][0]["curve"]


def test_the_same_seed_gives_the_same_bytes(sets: dict[str, Any], tmp_path: Path) -> None:
    written = []
    for number in range(2):
        out = tmp_path / f"{number}.json"
        segment(QUICK, **sets, out=out, work=tmp_path / f"work-{number}")
        torch.rand(7)  # whatever else uses the global generator in between
        written.append(out.read_bytes())
    assert written[0] == written[1]


def test_a_finished_seed_is_not_trained_again(sets: dict[str, Any], tmp_path: Path) -> None:
    work = tmp_path / "work"
    first = segment(QUICK, **sets, out=tmp_path / "a.json", work=work)
    kept = [*work.iterdir()]
    written = {path: path.stat().st_mtime_ns for path in kept if path.suffix != ".json"}  # a marker's says when of use
    more = QUICK.model_copy(update={"seeds": (1, 0), "train_on": ("target",)})
    second = segment(more, **sets, out=tmp_path / "b.json", work=work)
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert len(list(work.iterdir())) == 2 * len(kept)
    assert second["seeds"][1] == first["seeds"][0]
    assert second["seeds"][0]["curve"] != first["seeds"][0]["curve"]
    # Another parameter is other work.
    segment(QUICK.model_copy(update={"steps": 2}), **sets, out=tmp_path / "c.json", work=work)
    assert len(list(work.iterdir())) == 3 * len(kept)


def test_samples_are_functions_of_seed_and_number(sets: dict[str, Any]) -> None:
    frames = LabelledFrames(sets["training_set"].files, CLASSES)
    crops, others = Crops(frames, seed=0, length=8), Crops(frames, seed=1, length=8)
    assert len(frames) == 20
    for i in (5, 0, 3):
        (image, ids), (again, ids_again) = crops[i], Crops(frames, seed=0, length=100)[i]
        assert torch.equal(image, again)
        assert torch.equal(ids, ids_again)
        assert image.shape == (3, 32, 64)
        assert ids.shape == (32, 64)
        assert set(ids.unique().tolist()) <= {0, 1, 2, IGNORE}
        assert not torch.equal(image, others[i][0])


def test_labels_stay_on_their_pixels(sets: dict[str, Any]) -> None:
    """However a sample is mirrored, scaled and cropped, its classes keep their colours."""
    frames = LabelledFrames(sets["training_set"].files, CLASSES)
    mean, std = torch.tensor((0.485, 0.456, 0.406)), torch.tensor((0.229, 0.224, 0.225))
    for image, ids in (Crops(frames, seed=0, length=16)[i] for i in range(16)):
        pixels = (image.permute(1, 2, 0) * std + mean) * 255  # (H, W, 3)
        distance = (pixels[:, :, None] - torch.tensor(COLOURS).float()).norm(dim=-1)  # (H, W, K)
        known = ids != IGNORE
        right = distance.argmin(-1)[known] == ids[known]
        assert right.float().mean() > 0.9


def _refused(sets: dict[str, Any], folder: Path, params: SegmentParams = QUICK, **other: Any) -> str:
    with pytest.raises(HflowError) as error:
        segment(params, **{**sets, **other}, out=folder / "out.json", work=folder / "work")
    assert not (folder / "out.json").exists()
    message = str(error.value)
    assert "\n" not in message
    return message


def test_faults_are_named(sets: dict[str, Any], tmp_path: Path) -> None:
    unlabelled = _shard(tmp_path / "bare" / "shard-0.parquet", range(3), labelled=False)
    unknown = "the target has no labelled validation set (data.target.val)"
    assert _refused(sets, tmp_path, validation=[]).startswith(unknown)
    assert _refused(sets, tmp_path, validation=[unlabelled]).startswith(unknown)
    no_labels = _refused(sets, tmp_path, training_set=_set(unlabelled))
    assert no_labels.startswith("the training set source has no labels")
    no_shards = _refused(sets, tmp_path, training_set=_set())
    assert no_shards.startswith("the training set source has no shards")
    assert "run `hflow prepare`" in _refused(sets, tmp_path, classes=CLASSES[:2])
    assert "there is no device 'gpu' here" in _refused(sets, tmp_path, QUICK.model_copy(update={"device": "gpu"}))


def test_imagenet_weights_that_cannot_be_had(
    sets: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file"))  # no folder: nothing can be downloaded into it
    message = _refused(sets, tmp_path, QUICK.model_copy(update={"weights": "imagenet"}))
    assert message.endswith("set segment.weights to none")


@pytest.mark.parametrize("size", [(5, 10), (3, 40), (13, 16)])
def test_leaving_out_what_is_all_padding_changes_no_feature(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    plain = torch.nn.Conv2d(4, 3, 3, padding=12, dilation=12, bias=False)
    maps = torch.rand(2, 4, *size)  # (B, C, H, W)
    assert torch.allclose(DilatedConvolution.of(plain)(maps), plain(maps), atol=1e-6)


def test_self_training_learns_from_photographs_and_goes_on_where_it_was(sets: dict[str, Any], tmp_path: Path) -> None:
    photographs = [
        _shard(tmp_path / "photographs" / f"shard-{first}.parquet", range(first, first + 3), labelled=False)
        for first in (50, 53)
    ]
    how = SelfTrainingParams(rounds=2, threshold=0.34, ema=0.5)
    params = QUICK.model_copy(update={"self_training": how})
    kwargs = {**sets, "photographs": photographs, "work": tmp_path / "work", "network": tmp_path / "network"}
    result = segment(params, **kwargs, out=tmp_path / "a.json")
    after = result["self_training"]
    assert 0 < after["labelled"] <= 1
    assert after["seeds"][0]["curve"] != result["seeds"][0]["curve"]
    labels = tmp_path / "network/pseudo-labels"
    assert {row["status"] for row in read_manifest(labels / "manifest.parquet").rows} == {PSEUDO_LABELLED}
    assert [path.name for path in shard_files(labels / "train")] == [path.name for path in photographs]
    assert not verify(labels).faults
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").iterdir()}
    assert len(kept) == 2 * (1 + 2 * 3)  # the network and, a round, two shards and the network; each with its marker
    for place in list(kept)[::3]:
        place.unlink()  # as if it had been stopped before
    segment(params, **kwargs, out=tmp_path / "c.json")
    assert (tmp_path / "c.json").read_bytes() == (tmp_path / "a.json").read_bytes()


def test_another_round_another_average_or_more_photographs_repeat_no_finished_work(
    sets: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photographs = [
        _shard(tmp_path / "photographs" / f"shard-{first}.parquet", [first], labelled=False) for first in (50, 51)
    ]
    shared: list[LabelledFrames] = []

    def noted(frames: LabelledFrames) -> np.ndarray:
        shared.append(frames)
        with monkeypatch.context() as unread:
            unread.delattr("hflow.segmentation.labelled_frames.decode_rgb")
            return class_shares(frames)

    monkeypatch.setattr("hflow.segmentation.self_training.class_shares", noted)

    def pieces_made(count: int, **how: Any) -> int:
        """How many pieces a run adds to those that are there."""
        before = len(list(work.glob("*.json")))
        params = QUICK.model_copy(
            update={"steps": 1, "self_training": SelfTrainingParams.model_validate({"threshold": 0.34, **how})}
        )
        segment(params, **sets, photographs=photographs[:count], out=tmp_path / "scores.json", work=work)
        return len(list(work.glob("*.json"))) - before

    work = tmp_path / "work"
    assert pieces_made(1) == 3  # the network, and a round's labels and network
    assert pieces_made(1, rounds=2) == 2
    assert pieces_made(1, ema=0.5) == 1
    assert pieces_made(2) == 2  # the other shard's labels, and the network
    assert len(shared) == 4
    assert pieces_made(2) == 0
    assert len(shared) == 4  # labels are counted only for a network to be trained


def test_self_training_without_photographs_is_refused(sets: dict[str, Any], tmp_path: Path) -> None:
    params = QUICK.model_copy(update={"self_training": SelfTrainingParams()})
    with pytest.raises(HflowError, match="needs photographs"):
        segment(params, **sets, out=tmp_path / "a.json", work=tmp_path / "work")
