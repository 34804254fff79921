"""Images and their frames in batches: in order, one size and kind a batch, and no larger than memory is meant to be."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hflow.datasets.image_sets import open_images
from hflow.reports import paired_images
from hflow.reports.paired_images import paired_batches, several_at_once
from tests.pictures import random_picture

SIZES = [(48, 24), (48, 24), (32, 32), (32, 32), (32, 32), (48, 24)]


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Six images of two sizes; the last two have no frame, and the frame of the first is larger."""
    for i, size in enumerate(SIZES):
        for name, its_size in (("made", size), ("frames", (64, 32) if i == 0 else size)):
            if name == "made" or i < 4:
                (tmp_path / name).mkdir(exist_ok=True)
                Image.fromarray(random_picture(i, its_size)).save(tmp_path / name / f"{i}.png")
    return tmp_path


def test_neighbours_of_one_size_and_kind_are_a_batch_in_order(folders: Path) -> None:
    batches = list(paired_batches(open_images(folders / "made"), open_images(folders / "frames")))
    assert [len(batch) for batch in batches] == [1, 1, 2, 1, 1]
    images = [image for batch in batches for image in batch]
    assert [image.resized for image in images] == [True, False, False, False, False, False]
    assert [image.original is None for image in images] == [False, False, False, False, True, True]
    for i in range(1, 6):
        assert np.array_equal(images[i].pixels, random_picture(i, SIZES[i]))
    assert images[0].original is not None
    assert images[0].pixels.shape == images[0].original.shape == (32, 64, 3)


def test_a_batch_holds_no_more_pixels_than_are_allowed(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired_images, "PIXELS", 2 * 48 * 24)
    assert [len(batch) for batch in paired_batches(open_images(folders / "made"))] == [2, 2, 1, 1]
    monkeypatch.setattr(paired_images, "PIXELS", 1)
    assert [len(batch) for batch in paired_batches(open_images(folders / "made"))] == [1] * 6


def test_images_are_looked_at_one_batch_at_a_time_where_those_of_any_set_are_large(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(paired_images, "torch_threads", lambda _: nullcontext())
    made, frames = (open_images(folders / name) for name in ("made", "frames"))
    monkeypatch.setattr(paired_images, "PIXELS", 2 * 48 * 24)
    for sets, counted in (([made], 2), ([made, frames], 1), ([frames, made], 1)):
        with several_at_once(sets, torch.device("cpu")) as (_, at_once):
            assert at_once == counted
