"""What the report says of realism is what was measured."""

from dataclasses import replace

import numpy as np
import pytest

from hflow.reports.realism import Measure, Reading
from hflow.reports.realism_parts import confusion_table, realism_line
from tests.evaluations import CLASSES, an_evaluation


@pytest.mark.parametrize(
    ("measures", "said"),
    [
        ([], ""),
        ([Measure("KID", 0.04, 0.03, False)], "None of the measures is bad: KID."),
        (
            [Measure("invented detail", 0.4, 4.2, True), Measure("FCN score", 0.3, 0.4, False)],
            "Bad: invented detail (4.2, above 3.3). Not bad: FCN score.",
        ),
        (
            [Measure("FCN score", 0.31, 0.2, True), Measure("KID", 0.02, 0.03, True)],
            "Bad: FCN score (0.200, raw frames 0.310); KID (30.0, raw frames 20.0). No measure is good.",
        ),
    ],
)
def test_one_line_says_which_measure_is_bad(measures: list[Measure], said: str) -> None:
    assert realism_line(replace(an_evaluation().realism, measures=measures)) == said


def test_a_row_of_the_confusion_is_in_shares_of_its_label() -> None:
    raw, translated = np.diag([10, 10, 0]), np.array([[60, 20, 0], [0, 5, 0], [0, 0, 0]])
    table = confusion_table(Reading("the judge", raw, translated), CLASSES)
    assert table is not None
    assert table["names"] == ["road", "sky"]
    assert [[cell["share"] for cell in row["cells"]] for row in table["rows"]] == [[0.75, 0.25], [0.0, 1.0]]
    assert table["most"] == "road as sky (25% of road, in raw frames 0%)"
