"""Whatever users call their classes and sets, MLflow takes a name for it, and each has one of its own."""

import string

from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name, _validate_model_version_tag

from hflow.registry.names import legal_names

NAMES = st.lists(st.text(min_size=1) | st.text("./ _(a", min_size=1, max_size=4) | st.text("a/", min_size=249))


@given(NAMES)
@example(["a (b)", "a _b_", "a [b]", "..", "./a", "/a", "a//b", "x" * 300, "x" * 301, "Straße", "car\n"])
def test_mlflow_takes_every_name_and_no_two_become_one(names: list[str]) -> None:
    legal = legal_names(names)
    assert legal.keys() == set(names)
    assert len(set(legal.values())) == len(legal)
    for name in legal.values():
        _validate_metric_name(name)
        _validate_model_version_tag(name, "")


@given(st.lists(st.text(string.ascii_letters + "äß09_- :", min_size=1, max_size=20)))
def test_a_legal_name_stays(names: list[str]) -> None:
    assert legal_names(names) == {name: name for name in names}


def test_names_of_labels_and_sets_stay_readable() -> None:
    names = ["IoU/car (parked)", "IoU/person, rider", "mIoU.translated+target"]
    assert list(legal_names(names).values()) == ["IoU/car _parked_", "IoU/person_ rider", "mIoU.translated_target"]
