"""Counts in messages."""

import pytest

from inweights.wording import counted


@pytest.mark.parametrize(("count", "text"), [(0, "0 pieces"), (1, "1 piece"), (1200, "1,200 pieces")])
def test_one_of_a_thing_is_in_the_singular(count, text):
    assert counted(count, "piece") == text
