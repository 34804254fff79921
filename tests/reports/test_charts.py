"""Drawings of numbers: curves lie within their panel, whatever the values, with a few round numbers beside them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hflow.reports.charts import MARGIN, PANEL, learning_curve

VALUES = st.lists(st.floats(-1e6, 1e6).filter(lambda v: v == 0 or abs(v) > 1e-6), min_size=1, max_size=400)


@given(VALUES, st.booleans())
def test_a_curve_lies_within_its_panel(values: list[float], logarithmic: bool) -> None:
    points = [{"step": float(step), "v": value} for step, value in enumerate(values)]
    panel = learning_curve(points, "v", "", logarithmic=logarithmic)
    for x, y in (pair.split(",") for pair in panel["points"].split()):
        assert MARGIN["left"] <= float(x) <= PANEL[0] - MARGIN["right"]
        assert MARGIN["top"] - 0.1 <= float(y) <= PANEL[1] - MARGIN["bottom"] + 0.1
    assert all(MARGIN["top"] - 0.1 <= y <= PANEL[1] - MARGIN["bottom"] + 0.1 for y, _ in panel["ticks"])
    assert len(panel["ticks"]) <= 7


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [(-0.01, 0.03, ["-0.01", "0", "0.01", "0.02", "0.03"]), (4.0, 16.0, ["5", "7.5", "10", "12.5", "15"])],
)
def test_measures_have_even_ticks(low: float, high: float, wanted: list[str]) -> None:
    points = [{"step": 0.0, "v": low}, {"step": 1.0, "v": high}]
    assert [text for _, text in learning_curve(points, "v", "", logarithmic=False)["ticks"]] == wanted
