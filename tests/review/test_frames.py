"""Which frames people are shown first, and with which pictures."""

from pathlib import Path

import numpy as np
import pytest

from hflow.datasets.images import decode_ids, decode_rgb
from hflow.datasets.shards import read_rows, shard_files
from hflow.datasets.verdicts import Verdict, Verdicts
from hflow.foundation.errors import HflowError
from hflow.review import frames as module
from hflow.review.page import write_review_page
from tests.review.conftest import Translated

KEYS = [f"{i:05d}" for i in sorted(range(12), key=lambda i: i * 7 % 12)]


def test_the_least_consistent_come_first(translated: Translated) -> None:
    review = translated.review(5)
    assert [row["key"] for row in review.rows] == KEYS[:5]
    assert (review.measure, review.total, review.judged) == ("consistency", 12, 0)


def test_what_has_a_verdict_is_not_shown_again(translated: Translated) -> None:
    judged = Verdicts([Verdict("train", KEYS[0], "", "keep"), Verdict("train", KEYS[2], "f" * 16, "reject")])
    review = translated.review(2, judged)
    # The second was about another image.
    assert [row["key"] for row in review.rows] == KEYS[1:3]
    assert review.judged == 1
    with pytest.raises(HflowError, match="nothing left to review"):
        translated.review(2, Verdicts(Verdict("", key, "", "keep") for key in KEYS))


def test_a_frame_is_shown_with_its_source_and_its_label_over_it(translated: Translated) -> None:
    rows = {row["key"]: row for path in shard_files(translated.folder / "train") for row in read_rows(path)}
    sources = {row["key"]: row for path in shard_files(translated.prepared / "source/train") for row in read_rows(path)}
    shown = next(translated.review(1).frames())
    key = shown.row["key"]
    pixels, ids = (decode_rgb(rows[key]["image"]["bytes"]), decode_ids(rows[key]["label_train_ids"]["bytes"]))
    assert np.array_equal(shown.translated, pixels)
    assert np.array_equal(shown.source, decode_rgb(sources[key]["image"]["bytes"]))
    assert shown.overlay is not None
    changed = (shown.overlay != pixels).any(axis=2)
    assert changed.any()
    assert not changed[ids == 255].any()


def test_large_frames_are_made_narrower(translated: Translated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHOWN_WIDTH", 16)
    shown = next(translated.review(1).frames())
    assert [picture.shape[1] for picture in shown.pictures.values()] == [16, 16, 16]


@pytest.mark.parametrize(
    ("judged", "count", "said"),
    [
        (0, 4, "The 4 least consistent of 12 frames, the least first."),
        (5, 4, "The 4 least consistent of 7 frames without a verdict, the least first."),
        (5, 7, "All 7 frames without a verdict, the least consistent first."),
    ],
)
def test_the_page_counts_the_frames_that_it_chose_from(
    translated: Translated, tmp_path: Path, judged: int, count: int, said: str
) -> None:
    review = translated.review(count, Verdicts(Verdict("", key, "", "keep") for key in KEYS[:judged]))
    assert said in write_review_page(review, tmp_path, destination=tmp_path / "verdicts.csv").read_text()
