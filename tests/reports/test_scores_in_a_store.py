"""Datasets in an object store are measured as they are on this machine."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hflow.datasets.image_sets import brought, open_images
from hflow.datasets.images import encode_png
from hflow.foundation.errors import HflowError
from hflow.foundation.stores import Store
from hflow.metrics.feature_spaces import load_feature_space
from hflow.metrics.lpips import load_vgg
from hflow.reports.dataset_scores import score_datasets
from tests.conftest import Project
from tests.stores import S3, s3_server


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    with s3_server(tmp_path) as server:
        server.use(monkeypatch)
        yield server


def test_sets_source_and_target_in_a_store_score_as_here(project: Project, tmp_path: Path, s3: S3) -> None:
    source, target, darker = project.prepared / "source", project.prepared / "target", tmp_path / "darker"
    darker.mkdir()
    for frame in open_images(source):
        (darker / f"{frame.key}.png").write_bytes(encode_png(frame.pixels // 2))
    here = {"frames": source, "darker": darker, "target": target}
    for name, folder in here.items():
        s3.files.put(f"{folder}/", f"town/{name}/", recursive=True)
    there = {name: Store(f"s3://town/{name}") for name in here}
    vgg = load_vgg()
    space = load_feature_space("vgg16", vgg=vgg)
    rows = [
        score_datasets(
            {name: sets[name] for name in ("frames", "darker")},
            source=sets["frames"],
            target=sets["target"],
            split="train",
            space=space,
            vgg=vgg,
        )
        for sets in (here, there)
    ]
    assert [row.path for row in rows[1]] == ["s3://town/frames", "s3://town/darker"]
    assert rows[0] == [replace(row, path=local.path) for row, local in zip(rows[1], rows[0], strict=True)]


@pytest.mark.usefixtures("s3")
def test_a_folder_of_the_store_with_nothing_to_measure_is_named() -> None:
    empty = brought(Store("s3://town/nothing"), "train")
    with pytest.raises(HflowError, match="s3://town/nothing has no shards"), empty:
        pass
