"""Verdicts come back from a CSV as they were given, by hand or by a spreadsheet, or a line says what is wrong."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hflow.datasets.verdicts import Verdict, read_verdicts, write_verdicts
from hflow.foundation.errors import HflowError

HASH = "0123456789abcdef"
WORDS = st.text(st.characters(exclude_categories=["C"]), max_size=12).map(lambda text: " ".join(text.split()))

KEYS = st.text(st.characters(exclude_categories=["C"]), max_size=12).filter(str.strip)


@given(
    st.lists(
        st.builds(
            Verdict,
            split=st.sampled_from(["train", "val", ""]),
            key=KEYS,
            image=st.sampled_from([HASH, ""]),
            verdict=st.sampled_from(["keep", "reject"]),
            reason=WORDS,
        ),
        unique_by=lambda one: (one.split, one.key, one.image),
    )
)
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, verdicts: list[Verdict]) -> None:
    path = tmp_path_factory.getbasetemp() / "verdicts.csv"
    write_verdicts(path, verdicts)
    assert set(read_verdicts(path)) == set(verdicts)


def _read(folder: Path, text: str) -> list[Verdict]:
    path = folder / "verdicts.csv"
    path.write_bytes(text.encode())
    return list(read_verdicts(path))


def test_a_table_by_hand_needs_no_more_than_key_and_verdict(tmp_path: Path) -> None:
    assert _read(tmp_path, "\ufeffkey,verdict,who\r\na/1,reject,me\r\n") == [Verdict("", "a/1", "", "reject")]


def test_a_verdict_on_a_key_with_spaces_around_it_is_of_that_frame_alone(tmp_path: Path) -> None:
    write_verdicts(
        tmp_path / "verdicts.csv", [Verdict("train", "a ", HASH, "reject"), Verdict("train", "b", "", "keep")]
    )
    verdicts = read_verdicts(tmp_path / "verdicts.csv")
    found = {key: verdicts.of({"split": "train", "key": key, "image_sha256": HASH}) for key in ("a ", "a", " b")}
    assert [one and one.verdict for one in found.values()] == ["reject", None, None]


def test_a_verdict_of_an_image_holds_for_that_image_alone(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.csv"
    path.write_text(f"key,image_sha256,verdict\n1,{HASH * 4},reject\n2,,reject\n")
    verdicts = read_verdicts(path)

    def rejected(key: str, sha256: str) -> bool:
        found = verdicts.of({"split": "val", "key": key, "image_sha256": sha256})
        return found is not None and found.rejects

    assert rejected("1", HASH * 4)
    assert not rejected("1", "f" * 64)
    assert rejected("2", "f" * 64)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no column 'key'"),
        ("key;verdict\n1;keep\n", "has no column 'key'.*with commas between"),
        ("key,verdict\n1,rejct\n", "line 2: the verdict is 'rejct': write keep or reject"),
        ("key,verdict\n,keep\n", "line 2: no key"),
        ("key,verdict,image_sha256\n1,keep,abc\n", "line 2: image_sha256 is 'abc'"),
        ("key,verdict\n1,keep\n1,reject\n", "says keep of '1' in line 2 and reject in line 3"),
    ],
)
def test_what_is_no_verdict_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(HflowError, match=said):
        _read(tmp_path, text)


def test_a_file_that_is_missing_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(HflowError, match=r"verdicts\.csv is missing: `hflow review`"):
        read_verdicts(tmp_path / "verdicts.csv")
    (tmp_path / "verdicts.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HflowError, match="save it as CSV in UTF-8"):
        read_verdicts(tmp_path / "verdicts.csv")
