"""The summary of similarities says what its figures are called."""

import pytest

from hflow.metrics.similarity_summary import Similarity, histogram, summarise_similarity


def test_similarity_is_mean_minimum_fifth_percentile_and_median() -> None:
    assert summarise_similarity([0.5, 0.1, 0.9, 0.3, 0.7]) == Similarity(
        mean=pytest.approx(0.5), minimum=0.1, p05=pytest.approx(0.14), median=0.5
    )
    assert summarise_similarity([0.25]) == Similarity(0.25, 0.25, 0.25, 0.25)


def test_the_histogram_counts_every_frame_once() -> None:
    counts = histogram([-0.2, 0.0, 0.049, 0.05, 0.5, 0.999, 1.0])
    assert len(counts) == 20
    assert {i: count for i, count in enumerate(counts) if count} == {0: 3, 1: 1, 10: 1, 19: 2}
