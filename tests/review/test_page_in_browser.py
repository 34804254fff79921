"""The page of a review works by keyboard and mouse, keeps what was decided, and its CSV is what translation reads."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from hflow.datasets.verdicts import Verdict, read_verdicts
from hflow.review.page import write_review_page
from tests.browser import faults_of_access, opened, running_browser, widths_of_pictures
from tests.review.conftest import Translated
from tests.review.test_frames import KEYS

DESTINATION = Path("models/given/verdicts.csv")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def place(translated: Translated, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_review_page(translated.review(), tmp_path_factory.mktemp("page"), destination=DESTINATION)


@pytest.fixture
def page(browser: Browser, place: Path) -> Iterator[Page]:
    with opened(browser, place) as page:
        yield page


def _decided(page: Page) -> list[str | None]:
    return [frame.get_attribute("data-verdict") for frame in page.locator(".frame").all()]


def _downloaded(page: Page, folder: Path) -> set[Verdict]:
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename == "verdicts.csv"
    download.value.save_as(folder / "verdicts.csv")
    return set(read_verdicts(folder / "verdicts.csv"))


def test_the_page_opens_from_disk_with_every_picture_and_says_what_it_is(page: Page) -> None:
    widths = widths_of_pictures(page)
    assert len(widths) == 12 * 3
    assert min(widths) > 0
    assert "All 12 frames, the least consistent first." in page.inner_text("header")
    assert [frame.get_attribute("data-key") for frame in page.locator(".frame").all()] == KEYS
    assert page.inner_text("#tally") == "0 of 12 judged: 0 kept, 0 rejected"


def test_keys_keep_reject_with_a_reason_and_go_on(page: Page, translated: Translated, tmp_path: Path) -> None:
    for key in ("k", "n", "R"):
        page.keyboard.press(key)
    page.keyboard.type('the sky, and "knr"')
    page.keyboard.press("Enter")
    page.keyboard.press("k")
    assert _decided(page)[:5] == ["keep", None, "reject", "keep", None]
    assert page.locator("[aria-current]").get_attribute("data-key") == KEYS[4]
    page.keyboard.press("p")
    page.keyboard.press("u")
    assert page.inner_text("#tally") == "2 of 12 judged: 1 kept, 1 rejected"
    image = {row["key"]: row["image_sha256"][:16] for row in translated.review().rows}
    assert _downloaded(page, tmp_path) == {
        Verdict("train", KEYS[0], image[KEYS[0]], "keep"),
        Verdict("train", KEYS[2], image[KEYS[2]], "reject", 'the sky, and "knr"'),
    }


def test_buttons_do_the_same_and_a_second_click_takes_it_back(page: Page) -> None:
    frame = page.locator(".frame").nth(3)
    frame.get_by_role("button", name="Reject").click()
    assert _decided(page)[3] == "reject"
    assert frame.get_by_role("button", name="Reject").get_attribute("aria-pressed") == "true"
    assert frame.get_by_label("Why frame").is_visible()
    frame.get_by_role("button", name="Reject").click()
    assert set(_decided(page)) == {None}
    assert page.locator("#download").get_attribute("aria-disabled") == "true"


def test_keys_can_be_switched_off(page: Page) -> None:
    page.uncheck("#keys")
    page.keyboard.press("k")
    assert set(_decided(page)) == {None}


def test_what_was_decided_is_there_when_the_page_is_opened_again(browser: Browser, place: Path) -> None:
    with opened(browser, place) as page:
        page.keyboard.press("k")
        page.keyboard.press("r")
        page.keyboard.type("grain")
        page.reload()
        assert _decided(page)[:3] == ["keep", "reject", None]
        assert page.locator(".frame").nth(1).get_by_label("Why").input_value() == "grain"
        assert page.locator("[aria-current]").get_attribute("data-key") == KEYS[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_has_no_fault_of_access_and_is_as_wide_as_its_screen(
    browser: Browser, place: Path, scheme: Literal["light", "dark"], width: int
) -> None:
    with opened(browser, place, width=width, scheme=scheme) as page:
        page.keyboard.press("k")
        page.keyboard.press("r")
        assert faults_of_access(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
