"""The report is one file that needs nothing else, says what came out, and works in a browser."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from hflow.findings import Evaluation, Example, ModelFacts, Rejected, Score
from hflow.metrics.summary import Gain, Similarity
from hflow.params import TRAINING_SETS, DataParams
from hflow.report import SETS, verdict, write_report

DATA = DataParams.model_validate(
    {"source": {"root": "sims/town", "layout": "folder"}, "target": {"root": "/store/real", "layout": "cityscapes"}}
)
CLASSES = ["road", "sky", "made up"]


def _example(number: int, **changes: Any) -> Example:
    random = np.random.default_rng(number)
    source = np.broadcast_to(random.integers(0, 256, (1, 64, 3), np.uint8), (32, 64, 3))
    label = np.full((32, 64), 255, np.uint8)
    label[:16] = number % 3
    example = Example(
        key=f"frame-{number}",
        split="train",
        style_key="t0",
        ssim=number / 10,
        source=source,
        translated=255 - source,
        label=label,
        style=source[:16],
    )
    return replace(example, **changes)


def _score(name: str, miou: float, seeds: int) -> Score:
    iou = {"road": miou, "sky": 1.0, "made up": None}
    protocol = {"steps": 200, "batch_size": 8, "learning_rate": 0.002, "weights": "none", "validation_frames": 6}
    return Score(name, miou, 0.7, 0.5, iou, dict.fromkeys(range(seeds), miou), protocol)


@pytest.fixture
def evaluation() -> Evaluation:
    similar = Similarity(0.41, 0.1, 0.15, 0.4)
    config = {
        "size": None,
        "encoder": {"name": "vgg16", "scales": [1.0]},
        "loss": {"lambda_style": 0.1, "k": 0.8, "style_layers": ["relu1_1", "relu2_1"]},
        "train": {"steps": 300, "batch_size": 2, "learning_rate": 0.001, "crop": [96, 64], "seed": 0},
    }
    return Evaluation(
        given=1205,
        translated=1204,
        rejected=1,
        rejections=[Rejected("train", "images/<b>.png", "is of one colour")],
        sizes=((64, 32), (64, 32)),
        stats={
            "classes": CLASSES,
            "source/train": {"given": 1205, "prepared": 1204, "rejected": 1, "labelled": True},
            "target/train": {"given": 9, "prepared": 9, "rejected": 0, "labelled": False},
        },
        similarity={"all": similar, "train": similar},
        histogram=[0, 4, 10, *[1] * 17],
        scores={"source": _score("source", 0.29, 2), "translated": _score("translated", 0.41, 2)},
        gain=Gain(0.12, 2, (0.05, 0.19)),
        model=ModelFacts(1_017_372, (10, 4), 9, "a" * 64, config),
        curves=[{"step": s, "loss": 3 / s, "content": 0.5, "style": 0.0} for s in range(1, 1000)],
        training_sheet=np.zeros((40, 60, 3), np.uint8),
        examples=[_example(i) for i in range(4)],
        least_similar=[_example(5)],
        most_similar=[_example(6)],
    )


def _bare(evaluation: Evaluation) -> Evaluation:
    """A run without scores, labels, styles, curves, rejections and extremes."""
    return replace(
        evaluation,
        rejected=0,
        rejections=[],
        scores={},
        gain=None,
        model=replace(evaluation.model, config={}),
        curves=[],
        training_sheet=None,
        examples=[_example(0, label=None, style=None)],
        least_similar=[],
        most_similar=[],
    )


def _written(evaluation: Evaluation, folder: Path) -> str:
    write_report(evaluation, folder / "index.html", data=DATA)
    return (folder / "index.html").read_text(encoding="utf-8")


def test_every_training_set_is_explained() -> None:
    assert SETS.keys() == set(TRAINING_SETS)


def test_the_verdict_is_one_sentence_with_its_numbers(evaluation: Evaluation) -> None:
    assert verdict(evaluation) == (
        "Training on the translated frames scores mIoU 0.410 on the target's validation images against 0.290 for the "
        "raw frames: +0.120, 2 seeds, 95% interval +0.050 to +0.190."
    )


def test_the_verdict_says_so_where_it_may_be_chance(evaluation: Evaluation) -> None:
    assert "one seed, so chance is not ruled out" in verdict(replace(evaluation, gain=Gain(0.12, 1, None)))
    wide = verdict(replace(evaluation, gain=Gain(-0.02, 2, (-0.09, 0.05))))
    assert "−0.020, 2 seeds, 95% interval −0.090 to +0.050, so chance is not ruled out" in wide


def test_without_a_comparison_the_verdict_says_what_was_made(evaluation: Evaluation) -> None:
    made = "1,204 of 1,205 frames were translated, with a mean SSIM of 0.410 to their source; "
    assert verdict(replace(evaluation, scores={}, gain=None)) == made + "no segmenter was trained on them."
    alone = replace(evaluation, scores={"target": _score("target", 0.5, 1)}, gain=None)
    assert verdict(alone) == made + "training on the target's own training images scores mIoU 0.500."


def test_the_page_refers_to_nothing_outside_itself(evaluation: Evaluation, tmp_path: Path) -> None:
    page = _written(evaluation, tmp_path)
    assert not re.findall(r"https?://|@import|url\(|<link(?! rel=\"icon\" href=\"data:,\")|<script src", page)
    assert all(source.startswith("data:image/") for source in re.findall(r'src="([^"]*)"', page))


def test_names_of_frames_are_text_and_not_markup(evaluation: Evaluation, tmp_path: Path) -> None:
    key = '"><script>alert(1)</script>'
    page = _written(replace(evaluation, examples=[_example(0, key=key, style_key=key)]), tmp_path)
    assert "<script>alert" not in page
    assert "images/&lt;b&gt;.png" in page


def test_the_same_evaluation_gives_the_same_bytes(evaluation: Evaluation, tmp_path: Path) -> None:
    assert _written(evaluation, tmp_path) == _written(evaluation, tmp_path)


def test_a_path_of_this_machine_alone_is_not_shown(evaluation: Evaluation, tmp_path: Path) -> None:
    page = _written(evaluation, tmp_path)
    assert "sims/town (folder)" in page
    assert "real (cityscapes)" in page
    assert "/store" not in page


def test_many_large_frames_make_a_page_under_10_mb(evaluation: Evaluation, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (280, 560, 3), np.uint8)
    label = noise[..., 0] % 19
    frame = _example(0, source=noise, translated=noise[::-1], label=label, style=noise)
    many = replace(
        evaluation, stats={**evaluation.stats, "classes": [f"class {i}" for i in range(19)]}, examples=[frame] * 50
    )
    _written(many, tmp_path)
    assert (tmp_path / "index.html").stat().st_size < 10_000_000


def test_only_the_first_100_rejections_are_listed(evaluation: Evaluation, tmp_path: Path) -> None:
    rejections = [Rejected("train", f"images/{i}.png", "label missing") for i in range(105)]
    page = _written(replace(evaluation, rejected=105, rejections=rejections), tmp_path)
    assert page.count("label missing") == 100
    assert "the first 100 of them" in page


def test_what_a_run_lacks_is_left_out(evaluation: Evaluation, tmp_path: Path) -> None:
    page = _written(_bare(evaluation), tmp_path)
    for part in ('id="scores"', 'id="curves"', 'id="rejected"', 'id="labels"', "Least similar", "in the style of"):
        assert part not in page
    assert 'type="range"' in page


def test_a_failed_write_leaves_the_old_report(evaluation: Evaluation, tmp_path: Path) -> None:
    _written(evaluation, tmp_path)
    with pytest.raises(KeyError):
        _written(replace(evaluation, stats={}), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    assert (tmp_path / "index.html").read_text().rstrip().endswith("</html>")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("there is no browser: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    switches = "headless=new no-sandbox disable-gpu no-first-run disable-background-networking"
    switches += f" disable-component-update disable-sync user-data-dir={tmp_path_factory.mktemp('profile')}"
    for switch in switches.split():
        options.add_argument(f"--{switch}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    yield chrome
    chrome.quit()


def _open(browser: webdriver.Chrome, evaluation: Evaluation, folder: Path, width: int) -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    for log in ("browser", "performance"):
        browser.get_log(log)
    _written(evaluation, folder)
    browser.get((folder / "index.html").as_uri())


def test_the_page_opens_from_disk_with_every_picture_and_no_error(
    browser: webdriver.Chrome, evaluation: Evaluation, tmp_path: Path
) -> None:
    _open(browser, evaluation, tmp_path, 1280)
    widths = browser.execute_script("return [...document.images].map(image => image.naturalWidth)")
    assert len(widths) == 6 * 4 + 1
    assert min(widths) > 0
    assert browser.get_log("browser") == []
    requested = re.findall(r'"requestWillBeSent".*?"url":"(\w+):', str(browser.get_log("performance")))
    assert set(requested) <= {"file", "data"}


def test_the_slider_moves_by_keyboard_and_parts_the_pictures_there(
    browser: webdriver.Chrome, evaluation: Evaluation, tmp_path: Path
) -> None:
    _open(browser, evaluation, tmp_path, 1280)
    slider = browser.find_element(By.CSS_SELECTOR, ".compare input")
    parting = "return getComputedStyle(document.querySelector('.over')).clipPath"
    assert "50%" in browser.execute_script(parting)
    slider.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert "54%" in browser.execute_script(parting)
    assert slider.get_attribute("aria-valuetext") == "54% source"
    slider.send_keys(Keys.HOME)
    assert slider.get_attribute("value") == "0"


def test_the_slider_moves_to_where_it_is_clicked(
    browser: webdriver.Chrome, evaluation: Evaluation, tmp_path: Path
) -> None:
    _open(browser, evaluation, tmp_path, 1280)
    slider = browser.find_element(By.CSS_SELECTOR, ".compare input")
    width = browser.find_element(By.CSS_SELECTOR, ".compare").size["width"]
    webdriver.ActionChains(browser).move_to_element_with_offset(slider, round(0.3 * width), 0).click().perform()
    assert float(slider.get_attribute("value") or 0) == pytest.approx(80, abs=2)


def test_labels_are_shown_on_demand(browser: webdriver.Chrome, evaluation: Evaluation, tmp_path: Path) -> None:
    _open(browser, evaluation, tmp_path, 1280)
    label = browser.find_element(By.CSS_SELECTOR, ".label")
    assert not label.is_displayed()
    browser.find_element(By.ID, "labels").click()
    assert label.is_displayed()
    assert browser.find_element(By.CSS_SELECTOR, ".legend").text.split("\n") == CLASSES


@pytest.mark.parametrize("bare", [False, True])
def test_nothing_overflows_a_narrow_screen(
    browser: webdriver.Chrome, evaluation: Evaluation, tmp_path: Path, bare: bool
) -> None:
    long = replace(evaluation, rejections=[Rejected("train", "images/" + "x" * 200, "label missing")])
    _open(browser, _bare(evaluation) if bare else long, tmp_path, 360)
    assert browser.execute_script("return document.documentElement.scrollWidth") == 360
