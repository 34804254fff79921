"""The report is one file that needs nothing else, says what came out, and works in a browser."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from hflow.findings import Evaluation, Example, ModelFacts, Rejected, Score
from hflow.metrics.summary import Gain, Similarity
from hflow.params import TRAINING_SETS, DataParams
from hflow.report import SETS, verdict, write_report
from hflow.timings import Timing
from tests.browser import faults_of_access, opened, running_browser, widths_of_pictures

DATA = DataParams.model_validate(
    {"source": {"root": "sims/town", "layout": "folder"}, "target": {"root": "/store/real", "layout": "cityscapes"}}
)
CLASSES = ["road", "sky", "made up"]
TIMINGS = {
    "translate": Timing(1204, 61.4, "cpu, 2 threads"),
    "segment source": Timing(1600, 7400, "cpu, 2 threads"),
}


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
        versions={"source": "b" * 64, "target": "c" * 64, "translated": "d" * 64},
        similarity={"all": similar, "train": similar},
        translated_with={"seed": ["7"], "precision": ["bf16"], "backend": []},
        histogram=[0, 4, 10, *[1] * 17],
        consistency=Similarity(0.9, 0.4, 0.6, 0.92),
        scores={"source": _score("source", 0.29, 2), "translated": _score("translated", 0.41, 2)},
        gains={"translated": Gain(0.12, 2, (0.05, 0.19))},
        class_gain={"road": 0.12, "sky": 0.0},
        model=ModelFacts(1_017_372, (10, 4), 9, "a" * 64, config),
        curves=[{"step": s, "loss": 3 / s, "content": 0.5, "style": 0.0} for s in range(1, 1000)],
        training_sheet=np.zeros((40, 60, 3), np.uint8),
        examples=[_example(i) for i in range(4)],
        drawn=[_example(4)],
        least_similar=[_example(5)],
        most_similar=[_example(6)],
        least_consistent=[_example(7, consistency=0.4)],
        most_consistent=[_example(8, consistency=0.99)],
    )


def _bare(evaluation: Evaluation) -> Evaluation:
    """A run without scores, labels, styles, curves, rejections, a judge and extremes."""
    return replace(
        evaluation,
        rejected=0,
        rejections=[],
        consistency=None,
        scores={},
        gains={},
        class_gain={},
        model=replace(evaluation.model, config={}),
        curves=[],
        training_sheet=None,
        examples=[_example(0, label=None, style=None)],
        drawn=[],
        least_similar=[],
        most_similar=[],
        least_consistent=[],
        most_consistent=[],
    )


def _written(evaluation: Evaluation, folder: Path) -> str:
    write_report(evaluation, folder / "index.html", data=DATA, timings=TIMINGS)
    return (folder / "index.html").read_text(encoding="utf-8")


def test_every_training_set_is_explained() -> None:
    assert SETS.keys() == set(TRAINING_SETS)


def test_the_verdict_is_one_sentence_with_its_numbers(evaluation: Evaluation) -> None:
    assert verdict(evaluation) == (
        "Training on the translated frames scores mIoU 0.410 on the target's validation images against 0.290 for the "
        "raw frames: +0.120, 2 seeds, paired 95% interval +0.050 to +0.190."
    )


def test_the_verdict_says_so_where_it_may_be_chance(evaluation: Evaluation) -> None:
    alone = verdict(replace(evaluation, gains={"translated": Gain(0.12, 1, None)}))
    assert "+0.120, one seed, which gives no interval, so chance is not ruled out" in alone
    wide = verdict(replace(evaluation, gains={"translated": Gain(-0.02, 2, (-0.09, 0.05))}))
    assert "−0.020, 2 seeds, paired 95% interval −0.090 to +0.050, so chance is not ruled out" in wide


def test_every_training_set_has_its_gain_over_the_raw_frames_and_the_interval(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    gains = {**evaluation.gains, "fda": Gain(0.01, 2, (-0.03, 0.05))}
    page = _written(
        replace(evaluation, scores={**evaluation.scores, "fda": _score("fda", 0.3, 2)}, gains=gains), tmp_path
    )
    shown = re.findall(r"<small>([^<]*) to&nbsp;([^<]*)</small>", page)
    assert shown == [("+0.050", "+0.190"), ("−0.030", "+0.050")]
    assert "the mean over 2 seeds" in page


def test_scores_of_one_seed_say_that_another_might_rank_otherwise(evaluation: Evaluation, tmp_path: Path) -> None:
    scores = {name: _score(name, 0.3, 1) for name in ("source", "translated")}
    page = _written(replace(evaluation, scores=scores, gains={"translated": Gain(0.12, 1, None)}), tmp_path)
    assert "All are of one seed" in page
    assert "to&nbsp;" not in page


def test_the_verdict_names_the_best_of_the_simpler_methods(evaluation: Evaluation) -> None:
    others = {name: _score(name, miou, 2) for name, miou in (("histogram", 0.38), ("fda", 0.43), ("target", 0.7))}
    said = verdict(replace(evaluation, scores={**evaluation.scores, **others}))
    assert said.endswith("; the best of the simpler methods, fda, scores 0.430.")


def test_a_class_s_best_score_is_marked_unless_it_knew_the_target_s_labels(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    page = _written(replace(evaluation, scores={**evaluation.scores, "target": _score("target", 0.7, 2)}), tmp_path)
    # Of road alone: sky is 1 in all sets.
    assert re.findall(r'class="value bar best"[^>]*><span>([^<]*)', page) == ["0.410"]


def test_frames_a_second_are_told_by_stage(evaluation: Evaluation, tmp_path: Path) -> None:
    write_report(evaluation, tmp_path / "index.html", data=DATA, timings=TIMINGS)
    row = r"<th[^>]*>{}</th><td[^>]*>{}</td><td[^>]*>{}</td><td[^>]*>{}</td>"
    page = (tmp_path / "index.html").read_text()
    assert re.search(row.format("translate", "1,204", "1 min 01 s", "19.6"), page)
    assert re.search(row.format("segment source", "1,600", "2 h 03 min", "0.216"), page)
    assert "Together 2 h 04 min." in page
    write_report(evaluation, tmp_path / "index.html", data=DATA)
    assert "Frames a second" not in (tmp_path / "index.html").read_text()


def test_without_a_comparison_the_verdict_says_what_was_made(evaluation: Evaluation) -> None:
    made = "1,204 of 1,205 frames were translated, with a mean SSIM of 0.410 to their source; "
    assert verdict(replace(evaluation, scores={}, gains={})) == made + "no segmenter was trained on them."
    alone = replace(evaluation, scores={"target": _score("target", 0.5, 1)}, gains={})
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


@pytest.mark.parametrize(
    "part",
    [
        *('id="scores"', 'id="curves"', 'id="rejected"', 'id="labels"', 'id="consistency"'),
        *("Least similar", "Drawn by lot", "in the style of"),
    ],
)
def test_what_a_run_lacks_is_left_out(evaluation: Evaluation, tmp_path: Path, part: str) -> None:
    assert part in _written(evaluation, tmp_path)
    page = _written(_bare(evaluation), tmp_path)
    assert part not in page
    assert 'type="range"' in page


def test_a_failed_write_leaves_the_old_report(evaluation: Evaluation, tmp_path: Path) -> None:
    _written(evaluation, tmp_path)
    with pytest.raises(KeyError):
        _written(replace(evaluation, stats={}), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    assert (tmp_path / "index.html").read_text().rstrip().endswith("</html>")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, evaluation: Evaluation, tmp_path: Path) -> Iterator[Page]:
    _written(evaluation, tmp_path)
    with opened(browser, tmp_path / "index.html") as page:
        yield page


def _parting(page: Page) -> float:
    """Where the first pair of pictures parts, in percent from the left."""
    shape = page.evaluate("getComputedStyle(document.querySelector('.over')).clipPath")
    return float(re.findall(r"([\d.]+)%", shape)[-1])


def test_the_page_opens_from_disk_with_every_picture(page: Page) -> None:
    widths = widths_of_pictures(page)
    assert len(widths) == 9 * 4 + 1
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
    _written(evaluation, tmp_path)
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
    assert page.locator(".legend").inner_text().split() == " ".join(CLASSES).split()


@pytest.mark.parametrize("bare", [False, True])
def test_nothing_overflows_a_narrow_screen(
    browser: Browser, evaluation: Evaluation, tmp_path: Path, bare: bool
) -> None:
    long = replace(
        evaluation,
        rejections=[Rejected("train", "images/" + "x" * 200, "label missing")],
        scores={name: _score(name, 0.5, 2) for name in ("source", "translated", "histogram", "translated+target")},
    )
    _written(_bare(evaluation) if bare else long, tmp_path)
    with opened(browser, tmp_path / "index.html", width=360) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_has_no_fault_of_access(
    browser: Browser, evaluation: Evaluation, tmp_path: Path, scheme: Literal["light", "dark"], width: int
) -> None:
    _written(evaluation, tmp_path)
    with opened(browser, tmp_path / "index.html", width=width, scheme=scheme) as page:
        page.check("#labels")
        assert faults_of_access(page) == []


def test_dark_and_light_differ_and_print_is_light(browser: Browser, evaluation: Evaluation, tmp_path: Path) -> None:
    _written(evaluation, tmp_path)
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
