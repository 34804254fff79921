"""FiftyOne takes the written dataset by its importer, where it is and FIFTYONE_DATABASE_URI names a MongoDB."""

import os
from pathlib import Path

import numpy as np
import pytest

from hflow.metrics.fid_kid import FeatureSpace
from hflow.review.fiftyone_app import import_dataset
from hflow.review.fiftyone_folder import write_fiftyone_dataset
from tests.conftest import CLASSES
from tests.review.conftest import Translated
from tests.review.test_fiftyone_folder import _mean_colours
from tests.review.test_frames import KEYS

if "FIFTYONE_DATABASE_URI" not in os.environ:
    pytest.skip("FIFTYONE_DATABASE_URI names no MongoDB", allow_module_level=True)
pytest.importorskip("fiftyone", exc_type=ImportError)


def test_fiftyone_imports_groups_with_masks_figures_and_a_map_the_worst_first(
    translated: Translated, tmp_path: Path
) -> None:
    space = FeatureSpace("mean colours", 3, _mean_colours)
    write_fiftyone_dataset(translated.review(4), tmp_path / "dataset", name="hflow-test", features=space)
    for _ in range(2):  # the second takes the place of the first
        dataset = import_dataset(tmp_path / "dataset", "hflow-test", measure="consistency", embedded=True)
    try:
        assert dataset.media_type == "group"
        assert set(dataset.group_slices) == {"source", "translated", "style"}
        assert (len(dataset), dataset.default_group_slice) == (4, "translated")
        shown = list(dataset.load_saved_view("worst first"))
        assert [sample.key for sample in shown] == KEYS[:4]
        first = shown[0]
        assert 0 < first.ssim < 1
        assert (first.consistency, len(first.model), first.embedding.shape) == (0, 12, (3,))
        mask = first.labels.get_mask() if first.labels.has_mask else None
        assert mask is not None
        assert mask.shape == (24, 32)
        assert {dataset.default_mask_targets[i] for i in np.unique(mask) if i} <= set(CLASSES)
        group = dataset.get_group(first.group.id)
        assert Path(group["source"].filepath).is_file()
        assert dataset.list_brain_runs() == ["map"]
        assert len(dataset.load_brain_results("map").points) == 4
    finally:
        dataset.delete()
