"""Counts, durations and sizes in messages."""

import pytest

from inweights.wording import about, counted, duration, size


@pytest.mark.parametrize(("count", "text"), [(0, "0 pieces"), (1, "1 piece"), (1200, "1,200 pieces")])
def test_one_of_a_thing_is_in_the_singular(count, text):
    assert counted(count, "piece") == text


def test_durations_and_sizes_are_in_the_unit_that_people_would_take():
    assert [duration(each) for each in (0.01025, 40, 750, 11160)] == ["10.25 ms", "40.0 s", "12.5 min", "3.1 h"]
    assert [about(each) for each in (40, 180, 11160)] == ["about 40 s", "about 3 min", "about 3.1 h"]
    assert [size(each) for each in (12, 696320, 318.25e6, 2e9)] == ["12 B", "696.32 kB", "318.25 MB", "2.00 GB"]
