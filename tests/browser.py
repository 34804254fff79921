"""A real browser for tests of pages: Debian's Chromium, without network."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

__all__ = ["faults_of_access", "opened", "running_browser", "widths_of_pictures"]


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Chromium, for as long as the block runs; a test is skipped where there is none."""
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("there is no browser: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Browser, path: Path, *, width: int = 1280, scheme: Literal["dark", "light"] = "light"
) -> Iterator[Page]:
    """A page opened from disk, which must ask for nothing else and report no error while the block runs."""
    said: list[str] = []
    asked: list[str] = []
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, has_touch=width < 600, offline=True
    )
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    yield page
    context.close()
    assert said == []
    assert {url for url in asked if not url.startswith("data:")} == {path.as_uri()}


def widths_of_pictures(page: Page) -> list[int]:
    """The width of every picture as it was decoded, 0 for one that was not."""
    widths: list[int] = page.evaluate("[...document.images].map(image => image.naturalWidth)")
    return widths


def faults_of_access(page: Page) -> list[str]:
    """What axe-core finds that keeps people from using the page: contrast, names, order and the like."""
    found: dict[str, Any] = Axe().run(page).response
    return [f"{fault['id']}: {node['html'][:200]}" for fault in found["violations"] for node in fault["nodes"]]
