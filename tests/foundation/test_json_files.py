"""Whatever is wrong with a JSON file is said in one line that names it and what to do."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hflow.foundation.atomic_files import write_json
from hflow.foundation.errors import HflowError
from hflow.foundation.json_files import read_json

JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.dictionaries(st.text(), v))


@given(value=st.dictionaries(st.text(), JSON))
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, value: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("json") / "stats.json"
    write_json(path, value)
    assert read_json(path) == value


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is missing: run `hflow prepare`"),
        (b"{", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[1]", "holds no mapping: run `hflow prepare` again"),
    ],
)
def test_another_file_is_refused_by_name(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "stats.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(HflowError, match=said) as caught:
        read_json(path, made_by="run `hflow prepare`")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HflowError, match="can't be read"):
        read_json(tmp_path)
