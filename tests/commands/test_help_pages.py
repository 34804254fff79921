"""An error names the page of the documentation that helps, and the page is there."""

import re
from pathlib import Path

import pytest
from markdown.extensions.toc import slugify

from hflow.commands.help_pages import PAGES, with_page
from hflow.foundation.errors import HflowError, NoRoomError
from hflow.foundation.params import load_params

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("place", PAGES.values())
def test_every_page_and_heading_that_is_named_exists(place: str) -> None:
    page, _, heading = place.partition("#")
    text = (ROOT / page).read_text(encoding="utf-8")
    headings = {slugify(title, "-") for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
    assert not heading or heading in headings


def test_an_error_names_the_page_of_its_kind_and_one_of_no_kind_none(tmp_path: Path) -> None:
    params = (ROOT / "params.yaml").read_text().replace("steps:", "stpes:")
    (tmp_path / "params.yaml").write_text(params)
    with pytest.raises(HflowError) as raised:
        load_params(tmp_path / "params.yaml")
    assert with_page(raised.value).endswith("; see docs/reference/params.md")
    assert with_page(NoRoomError("the disk is full")) == "the disk is full; see docs/how-to/operations.md#disks"
    assert with_page(HflowError("else")) == "else"
