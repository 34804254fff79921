"""The report works in a browser: sliders by mouse, finger and keyboard, labels, narrow and dark screens, print."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from hflow.metrics.closeness import Closeness
from hflow.reports.evaluation_results import Evaluation, Rejected
from hflow.reports.truth import TruthScores
from tests.browser import faults_of_access, opened, running_browser, widths_of_pictures
from tests.evaluations import CLASSES, an_evaluation, bare, example, score, written


@pytest.fixture
def evaluation() -> Evaluation:
    return an_evaluation()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, evaluation: Evaluation, tmp_path: Path) -> Iterator[Page]:
    written(evaluation, tmp_path)
    with opened(browser, tmp_path / "index.html") as page:
        yield page


def _parting(page: Page) -> float:
    """Where the first pair of pictures parts, in percent from the left."""
    shape = page.evaluate("getComputedStyle(document.querySelector('.over')).clipPath")
    return float(re.findall(r"([\d.]+)%", shape)[-1])


def test_the_page_opens_from_disk_with_every_picture(page: Page) -> None:
    widths = widths_of_pictures(page)
    # Frames with their label and style, a camera image with its label and two predictions, the sheet of training.
    assert len(widths) == 11 * 4 + 4 + 1
    assert min(widths) > 0


def test_the_slider_moves_by_keyboard_and_parts_the_pictures_there(page: Page) -> None:
    slider = page.locator(".compare input").first
    assert _parting(page) == 50
    slider.press("ArrowRight")
    slider.press("ArrowRight")
    assert _parting(page) == 54
    assert slider.get_attribute("aria-valuetext") == "54% source"
    slider.press("Home")
    assert _parting(page) == 0


def test_the_slider_follows_the_mouse(page: Page) -> None:
    page.locator(".compare").first.scroll_into_view_if_needed()
    box = page.locator(".compare").first.bounding_box()
    assert box
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 20)
    page.mouse.down()
    assert _parting(page) == pytest.approx(80, abs=2)
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 20, steps=3)
    assert _parting(page) == pytest.approx(30, abs=2)
    page.mouse.up()


def test_the_slider_follows_a_finger(browser: Browser, evaluation: Evaluation, tmp_path: Path) -> None:
    written(evaluation, tmp_path)
    with opened(browser, tmp_path / "index.html", width=360) as page:
        page.locator(".compare").first.scroll_into_view_if_needed()
        box = page.locator(".compare").first.bounding_box()
        assert box
        finger = page.context.new_cdp_session(page)
        places = [("touchStart", 0.5), ("touchMove", 0.6), ("touchMove", 0.7), ("touchMove", 0.8)]
        for kind, share in places:
            point = {"x": box["x"] + share * box["width"], "y": box["y"] + box["height"] / 2}
            finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
        finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        assert _parting(page) == pytest.approx(80, abs=4)


def test_labels_are_shown_on_demand(page: Page) -> None:
    label = page.locator(".label").first
    assert not label.is_visible()
    page.check("#labels")
    assert label.is_visible()
    assert page.locator(".legend").first.inner_text().split() == " ".join(CLASSES).split()


@pytest.mark.parametrize("lacking", [False, True])
def test_nothing_overflows_a_narrow_screen(
    browser: Browser, evaluation: Evaluation, tmp_path: Path, lacking: bool
) -> None:
    long = replace(
        evaluation,
        rejections=[Rejected("train", "images/" + "x" * 200, "label missing")],
        scores={name: score(name, 0.5, 2) for name in ("source", "translated", "histogram", "translated+target")},
    )
    written(bare(evaluation) if lacking else long, tmp_path)
    with opened(browser, tmp_path / "index.html", width=360) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_has_no_fault_of_access(
    browser: Browser, evaluation: Evaluation, tmp_path: Path, scheme: Literal["light", "dark"], width: int
) -> None:
    written(evaluation, tmp_path)
    with opened(browser, tmp_path / "index.html", width=width, scheme=scheme) as page:
        page.check("#labels")
        assert faults_of_access(page) == []


def test_dark_and_light_differ_and_print_is_light(browser: Browser, evaluation: Evaluation, tmp_path: Path) -> None:
    written(evaluation, tmp_path)
    colour = "getComputedStyle(document.body).backgroundColor"
    with opened(browser, tmp_path / "index.html", scheme="dark") as page:
        dark = page.evaluate(colour)
        page.emulate_media(color_scheme="light")
        assert page.evaluate(colour) != dark
        page.emulate_media(color_scheme="dark", media="print")
        assert page.evaluate(colour) == "rgb(255, 255, 255)"


def test_print_shows_both_pictures_side_by_side(page: Page) -> None:
    page.emulate_media(media="print")
    boxes = [image.bounding_box() for image in page.locator(".compare").first.locator("img:not(.label)").all()]
    before, after = (box for box in boxes if box)
    assert before["x"] + before["width"] <= after["x"]
    assert before["y"] == after["y"]
    assert page.evaluate("getComputedStyle(document.querySelector('.over')).clipPath") == "none"
    assert page.pdf().startswith(b"%PDF")


def test_frames_with_truth_part_at_two_places(browser: Browser, evaluation: Evaluation, tmp_path: Path) -> None:
    truth = TruthScores("all", 1, Closeness(8.0, 0.2, 0.5), Closeness(17.0, 0.7, 0.3), 1, [])
    shown = [example(i, truth=example(i).source // 2) for i in range(4)]
    written(replace(evaluation, truth=truth, examples=shown), tmp_path)
    with opened(browser, tmp_path / "index.html") as page:
        first, second = page.locator(".three").first.locator("input").all()
        assert (_cuts(page, ".over"), _cuts(page, ".beyond")) == ([33], [67])  # right and left alike
        second.press("ArrowRight")
        second.press("ArrowRight")
        first.press("ArrowLeft")
        assert (_cuts(page, ".over"), _cuts(page, ".beyond")) == ([31, 32], [69])
        box = page.locator(".three").first.bounding_box()
        assert box
        page.mouse.move(box["x"] + 0.69 * box["width"], box["y"] + 20)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 20, steps=3)
        page.mouse.up()
        assert _cuts(page, ".beyond")[0] == pytest.approx(90, abs=2)
        assert _cuts(page, ".over")[-1] == 32
        assert faults_of_access(page) == []
        page.emulate_media(media="print")
        boxes = [image.bounding_box() for image in page.locator(".three").first.locator("img:not(.label)").all()]
        before, after, truth_box = (box for box in boxes if box)
        assert before["x"] + before["width"] <= after["x"]
        assert after["x"] + after["width"] <= truth_box["x"]
        assert before["y"] == truth_box["y"]


def _cuts(page: Page, picture: str) -> list[float]:
    """Where a frame's picture of three is cut, in percent of its sides that are cut."""
    shape = page.evaluate(f"getComputedStyle(document.querySelector('.three {picture}')).clipPath")
    return [float(value) for value in re.findall(r"([\d.]+)%", shape) if float(value)]
