"""The reference says what the code says, and leaves nothing out."""

from pathlib import Path

import pytest

from docs.reference.generate import PAGES
from hflow.foundation.params import TRAINING_SETS

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs/reference"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_made_from_the_code_is_up_to_date(name: str) -> None:
    assert (REFERENCE / name).read_text(encoding="utf-8") == PAGES[name](), "run `make reference`"


def test_every_key_of_params_has_a_meaning() -> None:
    rows = [line for line in PAGES["params.md"]().splitlines() if line.startswith("| `")]
    assert rows
    assert not [row for row in rows if row.rstrip("| ").endswith("None")]


def test_the_training_sets_that_can_be_named_are_listed() -> None:
    line = next(line for line in PAGES["params.md"]().splitlines() if line.startswith("| `segment.train_on`"))
    assert all(name in line for name in TRAINING_SETS)


def test_every_package_has_a_page() -> None:
    packages = {path.parent.name for path in (ROOT / "hflow").glob("*/__init__.py")}
    pages = {path.stem: path.read_text(encoding="utf-8") for path in (REFERENCE / "api").glob("*.md")}
    assert {name for name, text in pages.items() if f"::: hflow.{name}\n" in text} == packages
