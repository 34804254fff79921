"""A folder that a registered version has translated is told of as an export is, with licences and limits."""

from pathlib import Path

import mlcroissant
import pytest

from hflow.datasets.manifest import MANIFEST
from hflow.foundation.hashes import sha256_file
from hflow.foundation.params import Params, load_params
from hflow.foundation.stores import Store
from hflow.model.store import load_model
from hflow.pipeline import production
from hflow.presets import preset_text
from hflow.registry import produced
from hflow.translation.folder import translate_folder
from tests.models import write_model
from tests.pictures import write_folder
from tests.stores import s3_server

VERSION = "models:/town/1"


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    monkeypatch.chdir(tmp_path)
    given = preset_text("town").replace("layout: gta}", "layout: gta, licence: for research}")
    Path("params.yaml").write_text(given)
    return load_params()


@pytest.mark.parametrize("labels", [True, False])
def test_its_card_has_version_licences_and_limits_and_mlcroissant_reads_its_pictures(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labels: bool
) -> None:
    told: list[str] = []
    monkeypatch.setattr(produced, "note_dataset", lambda _params, _model, place, said: told.extend([place, said]))
    frames, out = write_folder(tmp_path / "frames", 2, labels=labels), tmp_path / "out"
    counts = translate_folder(frames, out, load_model(write_model(tmp_path / "model")), name=VERSION)
    production.note_production(params, VERSION, frames, out, counts)
    version = sha256_file(out / MANIFEST)
    assert told[0] == str(out)
    assert told[1].startswith(f"sha256 {version[:12]}, 2 given, 2 translated, 0 rejected, mean SSIM")
    card, metadata = (out / "README.md").read_text(), (out / "croissant.json").read_text()
    for said in (
        "| all | 2 | 2 | 0 |",
        f"- model: {VERSION}, hash",
        "- frames, frames: for research",
        "- style, data/town/cityscapes: drawn by hflow",
        "## Intended use",
        "No judge has looked at the frames",
        version,
    ):
        assert said in card
    assert str(tmp_path) not in card + metadata
    read = mlcroissant.Dataset(str(out / "croissant.json"))
    assert not read.metadata.ctx.issues.errors
    assert len(list(read.records("frames"))) == 2
    for name in ("images", "labels") if labels else ("images",):
        sizes = {record[f"{name}-records/picture"].size for record in read.records(f"{name}-records")}
        assert sizes == {(48, 24)}


def test_a_dataset_in_a_store_is_told_of_as_one_here_is(
    params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(produced, "note_dataset", lambda _params, _model, place, said: told.extend([place, said]))
    frames, here, model = write_folder(tmp_path / "frames", 2), tmp_path / "out", load_model(write_model(Path("model")))
    with s3_server(tmp_path) as s3:
        s3.use(monkeypatch)
        given, there = Store("s3://town/frames"), Store("s3://town/out")
        given.send([path.relative_to(frames).as_posix() for path in frames.rglob("*.png")], frames)
        for out in (here, there):
            counts = translate_folder(given, out, model, name=VERSION)
            production.note_production(params, VERSION, given, out, counts)
        found = s3.content("out")
    for name in ("README.md", "croissant.json"):
        assert found[name] == (here / name).read_bytes()
    assert b"- frames, s3://town/frames: for research" in found["README.md"]
    assert told == [str(here), told[1], "s3://town/out", told[1]]
