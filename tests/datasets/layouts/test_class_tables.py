"""Tables of classes: both forms of a line, what is refused, and those that ship with hflow."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hflow.datasets.layouts.class_tables import read_class_table
from hflow.datasets.layouts.label_colours import ids_of_colours
from hflow.foundation.errors import HflowError
from hflow.foundation.labels import CITYSCAPES, TRAIN_CLASSES, cityscapes_ids, ids_to_colours
from hflow.presets.classes import shipped_tables
from tests.pictures import street_ids

NAMES = st.text("abcdefghij ", min_size=1, max_size=8).map(lambda name: f"a{name}b")
BYTES = st.integers(0, 255)


@given(st.dictionaries(BYTES, NAMES, min_size=1))
def test_a_line_of_an_id_and_its_class(tmp_path_factory: pytest.TempPathFactory, names: dict[int, str]) -> None:
    path = tmp_path_factory.mktemp("table") / "classes.yaml"
    path.write_text("".join(f"{raw_id}: {name}\n" for raw_id, name in names.items()))
    assert read_class_table(path).names == names


@given(st.dictionaries(NAMES, st.tuples(BYTES, st.tuples(BYTES, BYTES, BYTES)), min_size=1, max_size=6))
def test_a_line_of_a_class_with_its_ids_and_colours(
    tmp_path_factory: pytest.TempPathFactory, classes: dict[str, tuple[int, tuple[int, int, int]]]
) -> None:
    path = tmp_path_factory.mktemp("table") / "classes.yaml"
    path.write_text("".join(f"{n}: {{ids: [{i}], colours: [{list(c)}]}}\n" for n, (i, c) in classes.items()))
    ids, colours = ({value[part] for value in classes.values()} for part in (0, 1))
    if len(ids) == len(colours) == len(classes):
        table = read_class_table(path)
        assert table.names == {raw_id: name for name, (raw_id, _) in classes.items()}
        assert table.colours == {colour: raw_id for raw_id, colour in classes.values()}
    else:
        with pytest.raises(HflowError, match="alone"):
            read_class_table(path)


def test_a_class_without_ids_gets_a_free_one(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("0: sky\nroad: {colours: [[1, 2, 3], [4, 5, 6]]}\ncar: {colours: [[7, 8, 9]]}\n")
    table = read_class_table(tmp_path / "c.yaml")
    assert table.names == {0: "sky", 1: "road", 2: "car"}
    assert table.colours == {(1, 2, 3): 1, (4, 5, 6): 1, (7, 8, 9): 2}


@pytest.mark.parametrize(
    "text",
    [
        "- road",
        "300: road",
        "road: 7",
        "road: {id: [7]}",
        "road: {ids: [7], colours: [[1, 2]]}",
        "",
        "{a",
        "7: [road]",
        "7: 2001-99-99",
    ],
)
def test_what_is_of_neither_form_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "classes.yaml").write_text(text)
    with pytest.raises(HflowError, match=r"classes\.yaml"):
        read_class_table(tmp_path / "classes.yaml")


@pytest.mark.parametrize("text", ["road: {ids: 7}", "road: {ids: [7], colours: [7]}", "true: road", "7: road\n7: car"])
def test_no_line_gives_a_traceback(tmp_path: Path, text: str) -> None:
    (tmp_path / "classes.yaml").write_text(text)
    with contextlib.suppress(HflowError):
        read_class_table(tmp_path / "classes.yaml")


def test_the_shipped_table_of_cityscapes_is_that_of_the_labels() -> None:
    table = read_class_table("cityscapes")
    assert table.names == cityscapes_ids()
    ids = street_ids(0)
    assert (ids_of_colours(ids_to_colours(ids), table.colours) == ids).all()
    assert all(table.colours.get(c.colour) == c.id for c in CITYSCAPES if c.train_id != 255)


@pytest.mark.parametrize("name", shipped_tables())
def test_shipped_tables_name_their_classes_as_cityscapes_does(name: str) -> None:
    known = set(read_class_table(name).names.values())
    without = {"carla-0.9.13": {"rider", "truck", "bus", "train", "motorcycle", "bicycle"}}
    assert set(TRAIN_CLASSES) - known == without.get(name, set())
