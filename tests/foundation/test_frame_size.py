"""A frame that is too small is told from one that is not by its smaller side."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hflow.foundation.errors import HflowError
from hflow.foundation.frame_size import check_frame_size


@given(st.integers(1, 40), st.integers(1, 40))
def test_the_smaller_side_decides(width: int, height: int) -> None:
    if min(width, height) >= 16:
        check_frame_size(width, height)
        return
    with pytest.raises(HflowError, match=f"^is {width}x{height}; the least is 16x16$"):
        check_frame_size(width, height)
