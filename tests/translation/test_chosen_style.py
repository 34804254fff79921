"""A style that the user chooses, and how far frames go to it."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from hflow.commands.cli import app
from hflow.datasets.images import encode_png
from hflow.datasets.shards import read_rows, shard_files
from hflow.foundation.errors import HflowError
from hflow.foundation.params import TranslateParams
from hflow.model.store import TrainedModel
from hflow.presets import preset_text
from hflow.translation.chosen_style import with_style
from hflow.translation.folder import translate_folder
from hflow.translation.translator import Translator
from tests.conftest import Project
from tests.pictures import random_picture
from tests.translations import manifest_of, translate

FRAMES = torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(0))


def test_a_key_gives_its_own_code_and_the_average_the_mean_of_all(model: TrainedModel) -> None:
    key = model.styles.keys[2]
    assert torch.equal(with_style(model, key).styles.codes, model.styles.codes[2:3])
    assert torch.allclose(with_style(model, "average").styles.codes, model.styles.codes.mean(dim=0, keepdim=True))
    assert len({m.sha256 for m in (model, with_style(model, key), with_style(model, "average"))}) == 3


def test_a_file_gives_the_code_of_its_picture(model: TrainedModel, tmp_path: Path) -> None:
    pixels = random_picture(0)
    path = tmp_path / "painting.png"
    path.write_bytes(encode_png(pixels))
    image = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        assert torch.allclose(with_style(model, str(path)).styles.codes, model.network.encode_style(image), atol=1e-5)
    before = with_style(model, str(path)).sha256
    path.write_bytes(encode_png(random_picture(1)))
    assert with_style(model, str(path)).sha256 != before


def test_a_style_that_is_neither_is_named(model: TrainedModel, tmp_path: Path) -> None:
    with pytest.raises(HflowError, match=r"no style 'none\.jpg': name an image file, average, or one of the model's 6"):
        with_style(model, "none.jpg")
    (tmp_path / "no.jpg").write_text("no image")
    with pytest.raises(HflowError, match=r"the style .*no\.jpg "):
        with_style(model, str(tmp_path / "no.jpg"))


def test_strength_leads_steadily_from_the_frame_to_its_style(model: TrainedModel) -> None:
    translate = {s / 8: Translator(model, precision="fp32", strength=s / 8)(FRAMES, [0, 0]) for s in range(9)}
    assert torch.equal(translate[1.0], Translator(model, precision="fp32")(FRAMES, [0, 0]))
    assert torch.equal(translate[0.0], FRAMES)
    means = torch.stack([translate[s / 8].mean(dim=(2, 3)) for s in range(9)])  # (9, B, 3)
    assert torch.allclose(means.diff(dim=0), (means[-1] - means[0]) / 8, atol=1e-5)


def test_a_folder_takes_the_chosen_style_and_its_manifest_says_so(model: TrainedModel, tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames/a.png").write_bytes(encode_png(random_picture(0)))
    (tmp_path / "painting.png").write_bytes(encode_png(random_picture(1)))
    chosen = with_style(model, str(tmp_path / "painting.png"))
    pictures = []
    for name, strength in (("whole", 1.0), ("half", 0.5)):
        translate_folder(tmp_path / "frames", tmp_path / name, chosen, strength=strength)
        pictures.append(np.asarray(Image.open(tmp_path / name / "a.png")))
    assert (pictures[0] != pictures[1]).any()
    tables = [pq.read_table(tmp_path / name / "manifest.parquet") for name in ("whole", "half")]
    assert tables[0]["style"].to_pylist() == [str(tmp_path / "painting.png")]
    assert tables[0]["params_fingerprint"] != tables[1]["params_fingerprint"]


def test_the_command_takes_for_each_image_the_style_laid_out_most_like_it_where_the_parameters_say_so(
    project: Project, model_folder: Path, tmp_path: Path
) -> None:
    rows = [row for shard in shard_files(project.prepared / "target/train") for row in read_rows(shard)]
    for row in rows:
        path = tmp_path / "frames" / f"{row['key']}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(row["image"]["bytes"])
    params = tmp_path / "params.yaml"
    params.write_text(preset_text("town").replace("  style: random ", "  style: nearest "))

    def styles(out: str, *options: str) -> dict[str, str]:
        arguments = ["translate", str(tmp_path / "frames"), str(tmp_path / out), "--model", str(model_folder)]
        done = CliRunner().invoke(app, [*arguments, "--device", "cpu", *options])
        assert done.exit_code == 0, done.output
        table = pq.read_table(tmp_path / out / "manifest.parquet")
        return dict(zip(table["key"].to_pylist(), table["style"].to_pylist(), strict=True))

    each = {row["key"]: row["key"] for row in rows}
    assert styles("told", "--params", str(params)) == each
    assert styles("asked", "--style", "nearest") == each
    assert set(styles("other", "--params", str(params), "--style", "average").values()) == {"average"}


def test_a_dataset_takes_the_chosen_style_and_is_the_models_own(
    project: Project, model: TrainedModel, tmp_path: Path
) -> None:
    styles, hashes = {}, {}
    for style, strength in (("random", 1), ("average", 1), (model.styles.keys[1], 1), ("average", 0.5)):
        name = f"{style}{strength}".replace("/", "-")
        translate(project, model, tmp_path / name, sets=_sets(project, tmp_path / name), style=style, strength=strength)
        rows = manifest_of(tmp_path / name).values()
        styles[name], hashes[name] = {row["style"] for row in rows}, {row["image_sha256"] for row in rows}
        assert {row["model_sha256"] for row in rows} == {model.sha256}
    assert [len(found) for found in styles.values()][1:] == [1, 1, 1]
    assert len(styles["random1"]) > 1
    assert not hashes["average1"] & hashes["average0.5"]


def _sets(project: Project, folder: Path) -> Path:
    return Path(shutil.copytree(project.sets, folder / "sets"))


@pytest.mark.parametrize("other", [{"nearest": 2}, {"style_group": "a"}, {"styles": 2}])
def test_one_style_leaves_nothing_to_draw(other: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"is for style random, and style is average"):
        TranslateParams.model_validate({"style": "average", **other})
