"""params.yaml: presets are valid, and every fault is named."""

from pathlib import Path

import pytest
import yaml

from hflow.commands.project import write_params
from hflow.foundation.errors import HflowError
from hflow.foundation.params import Params, SegmentParams, TranslateParams, check_section, load_params
from hflow.presets import preset_names, preset_text

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_is_a_valid_params_yaml(name: str, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(preset_text(name))
    load_params(tmp_path / "params.yaml")


def test_the_default_is_the_town() -> None:
    assert (ROOT / "params.yaml").read_text() == preset_text("town")


def test_the_papers_setting_is_the_papers() -> None:
    values = yaml.safe_load(preset_text("gta2cityscapes"))
    assert values["prepare"]["size"] == [512, 256]
    layers = ["relu1_1", "relu2_1", "relu3_1"]
    paper = {"lambda_style": 0.1, "k": 0.8, "std_weight": 1.0, "bands": 1, "style_layers": layers}
    assert values["loss"] == paper | {
        "regions": "none",
        "target_labels": None,
        "source_labels": None,
        "colour": 0,
        "detail": 0,
        "label_threshold": 0.9,
    }
    assert values["model"] == {"variant": "hf", "guide": 0, "adain": "every", "correction": "none"}
    assert values["encoder"]["name"] == "vgg19"
    training = values["train"]
    assert (training["steps"], training["batch_size"], training["crop"]) == (300_000, 1, [256, 256])
    assert (training["learning_rate"], training["rise"], training["warm_up"]) == (1e-5, 0, 0)
    assert not training["fit"]
    assert not training["returning_clamp"]


def test_art_differs_from_the_papers_streets_in_what_the_paper_says_of_it_alone() -> None:
    streets, art = (yaml.safe_load(preset_text(name)) for name in ("gta2cityscapes", "art"))
    assert (art["prepare"]["size"], art["model"]["variant"]) == ([400, 300], "hf+")
    assert art["train"] == streets["train"] | {"crop": None}
    assert all(art[section] == streets[section] for section in ("encoder", "loss", "translate"))
    assert art["segment"]["train_on"] == []


FAULTS = {
    "loss.lamda_style": ("lambda_style", "lamda_style"),
    "loss.k": ("k: 1.0", "k: 1.5"),
    "train.steps": ("steps: 400", "steps: 0"),
    "prepare.fit": ("fit: crop", "fit: squash"),
    "train.batch_size": ("batch_size: 2 ", "batch_size: two "),
    "extras": ("tracking:", "extras: {}\ntracking:"),
    "segment.train_on": ("train_on: [source", "train_on: [dreams"),
    "baselines.fda_beta": ("fda_beta: 0.05", "fda_beta: 0.6"),
    "data.source.layout": ("layout: gta", "layout: gtav"),
    "translate.style_group": ("style_group: null", "style_group: '('"),
    "translate: sequence": ("sequence: null ", "sequence: a "),
    "train is there twice": ("segment:", "train:\n  steps: 3\nsegment:"),
    "steps is there twice": ("steps: 400", "steps: 100\n  steps: 400"),
    "train.learning_rate": ("learning_rate: 3.0e-4", "learning_rate: .inf"),
    "loss.lambda_style": ("lambda_style: 0.3", "lambda_style: .nan"),
    "loss.std_weight": ("std_weight: 0.5", "std_weight: .inf"),
}


@pytest.mark.parametrize("key", FAULTS)
def test_a_fault_is_named_by_its_key_in_one_line(key: str, tmp_path: Path) -> None:
    old, new = FAULTS[key]
    text = preset_text("town")
    assert old in text
    (tmp_path / "params.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(HflowError, match=key.replace(".", r"\.")) as caught:
        load_params(tmp_path / "params.yaml")
    assert "\n" not in str(caught.value)


def test_further_styles_are_not_copies_of_the_nearest_one() -> None:
    with pytest.raises(
        ValueError, match="nearest 1 leaves a frame one style, and styles is 3: set nearest to 3 or more"
    ):
        TranslateParams(nearest=1, styles=3)
    TranslateParams(nearest=3, styles=3)
    TranslateParams(nearest=1, styles=3, style_group="[a-z]+")


def test_parameters_that_do_not_go_together_are_named(tmp_path: Path) -> None:
    values = yaml.safe_load(preset_text("town"))
    values["translate"] |= {"style_by": "sequence", "nearest": 3}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(HflowError, match="translate: nearest"):
        load_params(tmp_path / "params.yaml")


def test_a_training_set_counts_once() -> None:
    assert SegmentParams(train_on=("fda", "source+fda+target")).train_on == ("fda", "source+fda+target")
    for names in (("fda", "fda"), ("source+fda+source",), ("source+fda", "fda+source"), ("fda+",), ("fda + source",)):
        with pytest.raises(ValueError, match=r"twice|not one of"):
            SegmentParams(train_on=names)


@pytest.mark.parametrize("text", ["", "- a", "a: [", "\x00"])
def test_what_is_no_params_yaml_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(HflowError) as caught:
        load_params(tmp_path / "params.yaml")
    assert "\n" not in str(caught.value)


def test_a_missing_params_yaml_is_named(tmp_path: Path) -> None:
    with pytest.raises(HflowError, match="hflow init"):
        load_params(tmp_path / "params.yaml")


def test_init_writes_the_roots_and_keeps_the_file_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "project/params.yaml"
    roots = {"source": tmp_path / "my frames", "target": tmp_path / "project/my camera"}
    for root in roots.values():
        root.mkdir(parents=True)
    path.write_text("mine: 1\n")
    kept = write_params(path, preset_text("carla2camvid"), **roots)
    data = load_params(path).data
    assert (data.source.root, data.target.root) == (
        roots["source"],
        Path("my camera"),
    )
    assert kept is not None
    assert kept.read_text() == "mine: 1\n"


@pytest.mark.parametrize("place", [None, "truth", "train/truth"])
def test_init_asks_for_truth_only_where_the_frames_have_it(tmp_path: Path, place: str | None) -> None:
    frames = tmp_path / "dark"
    (frames / (place or "images")).mkdir(parents=True)
    write_params(tmp_path / "params.yaml", preset_text("lowlight-small"), source=frames)
    assert load_params(tmp_path / "params.yaml").data.source.truth == (place and "truth")


def test_init_again_keeps_both_files_that_were_there(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("one\n")
    write_params(path, preset_text("town"))
    path.write_text("two\n")
    write_params(path, preset_text("town"))
    assert {p.read_text() for p in tmp_path.glob("params.yaml.bak*")} == {"one\n", "two\n"}


def test_init_refuses_a_root_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(HflowError, match="--source"):
        write_params(tmp_path / "params.yaml", preset_text("town"), source=tmp_path / "none")
    assert not (tmp_path / "params.yaml").exists()


def test_frames_in_further_styles_are_asked_for_before_they_are_trained_on() -> None:
    values = yaml.safe_load(preset_text("town"))
    values["segment"]["train_on"] = ["translated+restyled"]
    with pytest.raises(HflowError, match=r"translate\.styles is 1: set it to 2 or more"):
        check_section(Params, values, "params.yaml")
    values["translate"]["styles"] = 2
    check_section(Params, values, "params.yaml")
